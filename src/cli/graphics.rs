//! Pictures between the lines of a command's output.

use super::output;
use std::io::{IsTerminal, stdout};
use std::str::FromStr;
use ziggurat::terminal::{self, PROTOCOLS, Protocol, Terminal, UnknownProtocol, inline};

const AUTO: &str = "auto";
const NONE: &str = "none";

/// The value of `--graphics`.
#[derive(Debug, Clone, Copy)]
pub enum Graphics {
    /// The best protocol of the terminal.
    Auto,
    Only(Protocol),
    None,
}

impl FromStr for Graphics {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            AUTO => Ok(Self::Auto),
            NONE => Ok(Self::None),
            name => name
                .parse()
                .map(Self::Only)
                .map_err(|problem: UnknownProtocol| format!("{problem}, {AUTO}, {NONE}")),
        }
    }
}

impl Graphics {
    /// The names of all values.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let protocols = PROTOCOLS.iter().map(|(_, name)| *name);
        [AUTO].into_iter().chain(protocols).chain([NONE])
    }

    /// The named protocol, if any.
    pub fn protocol(self) -> Option<Protocol> {
        match self {
            Self::Auto => None,
            Self::Only(protocol) => Some(protocol),
            // The explorer without pictures draws them as text.
            Self::None => Some(Protocol::Blocks),
        }
    }

    /// The terminal that pictures are printed on; `None` if they are not wanted or output goes elsewhere.
    pub fn screen(self) -> Option<Screen> {
        if !stdout().is_terminal() {
            return None;
        }
        let wanted = match self {
            Self::Auto => None,
            Self::Only(protocol) => Some(protocol),
            Self::None => return None,
        };
        let terminal = terminal::probe(wanted);
        Some(Screen { terminal })
    }
}

/// A terminal that prints pictures.
pub struct Screen {
    pub terminal: Terminal,
}

impl Screen {
    /// Prints a picture at the cursor.
    ///
    /// # Errors
    /// If standard output is closed.
    pub fn print(&self, picture: &image::RgbImage) -> std::io::Result<()> {
        let size = crossterm::terminal::size()?;
        output::to_stdout(|out| inline::print(out, &self.terminal, size, picture))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if !self.terminal.answered {
            terminal::discard_responses();
        }
    }
}
