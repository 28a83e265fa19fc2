//! Runs as files for people.
//!
//! - [`mod@png`]: the picture file, which carries its spec
//! - [`sheet`]: a contact sheet of many runs, with captions
//! - [`animation`]: how a picture grew, as GIF or APNG
//! - [`page`]: one HTML file that shows runs with all their settings, and needs nothing else
//!
//! Everything here makes bytes or pixels; [`write()`] is the one way in which they get to disk.

pub mod animation;
pub mod page;
pub mod png;
pub mod sheet;
mod text;

pub use self::png::{png, read_picture, read_spec};

use super::{Error, Record};
use image::RgbImage;
use std::io::Write;
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
