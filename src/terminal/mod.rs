//! Pictures in a terminal: what the terminal can show ([`probe()`]), how a picture is said to it ([`protocols`]), and what
//! stands where on the screen ([`Painter`]).
//!
//! First floor: any room above may use it; it uses none. Nothing here knows of models or runs, and nothing here ever waits
//! for a terminal without a time limit.
//!
//! A program asks once, before anything else reads its input, and then draws:
//!
//! 1. [`probe()`] says which [`Protocol`] works, how large a cell is and how many colours there are.
//! 2. An explorer draws its text, keeps the cells under pictures free ([`Painter::covered_cells`]) and lets the [`Painter`] bring
//!    the pictures up to date. With [`Protocol::Blocks`] it draws [`protocols::blocks`] as text instead.
//! 3. A plain command prints a picture at the cursor with [`inline::print`].
//!
//! The crate `viuer` (0.11) is not used. Its configuration can forbid a protocol but not ask for one: iTerm2's is taken only
//! where `TERM_PROGRAM`, `LC_TERMINAL` or `KONSOLE_VERSION` say so, which SSH and tmux drop, and kitty's and sixel only after
//! it has asked the terminal itself, without a time limit. What remains is half blocks on standard output, in 24 bits or 256
//! colours, with no quadrants, no sixteen colours and no `NO_COLOR`.

mod attention;
mod bandwidth;
mod clipboard;
mod detect;
mod drawn;
mod environment;
mod evidence;
pub mod inline;
mod late_responses;
mod painter;
mod placement;
mod probe;
pub mod protocols;
mod resize;
mod responses;
mod tmux;
mod tty;
mod version;

pub use attention::{Notify, Progress, notification, progress};
pub use clipboard::copied;
pub use late_responses::LateResponses;
pub use painter::{Painted, Painter, covered_cells, remove_all};
pub use placement::{Area, PlacedPicture, fit, without};
pub use probe::{discard_responses, probe};
pub use protocols::blocks::{BLOCKS, Blocks};
pub use resize::resize;

use std::fmt;
use std::str::FromStr;

/// How a picture is said to the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// kitty's graphics protocol: pictures with a number, scaled by the terminal.
    Kitty,
    /// DEC sixels: pixels printed as text.
    Sixel,
    /// iTerm2's inline files, scaled by the terminal.
    Iterm2,
    /// Two to eight parts a character cell, as coloured block characters: text that every terminal shows.
    Blocks,
}

/// Every protocol and what it is called on the command line and in files.
pub const PROTOCOLS: [(Protocol, &str); 4] = [
    (Protocol::Kitty, "kitty"),
    (Protocol::Sixel, "sixel"),
    (Protocol::Iterm2, "iterm2"),
    (Protocol::Blocks, "blocks"),
];

/// A name that is no protocol's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown graphics protocol {0:?}; available: kitty, sixel, iterm2, blocks")]
pub struct UnknownProtocol(String);

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(text: &str) -> Result<Self, UnknownProtocol> {
        let found = PROTOCOLS.iter().find(|(_, name)| *name == text);
        found
            .map(|(protocol, _)| *protocol)
            .ok_or_else(|| UnknownProtocol(text.chars().take(40).collect()))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = PROTOCOLS.iter().find(|(protocol, _)| protocol == self);
        f.write_str(name.map_or("", |(_, name)| name))
    }
}

/// How many colours text may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColourDepth {
    /// None are wanted (`NO_COLOR`) or possible.
    None,
    /// The sixteen that the user's palette defines.
    Indexed16,
    /// xterm's table of 256.
    Indexed256,
    /// 24 bits.
    True,
}

/// Every depth and what it is called.
pub const COLOUR_DEPTHS: [(ColourDepth, &str); 4] = [
    (ColourDepth::None, "none"),
    (ColourDepth::Indexed16, "16"),
    (ColourDepth::Indexed256, "256"),
    (ColourDepth::True, "truecolor"),
];

impl fmt::Display for ColourDepth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = COLOUR_DEPTHS.iter().find(|(depth, _)| depth == self);
        f.write_str(name.map_or("", |(_, name)| name))
    }
}

/// Who draws the pictures that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// The terminal itself.
    Direct,
    /// tmux, which knows the protocol, or to which pictures are text.
    Tmux,
    /// The terminal around tmux: what is written is wrapped so that tmux passes it on unread.
    TmuxPassthrough,
    /// The same terminal, where tmux says: the pictures are sent past tmux, and what stands for their cells is text to it.
    /// Only with [`Protocol::Kitty`].
    TmuxPlaceholders,
}

/// What was found out about the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    /// The best way to show pictures, or the one that was asked for.
    pub protocol: Protocol,
    pub route: Route,
    /// Width and height of a character cell in pixels; an assumption (8 × 16) if nobody said. Never 0.
    pub cell: (u16, u16),
    pub colours: ColourDepth,
    /// The block characters that [`Protocol::Blocks`] uses.
    pub blocks: Blocks,
    /// Whether the background is light, if the terminal said.
    pub light: Option<bool>,
    /// What the terminal calls itself (for example `kitty(0.26.5)`), safe to print.
    pub name: Option<String>,
    /// Whether it answered within the time limit.
    pub answered: bool,
    /// Whether there is an SSH connection between this machine and the terminal.
    pub remote: bool,
    /// Why this protocol and no better one, in a few words.
    pub why: &'static str,
}

/// The environment variable that chooses block characters.
pub const BLOCKS_VARIABLE: &str = "ZIGGURAT_BLOCKS";

/// The block characters that the environment asks for; `None` for `auto` or nothing.
///
/// # Errors
/// One line that names the variable, if it holds anything else.
pub fn blocks_of_environment() -> Result<Option<Blocks>, String> {
    let asked = std::env::var_os(BLOCKS_VARIABLE).unwrap_or_default();
    match asked.to_string_lossy().as_ref() {
        "" => Ok(None),
        text => Blocks::asked(text).map_err(|problem| format!("{BLOCKS_VARIABLE}: {problem}")),
    }
}

/// The cell of a terminal that does not tell.
const ASSUMED_CELL: (u16, u16) = (8, 16);

impl Terminal {
    /// Whether a terminal of this name reports this version or a later one.
    fn is_at_least(&self, name: &str, version: &[u32]) -> bool {
        let reported = self.name.as_deref();
        reported.is_some_and(|reported| version::is_at_least(reported, name, version))
    }

    /// Whether synchronized updates (DEC mode 2026) are safe. kitty buffered them before 0.33: an escape sequence that reached
    /// it in two parts was shown as text (seen in 0.26.5; kitty's issue 3779 has the same for pictures).
    pub fn synchronizes(&self) -> bool {
        !self.is_at_least("kitty", &[]) || self.is_at_least("kitty", &[0, 33])
    }

    /// What can be assumed of any terminal without asking: half blocks.
    pub fn unasked(why: &'static str) -> Self {
        let environment = environment::Environment::read();
        Self {
            protocol: Protocol::Blocks,
            route: if environment.tmux {
                Route::Tmux
            } else {
                Route::Direct
            },
            cell: ASSUMED_CELL,
            colours: environment.colours().unwrap_or(ColourDepth::Indexed16),
            blocks: Blocks::Half,
            light: None,
            name: None,
            answered: false,
            remote: environment.remote,
            why,
        }
    }

    /// Takes other block characters than the best that the terminal is known to draw; `None` keeps those. Whether the
    /// terminal, or tmux, knows how wide the newer ones are is measured: call it before anything reads the terminal's input.
    ///
    /// # Errors
    /// One line, if it does not: what is drawn with them would leave traces. Those that it draws stay.
    pub fn use_blocks(&mut self, wanted: Option<Blocks>) -> Result<(), String> {
        let Some(blocks) = wanted else {
            return Ok(());
        };
        let newer = blocks
            .newer()
            .filter(|_| self.answered && self.protocol == Protocol::Blocks);
        let width = newer.and_then(|character| probe::width(self, character));
        match width {
            None | Some(1) => {
                self.blocks = blocks;
                Ok(())
            }
            Some(columns) => Err(format!(
                "{blocks} characters would leave traces: {} gives each {columns} columns; {} ones are drawn",
                match self.tmux() {
                    true => "tmux",
                    false => "the terminal",
                },
                self.blocks
            )),
        }
    }

    /// Whether pictures are sent past tmux.
    fn passes_tmux(&self) -> bool {
        matches!(self.route, Route::TmuxPassthrough | Route::TmuxPlaceholders)
    }

    /// Whether pictures may be gone when the program is looked at again, and nobody says so.
    pub fn loses_pictures(&self) -> bool {
        matches!(self.route, Route::Tmux | Route::TmuxPassthrough)
    }

    /// Whether tmux stands between the program and the terminal.
    pub fn tmux(&self) -> bool {
        self.route != Route::Direct
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_is_known_by_its_name() {
        for (protocol, name) in PROTOCOLS {
            assert_eq!(name.parse(), Ok(protocol));
            assert_eq!(protocol.to_string(), name);
        }
        let problem = "regis".parse::<Protocol>().unwrap_err().to_string();
        assert!(problem.contains("sixel"), "{problem}");
    }

    #[test]
    fn updates_are_synchronized_unless_kitty_is_old() {
        let synchronizes = |name: Option<&str>| {
            let name = name.map(str::to_owned);
            Terminal {
                name,
                ..Terminal::unasked("a test")
            }
            .synchronizes()
        };
        assert!(synchronizes(None) && synchronizes(Some("foot(1.20.0)")));
        assert!(synchronizes(Some("kitty(0.33.0)")));
        assert!(!synchronizes(Some("kitty(0.26.5)")));
    }
}
