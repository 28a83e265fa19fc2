//! Runs as files for people.
//!
//! - [`mod@png`]: the picture file, which carries its spec
//! - [`sheet`]: a contact sheet of many runs, with captions
//! - [`animation`]: how a picture grew, as GIF or APNG
//! - [`page`]: one HTML file that shows runs with all their settings, and needs nothing else
//!
//! [`Form`] is which of these a file is to be. Everything here makes bytes or pixels; [`write()`] is the one way in which they get to disk.

pub mod animation;
mod form;
pub mod page;
pub mod png;
pub mod sheet;
mod text;

pub use self::png::{png, read_picture, read_spec};
pub use form::Form;

use super::{Error, Record};
use crate::home::Home;
use image::RgbImage;
use std::path::Path;

/// A run to be shown: what is known of it, and its picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Exhibit {
    pub record: Record,
    pub picture: RgbImage,
}

/// Writes a file so that it appears whole or not at all.
///
/// # Errors
/// [`Error::File`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    crate::files::write(path, bytes).map_err(Error::file(path))
}

/// Writes runs to a file whose ending says as what; see [`Form`]. The folder is made if need be.
///
/// # Errors
/// As [`Form::of`] and [`Form::encode`], and [`Error::File`]; then nothing is written.
pub fn to_file(home: &Home, ids: &[String], path: &Path) -> Result<(), Error> {
    let bytes = Form::of(path)?.encode(home, ids, animation::DELAY)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
    }
    write(path, &bytes)
}
