//! Queries the terminal for its capabilities. The last part of the query is one that every terminal answers: after
//! its response, no other follows. A terminal that does not respond costs the time limit once.

use super::detect::detect;
use super::environment::Environment;
use super::evidence::Evidence;
use super::responses::{Responses, TEST_COLOUR, TEST_PICTURE};
use super::tmux::{self, Pane};
use super::tty::Tty;
use super::{Protocol, Terminal};
use std::time::Duration;

/// Time limits for a local terminal, whose machine may be busy, and over SSH.
const LIMITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

/// Detects the capabilities of this process's terminal. `wanted` overrides the protocol; the rest is still
/// detected.
///
/// Call it once, before the terminal's input is read: keys pressed meanwhile are lost. It takes as long as the
/// terminal needs to respond, at most 1 s (2 s over SSH), and restores the terminal's mode.
/// [`super::LateResponses`] or [`discard_responses`] filter later responses.
pub fn probe(wanted: Option<Protocol>) -> Terminal {
    let environment = Environment::read();
    let mut evidence = Evidence::new(environment);
    if !evidence.environment.dumb() {
        ask(&mut evidence);
    }
    detect(&evidence, wanted)
}

fn ask(evidence: &mut Evidence) {
    let Some(mut tty) = Tty::open() else { return };
    evidence.has_terminal = true;
    if evidence.environment.tmux {
        evidence.pane = Pane::ask();
    }
    let through = evidence
        .pane
        .is_some_and(|pane| pane.passthrough && pane.active);
    let question = match (evidence.environment.tmux, through) {
        (false, _) => question(true),
        (true, false) => SELF.to_vec(),
        // tmux responds for itself first; the outer terminal's responses arrive in the pane like keys.
        (true, true) => [SELF, &tmux::wrapped(&question(false))].concat(),
    };
    let fences = if through { 2 } else { 1 };
    let enough = |bytes: &[u8]| Responses::read(bytes).attributes.len() >= fences;
    let bytes = tty.ask(&question, enough, limit(&evidence.environment));
    evidence.answers = Responses::read(&bytes);
    evidence.window_cell = tty.cell();
}

fn limit(environment: &Environment) -> Duration {
    LIMITS[usize::from(environment.remote)]
}

/// The query to tmux itself: its name, and its device attributes as the end marker.
const SELF: &[u8] = b"\x1b[>q\x1b[c";

/// The query. Terminals that print unknown sequences do so between saving and restoring the cursor, and the rest
/// of the line is erased. `colours` queries a test colour, which resets the text attributes.
fn question(colours: bool) -> Vec<u8> {
    let [red, green, blue] = TEST_COLOUR;
    let mut text = format!(
        "\x1b7\x1b_Gi={TEST_PICTURE},s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[>q\x1b[16t\x1b]11;?\x1b\\"
    );
    if colours {
        text.push_str(&format!(
            "\x1b[48;2;{red};{green};{blue}m\x1bP$qm\x1b\\\x1b[m"
        ));
    }
    text.push_str("\x1b8\x1b[K\x1b[c");
    text.into_bytes()
}

/// Row and column of the cursor, from 0, if the terminal responds in time.
pub(super) fn cursor(terminal: &Terminal) -> Option<(u16, u16)> {
    let limit = LIMITS[usize::from(terminal.remote)];
    let mut tty = Tty::open()?;
    let bytes = tty.ask(
        b"\x1b[6n",
        |bytes| Responses::read(bytes).cursor.is_some(),
        limit,
    );
    let (row, column) = Responses::read(&bytes).cursor?;
    Some((row.checked_sub(1)?, column.checked_sub(1)?))
}

/// The width of a character in columns, measured by the cursor's movement, if the terminal responds in time. The
/// cursor must be at the end of its line; it is restored.
pub(super) fn width(terminal: &Terminal, character: char) -> Option<u16> {
    let limit = LIMITS[usize::from(terminal.remote)];
    let (_, before) = cursor(terminal)?;
    let mut tty = Tty::open()?;
    let question = format!("\x1b7{character}\x1b[6n\x1b8\x1b[K");
    let is_there = |bytes: &[u8]| Responses::read(bytes).cursor.is_some();
    let bytes = tty.ask(question.as_bytes(), is_there, limit);
    let (_, after) = Responses::read(&bytes).cursor?;
    after.checked_sub(1)?.checked_sub(before)
}

/// Discards unread input from the terminal. A command that does not read keys calls this before it ends if the
/// terminal had not [responded](Terminal::answered): a late response would otherwise appear at the shell's prompt.
pub fn discard_responses() {
    if let Some(tty) = Tty::open() {
        tty.discard();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_ends_with_its_end_marker_and_fits_into_a_buffer() {
        for colours in [false, true] {
            let question = question(colours);
            assert!(question.ends_with(b"\x1b[c") && question.len() < 200);
        }
    }
}
