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

use super::{Error, Record, history};
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

/// Writes runs to a file whose ending says as what: `.png` (one run's picture, or a contact sheet of several), `.gif` or
/// `.apng` (how one run's picture grew), `.html` (a page). The folder is made if need be.
///
/// # Errors
/// [`Error::Export`] for another ending or a number of runs that it cannot hold, [`Error::NoFrames`], and whatever is wrong
/// with the runs or the file; then nothing is written.
pub fn to_file(home: &Home, ids: &[String], path: &Path) -> Result<(), Error> {
    let ending = path
        .extension()
        .map(|ending| ending.to_string_lossy().to_lowercase());
    let bytes = match (ending.as_deref(), ids) {
        (Some("png"), [id]) => {
            let exhibit = exhibit(home, id)?;
            png(&exhibit.picture, &exhibit.record.spec)
        }
        (Some("png"), ids) => sheet::encode(&exhibits(home, ids)?)?,
        (Some("gif"), [id]) => animation::encode_gif(&frames(home, id)?, animation::DELAY)?,
        (Some("apng"), [id]) => animation::encode_apng(&frames(home, id)?, animation::DELAY)?,
        (Some("html"), ids) => page::html(&exhibits(home, ids)?)?.into_bytes(),
        (Some("gif" | "apng"), _) => {
            return Err(Error::Export(
                "an animation shows one run: choose one".into(),
            ));
        }
        _ => {
            return Err(Error::Export(format!(
                "{}: let the name end in .png, .gif, .apng or .html",
                path.display()
            )));
        }
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
    }
    write(path, &bytes)
}

fn exhibit(home: &Home, id: &str) -> Result<Exhibit, Error> {
    Ok(Exhibit {
        record: history::read(home, id)?,
        picture: read_picture(&history::image_path(home, id)?)?,
    })
}

fn exhibits(home: &Home, ids: &[String]) -> Result<Vec<Exhibit>, Error> {
    ids.iter().map(|id| exhibit(home, id)).collect()
}

fn frames(home: &Home, id: &str) -> Result<Vec<RgbImage>, Error> {
    let path = history::frames_path(home, id)?;
    match path.is_file() {
        true => animation::read(&path),
        false => Err(Error::NoFrames(id.into())),
    }
}
