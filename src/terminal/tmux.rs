//! tmux: which sequences it passes on, the position of its pane, and wrapping of sequences that bypass it.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Time limit of the `tmux` command, also on a busy machine.
const LIMIT: Duration = Duration::from_secs(1);

/// Maximum bytes of a wrapped piece: tmux silently drops more than 1 MB, doubled escapes included.
pub const MAX_PIECE: usize = 800_000;

/// tmux's description of the program's pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pane {
    /// Whether wrapped sequences reach the terminal.
    pub passthrough: bool,
    /// Whether the pane has the keyboard: only then do the terminal's responses arrive here.
    pub active: bool,
    /// Whether tmux writes characters outside of ASCII to the terminal.
    pub utf8: bool,
    /// Width and height of the terminal's cells in pixels.
    pub cell: Option<(u16, u16)>,
    /// Column and row of the pane's corner on the terminal, from 0.
    pub origin: (u16, u16),
}

/// The format that [`Pane::read`] parses.
const FORMAT: &str = "#{allow-passthrough}|#{pane_active}|#{window_active}|#{client_utf8}|#{client_cell_width}|#{client_cell_height}|#{pane_left}|#{pane_top}|#{status}|#{status-position}";

impl Pane {
    /// Runs the `tmux` command. `None` if it is missing or does not respond in time.
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
            // Before tmux 3.3 this option did not exist, and everything was passed on.
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

/// The processes of the tmux clients that show the program's pane, if tmux responds in time.
pub fn viewers() -> Option<BTreeSet<u32>> {
    let clients = [";", "list-clients", "-F", CLIENT_FORMAT];
    read_viewers(&answer(PLACE_FORMAT, &clients)?)
}

/// The program's window and pane.
const PLACE_FORMAT: &str = "#{window_id}|#{pane_id}";

/// What a client shows: a window, and if that is zoomed only its active pane.
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

/// The output of the `tmux` command for a format about the program's pane, followed by further commands.
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

/// A command's output, if it succeeds in time. The output is short enough for a pipe's buffer.
fn output(mut child: Child) -> Option<String> {
    let end = Instant::now() + LIMIT;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => break,
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(2)),
            _ => {
                // It may have ended meanwhile.
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    }
    std::io::read_to_string(child.stdout.take()?).ok()
}

/// `sequence`, wrapped so that tmux passes it on.
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
    fn the_formats_of_tmux_versions_are_parsed() {
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
    fn a_hanging_command_is_abandoned() {
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
