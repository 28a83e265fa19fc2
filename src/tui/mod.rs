//! The explorer: a keyboard-driven view of one network, its runs and what came of them.
//!
//! The state ([`App`]) is changed by one pure function ([`update()`]) and drawn by others ([`view`]); only [`session`] and what
//! it starts know of threads, files and the terminal. So all of it can be driven without any of them.
//!
//! - [`command`], [`forms`], [`keys`], [`theme`]: the table of commands, those with an argument, which keys give them, what things look like
//! - [`app`] and its parts: [`browser`], [`listing`], [`tree`], [`library`], [`gallery`], [`pace`], [`plan`], [`popup`], [`prompt`], [`shown`], [`layout`],
//!   [`replay`], [`lens`], [`messages`], [`saved`]
//! - [`photo`], [`completion`], `dropped`: a photo that is looked at, and how its path is typed or pasted
//! - [`action`]: what comes in and what goes out
//! - [`update`](mod@update), [`view`]: state × action → effects; state → frame
//! - [`session`], `screen`, `disk`: the loop, the terminal, the files

pub mod action;
pub mod album;
pub mod app;
pub mod browser;
mod busy;
pub mod command;
pub mod completion;
mod disk;
mod dropped;
pub mod forms;
mod fuzzy;
pub mod gallery;
pub mod keys;
pub mod layout;
pub mod lens;
pub mod library;
mod likeness;
pub mod listing;
pub mod messages;
pub mod opening;
pub mod pace;
pub mod photo;
pub mod plan;
pub mod popup;
pub mod prompt;
pub mod replay;
pub mod saved;
mod screen;
pub mod session;
pub mod shown;
pub mod text;
pub mod theme;
pub mod tree;
mod undoable;
pub mod update;
pub mod view;

pub use action::{Action, Answer, Effect};
pub use app::{App, Environment};
pub use command::{COMMANDS, Command, Context};
pub use update::update;
