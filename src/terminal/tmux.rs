//! tmux between the program and the terminal: what it lets through, where its pane stands, and how to wrap what it must not read.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest that the `tmux` command may take to answer.
const LIMIT: Duration = Duration::from_millis(250);

/// Most bytes that one wrapped piece should have: tmux drops what exceeds 1 MB without a word, doubled escapes included.
pub const MAX_PIECE: usize = 800_000;

/// What tmux says of the pane the program runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pane {
    /// Wrapped sequences reach the terminal.
    pub passthrough: bool,
    /// The pane has the keyboard: only then do the terminal's answers arrive here.
    pub active: bool,
    /// tmux writes every character to the terminal, and not only those of ASCII.
    pub utf8: bool,
    /// Width and height of the terminal's cells in pixels.
    pub cell: Option<(u16, u16)>,
    /// Column and row of the pane's corner on the terminal, from 0.
    pub origin: (u16, u16),
}

/// The formats that [`Pane::read`] takes apart, in its order.
const FORMAT: &str = "#{allow-passthrough}|#{pane_active}|#{window_active}|#{client_utf8}|#{client_cell_width}|#{client_cell_height}|#{pane_left}|#{pane_top}|#{status}|#{status-position}";

impl Pane {
    /// Asks the `tmux` command. `None` if there is none, or it has no answer in time.
    pub fn ask() -> Option<Self> {
        Self::read(&answer(FORMAT, &[])?)
    }

    fn read(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.trim_end().split('|').collect();
        let [
            passthrough,
            pane,
            window,
            utf8,
            width,
            height,
            left,
            top,
            status,
            position,
        ] = parts[..]
        else {
            return None;
        };
        let status_rows = match (status, position) {
            ("off", _) | (_, "bottom") => 0,
            ("on", _) => 1,
            (rows, _) => rows.parse().unwrap_or(1),
        };
        let cell = (width.parse().unwrap_or(0), height.parse().unwrap_or(0));
        Some(Self {
            // Before tmux 3.3 there was no such option, and everything passed.
            passthrough: matches!(passthrough, "" | "1" | "on" | "all"),
            active: (pane, window) == ("1", "1"),
            utf8: utf8 != "0",
            cell: (cell.0 > 0 && cell.1 > 0).then_some(cell),
            origin: (
                left.parse().ok()?,
                top.parse::<u16>().ok()?.saturating_add(status_rows),
            ),
        })
    }
}

/// The processes of tmux's clients to which the pane that the program runs in is visible, if tmux says so in time.
pub fn viewers() -> Option<BTreeSet<u32>> {
    let clients = [";", "list-clients", "-F", CLIENT_FORMAT];
    read_viewers(&answer(PLACE_FORMAT, &clients)?)
}

/// Which window and which of its panes the program runs in.
const PLACE_FORMAT: &str = "#{window_id}|#{pane_id}";

/// What a client shows: a window, and if it is zoomed only its active pane.
const CLIENT_FORMAT: &str = "#{client_pid}|#{window_id}|#{pane_id}|#{window_zoomed_flag}";

fn read_viewers(text: &str) -> Option<BTreeSet<u32>> {
    let mut lines = text.lines();
    let (window, pane) = lines.next()?.split_once('|')?;
    let viewer = |line: &str| {
        let [client, shown, active, zoomed] = line.split('|').collect::<Vec<_>>()[..] else {
            return None;
        };
        let is_visible = shown == window && (zoomed != "1" || active == pane);
        is_visible.then(|| client.parse().ok()).flatten()
    };
    Some(lines.filter_map(viewer).collect())
}

/// What the `tmux` command answers to a format about the pane that the program runs in, and to further commands.
fn answer(format: &str, further: &[&str]) -> Option<String> {
    let mut command = Command::new("tmux");
    command.args(["display-message", "-p"]);
    if let Some(pane) = std::env::var_os("TMUX_PANE").filter(|pane| !pane.is_empty()) {
        command.arg("-t").arg(pane);
    }
    command.arg(format).args(further);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    output(command.spawn().ok()?)
}

/// What a command printed, if it succeeded in time. Its output is short enough for a pipe to hold.
fn output(mut child: Child) -> Option<String> {
    let end = Instant::now() + LIMIT;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => break,
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(2)),
            _ => {
                // It may have ended meanwhile; nothing waits for it.
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    }
    std::io::read_to_string(child.stdout.take()?).ok()
}

/// `sequence` in an envelope that tmux opens and passes on unread.
pub fn wrapped(sequence: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x1bPtmux;".to_vec();
    for byte in sequence {
        if *byte == 0x1b {
            bytes.push(0x1b);
        }
        bytes.push(*byte);
    }
    bytes.extend_from_slice(b"\x1b\\");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_tmux_versions_are_understood() {
        let pane = Pane::read("1|1|1|1|8|19|41|2|on|bottom\n").unwrap();
        assert_eq!(
            pane,
            Pane {
                passthrough: true,
                active: true,
                utf8: true,
                cell: Some((8, 19)),
                origin: (41, 2)
            }
        );
        let newer = Pane::read("off|1|0|0|0|0|0|0|2|top\n").unwrap();
        assert_eq!(
            newer,
            Pane {
                passthrough: false,
                active: false,
                utf8: false,
                cell: None,
                origin: (0, 2)
            }
        );
        let older = Pane::read("|1|1||||0|0|on|top").unwrap();
        assert!(older.passthrough && older.utf8);
        assert_eq!(Pane::read("no server running"), None);
    }

    #[test]
    fn a_pane_is_visible_where_its_window_is_unless_another_pane_is_zoomed() {
        let clients = "@1|%2\n10|@1|%2|0\n11|@1|%3|0\n12|@1|%3|1\n13|@1|%2|1\n14|@4|%9|0\n";
        assert_eq!(read_viewers(clients), Some(BTreeSet::from([10, 11, 13])));
        assert_eq!(read_viewers("@1|%2\n"), Some(BTreeSet::new()));
        assert_eq!(read_viewers("no server running"), None);
    }

    #[test]
    fn every_escape_in_an_envelope_is_doubled() {
        assert_eq!(
            wrapped(b"\x1b_Ga\x1b\\"),
            b"\x1bPtmux;\x1b\x1b_Ga\x1b\x1b\\\x1b\\"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_command_that_hangs_is_given_up() {
        let start = Instant::now();
        let hanging = Command::new("sleep")
            .arg("60")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        assert_eq!(output(hanging), None);
        assert!(start.elapsed() < 20 * LIMIT);
        let quick = Command::new("echo")
            .arg("a")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        assert_eq!(output(quick).as_deref(), Some("a\n"));
    }
}
