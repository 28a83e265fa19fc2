//! The explorer without a terminal: actions in, state, effects and frames out.

mod browsing;
mod comfort;
mod commands;
mod finished;
mod hostile;
mod legible;
mod queueing;
mod screens;
mod support;
