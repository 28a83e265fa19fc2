//! The frames of a run's animation on disk: a ZIP file of JPEG pictures, `00.jpg` and so on, which any program opens.
//! They are small and there to be watched, so a fifth of a lossless file's size matters more than the last bit of a
//! colour.
//!
//! Used by the history, which stores one such file per run, and by exports, which make animations from it.

use super::Error;
use image::codecs::jpeg::{JpegDecoder, JpegEncoder};
use image::{DynamicImage, ImageDecoder, RgbImage};
use std::io::{Cursor, Read, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// Maximum number of frames of a run's animation.
pub const MAX_FRAMES: usize = 48;

/// Longest side of a frame, in pixels.
pub const FRAME_SIDE: u32 = 160;

/// Quality of the JPEG pictures, 1 to 100: no block is seen at it.
const QUALITY: u8 = 88;

/// Limits of a file that is read: frames, bytes in total and per frame, pixels per frame. Far more than a run stores.
const MAX_READ_FRAMES: usize = 512;
const MAX_BYTES: u64 = 64 << 20;
const MAX_FRAME_BYTES: u64 = 1 << 20;
const MAX_PIXELS: u64 = 1 << 20;

/// The file of some frames.
///
/// # Errors
/// [`Error::Export`] if a frame has no pixels.
pub fn pack(frames: &[RgbImage]) -> Result<Vec<u8>, Error> {
    let failed = |problem: &dyn std::fmt::Display| {
        Error::Export(format!("the frames cannot be kept: {problem}"))
    };
    // What is compressed already does not get smaller.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (index, frame) in frames.iter().enumerate() {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, QUALITY)
            .encode_image(frame)
            .map_err(|problem| failed(&problem))?;
        archive
            .start_file(format!("{index:02}.jpg"), options)
            .map_err(|problem| failed(&problem))?;
        archive
            .write_all(&bytes)
            .map_err(|problem| failed(&problem))?;
    }
    let file = archive.finish().map_err(|problem| failed(&problem))?;
    Ok(file.into_inner())
}

/// The frames of a file made by [`pack`], in their order, all of one size.
///
/// # Errors
/// [`Error::File`]; [`Error::Damaged`] if it is another file, truncated, or larger than any that a run stores.
pub fn read(path: &Path) -> Result<Vec<RgbImage>, Error> {
    let damaged = |why: String| Error::Damaged {
        path: path.into(),
        why,
    };
    let file = crate::files::open(path).map_err(Error::file(path))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES)
        .read_to_end(&mut bytes)
        .map_err(Error::file(path))?;
    unpack(&bytes).map_err(damaged)
}

fn unpack(bytes: &[u8]) -> Result<Vec<RgbImage>, String> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|problem| problem.to_string())?;
    if archive.len() > MAX_READ_FRAMES {
        return Err(format!("it has more than {MAX_READ_FRAMES} frames"));
    }
    let mut frames: Vec<RgbImage> = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        let file = archive
            .by_index(index)
            .map_err(|problem| problem.to_string())?;
        let mut bytes = Vec::new();
        file.take(MAX_FRAME_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|problem| problem.to_string())?;
        let frame = decode(&bytes)?;
        if frames
            .first()
            .is_some_and(|first| first.dimensions() != frame.dimensions())
        {
            return Err("its frames differ in size".into());
        }
        frames.push(frame);
    }
    Ok(frames)
}

fn decode(bytes: &[u8]) -> Result<RgbImage, String> {
    let decoder = JpegDecoder::new(Cursor::new(bytes)).map_err(|problem| problem.to_string())?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(format!(
            "{width}×{height} is larger than any frame of Ziggurat's"
        ));
    }
    let picture = DynamicImage::from_decoder(decoder).map_err(|problem| problem.to_string())?;
    Ok(picture.into_rgb8())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn frames(count: u8) -> Vec<RgbImage> {
        let frame = |z: u8| {
            RgbImage::from_fn(40, 24, |x, y| {
                image::Rgb([6 * x as u8, 10 * y as u8, 9 * z])
            })
        };
        (0..count).map(frame).collect()
    }

    #[test]
    fn frames_come_back_in_order_and_nearly_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("frames.zip");
        for count in [1, 2, 12] {
            let frames = frames(count);
            fs::write(&path, pack(&frames).unwrap()).unwrap();
            let read = read(&path).unwrap();
            assert_eq!(read.len(), frames.len());
            for (read, frame) in read.iter().zip(&frames) {
                let off = read.as_raw().iter().zip(frame.as_raw());
                let off: u64 = off.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
                assert!(off < 4 * frame.as_raw().len() as u64);
            }
        }
        assert!(pack(&[RgbImage::new(0, 0)]).is_err());
    }

    #[test]
    fn damaged_and_huge_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("frames.zip");
        let whole = pack(&frames(5)).unwrap();
        for cut in [0, 20, whole.len() / 2, whole.len() - 30] {
            fs::write(&path, &whole[..cut]).unwrap();
            assert!(matches!(read(&path), Err(Error::Damaged { .. })), "{cut}");
        }
        let mut mixed = frames(2);
        mixed.push(RgbImage::new(8, 8));
        for wrong in [mixed, vec![RgbImage::new(2000, 2000)]] {
            fs::write(&path, pack(&wrong).unwrap()).unwrap();
            assert!(matches!(read(&path), Err(Error::Damaged { .. })));
        }
        assert!(matches!(
            read(&folder.path().join("none")),
            Err(Error::File { .. })
        ));
    }
}
