//! The explorer without a terminal: actions in, state, effects and frames out.

mod browsing;
mod comfort;
mod commands;
mod devices;
mod elsewhere;
mod finished;
mod grid;
mod hostile;
mod legible;
mod paths;
mod photo;
mod queueing;
mod screens;
mod support;
