//! The picture file: a PNG with its spec in a text chunk, so that the picture alone is enough to repeat the run.

use super::{Error, Spec};
use image::{ImageFormat, ImageReader, RgbImage};
use std::io::ErrorKind::UnexpectedEof;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// The keyword of the text chunk that holds the spec as JSON.
const KEYWORD: &str = "ziggurat";

/// What every PNG file begins with.
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Most bytes that a picture's text chunks may take when it is read.
const MAX_TEXT: usize = 1 << 20;

/// Longest side of a picture that is read: twice what a canvas may be set to.
const MAX_SIDE: u32 = 4096;

/// The bytes of a PNG file of `picture` that carries `spec`.
pub fn encode(picture: &RgbImage, spec: &Spec) -> Vec<u8> {
    let text = serde_json::to_string(spec).expect("a spec can always be written as JSON");
    let mut bytes = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut bytes, picture.width(), picture.height());
    encoder.set_color(::png::ColorType::Rgb);
    encoder.set_depth(::png::BitDepth::Eight);
    let written = encoder
        .add_itxt_chunk(KEYWORD.into(), text)
        .and_then(|()| encoder.write_header()?.write_image_data(picture.as_raw()));
    written.expect("writing a picture of matching size to memory cannot fail");
    bytes
}

/// The spec that the PNG at `path` carries.
///
/// # Errors
/// [`Error::File`], [`Error::Damaged`] if it is no PNG or the spec in it cannot be read, [`Error::NoSpec`].
pub fn read_spec(path: &Path) -> Result<Spec, Error> {
    let damaged = |why: String| Error::Damaged {
        path: path.into(),
        why,
    };
    let file = crate::files::open(path).map_err(Error::file(path))?;
    let mut file = BufReader::new(file);
    let begins = file.fill_buf().map_err(Error::file(path))?;
    if !begins.starts_with(SIGNATURE) {
        let why = "this is not a PNG file; give a PNG file that Ziggurat wrote, or a run id";
        return Err(damaged(why.into()));
    }
    let limits = ::png::Limits { bytes: MAX_TEXT };
    let decoder = ::png::Decoder::new_with_limits(file, limits);
    let reader = decoder
        .read_info()
        .map_err(|problem| damaged(undecoded(&problem).into()))?;
    let chunks = &reader.info().utf8_text;
    let chunk = chunks.iter().find(|chunk| chunk.keyword == KEYWORD);
    let text = chunk.ok_or_else(|| Error::NoSpec(path.into()))?.get_text();
    let text = text.map_err(|problem| damaged(undecoded(&problem).into()))?;
    serde_json::from_str(&text).map_err(|problem| damaged(format!("its settings: {problem}")))
}

/// The picture in the PNG at `path`.
///
/// # Errors
/// [`Error::File`], [`Error::Damaged`] if it is no PNG, is cut off, or is larger than any picture of Ziggurat's.
pub fn read_picture(path: &Path) -> Result<RgbImage, Error> {
    let file = crate::files::open(path).map_err(Error::file(path))?;
    let mut reader = ImageReader::with_format(BufReader::new(file), ImageFormat::Png);
    let mut limits = image::Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    reader.limits(limits);
    let picture = reader.decode().map_err(|problem| Error::Damaged {
        path: path.into(),
        why: undrawn(&problem).into(),
    })?;
    Ok(picture.to_rgb8())
}

const ENDS_EARLY: &str = "the file ends early: copy it again";
const DAMAGED: &str = "the PNG file is damaged: copy it again";

/// Why the texts of a PNG cannot be read, in the user's words.
fn undecoded(problem: &::png::DecodingError) -> &'static str {
    tracing::info!(%problem, "a picture's texts cannot be read");
    match problem {
        ::png::DecodingError::IoError(error) if error.kind() == UnexpectedEof => ENDS_EARLY,
        ::png::DecodingError::LimitsExceeded => "its texts are larger than any of Ziggurat's",
        _ => DAMAGED,
    }
}

/// Why a PNG cannot be decoded, in the user's words.
fn undrawn(problem: &image::ImageError) -> &'static str {
    tracing::info!(%problem, "a picture cannot be decoded");
    match problem {
        image::ImageError::IoError(error) if error.kind() == UnexpectedEof => ENDS_EARLY,
        image::ImageError::Limits(_) => "the picture is larger than any of Ziggurat's",
        _ => DAMAGED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ascent::{Kind, Objective, Settings, Unit};
    use crate::runs::write_file;

    #[test]
    fn the_picture_alone_has_the_spec() {
        let objective = Objective {
            kind: Kind::Channel,
            value: "blöcke/1".into(),
        };
        let target = (
            "blöcke/1:3",
            objective,
            Unit {
                index: 3,
                position: (0, 0),
            },
        );
        let spec = Spec::new(("m", "h"), target, 9, Settings::default());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.png");
        let picture = RgbImage::from_fn(5, 3, |x, y| image::Rgb([x as u8, y as u8, 7]));
        write_file(&path, &encode(&picture, &spec)).unwrap();
        assert_eq!(read_spec(&path).unwrap(), spec);
        assert_eq!(image::open(&path).unwrap().to_rgb8(), picture);
    }

    #[test]
    fn a_damaged_picture_is_an_error_in_plain_words() {
        let objective = Objective {
            kind: Kind::Class,
            value: "v".into(),
        };
        let spec = Spec::new(
            ("m", "h"),
            ("t", objective, Unit::default()),
            0,
            Settings::default(),
        );
        let bytes = encode(&RgbImage::new(9, 9), &spec);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.png");
        for at in 8..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x55;
            for bytes in [&changed, &bytes[..at]] {
                std::fs::write(&path, bytes).unwrap();
                let problems = [
                    read_spec(&path).err().map(|error| error.to_string()),
                    read_picture(&path).err().map(|error| error.to_string()),
                ];
                for why in problems.into_iter().flatten() {
                    assert!(!why.contains("{ ") && !why.contains("ChunkType"), "{why}");
                }
            }
        }
    }

    #[test]
    fn other_pictures_and_other_files_are_distinct_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.png");
        RgbImage::new(2, 2).save(&path).unwrap();
        assert!(matches!(read_spec(&path), Err(Error::NoSpec(_))));
        std::fs::write(&path, "no picture").unwrap();
        assert!(matches!(read_spec(&path), Err(Error::Damaged { .. })));
        assert!(matches!(
            read_spec(&folder.path().join("none")),
            Err(Error::File { .. })
        ));
    }
}
