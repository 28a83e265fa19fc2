//! DEC sixels: pixels that no terminal scales. A picture covers its area of cells pixel by pixel.

use super::quality::{LADDER, Quality};
use crate::terminal::resize::{enlarge, resize};
use icy_sixel::{EncodeOptions, SixelImage};
use image::RgbImage;
use image::imageops::crop_imm;
use std::io;

/// Maximum pixels of a picture.
pub const MAX_PIXELS: u32 = LADDER[0].side * LADDER[0].side;

/// The fraction of each pixel's error that is diffused to its neighbours in a still picture.
const DIFFUSION: f32 = 0.8;

/// Height of a band of sixels, in pixels.
const BAND: u32 = 6;

/// The pixels that show `picture` where the screen has `pixels`. Their height is a multiple of a band, because a
/// terminal may use another row of cells for the rest of a band.
pub fn raster(picture: &RgbImage, pixels: (u32, u32), quality: Quality) -> RgbImage {
    let (width, height) = (pixels.0.max(1), (pixels.1 / BAND).max(1) * BAND);
    let is_coarse = width.max(height) > quality.side;
    match is_coarse {
        false => resize(picture, width, height),
        // Blocks of equal pixels encode shorter.
        true => {
            let (small, low) = quality.size((width, height), pixels);
            enlarge(&resize(picture, small, low), width, height)
        }
    }
}

/// The fewest rows of cells, `cell` pixels high, that are a multiple of a band; at least 1.
pub fn rows_of_bands(cell: u16) -> u16 {
    let rows = (1..).take(BAND as usize);
    rows.into_iter()
        .find(|rows| (rows * u32::from(cell)).is_multiple_of(BAND))
        .map_or(1, |rows| rows as u16)
}

/// The sequence that prints pixels at the cursor. An incomplete last band is omitted, unless it is the only one.
pub fn encode(pixels: &RgbImage, quality: Quality) -> io::Result<Vec<u8>> {
    let (width, height) = (pixels.width(), (pixels.height() / BAND).max(1) * BAND);
    let picture = match pixels.height() >= height {
        true => crop_imm(pixels, 0, 0, width, height).to_image(),
        false => resize(pixels, width, height),
    };
    let options = EncodeOptions {
        max_colors: quality.colours.unwrap_or(256),
        diffusion: if quality.colours.is_none() {
            DIFFUSION
        } else {
            0.0
        },
        ..EncodeOptions::default()
    };
    let opaque = picture
        .pixels()
        .flat_map(|pixel| [pixel.0[0], pixel.0[1], pixel.0[2], 255]);
    let image = SixelImage::try_from_rgba(opaque.collect(), width as usize, height as usize);
    let text = image
        .and_then(|image| image.encode_with(&options))
        .map_err(io::Error::other)?;
    Ok(without_last_line_feed(text).into_bytes())
}

/// Removes the line feed after the last band, which would scroll the screen if the picture ends at its bottom.
fn without_last_line_feed(mut text: String) -> String {
    if let Some(body) = text.strip_suffix("-\x1b\\") {
        let length = body.len();
        text.replace_range(length..=length, "");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::protocols::quality::MOVING;
    use image::Rgb;

    fn gradient(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            Rgb([(255 * x / width) as u8, (255 * y / height) as u8, 90])
        })
    }

    fn decode(bytes: &[u8]) -> RgbImage {
        let image = SixelImage::decode(bytes).unwrap();
        let pixels = image
            .pixels
            .chunks_exact(4)
            .flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]);
        RgbImage::from_raw(image.width as u32, image.height as u32, pixels.collect()).unwrap()
    }

    #[test]
    fn sixels_decode_to_the_same_pixels() {
        let picture = gradient(90, 54);
        let bytes = encode(&raster(&picture, (90, 54), LADDER[0]), LADDER[0]).unwrap();
        let decoded = decode(&bytes);
        assert_eq!(decoded.dimensions(), (90, 54));
        let off = |(a, b): (&u8, &u8)| f64::from(a.abs_diff(*b));
        let error: f64 = decoded.as_raw().iter().zip(picture.as_raw()).map(off).sum();
        assert!(error / (decoded.as_raw().len() as f64) < 8.0);
    }

    #[test]
    fn the_area_is_covered_whatever_the_picture_and_the_quality() {
        for quality in LADDER {
            for size in [(16, 16), (300, 200)] {
                let raster = raster(&gradient(size.0, size.1), (240, 131), quality);
                let bytes = encode(&raster, quality).unwrap();
                assert_eq!(decode(&bytes).dimensions(), (240, 126));
            }
        }
    }

    #[test]
    fn nothing_follows_the_last_line_of_sixels() {
        let bytes = encode(&gradient(20, 20), LADDER[MOVING]).unwrap();
        assert!(bytes.ends_with(b"$\x1b\\"));
    }

    #[test]
    fn a_part_is_a_multiple_of_bands() {
        for (height, printed) in [(17, 12), (6, 6), (4, 6)] {
            let bytes = encode(&gradient(20, height), LADDER[0]).unwrap();
            assert_eq!(decode(&bytes).dimensions(), (20, printed));
        }
    }
}
