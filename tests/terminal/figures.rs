//! Speed and cost of the explorer: the figures of the README. Run it on an idle machine: `cargo bench --bench
//! figures`, with a part of a figure's name to measure only that one.
//!
//! The program runs in a pseudo-terminal with an emulated terminal. A figure beyond its limit fails.

#[allow(dead_code, reason = "the tests use the rest")]
mod emulator;
#[allow(dead_code, reason = "the tests use the rest")]
mod fixture;
#[path = "../common/records.rs"]
mod records;
#[path = "../common/sandbox.rs"]
mod sandbox;

use emulator::{Emulator, Kind};
use fixture::{Fixture, QUICK, run_class};
use std::fs;
use std::time::{Duration, Instant};
use ziggurat::onnx::types::{fixed_dims, untyped_value};
use ziggurat::onnx::{Builder, ElementType, file};
use ziggurat::runs::{Record, picture_file};

/// Rows of the longest list.
const ROWS: usize = 100_000;

/// Runs of the longest history.
const RUNS: u64 = 10_000;

/// Every figure and its name.
const FIGURES: [(&str, fn()); 6] = [
    (
        "key_to_frame_during_an_ascent",
        key_to_frame_during_an_ascent,
    ),
    ("key_to_frame_during_a_batch", key_to_frame_during_a_batch),
    ("key_to_frame_in_a_long_list", key_to_frame_in_a_long_list),
    ("first_screen", first_screen),
    ("idle", idle),
    ("memory", memory),
];

fn main() {
    let selected = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let is_selected = |name: &str| selected.as_deref().is_none_or(|part| name.contains(part));
    for (name, measure) in FIGURES.iter().filter(|(name, _)| is_selected(name)) {
        println!("{name}");
        measure();
    }
}

/// Prints the median, the 99th percentile and the largest of durations, and returns the 99th percentile.
fn report(what: &str, mut times: Vec<Duration>) -> Duration {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    println!(
        "{what}: median {:.1?}, p99 {:.1?}, largest {:.1?} of {}",
        at(50),
        at(99),
        at(100),
        times.len()
    );
    at(99)
}

/// Moves through the list of classes by one key at a time, and measures the time from each key to the frame that shows
/// it.
fn walk(terminal: &Emulator, rows: usize, keys: usize) -> Vec<Duration> {
    let mut times = Vec::new();
    for row in 2..2 + keys {
        times.push(terminal.answer_time("j", &format!("{row}/{rows}")));
        // As fast as a key repeats when it is held.
        std::thread::sleep(Duration::from_millis(16).saturating_sub(times[row - 2]));
    }
    times
}

fn key_to_frame_during_an_ascent() {
    for kind in [Kind::Kitty, Kind::Sixel] {
        let fixture = Fixture::new(4000);
        let mut terminal = fixture.explorer(kind);
        terminal.type_text(QUICK);
        run_class(&terminal, "flamingo");
        terminal.wait_for("/4000 · score");
        // Ends the search: the list is complete again.
        terminal.type_text("\x1b");
        terminal.wait_for("spoonbill");
        terminal.type_text("gg");
        terminal.wait_for(" 1/1000");
        let p99 = report(
            &format!("key to frame during an ascent, {kind:?}"),
            walk(&terminal, 1000, 500),
        );
        assert!(p99 <= Duration::from_millis(16), "{p99:?}");
        terminal.type_text("q");
        terminal.finish();
    }
}

fn key_to_frame_during_a_batch() {
    let fixture = Fixture::new(4000);
    let mut terminal = fixture.explorer(Kind::Kitty);
    terminal.type_text(QUICK);
    terminal.type_text("2gg");
    terminal.wait_for(" 1/1000");
    terminal.type_text("        \r");
    terminal.wait_for("/4000 · score");
    terminal.type_text("gg");
    terminal.wait_for(" 1/1000");
    let p99 = report(
        "key to frame while eight pictures grow, Kitty",
        walk(&terminal, 1000, 500),
    );
    assert!(p99 <= Duration::from_millis(16), "{p99:?}");
    terminal.type_text("q");
    terminal.finish();
}

fn key_to_frame_in_a_long_list() {
    let fixture = Fixture::new(6);
    let model = fixture.path("wide.onnx");
    wide_model(&model);
    let command = fixture.command(&[model.to_str().unwrap()]);
    let mut terminal = Emulator::start_sized(Kind::Kitty, (200, 60), command);
    terminal.wait_for("100000 classes");
    terminal.type_text("2");
    terminal.wait_for(" 1/100000");
    let p99 = report(
        "key to frame in a list of 100,000 rows",
        walk(&terminal, ROWS, 500),
    );
    assert!(p99 <= Duration::from_micros(16_667), "{p99:?}");
    let start = Instant::now();
    terminal.answer_time("G", "100000/100000");
    println!("to its end: {:.1?}", start.elapsed());
    terminal.type_text("q");
    terminal.finish();
}

/// A classifier of a hundred thousand classes that computes almost nothing.
fn wide_model(path: &std::path::Path) {
    let mut builder = Builder::empty(17, "");
    let image = builder
        .input("image", ElementType::F32, &fixed_dims(&[1, 3, 8, 8]))
        .unwrap();
    let pooled = builder.emit("GlobalAveragePool", &[&image], &[]);
    let flat = builder.emit("Flatten", &[&pooled], &[]);
    let weights: Vec<f32> = (0..3 * ROWS).map(|at| (at % 7) as f32).collect();
    let weights = builder.floats(&[3, ROWS as i64], &weights);
    let logits = builder
        .emit_named("logits", "MatMul", &[&flat, &weights], &[])
        .unwrap();
    let model = builder
        .into_graph()
        .to_model(&[untyped_value(&logits)])
        .unwrap();
    fs::write(path, file::encode(&model).unwrap()).unwrap();
}

fn first_screen() {
    let fixture = Fixture::new(6);
    fill_history(&fixture);
    let mut times = Vec::new();
    let mut all = Vec::new();
    for _ in 0..21 {
        let start = Instant::now();
        let mut terminal = Emulator::start(Kind::Kitty, fixture.command(&[]));
        terminal.wait_for("Classes");
        times.push(start.elapsed());
        terminal.wait_for("10000 runs");
        all.push(start.elapsed());
        terminal.type_text("q");
        terminal.finish();
    }
    report("all runs are listed", all);
    times.sort();
    println!(
        "start to the first screen: median {:.1?}, largest {:.1?} of 21",
        times[10], times[20]
    );
    assert!(times[10] <= Duration::from_millis(150), "{times:?}");
}

fn fill_history(fixture: &Fixture) {
    let picture =
        image::RgbImage::from_fn(24, 16, |x, y| image::Rgb([10 * x as u8, 15 * y as u8, 7]));
    for seed in 0..RUNS {
        let spec = records::class_spec(&format!("goose {seed}"), 130, seed);
        let record = Record {
            top: vec![(130, 0.5), (127, 0.2)],
            octaves: vec![2, 1],
            scores: (0..256).map(|step| step as f32 / 7.0).collect(),
            ..records::record(spec, seed as f32)
        };
        // Written directly: saving waits for the disk each time.
        let folder = fixture.home.history().join(&record.id);
        fs::create_dir_all(&folder).unwrap();
        fs::write(
            folder.join("image.png"),
            picture_file::encode(&picture, &record.spec),
        )
        .unwrap();
        fs::write(
            folder.join("run.json"),
            serde_json::to_vec_pretty(&record).unwrap(),
        )
        .unwrap();
    }
}

fn idle() {
    let fixture = Fixture::new(6);
    let mut terminal = fixture.explorer(Kind::Kitty);
    // The messages of the start disappear after a while.
    std::thread::sleep(Duration::from_secs(12));
    let (before, start) = (processor_time(&terminal), Instant::now());
    std::thread::sleep(Duration::from_secs(20));
    let spent = processor_time(&terminal) - before;
    let share = 100.0 * spent.as_secs_f64() / start.elapsed().as_secs_f64();
    println!("idle, model open: {share:.2} % of a core");
    assert!(share <= 1.0, "{share} %");
    terminal.type_text("q");
    terminal.finish();
}

fn memory() {
    let fixture = Fixture::new(6);
    fill_history(&fixture);
    let mut terminal = Emulator::start(Kind::Kitty, fixture.command(&["/no/such/model.onnx"]));
    terminal.wait_for("not open");
    terminal.wait_for("open a model");
    terminal.type_text("\x1b");
    terminal.wait_for("10000 runs");
    let resident = resident_mebibytes(&terminal);
    println!("resident without a model, 10,000 runs in history: {resident:.0} MiB");
    assert!(resident <= 80.0, "{resident} MiB");
    terminal.type_text("q");
    terminal.finish();
}

/// The processor time that the program has used so far.
fn processor_time(terminal: &Emulator) -> Duration {
    let id = terminal.process().as_raw_nonzero();
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    // After the name, which may hold anything, come the state and the numbers; user and system time are the 12th and
    // 13th, in hundredths of a second.
    let (_, numbers) = stat.rsplit_once(')').unwrap();
    let numbers: Vec<&str> = numbers.split_whitespace().collect();
    let ticks: u64 = [11, 12]
        .iter()
        .map(|at| numbers[*at].parse::<u64>().unwrap())
        .sum();
    Duration::from_millis(10 * ticks)
}

fn resident_mebibytes(terminal: &Emulator) -> f64 {
    let id = terminal.process().as_raw_nonzero();
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<f64>()
        .unwrap()
        / 1024.0
}
