//! Runs as files for people.
//!
//! - [`contact_sheet`]: a contact sheet of many runs, with captions
//! - [`animation`]: how a picture grew, as GIF or APNG
//! - [`html`]: one HTML file that shows runs with all their settings, and needs nothing else
//!
//! [`ExportFormat`] is which of these a file is to be. Everything here makes bytes or pixels; [`to_file`] writes them.

pub mod animation;
pub mod contact_sheet;
mod draw_text;
mod format;
pub mod html;

pub use format::ExportFormat;

use super::{Error, Record, write_file};
use crate::home::Home;
use image::RgbImage;
use std::path::Path;

/// A run to be shown: what is known of it, and its picture.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportedRun {
    pub record: Record,
    pub picture: RgbImage,
}

/// Writes runs to a file whose ending says as what; see [`ExportFormat`]. The folder is made if need be.
///
/// # Errors
/// As [`ExportFormat::of`] and [`ExportFormat::encode`], and [`Error::File`]; then nothing is written.
pub fn to_file(home: &Home, ids: &[String], path: &Path) -> Result<(), Error> {
    let bytes = ExportFormat::of(path)?.encode(home, ids, animation::DELAY)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
    }
    write_file(path, &bytes)
}
