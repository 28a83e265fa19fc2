//! Pictures in a terminal: detection of its capabilities ([`probe()`]), encoders of the protocols ([`protocols`]), and
//! the pictures on the screen ([`Painter`]).
//!
//! Lowest floor: every module above may use it. It knows nothing of models or runs, and never waits for a terminal
//! without a time limit.
//!
//! A program queries the terminal once, before anything else reads its input, and then draws:
//!
//! 1. [`probe()`] detects the [`Protocol`], the size of a cell and the colour depth.
//! 2. An explorer draws its text, skips the cells under pictures ([`Painter::covered_cells`]) and updates the pictures
//!    with the [`Painter`]. With [`Protocol::Blocks`] it draws [`protocols::blocks`] as text instead.
//! 3. A plain command prints a picture at the cursor with [`inline::print`]:
//!
//! ```no_run
//! use ziggurat::terminal::{discard_responses, inline, probe};
//!
//! let picture = image::open("cat.jpg")?.to_rgb8();
//! let terminal = probe(None);
//! let screen = crossterm::terminal::size()?;
//! inline::print(&mut std::io::stdout().lock(), &terminal, screen, &picture)?;
//! if !terminal.answered {
//!     discard_responses();
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The crate `viuer` (0.11) is not used. Its configuration can forbid a protocol but not ask for one: iTerm2's is taken
//! only where `TERM_PROGRAM`, `LC_TERMINAL` or `KONSOLE_VERSION` say so, which SSH and tmux drop, and kitty's and sixel
//! only after it has asked the terminal itself, without a time limit. What remains is half blocks on standard output,
//! in 24 bits or 256 colours, with no quadrants, no sixteen colours and no `NO_COLOR`.

mod attention;
mod bandwidth;
mod block_support;
mod clipboard;
mod detect;
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

pub use attention::{Notify, QueueProgress, notification, progress};
pub use clipboard::copied;
pub use late_responses::LateResponses;
pub use painter::{Painted, Painter, covered_cells, remove_all};
pub use placement::{Area, PlacedPicture, fit, without};
pub use probe::{discard_responses, probe};
pub use protocols::blocks::{BLOCKS, Blocks};
pub use resize::resize;

use crate::variables;
use std::fmt;
use std::str::FromStr;

/// A graphics protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// kitty's graphics protocol: numbered pictures, scaled by the terminal.
    Kitty,
    /// DEC sixels: pixels printed like text.
    Sixel,
    /// iTerm2's inline files, scaled by the terminal.
    Iterm2,
    /// Coloured block characters with two to eight parts per cell: text that every terminal shows.
    Blocks,
}

/// Every protocol and its name on the command line and in files.
pub const PROTOCOLS: [(Protocol, &str); 4] = [
    (Protocol::Kitty, "kitty"),
    (Protocol::Sixel, "sixel"),
    (Protocol::Iterm2, "iterm2"),
    (Protocol::Blocks, "blocks"),
];

/// A name of no protocol.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown graphics protocol {name:?}; available: {}", PROTOCOLS.map(|(_, name)| name).join(", "))]
pub struct UnknownProtocol {
    name: String,
}

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(text: &str) -> Result<Self, UnknownProtocol> {
        let found = PROTOCOLS.iter().find(|(_, name)| *name == text);
        found
            .map(|(protocol, _)| *protocol)
            .ok_or_else(|| UnknownProtocol {
                name: text.chars().take(40).collect(),
            })
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = PROTOCOLS.iter().find(|(protocol, _)| protocol == self);
        f.write_str(name.map_or("", |(_, name)| name))
    }
}

/// The number of colours for text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColourDepth {
    /// None wanted (`NO_COLOR`) or available.
    None,
    /// The 16 colours of the user's palette.
    Indexed16,
    /// xterm's palette of 256.
    Indexed256,
    /// 24-bit colour.
    True,
}

/// Every depth and its name.
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

/// Which program renders the pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// The terminal itself.
    Direct,
    /// tmux: it supports the protocol, or pictures are text to it.
    Tmux,
    /// The outer terminal: sequences are wrapped so that tmux passes them on.
    TmuxPassthrough,
    /// The outer terminal, at the positions that tmux determines: pictures bypass tmux, and their placeholder
    /// cells are text to it. Only with [`Protocol::Kitty`].
    TmuxPlaceholders,
}

/// Capabilities of the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    /// The best graphics protocol, or the requested one.
    pub protocol: Protocol,
    pub route: Route,
    /// Width and height of a character cell in pixels; 8 × 16 is assumed if unknown. Never 0.
    pub cell: (u16, u16),
    pub colours: ColourDepth,
    /// The block characters that [`Protocol::Blocks`] uses.
    pub blocks: Blocks,
    /// Whether the background is light, if reported.
    pub light: Option<bool>,
    /// The terminal's name (for example `kitty(0.26.5)`), safe to print.
    pub name: Option<String>,
    /// Whether it responded within the time limit.
    pub answered: bool,
    /// Whether the terminal is connected over SSH.
    pub remote: bool,
    /// Why this protocol was chosen, in a few words.
    pub why: &'static str,
}

/// The environment variable for block characters.
pub const BLOCKS_VARIABLE: &str = variables::BLOCKS;

/// The block characters of the environment variable; `None` for `auto` or an empty value.
///
/// # Errors
/// One line with the variable's name, if the value is invalid.
pub fn blocks_of_environment() -> Result<Option<Blocks>, String> {
    let asked = std::env::var_os(BLOCKS_VARIABLE).unwrap_or_default();
    match asked.to_string_lossy().as_ref() {
        "" => Ok(None),
        text => Blocks::asked(text).map_err(|problem| format!("{BLOCKS_VARIABLE}: {problem}")),
    }
}

/// The cell size if the terminal does not report it.
const ASSUMED_CELL: (u16, u16) = (8, 16);

impl Terminal {
    /// Whether the terminal has this name and this version or a later one.
    fn is_at_least(&self, name: &str, version: &[u32]) -> bool {
        let reported = self.name.as_deref();
        reported.is_some_and(|reported| version::is_at_least(reported, name, version))
    }

    /// Whether synchronized updates (DEC mode 2026) are safe. kitty before 0.33 showed an escape sequence as
    /// text if it arrived in two parts (seen in 0.26.5; kitty's issue 3779 reports the same for pictures).
    pub fn synchronizes(&self) -> bool {
        !self.is_at_least("kitty", &[]) || self.is_at_least("kitty", &[0, 33])
    }

    /// Overrides the block characters; `None` keeps the detected ones. Whether the terminal and tmux know the
    /// width of newer characters is measured: call it before the terminal's input is read.
    ///
    /// # Errors
    /// One line if they do not: such characters would leave traces. The detected ones are then kept.
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
                if self.tmux() { "tmux" } else { "the terminal" },
                self.blocks
            )),
        }
    }

    /// Whether pictures bypass tmux.
    fn passes_tmux(&self) -> bool {
        matches!(self.route, Route::TmuxPassthrough | Route::TmuxPlaceholders)
    }

    /// Whether pictures can disappear without notice while the program has no focus.
    pub fn loses_pictures(&self) -> bool {
        matches!(self.route, Route::Tmux | Route::TmuxPassthrough)
    }

    /// Whether the program runs in tmux.
    pub fn tmux(&self) -> bool {
        self.route != Route::Direct
    }
}

#[cfg(test)]
impl Terminal {
    /// A terminal for tests, as one that did not answer: half blocks in 24-bit colours.
    pub(crate) fn without_responses() -> Self {
        Self {
            protocol: Protocol::Blocks,
            route: Route::Direct,
            cell: ASSUMED_CELL,
            colours: ColourDepth::True,
            blocks: Blocks::Half,
            light: None,
            name: None,
            answered: false,
            remote: false,
            why: "a test",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_parses_by_name() {
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
                ..Terminal::without_responses()
            }
            .synchronizes()
        };
        assert!(synchronizes(None) && synchronizes(Some("foot(1.20.0)")));
        assert!(synchronizes(Some("kitty(0.33.0)")));
        assert!(!synchronizes(Some("kitty(0.26.5)")));
    }
}
