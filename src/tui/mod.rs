//! The explorer: a keyboard-driven view of one network, its runs and what came of them.
//!
//! - [`command`]: the table of all commands
//! - [`keys`]: key presses, and which command they give
//! - [`theme`]: how everything looks

pub mod command;
pub mod keys;
pub mod theme;

pub use command::{COMMANDS, Command, Context};
