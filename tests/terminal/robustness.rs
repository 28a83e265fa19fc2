//! Robustness: no responses, late responses, garbage, many resizes, endless pastes, tiny terminals, and killed
//! programs.

use super::emulator::{Emulator, Kind};
use super::fixture::run_class;
use super::fixture::{Fixture, OPEN, QUICK};
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// Pages of the list of classes that are full.
const PAGES: u64 = 35;

/// How often the explorer is killed, unless `ZIGGURAT_TEST_KILLS` says otherwise.
const KILLS: u64 = 12;

#[test]
fn a_terminal_that_says_nothing_or_nonsense_gets_half_blocks() {
    for kind in [Kind::Mute, Kind::Garbage] {
        let fixture = Fixture::new(6);
        let mut terminal = fixture.explorer(kind);
        if kind == Kind::Mute {
            terminal.type_text(QUICK);
            run_class(&terminal, "flamingo");
            terminal.wait_for("flamingo · score");
            terminal.wait_for(&"▀".repeat(10));
        }
        // Nonsense may be keys, too: what can be asked is only that the program lives, and ends.
        terminal.signal(Signal::TERM);
        terminal.finish();
        assert!(terminal.shows_cursor(), "{kind:?}");
    }
}

#[test]
fn a_named_device_that_does_not_work_is_an_error_before_the_terminal_is_entered() {
    let fixture = Fixture::new(6);
    // No machine has so many GPUs.
    for providers in ["cuda:4000", "cpu,cuda:4000"] {
        let terminal = Emulator::start(Kind::Kitty, fixture.command_on(providers, &[]));
        terminal.wait_for("cannot start");
        let text = terminal.text();
        assert!(
            text.trim_start()
                .starts_with("ziggurat: cuda:4000 cannot start: "),
            "{text}"
        );
        assert!(terminal.shows_cursor());
    }
}

#[test]
fn an_answer_after_two_seconds_is_not_taken_for_keys() {
    let fixture = Fixture::new(6);
    let started = Instant::now();
    let mut terminal = fixture.explorer(Kind::Late);
    // The last row of the first whole frame.
    terminal.wait_for("↵ run");
    let before = terminal.text();
    std::thread::sleep(Duration::from_millis(2500).saturating_sub(started.elapsed()));
    assert_eq!(terminal.text(), before);
    terminal.type_text("2");
    terminal.wait_for("tench");
    terminal.type_text("q");
    terminal.finish();
}

#[test]
fn a_storm_of_sizes_ends_in_a_whole_screen() {
    let fixture = Fixture::new(4000);
    let mut terminal = fixture.explorer(Kind::Kitty);
    terminal.type_text(QUICK);
    run_class(&terminal, "flamingo");
    terminal.wait_for("/4000 · score");
    for turn in 0..400_u16 {
        let (columns, rows) = (1 + turn * 37 % 300, 1 + turn * 23 % 100);
        terminal.resize(columns, rows);
        std::thread::sleep(Duration::from_millis(u64::from(turn % 4)));
    }
    terminal.resize(120, 40);
    terminal.wait_until("whole screen", |terminal| {
        let text = terminal.text();
        let lines: Vec<&str> = text.lines().collect();
        lines[0].contains(OPEN) && lines.len() == 40 && text.contains("/4000 · ")
    });
    terminal.wait_until("picture", |terminal| !terminal.picture_cells().is_empty());
    terminal.type_text("q");
    terminal.finish();
    assert_eq!(terminal.picture_cells(), []);
}

#[test]
fn a_pasted_megabyte_is_a_search_text_at_most() {
    let fixture = Fixture::new(6);
    let mut terminal = fixture.explorer(Kind::Kitty);
    let paste = format!(
        "\x1b[200~{}\x1b[201~",
        "flamingo q\x1b[31m\n".repeat(70_000)
    );
    terminal.type_text("2");
    terminal.wait_for("tench");
    // Nobody has asked for text.
    terminal.type_text(&paste);
    terminal.type_text("j");
    terminal.wait_for(" 2/1000");
    // A search text is one line, and no longer than a line may be.
    terminal.type_text("/");
    terminal.type_text(&paste);
    terminal.wait_for("nothing matches “flamingo");
    terminal.type_text("\x1b");
    terminal.wait_for("tench");
    terminal.type_text("q");
    terminal.finish();
}

#[test]
fn a_terminal_too_small_says_so_and_grows() {
    let fixture = Fixture::new(6);
    let mut terminal = Emulator::start_sized(Kind::Kitty, (20, 5), fixture.command(&[]));
    terminal.wait_for("too small");
    terminal.resize(80, 24);
    terminal.wait_for("Classes");
    terminal.resize(20, 5);
    terminal.wait_for("too small");
    terminal.type_text("q");
    terminal.finish();
}

#[test]
fn no_key_is_lost_while_the_terminal_is_resized() {
    let fixture = Fixture::new(6);
    let mut terminal = Emulator::start(Kind::Kitty, fixture.command(&[]));
    terminal.wait_for(OPEN);
    let has_help = |terminal: &Emulator| terminal.text().contains("help ·");
    for number in 0..100 {
        terminal.resize(80 + number % 7, 24);
        terminal.type_text("?");
        terminal.wait_until("help", has_help);
        terminal.resize(90 + number % 7, 24);
        terminal.type_text("\x1b");
        terminal.wait_until("end of the help", |terminal| !has_help(terminal));
    }
    terminal.type_text("q");
    terminal.finish();
}

#[test]
fn an_invalid_model_is_reported_and_another_can_be_chosen() {
    let fixture = Fixture::new(6);
    let file = fixture.path("broken.onnx");
    std::fs::write(&file, "no model").unwrap();
    let command = fixture.command(&[file.to_str().unwrap()]);
    let mut terminal = Emulator::start(Kind::Kitty, command);
    terminal.wait_for("broken.onnx is not an ONNX model");
    terminal.wait_for("efficientnet-lite0");
    terminal.type_text("\r");
    terminal.wait_for(OPEN);
    terminal.type_text("q");
    terminal.finish();
}

/// A moment in the first four tenths of a second, different for every number.
fn moment(number: u64) -> Duration {
    let bytes = blake3::hash(&number.to_le_bytes());
    let random = u16::from_le_bytes([bytes.as_bytes()[0], bytes.as_bytes()[1]]);
    Duration::from_micros(u64::from(random) * 400_000 / 65_536)
}

/// `ZIGGURAT_TEST_KILLS=100 cargo test --release --test terminal killed` kills as often.
#[test]
fn killed_at_any_moment_while_runs_finish_nothing_is_lost_or_half_written() {
    let kills = std::env::var("ZIGGURAT_TEST_KILLS");
    let kills = kills.map_or(KILLS, |number| number.parse().expect("a number of kills"));
    let fixture = Fixture::new(2);
    let mut finished = 0;
    for number in 0..kills {
        let mut terminal = fixture.explorer(Kind::Mute);
        // A page of classes that no kill before has queued.
        terminal.type_text(QUICK);
        terminal.type_text("2gg");
        terminal.wait_for("tench");
        let (seed, page) = (number / PAGES, number % PAGES);
        terminal.type_text(&format!(":seed {seed}\r"));
        for _ in 0..page {
            terminal.type_text("\x06");
        }
        terminal.type_text(&"\rj".repeat(8));
        // Every other kill comes while it starts, the rest while one run after the other is finished.
        if number % 2 == 0 {
            terminal.wait_until("another run", |_| fixture.runs().len() > finished);
        }
        std::thread::sleep(moment(number));
        terminal.kill();
        let verified = fixture.output(&["history", "verify"]);
        let runs = fixture.runs().len();
        assert!(runs >= finished, "runs are lost: {verified}");
        finished = runs;
    }
    println!("{kills} kills, {finished} finished runs");
    assert!(finished as u64 >= kills / 2, "hardly anything finished");
    // The queues that all of them have left are whole, and go on.
    let mut terminal = fixture.explorer(Kind::Mute);
    terminal.wait_for("from last time");
    terminal.type_text("P");
    terminal.wait_until("another run", |_| fixture.runs().len() > finished);
    terminal.type_text("q");
    terminal.finish();
    fixture.output(&["history", "verify"]);
}

/// A small disk; unmounted when dropped.
#[cfg(target_os = "linux")]
struct SmallDisk<'a>(&'a std::path::Path);

#[cfg(target_os = "linux")]
impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let unmounted = std::process::Command::new("umount").arg(self.0).status();
        drop(unmounted);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_full_disk_the_explorer_says_so_and_lives_on() {
    let fixture = Fixture::new(6);
    let history = fixture.home.history();
    std::fs::create_dir_all(&history).unwrap();
    let mount = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(&history)
        .stderr(std::process::Stdio::null())
        .status();
    if !mount.is_ok_and(|status| status.success()) {
        eprintln!("skipped: cannot mount a small disk");
        return;
    }
    let _disk = SmallDisk(&history);
    let mut terminal = fixture.explorer(Kind::Kitty);
    terminal.type_text(QUICK);
    run_class(&terminal, "flamingo");
    terminal.wait_for("the disk is full");
    terminal.type_text("\x1b");
    terminal.wait_for("spoonbill");
    terminal.type_text("q");
    terminal.finish();
    fixture.output(&["history", "verify"]);
}
