//! Pictures in a terminal, and what is found out about it.
//!
//! What the library does in a terminal runs in a process of its own: the test program starts itself again, and an
//! environment variable selects the part that it plays.

use super::emulator::{COLUMNS, Emulator, Kind, ROWS};
use image::{Rgb, RgbImage};
use portable_pty::CommandBuilder;
use std::io::{BufRead, Write, stdin, stdout};
use std::sync::Arc;
use std::time::{Duration, Instant};
use ziggurat::terminal::{Area, Painter, PlacedPicture, Terminal, inline, probe};

/// The variable that names the part.
pub const PART: &str = "ZIGGURAT_TEST_PART";

/// Rows of each picture of the part `print two`.
pub const LOW: u16 = 7;

/// Where the picture of [`paint_and_clear`] stands.
const AREA: Area = Area {
    x: 10,
    y: 4,
    width: 20,
    height: 10,
};

/// The command that plays the part that the environment names.
pub fn player_command() -> CommandBuilder {
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args(["--exact", "pictures::player", "--nocapture"]);
    command
}

fn part(kind: Kind, name: &str) -> Emulator {
    let mut command = player_command();
    command.env(PART, name);
    Emulator::start(kind, command)
}

/// Not a test of its own: plays the part named by the environment.
#[test]
fn player() {
    match std::env::var(PART).as_deref() {
        Ok("print") => print("before", "after"),
        Ok("print at the bottom") => print(&"before\r\n".repeat(usize::from(ROWS) + 5), "after"),
        Ok("print two") => print_two(),
        Ok("paint") => paint_and_clear(),
        Ok("cover") => cover(),
        Ok("ask") => ask(),
        _ => {}
    }
}

fn say(text: &str) {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes()).unwrap();
    out.flush().unwrap();
}

/// Waits for the end of a line, whatever the line holds.
fn wait_for_enter() {
    stdin().lock().read_until(b'\n', &mut Vec::new()).unwrap();
}

fn colours() -> RgbImage {
    RgbImage::from_fn(224, 224, |x, y| Rgb([x as u8, y as u8, 128]))
}

fn print(before: &str, after: &str) {
    let terminal = probe(None);
    say(&format!("\x1b[2J\x1b[H{before}\r\n"));
    inline::print(&mut stdout().lock(), &terminal, (COLUMNS, ROWS), &colours()).unwrap();
    say(after);
    // What the test program prints at its end would scroll the screen: it waits until the screen was looked at.
    wait_for_enter();
}

fn print_two() {
    let terminal = probe(None);
    say("\x1b[2J\x1b[H");
    let picture = RgbImage::from_fn(448, 112, |x, y| Rgb([x as u8, y as u8, 128]));
    for after in ["first\r\n", "second\r\n"] {
        inline::print(&mut stdout().lock(), &terminal, (COLUMNS, ROWS), &picture).unwrap();
        say(after);
    }
    wait_for_enter();
}

fn paint_and_clear() {
    let mut painter = Painter::new(&probe(None));
    let mut out = stdout().lock();
    let picture = Arc::new(colours());
    write!(out, "\x1b[2J").unwrap();
    for version in 0..5 {
        let scene = [PlacedPicture {
            slot: 1,
            area: AREA,
            hidden: Vec::new(),
            picture: picture.clone(),
            version,
            moving: version < 4,
        }];
        let painted = painter.paint(&mut out, (COLUMNS, ROWS), &scene).unwrap();
        std::thread::sleep(painted.again.unwrap_or_default());
    }
    say("\x1b[Hpainted");
    wait_for_enter();
    painter.clear(&mut out).unwrap();
    say("\x1b[Hcleared");
}

/// What is laid over the picture of [`cover`], one after another.
const COVERS: [Area; 3] = [
    Area {
        x: 14,
        y: 6,
        width: 9,
        height: 4,
    },
    Area {
        x: 0,
        y: 8,
        width: 80,
        height: 3,
    },
    Area {
        x: 25,
        y: 1,
        width: 20,
        height: 7,
    },
];

/// Lays something over a picture that grows, and takes it away again.
fn cover() {
    let mut painter = Painter::new(&probe(None));
    let mut out = stdout().lock();
    write!(out, "\x1b[2J").unwrap();
    let picture = Arc::new(colours());
    let mut version = 0;
    let mut show = |out: &mut std::io::StdoutLock, hidden: &[Area], moving: bool| {
        version += u64::from(moving);
        let scene = [PlacedPicture {
            slot: 1,
            area: AREA,
            hidden: hidden.to_vec(),
            picture: picture.clone(),
            version,
            moving,
        }];
        painter.paint(out, (COLUMNS, ROWS), &scene).unwrap();
    };
    // The text of an area: letters while something lies there, nothing afterwards.
    let fill = |out: &mut std::io::StdoutLock, area: Area, letter: char| {
        for y in area.y..area.y + area.height {
            let text = letter.to_string().repeat(area.width.into());
            write!(out, "\x1b[{};{}H{text}", y + 1, area.x + 1).unwrap();
        }
    };
    show(&mut out, &[], true);
    for (index, area) in COVERS.into_iter().enumerate() {
        fill(&mut out, area, 'x');
        for _ in 0..3 {
            show(&mut out, &[area], true);
        }
        write!(out, "\x1b[Hcovered {index}").unwrap();
        out.flush().unwrap();
        wait_for_enter();
        fill(&mut out, area, ' ');
        show(&mut out, &[], false);
        write!(out, "\x1b[Hbare {index}   ").unwrap();
        out.flush().unwrap();
        wait_for_enter();
    }
}

fn ask() {
    let mode = || {
        let mode = rustix::termios::tcgetattr(stdin()).unwrap();
        (mode.local_modes, mode.input_modes, mode.output_modes)
    };
    let before = mode();
    let start = Instant::now();
    let Terminal {
        protocol, answered, ..
    } = probe(None);
    let took = start.elapsed();
    assert_eq!(mode(), before, "the terminal's mode is as it was");
    assert!(took < Duration::from_secs(2), "{took:?}");
    say(&format!("{protocol} {answered}\r\n"));
}

const SHOWING: [Kind; 3] = [Kind::Kitty, Kind::Sixel, Kind::Iterm2];

/// The cells of an area, row by row.
fn cells(area: Area) -> Vec<(u16, u16)> {
    let row = |y| (area.x..area.x + area.width).map(move |x| (x, y));
    (area.y..area.y + area.height).flat_map(row).collect()
}

#[test]
fn the_picture_stands_between_the_line_before_and_the_line_after() {
    for kind in SHOWING {
        let mut terminal = part(kind, "print");
        terminal.wait_for("after");
        let area = Area {
            x: 0,
            y: 1,
            width: 56,
            height: 28,
        };
        assert!(terminal.picture_cells() == cells(area), "{kind:?}");
        let text = terminal.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            (lines[0], &lines[29][..5]),
            ("before", "after"),
            "{kind:?}:\n{text}"
        );
        terminal.type_text("\r");
        terminal.finish();
    }
}

#[test]
fn a_picture_printed_at_the_bottom_scrolls_the_lines_above_and_itself_not() {
    for kind in SHOWING {
        let mut terminal = part(kind, "print at the bottom");
        terminal.wait_for("after");
        let shown = terminal.picture_cells();
        assert_eq!(shown.len(), 56 * 28, "{kind:?}");
        let (first, last) = (shown[0].1, shown[shown.len() - 1].1);
        assert_eq!(last - first, 27);
        let text = terminal.text();
        let after = text.lines().position(|line| line.starts_with("after"));
        assert_eq!(after, Some(usize::from(last) + 1), "{kind:?}:\n{text}");
        terminal.type_text("\r");
        terminal.finish();
    }
}

#[test]
fn a_second_picture_leaves_the_first_where_it_is() {
    for kind in SHOWING {
        let mut terminal = part(kind, "print two");
        terminal.wait_for("second");
        let area = |y| Area {
            x: 0,
            y,
            width: 56,
            height: LOW,
        };
        let expected = [cells(area(0)), cells(area(LOW + 1))].concat();
        assert_eq!(terminal.picture_cells(), expected, "{kind:?}");
        terminal.type_text("\r");
        terminal.finish();
    }
}

#[test]
fn frames_appear_where_they_should_and_leave_no_trace() {
    for kind in SHOWING {
        let mut terminal = part(kind, "paint");
        terminal.wait_for("painted");
        assert_eq!(terminal.picture_cells(), cells(AREA), "{kind:?}");
        assert_eq!(terminal.cursor_row(), 0);
        terminal.type_text("\r");
        terminal.wait_for("cleared");
        terminal.finish();
        assert_eq!(terminal.picture_cells(), [], "{kind:?}");
    }
}

#[test]
fn beside_what_lies_over_a_picture_it_is_seen_and_grows() {
    for kind in SHOWING {
        let mut terminal = part(kind, "cover");
        for (index, area) in COVERS.into_iter().enumerate() {
            terminal.wait_for(&format!("covered {index}"));
            let hidden = cells(area);
            let mut beside = cells(AREA);
            beside.retain(|cell| !hidden.contains(cell));
            assert_eq!(terminal.picture_cells(), beside, "{kind:?} {index}");
            let letters = terminal.text().matches('x').count();
            assert_eq!(letters, hidden.len(), "{kind:?} {index}");
            terminal.type_text("\r");
            terminal.wait_for(&format!("bare {index}"));
            assert_eq!(terminal.picture_cells(), cells(AREA), "{kind:?} {index}");
            assert!(!terminal.text().contains('x'));
            terminal.type_text("\r");
        }
        terminal.finish();
    }
}

#[test]
fn a_question_leaves_the_terminal_as_it_was_and_never_takes_long() {
    for (kind, answer) in [
        (Kind::Kitty, "kitty true"),
        (Kind::Sixel, "sixel true"),
        (Kind::Iterm2, "iterm2 true"),
        (Kind::Mute, "blocks false"),
        (Kind::Garbage, "blocks false"),
    ] {
        let mut terminal = part(kind, "ask");
        terminal.wait_for(answer);
        terminal.finish();
    }
}

#[test]
fn without_an_answer_the_picture_is_printed_as_half_blocks() {
    for kind in [Kind::Mute, Kind::Garbage] {
        let mut terminal = part(kind, "print");
        terminal.wait_for("after");
        assert_eq!(terminal.picture_cells(), []);
        assert!(
            terminal.text().contains(&"▀".repeat(56)),
            "{}",
            terminal.text()
        );
        terminal.type_text("\r");
        terminal.finish();
    }
}

#[test]
fn doctor_reports_what_the_terminal_answered() {
    for (kind, lines) in [
        (Kind::Kitty, ["answers     kitty", "graphics    kitty"]),
        (Kind::Sixel, ["answers     XTerm", "graphics    sixel"]),
        (Kind::Mute, ["answers     no reply", "graphics    blocks"]),
    ] {
        let home = tempfile::tempdir().unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_ziggurat"));
        command.arg("doctor");
        command.env("ZIGGURAT_HOME", home.path());
        command.env_remove("ORT_DYLIB_PATH");
        let mut terminal = Emulator::start(kind, command);
        terminal.finish();
        // What the program wrote last may not be on the screen yet when it has ended.
        for line in lines {
            terminal.wait_for(line);
        }
    }
}
