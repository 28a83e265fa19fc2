//! Decodes picture files to upright, opaque RGB pictures.

use std::io::Read;
use std::path::Path;

use image::metadata::Orientation;
use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, Rgb, RgbImage,
};

use super::Error;
use crate::files;
use crate::onnx::other_format;
use crate::runtime::CancelHandle;
use reader::Stoppable;

mod loss;
mod reader;

/// Supported formats.
const FORMATS: [ImageFormat; 3] = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP];

/// Their file extensions.
pub const ENDINGS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];

/// Whether a file has one of these extensions.
pub fn is_named(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    let is = |ending: &str| {
        ENDINGS
            .iter()
            .any(|known| ending.eq_ignore_ascii_case(known))
    };
    ending.is_some_and(is)
}

/// Maximum side of a picture, in pixels.
const MAX_SIDE: u32 = 1 << 15;

/// Maximum memory for decoding, in bytes.
const MAX_ALLOC: u64 = 512 << 20;

/// Number of bytes of a file that are read at a time.
const PIECE: u64 = 1 << 20;

/// Decodes a PNG, JPEG or WebP file, regardless of its name. Applies the EXIF orientation, and blends transparent
/// pixels with white.
///
/// # Errors
/// [`Error::Picture`] if the file is of another format, damaged, or larger than 32768 pixels or 512 MiB; also if it is
/// truncated, with the readable part. [`Error::File`] if it cannot be read at all, or is no regular file.
pub fn read(path: &Path) -> Result<RgbImage, Error> {
    read_until(path, &CancelHandle::default())
}

/// As [`read`], with cancellation, which is an error.
///
/// # Errors
/// As [`read`].
pub fn read_until(path: &Path, stop: &CancelHandle) -> Result<RgbImage, Error> {
    let bytes = bytes(path, stop)?;
    let refused = |why: String| Error::Picture {
        path: path.to_path_buf(),
        why,
    };
    if bytes.len() as u64 > MAX_ALLOC {
        return Err(refused(too_large(None)));
    }
    let Some(format) = image::guess_format(&bytes)
        .ok()
        .filter(|format| FORMATS.contains(format))
    else {
        let other = other_format::name(path);
        let other = other.map_or(String::new(), |other| format!(" but {other}"));
        return Err(refused(format!("not a PNG, JPEG or WebP picture{other}")));
    };
    let decoded = match decode(&bytes, format, stop) {
        Err(Undecoded::TooLarge(size)) => return Err(refused(too_large(size))),
        _ if stop.is_stopped() => return Err(Error::file(path)(reader::stopped())),
        Err(Undecoded::Damaged(error)) => Err(error),
        Ok(decoded) => Ok(decoded),
    };
    let picture = decoded.as_ref().ok().map(|(picture, _)| picture);
    let alone = |bytes: &[u8]| Some(decode(bytes, format, stop).ok()?.0);
    if let Some(loss) = loss::describe(&bytes, format, picture, &alone) {
        return Err(refused(format!("{loss}; copy or download it again")));
    }
    let (mut picture, orientation) = decoded.map_err(|error| refused(why(&error)))?;
    picture.apply_orientation(orientation);
    Ok(opaque(picture))
}

/// The content of a regular file, up to one byte more than the maximum.
fn bytes(path: &Path, stop: &CancelHandle) -> Result<Vec<u8>, Error> {
    let mut file = files::open(path)
        .map_err(Error::file(path))?
        .take(MAX_ALLOC + 1);
    let mut bytes = Vec::new();
    // In pieces, so that reading from a slow drive can be cancelled.
    loop {
        let piece = Read::by_ref(&mut file).take(PIECE).read_to_end(&mut bytes);
        match piece.map_err(Error::file(path))? {
            0 => return Ok(bytes),
            _ if stop.is_stopped() => return Err(Error::file(path)(reader::stopped())),
            _ => {}
        }
    }
}

/// Why decoding failed.
enum Undecoded {
    /// Width and height in pixels, if known.
    TooLarge(Option<(u32, u32)>),
    Damaged(ImageError),
}

impl From<ImageError> for Undecoded {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::Limits(_) => Self::TooLarge(None),
            other => Self::Damaged(other),
        }
    }
}

/// The decoded picture as stored, and its orientation.
fn decode(
    bytes: &[u8],
    format: ImageFormat,
    stop: &CancelHandle,
) -> Result<(DynamicImage, Orientation), Undecoded> {
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_ALLOC);
    let mut reader = ImageReader::with_format(Stoppable::new(bytes, stop), format);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    if width.max(height) > MAX_SIDE || limits.reserve(decoder.total_bytes()).is_err() {
        return Err(Undecoded::TooLarge(Some((width, height))));
    }
    decoder.set_limits(limits)?;
    let orientation = decoder.orientation()?;
    Ok((DynamicImage::from_decoder(decoder)?, orientation))
}

/// Blends a picture with white.
fn opaque(picture: DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let picture = picture.into_rgba8();
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [r, g, b, alpha] = picture.get_pixel(x, y).0.map(u32::from);
        let over_white = |value: u32| ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        Rgb([r, g, b].map(over_white))
    })
}

/// The error message in one line, with a remedy.
fn why(error: &ImageError) -> String {
    match error {
        ImageError::Unsupported(_) => "not a PNG, JPEG or WebP picture".into(),
        other => {
            // The decoder's words are for programmers.
            tracing::info!(%other, "a picture cannot be decoded");
            "the picture is damaged: save it again from its source".into()
        }
    }
}

/// The message for a picture that is too large, with its width and height if known.
fn too_large(size: Option<(u32, u32)>) -> String {
    let most = MAX_ALLOC >> 20;
    let size = size.map_or(String::new(), |(width, height)| {
        format!("{width} × {height} pixels, ")
    });
    format!("too large: {size}at most {MAX_SIDE} pixels per side and {most} MiB decoded")
}

#[cfg(test)]
mod tests {
    use image::{ImageFormat, Rgba, RgbaImage};
    use proptest::prelude::*;

    use super::*;

    fn read_bytes(bytes: &[u8]) -> Result<RgbImage, Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        read(file.path())
    }

    fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn png_jpeg_and_webp_are_recognised_by_content() {
        let picture = DynamicImage::from(RgbImage::from_pixel(8, 8, Rgb([200, 10, 60])));
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
            let read = read_bytes(&encoded(&picture, format)).unwrap();
            let Rgb([r, g, b]) = *read.get_pixel(3, 3);
            assert!(r.abs_diff(200) < 5 && g.abs_diff(10) < 5 && b.abs_diff(60) < 5);
        }
    }

    #[test]
    fn transparency_becomes_white() {
        let picture =
            RgbaImage::from_fn(2, 1, |x, _| Rgba([0, 0, 0, if x == 0 { 0 } else { 255 }]));
        let read = read_bytes(&encoded(&picture.into(), ImageFormat::Png)).unwrap();
        assert_eq!(*read.get_pixel(0, 0), Rgb([255; 3]));
        assert_eq!(*read.get_pixel(1, 0), Rgb([0; 3]));
    }

    #[test]
    fn a_jpeg_is_turned_as_its_exif_says() {
        let picture = DynamicImage::from(RgbImage::new(16, 8));
        let jpeg = encoded(&picture, ImageFormat::Jpeg);
        // One EXIF entry: tag 0x112 (orientation), type short, one value, 6 (turn right by a quarter).
        let exif = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let turned = [&jpeg[..2], exif, &jpeg[2..]].concat();
        assert_eq!(read_bytes(&jpeg).unwrap().dimensions(), (16, 8));
        assert_eq!(read_bytes(&turned).unwrap().dimensions(), (8, 16));
    }

    #[test]
    fn a_file_that_is_no_picture_is_an_error_of_one_line() {
        let error = read_bytes(b"hello").unwrap_err().to_string();
        assert!(
            error.contains("not a PNG, JPEG or WebP picture but a text file"),
            "{error}"
        );
        let png = encoded(&RgbImage::new(64, 64).into(), ImageFormat::Png);
        let error = read_bytes(&png[..40]).unwrap_err().to_string();
        assert!(
            error.contains("the file ends early") && !error.contains('\n'),
            "{error}"
        );
        assert!(matches!(
            read(Path::new("/no/such.png")),
            Err(Error::File { .. })
        ));
    }

    #[test]
    fn a_picture_of_a_huge_declared_size_is_refused_before_allocation() {
        let mut png = encoded(&RgbImage::new(1, 1).into(), ImageFormat::Png);
        for at in [16, 20] {
            png[at..at + 4].copy_from_slice(&60_000u32.to_be_bytes());
        }
        let sum = crc(&png[12..29]).to_be_bytes();
        png[29..33].copy_from_slice(&sum);
        let error = read_bytes(&png).unwrap_err().to_string();
        let expected =
            "too large: 60000 × 60000 pixels, at most 32768 pixels per side and 512 MiB decoded";
        assert!(error.ends_with(expected), "{error}");
    }

    /// The checksum of a chunk of a PNG file.
    fn crc(bytes: &[u8]) -> u32 {
        let bit = |sum: u32| (sum >> 1) ^ (0xedb8_8320 * (sum & 1));
        let byte = |sum: u32, byte: &u8| (0..8).fold(sum ^ u32::from(*byte), |sum, _| bit(sum));
        !bytes.iter().fold(!0, byte)
    }

    #[test]
    fn a_picture_that_nobody_wants_any_more_is_not_decoded() {
        let png = encoded(&RgbImage::new(64, 64).into(), ImageFormat::Png);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), png).unwrap();
        let stop = CancelHandle::default();
        assert!(read_until(file.path(), &stop).is_ok());
        stop.stop();
        let error = read_until(file.path(), &stop).unwrap_err().to_string();
        assert!(error.ends_with("stopped"), "{error}");
    }

    proptest! {
        #[test]
        fn a_changed_byte_never_panics(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut png = encoded(&RgbImage::new(5, 4).into(), ImageFormat::Png);
            let place = place.index(png.len());
            png[place] = byte;
            let _ = read_bytes(&png);
        }
    }
}
