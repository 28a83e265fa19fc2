//! Ziggurat in a terminal, seen from the terminal's side: real programs in a pseudo-terminal, with a terminal in memory.

#![cfg(unix)]

mod desk;
mod emulator;
mod explorer;
mod figures;
mod hardships;
mod pictures;
#[path = "../common/sandbox.rs"]
mod sandbox;
mod tmux;
