//! Animations of an ascent: as APNG, which keeps every colour, and as GIF, which every viewer shows.

use crate::runs::Error;
use image::RgbImage;

/// Milliseconds that a frame is shown by default.
pub const DELAY: u16 = 80;

/// How much longer the last frame is shown: it is the finished picture.
const REST: u16 = 20;

/// How thoroughly a GIF's colours are chosen, from 1 (best) to 30; beyond 5, smooth colours show bands.
const SPEED: i32 = 5;

/// Milliseconds that frame `index` of `count` is shown.
fn duration(index: usize, count: usize, delay: u16) -> u16 {
    if index + 1 == count {
        delay.saturating_mul(REST)
    } else {
        delay
    }
}

/// The size of all frames.
fn common_size(frames: &[RgbImage]) -> Result<(u32, u32), Error> {
    let size = frames.first().map(RgbImage::dimensions);
    let size = size.filter(|&(width, height)| width > 0 && height > 0);
    let size = size.ok_or_else(|| Error::Export("an animation needs a frame".into()))?;
    if frames.iter().all(|frame| frame.dimensions() == size) {
        Ok(size)
    } else {
        Err(Error::Export(
            "the frames of an animation must have the same size".into(),
        ))
    }
}

/// An APNG that loops forever; each frame is shown for `delay` milliseconds, the last one longer. A viewer
/// without APNG shows the first frame.
///
/// # Errors
/// [`Error::Export`] if there is no frame or they differ in size.
pub fn encode_apng(frames: &[RgbImage], delay: u16) -> Result<Vec<u8>, Error> {
    let (width, height) = common_size(frames)?;
    let mut bytes = Vec::new();
    let mut write = || -> Result<(), ::png::EncodingError> {
        let mut encoder = ::png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(::png::ColorType::Rgb);
        encoder.set_depth(::png::BitDepth::Eight);
        encoder.set_animated(frames.len() as u32, 0)?;
        let mut writer = encoder.write_header()?;
        for (index, frame) in frames.iter().enumerate() {
            writer.set_frame_delay(duration(index, frames.len(), delay), 1000)?;
            writer.write_image_data(frame.as_raw())?;
        }
        writer.finish()
    };
    write().map_err(|problem| Error::Export(format!("the animation cannot be made: {problem}")))?;
    Ok(bytes)
}

/// A GIF that loops forever; each frame is shown for `delay` milliseconds (a GIF counts in hundredths of a second), the
/// last one longer. Every frame has the 256 colours that suit it best.
///
/// # Errors
/// [`Error::Export`] if there is no frame, they differ in size, or a side is beyond 65535 pixels.
pub fn encode_gif(frames: &[RgbImage], delay: u16) -> Result<Vec<u8>, Error> {
    let (width, height) = common_size(frames)?;
    let (Ok(width), Ok(height)) = (u16::try_from(width), u16::try_from(height)) else {
        return Err(Error::Export(
            "a GIF's sides have at most 65535 pixels".into(),
        ));
    };
    let mut bytes = Vec::new();
    let mut write = || -> Result<(), gif::EncodingError> {
        let mut encoder = gif::Encoder::new(&mut bytes, width, height, &[])?;
        encoder.set_repeat(gif::Repeat::Infinite)?;
        for (index, frame) in frames.iter().enumerate() {
            let mut out = gif::Frame::from_rgb_speed(width, height, frame.as_raw(), SPEED);
            out.delay = duration(index, frames.len(), delay).div_ceil(10);
            encoder.write_frame(&out)?;
        }
        Ok(())
    };
    write().map_err(|problem| Error::Export(format!("the animation cannot be made: {problem}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::png::PngDecoder;
    use image::{AnimationDecoder, DynamicImage};
    use std::io::Cursor;

    fn frames(count: u8) -> Vec<RgbImage> {
        let frame = |z: u8| {
            RgbImage::from_fn(20, 10, |x, y| {
                image::Rgb([12 * x as u8, 25 * y as u8, 20 * z])
            })
        };
        (0..count).map(frame).collect()
    }

    #[test]
    fn an_apng_keeps_every_colour() {
        for count in [1, 2, 12] {
            let frames = frames(count);
            let bytes = encode_apng(&frames, DELAY).unwrap();
            let decoder = PngDecoder::new(Cursor::new(&bytes)).unwrap();
            let read = decoder.apng().unwrap().into_frames();
            let read = read.map(|frame| DynamicImage::from(frame.unwrap().into_buffer()));
            assert!(read.map(DynamicImage::into_rgb8).eq(frames.iter().cloned()));
            // Viewers that know no APNG show the first frame.
            let first = image::load_from_memory(&bytes).unwrap();
            assert_eq!(first.into_rgb8(), frames[0]);
        }
    }

    #[test]
    fn a_gif_is_close_to_its_frames_and_pauses_at_the_end() {
        let frames = frames(6);
        let bytes = encode_gif(&frames, 80).unwrap();
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(Cursor::new(&bytes)).unwrap();
        let mut delays = Vec::new();
        for frame in &frames {
            let read = decoder.read_next_frame().unwrap().unwrap();
            delays.push(read.delay);
            let rgb = read.buffer.chunks(4).flat_map(|pixel| &pixel[..3]);
            let off = rgb
                .zip(frame.as_raw())
                .map(|(a, b)| u64::from(a.abs_diff(*b)));
            let mean = off.sum::<u64>() as f64 / frame.as_raw().len() as f64;
            assert!(mean < 4.0, "colours are off by {mean}");
        }
        assert!(decoder.read_next_frame().unwrap().is_none());
        assert_eq!(delays, [8, 8, 8, 8, 8, 160]);
        assert_eq!(decoder.repeat(), gif::Repeat::Infinite);
    }

    #[test]
    fn what_cannot_be_an_animation_is_refused() {
        let mut mixed = frames(2);
        mixed.push(RgbImage::new(3, 3));
        for wrong in [vec![], mixed, vec![RgbImage::new(0, 0)]] {
            assert!(encode_apng(&wrong, DELAY).is_err());
            assert!(encode_gif(&wrong, DELAY).is_err());
        }
    }
}
