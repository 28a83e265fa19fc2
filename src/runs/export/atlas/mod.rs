//! An atlas: one HTML file with the pictures of all channels of a layer, on a plane to pan and zoom. It holds its
//! pictures and its script itself and asks no server.
//!
//! - `selection`: which run shows which channel
//! - `pictures`: the pictures in two sizes, within a number of bytes
//! - `page`: the HTML file

mod page;
mod pictures;
mod selection;

pub use selection::AtlasRuns;

use crate::home::Home;
use crate::runs::{Error, Record, history, picture_file};
use image::RgbImage;

/// Maximum number of channels of an atlas.
pub const MAX_CHANNELS: usize = 10_000;

/// An atlas as a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Atlas {
    pub html: String,
    /// The number of channels of the layer, and of those with a picture.
    pub channels: usize,
    pub shown: usize,
    /// The number of channels whose run cannot be read; they are shown as missing.
    pub unreadable: usize,
}

/// The atlas of a layer of so many channels, but at least as many as there are runs for.
///
/// # Errors
/// [`Error::Export`] if the layer has more than [`MAX_CHANNELS`] channels, or none of the runs can be read.
pub fn document(home: &Home, runs: &AtlasRuns, channels: usize) -> Result<Atlas, Error> {
    let channels = channels.max(runs.least_channels());
    if channels > MAX_CHANNELS {
        let why = format!("an atlas shows up to {MAX_CHANNELS} channels, not {channels}");
        return Err(Error::Export(why));
    }
    let mut records: Vec<Option<Record>> = vec![None; channels];
    for (&channel, entry) in &runs.of_channels {
        records[channel] = history::read(home, &entry.id).ok();
    }
    let mut picture = |channel: usize| -> Option<RgbImage> {
        let record = records[channel].as_ref()?;
        let path = history::image_path(home, &record.id).ok()?;
        picture_file::read_picture(&path).ok()
    };
    let pictures = pictures::Pictures::draw(channels, &mut picture)?;
    for (record, large) in records.iter_mut().zip(&pictures.large) {
        // A record without its picture is as good as none.
        record.take_if(|_| large.is_none());
    }
    let shown = records.iter().flatten().count();
    if shown == 0 {
        let why = "none of the runs can be read; see `ziggurat history verify`";
        return Err(Error::Export(why.into()));
    }
    Ok(Atlas {
        html: page::document(runs, &records, &pictures),
        channels,
        shown,
        unreadable: runs.of_channels.len() - shown,
    })
}

#[cfg(test)]
mod tests;
