//! Hostile models: whatever a file says, the program answers with a gradient or a message. It does not panic, end,
//! hang, or take memory beyond a multiple of the file.
//!
//! `cargo test --test fuzz` tries a few thousand models, always the same.
//! `ZIGGURAT_FUZZ_MINUTES=30 cargo test --release --test fuzz hostile -- --nocapture` tries every
//! extreme of every model (a quarter of an hour), then others at random for half an hour, and
//! writes those that show something into a folder that it names. `ZIGGURAT_FUZZ_STEP=20` tries
//! every 20th extreme only; `ZIGGURAT_FUZZ_SEED` repeats a campaign. Past findings are in
//! `regressions`.

mod campaign;
#[path = "../gradients/cases/mod.rs"]
#[allow(dead_code, unused_imports)]
mod cases;
mod rng;
#[path = "../gradients/central_differences"]
#[allow(dead_code, unused_imports)]
mod central_differences {
    mod problem;
    pub use problem::{Fill, Problem, random};
}
mod memory;
mod models;
mod mutation;
mod pipeline;
mod regressions;
mod test_case;

use campaign::{keep, run, sweep, until};
use pipeline::Pipeline;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};
use ziggurat::onnx::Types;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// How many models a plain test run tries.
const PASSES_MODELS: usize = 4000;
const END_TO_END_MODELS: usize = 150;
/// A plain run tries every `STEP`-th extreme.
const STEP: usize = 999;

/// The child process that reads models for [`hostile_models_are_survived`].
#[test]
#[ignore = "started by another test"]
fn read_models() {
    campaign::serve();
}

#[test]
fn hostile_models_are_survived() {
    let minutes = std::env::var("ZIGGURAT_FUZZ_MINUTES").ok();
    let found: Vec<usize> = match minutes.map(|minutes| minutes.parse::<f64>()) {
        None => vec![
            record(sweep(Pipeline::Passes, STEP)),
            record(sweep(Pipeline::EndToEnd, STEP)),
            record(run(Pipeline::Passes, 1, |models| models >= PASSES_MODELS)),
            record(run(Pipeline::EndToEnd, 2, |models| {
                models >= END_TO_END_MODELS
            })),
        ],
        Some(Ok(minutes)) => {
            let half = Duration::from_secs_f64(minutes * 30.0);
            let (seed, step) = (seed(), step());
            println!("seed {seed}");
            let long = |pipeline| run(pipeline, seed, until(Instant::now() + half));
            [
                record(sweep(Pipeline::Passes, step)),
                record(sweep(Pipeline::EndToEnd, step)),
                record(long(Pipeline::Passes)),
                record(long(Pipeline::EndToEnd)),
            ]
            .into()
        }
        Some(Err(problem)) => panic!("ZIGGURAT_FUZZ_MINUTES: {problem}"),
    };
    let findings: usize = found.iter().sum();
    assert!(findings == 0, "{findings} findings, listed above");
}

/// Stores and prints the findings of one part of a campaign at once, since the other parts take long. Returns their
/// number.
fn record(summary: campaign::Summary) -> usize {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
    for finding in summary.findings.values() {
        println!("{}", keep(&folder, finding));
    }
    summary.findings.len()
}

/// Of how many extremes a campaign tries one.
fn step() -> usize {
    let asked = std::env::var("ZIGGURAT_FUZZ_STEP").ok();
    let asked = asked.and_then(|step| step.parse().ok());
    asked.filter(|&step| step > 0).unwrap_or(1)
}

/// The requested seed, or one from the clock.
fn seed() -> u64 {
    let asked = std::env::var("ZIGGURAT_FUZZ_SEED").ok();
    let asked = asked.and_then(|seed| seed.parse().ok());
    asked.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.map_or(0, |now| now.as_nanos() as u64)
    })
}

/// Mutating models that are refused unchanged would test little.
#[test]
fn models_to_begin_with_can_be_differentiated() {
    ziggurat::runtime::testing::library();
    let (mut tried, mut refused) = (0, Vec::new());
    for (index, model) in models::all().iter().enumerate().rev().step_by(5) {
        let bytes = prost::Message::encode_to_vec(model);
        let verdict = campaign::judged(Pipeline::EndToEnd, &bytes, &Types::default());
        tried += 1;
        if verdict != campaign::Verdict::Fine(Ok(())) {
            refused.push(format!("model {index}: {verdict:?}"));
        }
    }
    assert!(
        refused.len() * 50 < tried,
        "{} are refused:\n{}",
        refused.len(),
        refused.join("\n")
    );
}
