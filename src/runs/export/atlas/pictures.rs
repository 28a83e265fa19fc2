//! The pictures of an atlas in two sizes: small ones side by side on one sheet, for the view from afar, and each by
//! itself as large as a number of bytes permits.

use crate::runs::Error;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

/// Maximum number of bytes of all large pictures. In the page they take a third more.
const MAX_BYTES: usize = 48 << 20;

/// Longest side of the sheet: what browsers draw without effort on any device.
const MAX_SHEET: u32 = 4096;

/// Smallest and largest side of a picture on the sheet, in pixels.
const SIDES: (u32, u32) = (32, 160);

/// Quality of the sheet, 1 to 100.
const SHEET_QUALITY: u8 = 86;

/// Longest sides and qualities of the large pictures, the best first.
const RUNGS: &[(u32, u8)] = &[
    (1024, 92),
    (768, 90),
    (512, 90),
    (384, 88),
    (256, 86),
    (192, 84),
    (128, 80),
    (96, 76),
    (64, 70),
];

/// Number of pictures whose size is measured before a rung is chosen.
const SAMPLE: usize = 12;

/// The pictures of an atlas.
pub struct Pictures {
    /// The sheet: a JPEG file.
    pub sheet: Vec<u8>,
    /// Width and height of a place on the sheet, in pixels. Places are filled row by row.
    pub side: u32,
    pub columns: u32,
    /// The large picture of each channel that has one.
    pub large: Vec<Option<Large>>,
}

/// A picture as a JPEG file.
pub struct Large {
    pub jpeg: Vec<u8>,
    pub width: u32,
    pub height: u32,
}

impl Pictures {
    /// Draws the pictures of so many channels. `picture` reads that of a channel, if it has one, and may be called
    /// several times.
    ///
    /// # Errors
    /// [`Error::Export`] if the smallest size is too large, or a picture has no pixels.
    pub fn draw(
        channels: usize,
        picture: &mut dyn FnMut(usize) -> Option<RgbImage>,
    ) -> Result<Self, Error> {
        let columns = (channels.max(1) as f64).sqrt().ceil() as u32;
        let side = (MAX_SHEET / columns).clamp(SIDES.0, SIDES.1);
        let rows = (channels as u32).div_ceil(columns).max(1);
        let mut sheet = RgbImage::from_pixel(columns * side, rows * side, Rgb([128; 3]));
        let first = rung(channels, picture)?;
        for rung in RUNGS.iter().skip(first) {
            let mut large: Vec<Option<Large>> = Vec::new();
            let mut bytes = 0;
            for channel in 0..channels {
                let drawn = picture(channel);
                // On every rung, because an earlier one may have ended before the last channel.
                if let Some(drawn) = &drawn {
                    let place = channel as u32;
                    let (x, y) = (place % columns * side, place / columns * side);
                    let small = fitted(drawn, side);
                    imageops::replace(&mut sheet, &small, x.into(), y.into());
                }
                let encoded = drawn.map(|drawn| encode(&drawn, *rung)).transpose()?;
                bytes += encoded.as_ref().map_or(0, |large| large.jpeg.len());
                large.push(encoded);
                if bytes > MAX_BYTES {
                    break;
                }
            }
            if bytes <= MAX_BYTES {
                return Ok(Self {
                    sheet: jpeg(&sheet, SHEET_QUALITY)?,
                    side,
                    columns,
                    large,
                });
            }
        }
        let why = format!("the pictures take more than {} MiB", MAX_BYTES >> 20);
        Err(Error::Export(why))
    }
}

/// The first rung on which all pictures probably fit, by a sample of them.
fn rung(
    channels: usize,
    picture: &mut dyn FnMut(usize) -> Option<RgbImage>,
) -> Result<usize, Error> {
    let sampled = (0..channels).step_by(channels.div_ceil(SAMPLE).max(1));
    let (mut count, mut bytes) = (0, vec![0; RUNGS.len()]);
    for picture in sampled.filter_map(picture) {
        count += 1;
        for (bytes, rung) in bytes.iter_mut().zip(RUNGS) {
            *bytes += encode(&picture, *rung)?.jpeg.len();
        }
    }
    let fits = |bytes: &usize| bytes.saturating_mul(channels) / count.max(1) <= MAX_BYTES;
    Ok(bytes.iter().position(fits).unwrap_or(RUNGS.len() - 1))
}

/// The picture within a square of this side: smaller if it does not fit, never larger.
fn fitted(picture: &RgbImage, side: u32) -> RgbImage {
    let (width, height) = picture.dimensions();
    let longest = width.max(height);
    if longest <= side {
        return picture.clone();
    }
    let scaled = |length: u32| (length * side / longest).max(1);
    imageops::resize(
        picture,
        scaled(width),
        scaled(height),
        FilterType::CatmullRom,
    )
}

fn encode(picture: &RgbImage, (side, quality): (u32, u8)) -> Result<Large, Error> {
    let picture = fitted(picture, side);
    Ok(Large {
        jpeg: jpeg(&picture, quality)?,
        width: picture.width(),
        height: picture.height(),
    })
}

fn jpeg(picture: &RgbImage, quality: u8) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality)
        .encode_image(picture)
        .map_err(|problem| Error::Export(format!("a picture cannot be written: {problem}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture that JPEG cannot make small.
    fn noise(side: u32, seed: u32) -> RgbImage {
        let mut state = seed.wrapping_mul(2_654_435_769) | 1;
        RgbImage::from_fn(side, side, |_, _| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            Rgb([state as u8, (state >> 8) as u8, (state >> 16) as u8])
        })
    }

    #[test]
    fn small_layers_have_their_pictures_at_full_size() {
        let drawn = Pictures::draw(5, &mut |n| (n != 2).then(|| noise(200, n as u32))).unwrap();
        assert_eq!((drawn.side, drawn.columns, drawn.large.len()), (160, 3, 5));
        for (channel, large) in drawn.large.iter().enumerate() {
            let size = large.as_ref().map(|large| (large.width, large.height));
            assert_eq!(size, (channel != 2).then_some((200, 200)));
        }
        let sheet = image::load_from_memory(&drawn.sheet).unwrap().to_rgb8();
        assert_eq!(sheet.dimensions(), (480, 320));
        // The place of a channel without a picture is grey.
        let place = sheet.get_pixel(2 * 160 + 80, 80);
        assert!(
            place.0.iter().all(|value| value.abs_diff(128) < 8),
            "{place:?}"
        );
    }

    #[test]
    fn many_large_pictures_are_made_smaller_until_they_fit() {
        let picture = noise(512, 1);
        let drawn = Pictures::draw(300, &mut |_| Some(picture.clone())).unwrap();
        let sizes = drawn.large.iter().flatten().map(|large| large.jpeg.len());
        let bytes: usize = sizes.sum();
        assert!(bytes <= MAX_BYTES && bytes > MAX_BYTES / 8, "{bytes}");
        assert!(drawn.columns * drawn.side <= MAX_SHEET);
    }

    #[test]
    fn the_sheet_has_all_channels_after_a_size_at_which_too_few_fit() {
        // The sample sees only small pictures, so that the first size is too large for the others.
        let channels: usize = 240;
        let is_sampled = |n: usize| n.is_multiple_of(channels.div_ceil(SAMPLE));
        let (large, last) = (noise(640, 1), channels - 1);
        let red = RgbImage::from_pixel(64, 64, Rgb([255, 0, 0]));
        let of = |n: usize| {
            if n == last || is_sampled(n) {
                &red
            } else {
                &large
            }
        };
        let drawn = Pictures::draw(channels, &mut |n| Some(of(n).clone())).unwrap();
        let side_of_large = drawn.large[1].as_ref().unwrap().width;
        assert!(
            side_of_large < 640,
            "{side_of_large}: no size was too large"
        );
        let sheet = image::load_from_memory(&drawn.sheet).unwrap().to_rgb8();
        let (row, column) = (last as u32 / drawn.columns, last as u32 % drawn.columns);
        let Rgb([r, g, _]) = *sheet.get_pixel(column * drawn.side + 20, row * drawn.side + 20);
        assert!(r > 200 && g < 60, "{r} {g}");
    }

    #[test]
    fn pictures_of_any_shape_fit_their_place() {
        let sizes = [(900, 3), (3, 900), (1, 1)];
        let drawn = Pictures::draw(3, &mut |n| Some(RgbImage::new(sizes[n].0, sizes[n].1)));
        let drawn = drawn.unwrap();
        let size = |n: usize| {
            drawn.large[n]
                .as_ref()
                .map(|large| (large.width, large.height))
        };
        assert_eq!(
            sizes.map(Some).to_vec(),
            (0..3).map(size).collect::<Vec<_>>()
        );
        assert!(Pictures::draw(1, &mut |_| Some(RgbImage::new(0, 0))).is_err());
    }
}
