//! QueueProgress and notifications outside of the terminal's text: in the title bar or taskbar. Sequences are sent only
//! to terminals that are known to support them: others may print them, or show `4;1;50` as a notification.

use super::{Route, Terminal, tmux};
use std::str::FromStr;

/// How the user is notified when work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Notify {
    /// By the terminal's notification if it has one, otherwise by the bell.
    #[default]
    Auto,
    /// By the bell.
    Bell,
    /// Neither notifications nor progress.
    Off,
}

/// Every option and its name in `config.toml`.
const WAYS: [(Notify, &str); 3] = [
    (Notify::Auto, "auto"),
    (Notify::Bell, "bell"),
    (Notify::Off, "off"),
];

impl FromStr for Notify {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = WAYS.iter().find(|(_, name)| *name == text);
        found
            .map(|(way, _)| *way)
            .ok_or_else(|| "it must be \"auto\", \"bell\" or \"off\"".into())
    }
}

/// QueueProgress of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueProgress {
    /// 0 to 100.
    pub percent: u8,
    pub paused: bool,
}

/// The escape sequence for notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NotifySequence {
    /// kitty (OSC 99), with a title.
    Osc99,
    /// rxvt-unicode (OSC 777), with a title.
    Osc777,
    /// iTerm2 (OSC 9), text only.
    Osc9,
}

/// Terminals by name, and their notification sequences.
const SEQUENCES: [(&str, NotifySequence); 5] = [
    ("kitty", NotifySequence::Osc99),
    ("ghostty", NotifySequence::Osc777),
    ("WezTerm", NotifySequence::Osc777),
    ("foot", NotifySequence::Osc777),
    ("iTerm2", NotifySequence::Osc9),
];

/// Terminals with progress bars (OSC 9;4) and the first version with them. Earlier versions may show a
/// notification instead.
const PROGRESS: [(&str, &[u32]); 5] = [
    ("ghostty", &[1, 2]),
    ("iTerm2", &[3, 6, 6]),
    ("WezTerm", &[20_250_209]),
    ("VTE", &[7900]),
    ("Konsole", &[26, 4]),
];

/// Maximum length of a notification, in characters.
const MAX_TEXT: usize = 200;

/// The bytes that show progress; `None` removes it. Empty for terminals without support.
pub fn progress(terminal: &Terminal, progress: Option<QueueProgress>) -> Vec<u8> {
    let shows = |(name, version): &(&str, &[u32])| terminal.is_at_least(name, version);
    if terminal.route == Route::Tmux || !PROGRESS.iter().any(shows) {
        return Vec::new();
    }
    let text = match progress {
        None => "\x1b]9;4;0\x1b\\".to_string(),
        Some(QueueProgress { percent, paused }) => {
            let state = if paused { 4 } else { 1 };
            format!("\x1b]9;4;{state};{}\x1b\\", percent.min(100))
        }
    };
    sent(terminal, text)
}

/// The bytes that notify the user with `text`. Control characters are removed.
pub fn notification(terminal: &Terminal, way: Notify, text: &str) -> Vec<u8> {
    const BELL: &[u8] = b"\x07";
    let form = match (way, terminal.route) {
        (Notify::Off, _) => return Vec::new(),
        // tmux has no notifications, but passes on the bell.
        (Notify::Bell, _) | (Notify::Auto, Route::Tmux) => None,
        (Notify::Auto, _) => SEQUENCES
            .iter()
            .find(|(name, _)| terminal.is_at_least(name, &[])),
    };
    let Some((_, form)) = form else {
        return BELL.to_vec();
    };
    let text = crate::text::stripped(text, MAX_TEXT);
    let text = match form {
        NotifySequence::Osc99 => format!(
            "\x1b]99;i=ziggurat:d=0:p=title;Ziggurat\x1b\\\x1b]99;i=ziggurat:d=1:p=body;{text}\x1b\\"
        ),
        NotifySequence::Osc777 => {
            // A semicolon would start another field.
            let text = text.replace(';', ",");
            format!("\x1b]777;notify;Ziggurat;{text}\x1b\\")
        }
        NotifySequence::Osc9 => format!("\x1b]9;Ziggurat: {text}\x1b\\"),
    };
    sent(terminal, text)
}

/// The text, wrapped for tmux if it runs in between.
fn sent(terminal: &Terminal, text: String) -> Vec<u8> {
    match terminal.route {
        Route::Direct | Route::Tmux => text.into_bytes(),
        Route::TmuxPassthrough | Route::TmuxPlaceholders => tmux::wrapped(text.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::{ColourDepth, Protocol};

    fn terminal(name: &str, route: Route) -> Terminal {
        Terminal {
            protocol: Protocol::Blocks,
            route,
            cell: (8, 16),
            colours: ColourDepth::True,
            light: None,
            blocks: crate::terminal::Blocks::Half,
            name: Some(name.into()).filter(|name: &String| !name.is_empty()),
            answered: true,
            remote: false,
            why: "",
        }
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn progress_is_sent_only_to_terminals_that_show_it() {
        let half = Some(QueueProgress {
            percent: 50,
            paused: false,
        });
        for (name, expected) in [
            ("ghostty 1.2.0", true),
            ("ghostty 1.1.3", false),
            ("iTerm2 3.6.6", true),
            ("iTerm2 3.6.5", false),
            ("WezTerm 20240203-110809-5046fc22", false),
            ("WezTerm 20250501-1", true),
            ("VTE(8000)", true),
            ("VTE(7600)", false),
            ("Konsole 26.04.0", true),
            ("kitty(0.26.5)", false),
            ("kitty(0.46.0)", false),
            ("foot(1.13.1)", false),
            ("XTerm(379)", false),
            ("", false),
        ] {
            let sent = text(progress(&terminal(name, Route::Direct), half));
            let wanted = if expected { "\x1b]9;4;1;50\x1b\\" } else { "" };
            assert_eq!(sent, wanted, "{name}");
        }
        let ghostty = terminal("ghostty 1.2.0", Route::Direct);
        assert_eq!(text(progress(&ghostty, None)), "\x1b]9;4;0\x1b\\");
        let paused = Some(QueueProgress {
            percent: 250,
            paused: true,
        });
        assert_eq!(text(progress(&ghostty, paused)), "\x1b]9;4;4;100\x1b\\");
    }

    #[test]
    fn each_terminal_gets_its_notification_and_others_the_bell() {
        let reported = |name| {
            let terminal = terminal(name, Route::Direct);
            text(notification(&terminal, Notify::Auto, "2 runs; done"))
        };
        assert!(reported("kitty(0.26.5)").ends_with("p=body;2 runs; done\x1b\\"));
        assert_eq!(
            reported("foot(1.13.1)"),
            "\x1b]777;notify;Ziggurat;2 runs, done\x1b\\"
        );
        assert_eq!(
            reported("iTerm2 3.4.19"),
            "\x1b]9;Ziggurat: 2 runs; done\x1b\\"
        );
        for other in ["XTerm(379)", "", "footnote 1.2", "VTE(7600)"] {
            assert_eq!(reported(other), "\x07", "{other}");
        }
        let kitty = terminal("kitty(0.26.5)", Route::Direct);
        assert_eq!(notification(&kitty, Notify::Bell, "x"), b"\x07");
        assert_eq!(notification(&kitty, Notify::Off, "x"), b"");
    }

    #[test]
    fn notifications_are_wrapped_for_tmux_or_replaced_by_the_bell() {
        let passed = terminal("ghostty 1.2.0", Route::TmuxPassthrough);
        assert!(progress(&passed, None).starts_with(b"\x1bPtmux;\x1b\x1b]9;4;0"));
        let sent = notification(&passed, Notify::Auto, "x");
        assert!(sent.starts_with(b"\x1bPtmux;\x1b\x1b]777;"));
        let kept = terminal("ghostty 1.2.0", Route::Tmux);
        assert_eq!(progress(&kept, None), b"");
        assert_eq!(notification(&kept, Notify::Auto, "x"), b"\x07");
    }

    #[test]
    fn a_text_cannot_end_the_sequence() {
        let ghostty = terminal("ghostty 1.2.0", Route::Direct);
        let hostile = format!("a\x1b\\\x07\u{9c}\n{}", "b".repeat(1000));
        let sent = text(notification(&ghostty, Notify::Auto, &hostile));
        let inner = sent
            .trim_start_matches("\x1b]777;")
            .trim_end_matches("\x1b\\");
        assert!(!inner.chars().any(char::is_control) && sent.len() < 260);
    }

    #[test]
    fn notification_options_parse_by_name() {
        for (way, name) in WAYS {
            assert_eq!(name.parse(), Ok(way));
        }
        assert!("loud".parse::<Notify>().unwrap_err().contains("bell"));
    }
}
