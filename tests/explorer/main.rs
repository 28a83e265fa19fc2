//! The explorer without a terminal: actions in, state, effects and frames out.

mod browsing;
mod commands;
mod finished;
mod hostile;
mod legible;
mod paths;
mod photo;
mod queueing;
mod screens;
mod support;
