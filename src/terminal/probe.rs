//! Asking the terminal what it is. One question, fenced: its last part is one that every terminal answers, so when that answer
//! is there, whatever is missing will not come. A terminal that does not answer costs the time limit, once.

use super::detect::detect;
use super::environment::Environment;
use super::evidence::Evidence;
use super::responses::{Responses, TEST_COLOUR, TEST_PICTURE};
use super::tmux::{self, Pane};
use super::tty::Tty;
use super::{Protocol, Terminal};
use std::time::Duration;

/// How long a terminal on this machine may take, and one at the other end of an SSH connection.
const LIMITS: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(2)];

/// Finds out what the terminal of this process can show. `wanted` is taken as it is, whatever the terminal says; the rest is
/// found out all the same.
///
/// Call it once, before anything reads the terminal's input: keys that are pressed meanwhile are lost. It takes as long as
/// the terminal needs to answer, at most 250 ms (2 s over SSH), and leaves the terminal's mode as it was. If the answer comes
/// later than that, [`super::LateResponses`] or [`discard_responses`] keep it from being taken for keys.
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
        // tmux answers for itself first; the terminal's answers come to the pane as if they were keys.
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

/// What tmux itself is asked: its name, and its device attributes as the fence.
const SELF: &[u8] = b"\x1b[>q\x1b[c";

/// The question. Terminals that print what they do not understand do so between saving and restoring the cursor, and the
/// rest of the line is wiped. `colours` asks for a test colour back, which resets the text attributes.
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

/// Row and column of the cursor, from 0, if the terminal says so in time.
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

/// By how many columns a character moves the terminal's cursor, if the terminal says so in time. The cursor must be at the
/// end of its line, and returns.
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

/// Throws away what arrived from the terminal and nobody read. A command that does not read keys calls this before it ends
/// if the terminal had not [answered](Terminal::answered): a late answer would else stand at the shell's prompt.
pub fn discard_responses() {
    if let Some(tty) = Tty::open() {
        tty.discard();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_ends_with_the_fence_and_fits_into_any_buffer() {
        for colours in [false, true] {
            let question = question(colours);
            assert!(question.ends_with(b"\x1b[c") && question.len() < 200);
        }
    }
}
