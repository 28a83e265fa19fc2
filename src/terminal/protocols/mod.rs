//! Encoders of the graphics protocols, one file per protocol: pure functions from pixels to bytes. The
//! [`super::Painter`] tracks the screen.

pub mod blocks;
pub(super) mod iterm2;
pub(super) mod kitty;
pub(super) mod palette;
pub(super) mod placeholders;
pub(super) mod quality;
pub(super) mod sixel;

use super::{Area, Protocol};
use image::{ExtendedColorType, ImageEncoder, RgbImage};
use quality::Quality;
use std::borrow::Cow;
use std::io;

/// The pixels to send for `pixels` on the screen: exactly as many for sixels, otherwise at most as many.
pub(super) fn raster(
    protocol: Protocol,
    picture: &RgbImage,
    pixels: (u32, u32),
    quality: Quality,
) -> Cow<'_, RgbImage> {
    match protocol {
        Protocol::Sixel => Cow::Owned(sixel::raster(picture, pixels, quality)),
        _ => shrunk(picture, pixels, quality),
    }
}

/// A [`raster`], or a part of it, encoded for its protocol: PNG, JPEG or sixels.
pub(super) fn encode(
    protocol: Protocol,
    raster: &RgbImage,
    quality: Quality,
) -> io::Result<Vec<u8>> {
    match (protocol, quality.colours) {
        (Protocol::Blocks, _) => Ok(Vec::new()),
        (Protocol::Sixel, _) => sixel::encode(raster, quality),
        (Protocol::Kitty, Some(colours)) => palette::png(raster, colours),
        (Protocol::Iterm2, Some(_)) => jpeg(raster, quality.jpeg),
        (_, None) => png(raster),
    }
}

/// The picture, reduced to the screen's pixels and the quality. Terminals enlarge it themselves.
fn shrunk(picture: &RgbImage, pixels: (u32, u32), quality: Quality) -> Cow<'_, RgbImage> {
    let (width, height) = quality.size(picture.dimensions(), pixels);
    match picture.dimensions() == (width, height) {
        true => Cow::Borrowed(picture),
        false => Cow::Owned(super::resize(picture, width, height)),
    }
}

fn png(picture: &RgbImage) -> io::Result<Vec<u8>> {
    use image::codecs::png::{CompressionType, FilterType, PngEncoder};
    let mut bytes = Vec::new();
    let encoder =
        PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive);
    write(encoder, picture)?;
    Ok(bytes)
}

fn jpeg(picture: &RgbImage, quality: u8) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write(
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality),
        picture,
    )?;
    Ok(bytes)
}

fn write(encoder: impl ImageEncoder, picture: &RgbImage) -> io::Result<()> {
    let (width, height) = picture.dimensions();
    let written = encoder.write_image(picture.as_raw(), width, height, ExtendedColorType::Rgb8);
    written.map_err(io::Error::other)
}

/// The sequence that moves the cursor to the first cell of an area, offset by `origin` columns and rows.
pub(super) fn cursor_to(area: Area, origin: (u16, u16)) -> String {
    let row = u32::from(area.y) + u32::from(origin.1) + 1;
    let column = u32::from(area.x) + u32::from(origin.0) + 1;
    format!("\x1b[{row};{column}H")
}
