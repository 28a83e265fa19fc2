//! Hostile models: whatever a file says, the program answers with a gradient or a message. It does not panic, end, hang, or
//! take memory beyond a multiple of the file.
//!
//! `cargo test --test fuzz` tries a few thousand models, always the same. `ZIGGURAT_FUZZ_MINUTES=30 cargo test --release
//! --test fuzz hostile -- --nocapture` tries every extreme of every model (a quarter of an hour), then others at random for
//! half an hour, and writes those that show something into a folder that it names; `ZIGGURAT_FUZZ_SEED` tries the same
//! ones again. What was found is in `found`.

mod campaign;
#[path = "../gradients/cases/mod.rs"]
#[allow(dead_code, unused_imports)]
mod cases;
mod dice;
#[path = "../gradients/finite"]
#[allow(dead_code, unused_imports)]
mod finite {
    mod problem;
    pub use problem::{Fill, Problem, random};
}
mod found;
mod journey;
mod memory;
mod models;
mod mutation;
mod recipe;

use campaign::{keep, run, sweep, until};
use journey::Journey;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// How many models a plain test run tries.
const ALONE: usize = 4000;
const WHOLE: usize = 150;
/// Of the extremes, one in so many.
const STEP: usize = 999;

/// The process that reads models for [`hostile_models_are_survived`]; alone it has nothing to read.
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
            found(sweep(Journey::Alone, STEP)),
            found(sweep(Journey::Whole, STEP)),
            found(run(Journey::Alone, 1, |models| models >= ALONE)),
            found(run(Journey::Whole, 2, |models| models >= WHOLE)),
        ],
        Some(Ok(minutes)) => {
            let half = Duration::from_secs_f64(minutes * 30.0);
            let seed = seed();
            println!("seed {seed}");
            let long = |journey| run(journey, seed, until(Instant::now() + half));
            [
                found(sweep(Journey::Alone, 1)),
                found(sweep(Journey::Whole, 1)),
                found(long(Journey::Alone)),
                found(long(Journey::Whole)),
            ]
            .into()
        }
        Some(Err(problem)) => panic!("ZIGGURAT_FUZZ_MINUTES: {problem}"),
    };
    let findings: usize = found.iter().sum();
    assert!(findings == 0, "{findings} findings, listed above");
}

/// Keeps what a part of a campaign found and says it at once: the other parts take long. Returns how much there is.
fn found(summary: campaign::Summary) -> usize {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
    for finding in summary.findings.values() {
        println!("{}", keep(&folder, finding));
    }
    summary.findings.len()
}

/// The seed that is asked for, or one of its own for every run.
fn seed() -> u64 {
    let asked = std::env::var("ZIGGURAT_FUZZ_SEED").ok();
    let asked = asked.and_then(|seed| seed.parse().ok());
    asked.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.map_or(0, |now| now.as_nanos() as u64)
    })
}

/// Mutation of models that are refused as they are would try little.
#[test]
fn models_to_begin_with_can_be_differentiated() {
    ziggurat::runtime::testing::library();
    let (mut tried, mut refused) = (0, Vec::new());
    for (index, model) in models::all().iter().enumerate().rev().step_by(5) {
        let bytes = prost::Message::encode_to_vec(model);
        let verdict = campaign::judged(Journey::Whole, &bytes, &Default::default());
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
