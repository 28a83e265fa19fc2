//! The explorer as seen by a user at a terminal: browse, run, watch, keep, quit.

use super::emulator::{Emulator, Kind};
use super::fixture::{Fixture, QUICK, folders, run_class};
use rustix::process::Signal;
use std::fs;
use std::path::Path;
use ziggurat::onnx::proto::TensorProto;
use ziggurat::onnx::types::{fixed_dims, untyped_value};
use ziggurat::onnx::{Builder, ElementType, file};

/// Asserts that the screen is the one before the explorer started.
fn expect_no_trace(terminal: &Emulator) {
    assert_eq!(terminal.picture_cells(), []);
    assert_eq!(terminal.text().trim(), "");
    assert!(terminal.shows_cursor());
}

#[test]
fn a_picture_grows_is_kept_and_leaves_no_trace_on_the_terminal() {
    for kind in [Kind::Kitty, Kind::Sixel, Kind::Iterm2] {
        let fixture = Fixture::new(40);
        let mut terminal = fixture.explorer(kind);
        terminal.type_text(QUICK);
        terminal.wait_for("quick");
        run_class(&terminal, "flamingo");
        // It is there before the ascent ends, and still there after.
        terminal.wait_until("picture", |terminal| !terminal.picture_cells().is_empty());
        terminal.wait_for("/40 · score");
        terminal.wait_for("flamingo · score");
        assert!(!terminal.picture_cells().is_empty(), "{kind:?}");
        terminal.type_text("s");
        terminal.wait_for("favourite saved");
        terminal.type_text("q");
        terminal.finish();
        expect_no_trace(&terminal);
        assert_eq!(fixture.runs().len(), 1);
        let saved = folders(&fixture.home.favourites());
        let ending = |path: &std::path::PathBuf| path.extension().unwrap().to_owned();
        assert_eq!(
            saved.iter().map(ending).collect::<Vec<_>>(),
            ["json", "png"]
        );
        fixture.output(&["history", "verify"]);
    }
}

#[test]
fn a_popup_lies_over_a_part_of_a_picture_and_leaves_no_trace() {
    for kind in [Kind::Kitty, Kind::Sixel, Kind::Iterm2] {
        let fixture = Fixture::new(20);
        let mut terminal = fixture.explorer(kind);
        terminal.type_text(QUICK);
        terminal.wait_for("quick");
        run_class(&terminal, "flamingo");
        terminal.wait_for("flamingo · score");
        terminal.wait_until("picture", |terminal| !terminal.picture_cells().is_empty());
        let whole = terminal.picture_cells();
        let is_whole = |terminal: &Emulator| terminal.picture_cells() == whole;
        for (keys, text, end) in [
            (":", "commands", "\x1b"),
            ("m", "open a model", "\x1b"),
            ("M", "messages", "\x1b"),
        ] {
            terminal.type_text(keys);
            terminal.wait_for(text);
            let part = format!("part of the picture, {kind:?}");
            terminal.wait_until(&part, |terminal| {
                let seen = terminal.picture_cells();
                !seen.is_empty()
                    && seen.len() < whole.len()
                    && seen.iter().all(|cell| whole.contains(cell))
            });
            terminal.type_text(end);
            terminal.wait_until("whole picture", is_whole);
        }
        // However quickly it comes and goes.
        for _ in 0..5 {
            terminal.type_text("MM");
        }
        std::thread::sleep(std::time::Duration::from_millis(500));
        terminal.wait_until("whole picture", is_whole);
        terminal.type_text("q");
        terminal.finish();
        expect_no_trace(&terminal);
    }
}

#[test]
fn layers_unfold_and_a_channel_becomes_a_picture() {
    let fixture = Fixture::new(6);
    let mut terminal = fixture.explorer(Kind::Sixel);
    terminal.type_text(QUICK);
    terminal.type_text("1/blocks.3/expand\r");
    terminal.type_text("l");
    terminal.wait_for("bn:0     1/144");
    terminal.type_text("\r");
    terminal.wait_for("score");
    terminal.wait_until("run in history", |_| fixture.runs().len() == 1);
    terminal.type_text("q");
    terminal.finish();
    let listed = fixture.output(&["history", "list"]);
    assert!(listed.contains("blocks.3/expand"), "{listed}");
}

#[test]
fn without_a_name_the_model_of_last_time_is_opened_if_it_is_there() {
    let fixture = Fixture::new(6);
    let model = fixture.path("small.onnx");
    small(&model);
    let opened = "small";
    let mut terminal = Emulator::start(Kind::Sixel, fixture.command(&["small.onnx"]));
    terminal.wait_for("5 classes");
    terminal.type_text("2jq");
    terminal.finish();
    let mut terminal = Emulator::start(Kind::Sixel, fixture.command(&[]));
    terminal.wait_for("5 classes");
    assert!(terminal.text().contains(opened));
    terminal.type_text("q");
    terminal.finish();
    // What config.toml says comes first.
    fixture.configure("model = \"efficientnet-lite0\"\n");
    let mut terminal = fixture.explorer(Kind::Sixel);
    terminal.type_text("q");
    terminal.finish();
    fixture.configure("");
    let mut terminal = Emulator::start(Kind::Sixel, fixture.command(&["small.onnx"]));
    terminal.wait_for("5 classes");
    terminal.type_text("2jq");
    terminal.finish();
    fs::remove_file(&model).unwrap();
    let mut terminal = fixture.explorer(Kind::Sixel);
    terminal.type_text("M");
    terminal.wait_for("the model of last time cannot be");
    terminal.type_text("qq");
    terminal.finish();
}

/// A network of five classes.
fn small(path: &Path) {
    let mut b = Builder::empty(18, "g/");
    let mut weights = |dims: &[i64]| {
        let count = dims.iter().product::<i64>();
        let values: Vec<f32> = (0..count).map(|at| (at % 7) as f32 / 7.0 - 0.4).collect();
        b.constant(TensorProto::from_f32("", dims, &values))
    };
    let (kernel, head) = (weights(&[6, 3, 3, 3]), weights(&[6, 5]));
    b.input("image", ElementType::F32, &fixed_dims(&[1, 3, 32, 32]))
        .unwrap();
    let seen = b.emit("Conv", &["image", &kernel], &[]);
    let bent = b.emit("Relu", &[&seen], &[]);
    let axes = b.ints(&[2, 3]);
    let flat = [("keepdims", 0i64.into())];
    let pooled = b.emit("ReduceMean", &[&bent, &axes], &flat);
    b.emit_named("logits", "MatMul", &[&pooled, &head], &[])
        .unwrap();
    let model = b.graph().to_model(&[untyped_value("logits")]).unwrap();
    file::write(model, path, None).unwrap();
}

#[test]
fn a_model_opens_where_it_was_left() {
    let fixture = Fixture::new(6);
    let mut terminal = fixture.explorer(Kind::Sixel);
    terminal.type_text(&format!("{QUICK}nn"));
    terminal.wait_for("quick · seed 2");
    terminal.type_text("1/blocks.3/expand\r");
    terminal.type_text("l");
    terminal.wait_for("bn:0     1/144");
    terminal.signal(Signal::TERM);
    terminal.finish();
    let mut terminal = fixture.explorer(Kind::Sixel);
    terminal.wait_for("quick · seed 2");
    terminal.wait_for("bn:0     1/144");
    terminal.type_text("q");
    terminal.finish();

    fs::write(fixture.home.explorer(), "{").unwrap();
    let mut terminal = fixture.explorer(Kind::Sixel);
    terminal.wait_for("explorer.json");
    terminal.wait_for("default · seed 0");
    terminal.type_text("q");
    terminal.finish();
    assert_eq!(fixture.runs().len(), 0);
}

#[test]
fn ctrl_z_gives_the_terminal_back_and_fg_takes_it_again() {
    let fixture = Fixture::new(6);
    let mut terminal = fixture.explorer(Kind::Kitty);
    terminal.type_text(QUICK);
    run_class(&terminal, "flamingo");
    terminal.wait_for("flamingo · score");
    terminal.wait_until("picture", |terminal| !terminal.picture_cells().is_empty());
    terminal.type_text("\x1a");
    terminal.wait_until("stop", |terminal| state(terminal) == "T");
    terminal.wait_until("empty screen", |terminal| terminal.text().trim().is_empty());
    expect_no_trace(&terminal);
    terminal.signal(Signal::CONT);
    terminal.wait_for("Classes");
    terminal.wait_until("picture", |terminal| !terminal.picture_cells().is_empty());
    terminal.type_text("q");
    terminal.finish();
    expect_no_trace(&terminal);
}

/// The state of the process, as the system's one letter.
fn state(terminal: &Emulator) -> String {
    let id = terminal.process().as_raw_nonzero();
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("State:"));
    line.and_then(|line| line.split_whitespace().nth(1))
        .unwrap()
        .into()
}

/// Asserts that the next start continues an interrupted run.
fn expect_it_goes_on(fixture: &Fixture, steps: usize) {
    let mut terminal = fixture.explorer(Kind::Kitty);
    // The interrupted run is offered, and continues after confirmation.
    terminal.wait_for("1 unfinished run from last time");
    terminal.type_text("P");
    terminal.wait_for("flamingo · score");
    terminal.type_text("q");
    terminal.finish();
    let record = fs::read(fixture.runs()[0].join("run.json")).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    assert_eq!(record["scores"].as_array().unwrap().len(), steps);
    fixture.output(&["history", "verify"]);
}

#[test]
fn whatever_ends_the_explorer_the_run_goes_on_at_the_next_start_to_the_same_picture() {
    const STEPS: usize = 60;
    let reference = Fixture::new(STEPS);
    let steps = STEPS.to_string();
    reference.output(&[
        "run",
        "flamingo",
        "--steps",
        &steps,
        "--provider",
        "cpu",
        "--json",
    ]);
    let expected = fs::read(reference.runs()[0].join("image.png")).unwrap();
    for end in ["quit", "SIGTERM", "SIGHUP", "SIGKILL"] {
        let fixture = Fixture::new(STEPS);
        let mut terminal = fixture.explorer(Kind::Kitty);
        terminal.type_text(QUICK);
        run_class(&terminal, "flamingo");
        terminal.wait_for("/60 · score");
        match end {
            "quit" => terminal.type_text("q"),
            "SIGTERM" => terminal.signal(Signal::TERM),
            "SIGHUP" => terminal.signal(Signal::HUP),
            _ => terminal.kill(),
        }
        if end != "SIGKILL" {
            terminal.finish();
            expect_no_trace(&terminal);
        }
        assert_eq!(fixture.runs().len(), 0, "{end}");
        expect_it_goes_on(&fixture, STEPS);
        let picture = fs::read(fixture.runs()[0].join("image.png")).unwrap();
        assert!(picture == expected, "another picture after {end}");
    }
}
