//! The picture file. A PNG carries its whole spec in a text chunk, so that the picture alone is enough to repeat it.

use super::{Error, Spec};
use image::RgbImage;
use std::io::{BufReader, Write};
use std::path::Path;

/// The keyword of the text chunk that holds the spec as JSON.
const KEYWORD: &str = "ziggurat";

/// Most bytes that a picture's text chunks may take when it is read.
const MAX_TEXT: usize = 1 << 20;

/// The bytes of a PNG file of `picture` that carries `spec`.
pub fn png(picture: &RgbImage, spec: &Spec) -> Vec<u8> {
    let text = serde_json::to_string(spec).expect("a spec can always be written as JSON");
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, picture.width(), picture.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
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
    let file = std::fs::File::open(path).map_err(Error::file(path))?;
    let limits = png::Limits { bytes: MAX_TEXT };
    let decoder = png::Decoder::new_with_limits(BufReader::new(file), limits);
    let reader = decoder
        .read_info()
        .map_err(|problem| damaged(problem.to_string()))?;
    let chunks = &reader.info().utf8_text;
    let chunk = chunks.iter().find(|chunk| chunk.keyword == KEYWORD);
    let text = chunk.ok_or_else(|| Error::NoSpec(path.into()))?.get_text();
    let text = text.map_err(|problem| damaged(problem.to_string()))?;
    serde_json::from_str(&text).map_err(|problem| damaged(format!("its settings: {problem}")))
}

/// Writes a file so that it appears whole or not at all.
///
/// # Errors
/// [`Error::File`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(".ziggurat-")
            .tempfile_in(folder)?;
        file.write_all(bytes)?;
        crate::onnx::file::make_readable(file.as_file())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|problem| problem.error)?;
        Ok(())
    };
    write().map_err(Error::file(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ascent::{Kind, Objective, Settings, Unit};

    #[test]
    fn the_picture_alone_tells_how_it_was_made() {
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
        write(&path, &png(&picture, &spec)).unwrap();
        assert_eq!(read_spec(&path).unwrap(), spec);
        assert_eq!(image::open(&path).unwrap().to_rgb8(), picture);
    }

    #[test]
    fn other_pictures_and_other_files_are_told_apart() {
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
