//! (under construction)

pub mod zoo;
