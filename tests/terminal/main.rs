//! Ziggurat in a terminal: real programs in a pseudo-terminal, with a terminal in memory.

#![cfg(unix)]

#[allow(dead_code, reason = "the figures use the rest")]
mod emulator;
mod explorer;
mod fixture;
mod pictures;
mod robustness;
#[path = "../common/sandbox.rs"]
mod sandbox;
mod tmux;
