//! The clipboard of the terminal, even if the program runs on another machine.

use super::{Route, Terminal, tmux};
use crossterm::Command;
use crossterm::clipboard::CopyToClipboard;

/// The bytes that copy a text to the clipboard (OSC 52). Terminals without support ignore it; none confirms it.
/// tmux passes it on only if wrapped.
pub fn copied(terminal: &Terminal, text: &str) -> Vec<u8> {
    let mut sequence = String::new();
    let written = CopyToClipboard::to_clipboard_from(text).write_ansi(&mut sequence);
    debug_assert!(written.is_ok(), "writing to a string cannot fail");
    match terminal.route {
        Route::Direct | Route::Tmux => sequence.into_bytes(),
        Route::TmuxPassthrough | Route::TmuxPlaceholders => tmux::wrapped(sequence.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::{Blocks, ColourDepth, Protocol};

    #[test]
    fn a_text_is_encoded_and_wrapped_for_tmux() {
        let mut terminal = Terminal {
            protocol: Protocol::Kitty,
            route: Route::Direct,
            cell: (8, 16),
            colours: ColourDepth::True,
            blocks: Blocks::Half,
            light: None,
            name: None,
            answered: true,
            remote: true,
            why: "",
        };
        assert_eq!(copied(&terminal, "a\n"), b"\x1b]52;c;YQo=\x1b\\");
        terminal.route = Route::TmuxPassthrough;
        assert!(copied(&terminal, "a").starts_with(b"\x1bPtmux;\x1b\x1b]52;c;"));
    }
}
