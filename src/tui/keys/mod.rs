//! The keyboard: what a key is called, and which command it gives.
//!
//! - [`chord`]: one key press and sequences of them, and how both are written
//! - [`keymap`]: which keys give which command, made from the table of commands and the user's `config.toml`
//!
//! Used by the explorer's state (to look keys up) and its views (to show them). Knows nothing of the screen.

pub mod chord;
pub mod keymap;

pub use chord::{Chord, KeyError, Keys};
pub use keymap::{Keymap, Match};
