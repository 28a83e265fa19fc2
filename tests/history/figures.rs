//! How long it takes to list ten thousand runs. For figures worth quoting:
//! `cargo test --release --test history ten_thousand -- --nocapture`.

use super::{History, picture, record};
use std::fs;
use std::time::{Duration, Instant};
use ziggurat::runs::history;
use ziggurat::runs::{EndReason, picture_file};

const RUNS: u64 = 10_000;

/// Far above what is measured anywhere; what is slower than this is broken.
const BOUND: Duration = Duration::from_secs(10);

#[test]
fn ten_thousand_runs_are_listed_in_a_moment() {
    let saved = History::new();
    let folder = saved.home.history();
    let image = picture_file::encode(&picture(1), &record("goose", 1).spec);
    for seed in 0..RUNS {
        // Written directly: `save` waits for the disk each time.
        let run = record(&format!("goose {seed}"), seed);
        let folder = folder.join(&run.id);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("image.png"), &image).unwrap();
        fs::write(
            folder.join("run.json"),
            serde_json::to_vec_pretty(&run).unwrap(),
        )
        .unwrap();
    }
    let mut best = (Duration::MAX, Duration::MAX);
    for _ in 0..5 {
        let start = Instant::now();
        let (mut first, mut count) = (None, 0);
        let scanned = history::scan(&saved.home, &mut |chunk| {
            first.get_or_insert(start.elapsed());
            assert!(chunk.iter().all(|entry| entry.ended == EndReason::Finished));
            count += chunk.len();
        })
        .unwrap();
        let all = start.elapsed();
        assert_eq!((scanned.runs, count), (RUNS as usize, RUNS as usize));
        best = (best.0.min(first.unwrap()), best.1.min(all));
    }
    println!(
        "{RUNS} runs: first chunk after {:.1?}, all after {:.1?}",
        best.0, best.1
    );
    assert!(best.1 < BOUND, "{:?}", best.1);
}
