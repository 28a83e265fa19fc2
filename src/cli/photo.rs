//! Facts about a photo: how much of it the network sees, and when it is written smaller.

use super::output::notice;
use image::RgbImage;
use image::imageops::{self, FilterType};
use ziggurat::model::Network;

/// Maximum side of a written picture.
const MAX_SIDE: u32 = 8192;

/// The part of a photo that the network sees, as "WIDTH × HEIGHT", if noticeably less than all.
pub fn seen(photo: &RgbImage, network: &Network) -> Option<String> {
    let preprocessing = network.preprocessing;
    let seen = preprocessing.cropped(photo.dimensions(), network.size)?;
    let (width, height) = seen.size();
    Some(format!("{width} × {height}"))
}

/// Prints a notice if the network sees noticeably less than the full photo at `path`.
pub fn mention_cropping(photo: &RgbImage, network: &Network, path: &str) {
    if let Some(seen) = seen(photo, network) {
        let (width, height) = photo.dimensions();
        notice(&format!(
            "{path}: the network sees only the central {seen} of {width} × {height} pixels"
        ));
    }
}

/// The photo, resized with a notice if it exceeds the maximum size.
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
