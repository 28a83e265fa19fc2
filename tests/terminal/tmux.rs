//! The explorer inside tmux, which stands between it and the terminal.

use super::emulator::{Emulator, Kind};
use super::fixture::run_class;
use super::fixture::{Fixture, OPEN, QUICK};
use super::pictures::{LOW, PART, player_command};
use portable_pty::CommandBuilder;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What stands for a cell of a picture.
const PLACEHOLDER: char = '\u{10eeee}';

/// A tmux server of a test's own; gone when dropped.
struct Tmux {
    socket: String,
    configuration: std::path::PathBuf,
}

impl Tmux {
    /// `None` if there is no tmux on this machine.
    fn new(fixture: &Fixture, passthrough: bool) -> Option<Self> {
        let version = Command::new("tmux")
            .arg("-V")
            .stdout(Stdio::null())
            .status();
        if !version.is_ok_and(|status| status.success()) {
            eprintln!("skipped: no tmux");
            return None;
        }
        let configuration = fixture.path("tmux.conf");
        let switch = if passthrough { "on" } else { "off" };
        let text =
            format!("set -g allow-passthrough {switch}\nset -g default-terminal tmux-256color\n");
        std::fs::write(&configuration, text).unwrap();
        let socket = fixture.path("tmux.socket").to_str().unwrap().to_string();
        Some(Self {
            socket,
            configuration,
        })
    }

    fn explorer(&self, fixture: &Fixture, kind: Kind) -> Emulator {
        let mut command = self.client();
        command.arg("new-session");
        command.args(fixture.command(&[]).get_argv());
        command.env("ZIGGURAT_HOME", fixture.path(""));
        let terminal = Emulator::start(kind, command);
        terminal.wait_for(OPEN);
        terminal
    }

    fn client(&self) -> CommandBuilder {
        let mut command = CommandBuilder::new("tmux");
        command.args(["-S", &self.socket, "-f"]);
        command.arg(&self.configuration);
        command.env("LC_ALL", "C.UTF-8");
        command
    }

    /// What a command of tmux prints.
    fn say(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.env("LC_ALL", "C.UTF-8");
        let done = command.args(["-S", &self.socket]).args(arguments).output();
        let done = done.unwrap();
        let problem = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{arguments:?}: {problem}");
        String::from_utf8(done.stdout).unwrap()
    }

    /// Column, row and length of every row of cells that stand for a picture, in the first pane.
    fn placeholders(&self) -> Vec<(usize, usize, usize)> {
        let text = self.say(&["capture-pane", "-p", "-t", ":0.0"]);
        let row = |(row, line): (usize, &str)| {
            let (before, _) = line.split_once(PLACEHOLDER)?;
            Some((
                before.chars().count(),
                row,
                line.matches(PLACEHOLDER).count(),
            ))
        };
        text.lines().enumerate().filter_map(row).collect()
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let gone = Command::new("tmux")
            .args(["-S", &self.socket, "kill-server"])
            .stderr(Stdio::null())
            .status();
        drop(gone);
    }
}

/// Runs a class, waits until something is true of the screen, keeps the picture and quits.
fn look(kind: Kind, passthrough: bool, what: &str, shows_picture: fn(&Emulator) -> bool) {
    let fixture = Fixture::new(20);
    let Some(tmux) = Tmux::new(&fixture, passthrough) else {
        return;
    };
    let mut terminal = tmux.explorer(&fixture, kind);
    assert!(!shows_picture(&terminal));
    terminal.type_text(QUICK);
    terminal.wait_for("quick");
    run_class(&terminal, "flamingo");
    terminal.wait_until(what, shows_picture);
    terminal.wait_for("flamingo · score");
    terminal.wait_until(what, shows_picture);
    terminal.type_text("s");
    terminal.wait_for("favourite saved");
    terminal.type_text("q");
    terminal.finish();
    assert!(!shows_picture(&terminal), "{}", terminal.text());
    fixture.output(&["history", "verify"]);
}

#[test]
fn pictures_pass_to_where_the_panel_is() {
    for kind in [Kind::Kitty, Kind::Sixel] {
        look(kind, true, "picture", |terminal| {
            let cells = terminal.picture_cells();
            // Right of the browser, above the panel of the run.
            !cells.is_empty() && cells.iter().all(|(x, y)| *x > 32 && (1..19).contains(y))
        });
    }
}

#[test]
fn where_tmux_lets_nothing_through_there_are_half_blocks() {
    // A picture that is left alone for a while is refined to quarters of cells.
    const BLOCKS: &str = "▀▄▌▐▖▗▘▝▚▞▛▜▙▟█";
    look(Kind::Kitty, false, "half blocks", |terminal| {
        let text = terminal.text();
        let mut runs = text.split(|c| !BLOCKS.contains(c));
        runs.any(|run| run.chars().count() >= 8)
    });
}

/// Whether rows of cells are a picture right of the browser, above the panel of the run.
fn is_picture(rows: &[(usize, usize, usize)]) -> bool {
    let ((left, top, width), height) = match rows {
        [] => return false,
        [first, ..] => (*first, rows.len()),
    };
    let mut places = (top..).zip(rows);
    left > 32
        && width > height
        && places.all(|(row, place)| *place == (left, row, width))
        && top >= 1
        && top + height <= 19
}

#[test]
fn tmux_holds_the_cells_of_a_picture_as_text() {
    let fixture = Fixture::new(20);
    let Some(tmux) = Tmux::new(&fixture, true) else {
        return;
    };
    let terminal = tmux.explorer(&fixture, Kind::Placeholders);
    assert_eq!(tmux.placeholders(), []);
    let shows_picture = |terminal: &Emulator| terminal.text().contains(PLACEHOLDER);
    terminal.type_text(QUICK);
    terminal.wait_for("quick");
    run_class(&terminal, "flamingo");
    terminal.wait_for("flamingo · score");
    terminal.wait_until("picture", |_| is_picture(&tmux.placeholders()));
    terminal.wait_until("picture", shows_picture);
    let coloured = tmux.say(&["capture-pane", "-p", "-e", "-t", ":0.0"]);
    let before = coloured.split(PLACEHOLDER).next().unwrap();
    let (_, colour) = before.rsplit_once("38;5;").unwrap();
    assert!(colour.ends_with('m'), "{colour:?}");

    // In another window there is nothing of it, and back again it is there without a word from the explorer.
    tmux.say(&["new-window", "sleep 600"]);
    terminal.wait_until("other window", |terminal| !shows_picture(terminal));
    assert!(is_picture(&tmux.placeholders()));
    tmux.say(&["select-window", "-t", ":0"]);
    terminal.wait_until("picture", shows_picture);

    // A popup takes its place, and gives it back.
    terminal.type_text("?");
    terminal.wait_for("Move up");
    terminal.wait_until("popup", |_| tmux.placeholders().is_empty());
    terminal.type_text("\x1b");
    terminal.wait_until("picture", |_| is_picture(&tmux.placeholders()));

    // However quickly it comes and goes.
    let before = tmux.placeholders();
    for _ in 0..5 {
        terminal.type_text("zz");
    }
    std::thread::sleep(Duration::from_secs(1));
    terminal.wait_until("picture", |_| tmux.placeholders() == before);

    // In a pane that is less high the picture is smaller.
    tmux.say(&["split-window", "-v", "-l", "4", "-t", ":0.0", "sleep 600"]);
    terminal.wait_until("smaller picture", |_| {
        let rows = tmux.placeholders();
        is_picture(&rows) && rows.len() < before.len()
    });
    tmux.say(&["select-pane", "-t", ":0.0"]);
    terminal.type_text("q");
    terminal.wait_until("end", |terminal| !shows_picture(terminal));
}

#[test]
fn pictures_among_lines_are_lines_to_tmux() {
    let fixture = Fixture::empty();
    let Some(tmux) = Tmux::new(&fixture, true) else {
        return;
    };
    let mut command = tmux.client();
    command.arg("new-session");
    command.args(player_command().get_argv());
    command.env(PART, "print two");
    let mut terminal = Emulator::start(Kind::Placeholders, command);
    terminal.wait_for("second");
    let low = usize::from(LOW);
    let rows: Vec<usize> = tmux.placeholders().iter().map(|(_, row, _)| *row).collect();
    let expected: Vec<usize> = (0..low).chain(low + 1..2 * low + 1).collect();
    assert_eq!(rows, expected);
    // Each names its own picture.
    let coloured = tmux.say(&["capture-pane", "-p", "-e", "-t", ":0.0"]);
    let lines: Vec<&str> = coloured.lines().collect();
    let number = |row: usize| {
        let (before, after) = lines[row].split_once(PLACEHOLDER).unwrap();
        (before.to_string(), after.chars().nth(2))
    };
    assert_ne!(number(0), number(low + 1));
    terminal.type_text("\r");
    terminal.finish();
}

#[test]
fn a_terminal_that_is_attached_later_gets_the_pictures() {
    let fixture = Fixture::new(20);
    let Some(tmux) = Tmux::new(&fixture, true) else {
        return;
    };
    let mut terminal = tmux.explorer(&fixture, Kind::Placeholders);
    terminal.type_text(QUICK);
    terminal.wait_for("quick");
    run_class(&terminal, "flamingo");
    terminal.wait_for("flamingo · score");
    terminal.wait_until("picture", |_| is_picture(&tmux.placeholders()));
    let written = fixture.path("written");
    let log = format!("cat > {}", written.display());
    tmux.say(&["pipe-pane", "-t", ":0.0", &log]);
    terminal.kill();
    let mut client = tmux.client();
    client.arg("attach");
    let mut terminal = Emulator::start(Kind::Placeholders, client);
    terminal.wait_until("picture sent again", |_| {
        let text = std::fs::read(&written).unwrap_or_default();
        String::from_utf8_lossy(&text).contains("_Ga=t,")
    });
    assert!(is_picture(&tmux.placeholders()));
    terminal.type_text("q");
    terminal.finish();
}
