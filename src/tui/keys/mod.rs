//! The keyboard: names of keys, and key bindings.
//!
//! - [`chord`]: one key press and sequences of them, and their notation
//! - [`keymap`]: key bindings, from the table of commands and the user's `config.toml`
//!
//! Used by the explorer's state (to look keys up) and its views (to show them). Independent of the screen.

pub mod chord;
pub mod keymap;

pub use chord::{Chord, KeyError, Keys};
pub use keymap::{Keymap, Match};
