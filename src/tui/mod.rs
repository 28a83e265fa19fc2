//! The explorer: a keyboard-driven view of one network, its runs and what came of them.
//!
//! The state ([`App`]) is changed by one pure function ([`update()`]) and drawn by others ([`view`]); only [`event_loop`] and what
//! it starts know of threads, files and the terminal. So all of it can be driven without any of them.
//!
//! - [`command`], [`forms`], [`keys`], [`theme`]: the table of commands, those with an argument, which keys give them, what things look like
//! - [`app`] and its parts: [`browser`], [`list_state`], [`layer_tree`], [`history_index`], [`picture_cache`], [`pace`], [`next_run`], [`popup`], [`prompt`], [`showing`], [`layout`],
//!   [`replay`], [`lens`], [`messages`], [`saved`]
//! - [`photo`], [`completion`], `dropped`: a photo that is looked at, and how its path is typed or pasted
//! - [`action`]: what comes in and what goes out
//! - [`update`](mod@update), [`view`]: state × action → effects; state → frame
//! - [`event_loop`], `screen`, `disk`: the loop, the terminal, the files

pub mod action;
pub mod album;
pub mod app;
pub mod browser;
mod busy;
pub mod command;
pub mod completion;
mod disk;
mod dropped;
pub mod event_loop;
pub mod forms;
mod fuzzy;
pub mod history_index;
pub mod keys;
pub mod layer_tree;
pub mod layout;
pub mod lens;
mod likeness;
pub mod list_state;
pub mod messages;
pub mod next_run;
pub mod opening;
pub mod pace;
pub mod photo;
pub mod picture_cache;
pub mod popup;
pub mod prompt;
pub mod replay;
pub mod saved;
mod screen;
pub mod showing;
pub mod text;
pub mod theme;
mod undoable;
pub mod update;
pub mod view;

pub use action::{Action, DiskResponse, Effect};
pub use app::{App, Environment};
pub use command::{COMMANDS, Command, Context};
pub use update::update;
