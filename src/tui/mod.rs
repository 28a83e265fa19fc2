//! The explorer: a keyboard-driven view of one network, its runs and what came of them.
//!
//! - [`command`]: the table of all commands

pub mod command;

pub use command::{COMMANDS, Command, Context};
