//! The explorer without a terminal: actions in; state, effects and frames out.

mod album;
mod branches;
mod browsing;
mod commands;
mod comparing;
mod conventions;
mod devices;
mod finished;
mod grid;
mod hostile;
mod late;
mod leftover;
mod legible;
mod overlays;
mod paths;
mod photo;
mod popups;
mod queueing;
#[path = "../common/records.rs"]
mod records;
mod removal;
mod screens;
mod support;
mod transfer;
