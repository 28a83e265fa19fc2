//! What the user should know of a photo: how much of it the network sees, and when it is written smaller than it was.

use super::output::notice;
use image::RgbImage;
use image::imageops::{self, FilterType};
use ziggurat::model::Network;

/// Longest side of a picture that is written.
const MAX_SIDE: u32 = 8192;

/// What of a photo the network sees at once, as "WIDTH × HEIGHT", if it is noticeably less than all.
pub fn seen(photo: &RgbImage, network: &Network) -> Option<String> {
    let preprocessing = network.preprocessing;
    let seen = preprocessing.cropped(photo.dimensions(), network.size)?;
    let (width, height) = seen.size();
    Some(format!("{width} × {height}"))
}

/// Mentions it if the network sees noticeably less than all of the photo at `path`.
pub fn mention_cropping(photo: &RgbImage, network: &Network, path: &str) {
    if let Some(seen) = seen(photo, network) {
        let (width, height) = photo.dimensions();
        notice(&format!(
            "{path}: the network sees only the central {seen} of {width} × {height} pixels"
        ));
    }
}

/// The photo, resized if it is larger than pictures that are written, which is mentioned.
pub fn bounded(photo: RgbImage, path: &str) -> RgbImage {
    let (width, height) = photo.dimensions();
    let longest = width.max(height);
    if longest <= MAX_SIDE {
        return photo;
    }
    let scaled = |side: u32| {
        let side = u64::from(side) * u64::from(MAX_SIDE) / u64::from(longest);
        (side as u32).max(1)
    };
    let (wide, high) = (scaled(width), scaled(height));
    notice(&format!(
        "{path}: {width} × {height} pixels are written as {wide} × {high}"
    ));
    imageops::resize(&photo, wide, high, FilterType::Triangle)
}
