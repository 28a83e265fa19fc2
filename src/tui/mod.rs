//! The explorer: a keyboard-driven view of one network, its runs and their results.
//!
//! One pure function ([`update()`]) changes the state ([`App`]), others ([`view`]) draw it. Only [`event_loop`] and the
//! modules it starts use threads, files and the terminal, so everything else can be tested without them.
//!
//! - [`command`], [`forms`], [`keys`], [`theme`]: the table of commands, commands with an argument, key bindings,
//!   colours
//! - [`app`] and its parts: [`browser`], [`list_state`], [`layer_tree`], [`history_index`], [`picture_cache`],
//!   [`active_run`], [`next_run`], [`popup`], [`prompt`], [`showing`], [`layout`], [`replay`], [`lens`], [`messages`],
//!   [`saved`]
//! - [`photo`], [`completion`], `dropped`: photos, and typing or pasting their paths
//! - [`action`]: actions, and effects by their receiver; [`environment`]: the terminal and the folders
//! - [`update`](mod@update), [`view`]: state × action → effects; state → frame
//! - [`event_loop`], `screen`, `disk`: the loop, the terminal, the files

pub mod action;
pub mod active_run;
pub mod album;
pub mod app;
pub mod browser;
mod busy;
pub mod command;
pub mod completion;
mod disk;
mod dropped;
pub mod environment;
pub mod event_loop;
pub mod forms;
mod fuzzy;
pub mod history_index;
pub mod keys;
pub mod layer_tree;
pub mod layout;
pub mod lens;
pub mod list_state;
pub mod messages;
pub mod next_run;
pub mod opening;
pub mod photo;
pub mod picture_cache;
pub mod popup;
pub mod prompt;
pub mod replay;
pub mod saved;
mod screen;
pub mod showing;
mod similarity;
pub mod text;
pub mod theme;
mod undoable;
pub mod update;
pub mod view;

pub use action::{Action, DiskResponse, Effect};
pub use app::App;
pub use command::{COMMANDS, Command, Context};
pub use environment::Environment;
pub use update::update;
