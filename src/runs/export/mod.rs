//! Exports of runs.
//!
//! - [`contact_sheet`]: a contact sheet of many runs, with captions
//! - [`animation`]: the animation of a run, as GIF or APNG
//! - [`atlas`]: one HTML file with all channels of a layer, to pan and zoom
//! - [`html`]: one self-contained HTML file that shows runs with all their settings
//!
//! [`ExportFormat`] chooses among those of any runs. Everything here makes bytes or pixels;
//! [`to_new_file`] writes them.

pub mod animation;
pub mod atlas;
pub mod contact_sheet;
mod draw_text;
mod format;
pub mod html;

pub use format::ExportFormat;

use super::{Error, Record};
use crate::files::NewFile;
use crate::home::Home;
use image::RgbImage;
use std::io::Write;
use std::path::Path;

/// A run to export: its record and its picture.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportedRun {
    pub record: Record,
    pub picture: RgbImage,
}

/// Writes runs to a new file whose extension chooses the [`ExportFormat`]; `false` if the path is taken. The folder is
/// created if necessary.
///
/// # Errors
/// As [`ExportFormat::from_path`] and [`ExportFormat::encode`], and [`Error::File`]; then nothing is written.
pub fn to_new_file(home: &Home, ids: &[String], path: &Path) -> Result<bool, Error> {
    let bytes = ExportFormat::from_path(path)?.encode(home, ids, animation::DELAY)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .map_err(Error::file(folder))
            .map_err(Error::of_chosen_folder)?;
    }
    let written = NewFile::create(path).and_then(|mut file| {
        file.write_all(&bytes)?;
        file.finish_unless_taken()
    });
    written
        .map_err(Error::file(path))
        .map_err(Error::of_chosen_folder)
}
