//! Pictures with few colours, which PNG compresses better.

use image::RgbImage;
use quantette::deps::palette::Srgb;
use quantette::deps::palette::cast::from_component_slice;
use quantette::{ImageRef, PaletteSize, Pipeline};
use std::io;

/// A PNG of `picture` with a palette of at most `colours` (2 to 256), without dithering, which compresses badly.
pub fn png(picture: &RgbImage, colours: u16) -> io::Result<Vec<u8>> {
    let (width, height) = picture.dimensions();
    let pixels: &[Srgb<u8>] = from_component_slice(picture.as_raw());
    let image = ImageRef::new(width, height, pixels)
        .map_err(|problem| io::Error::other(problem.to_string()))?;
    // 256 does not fit into the type; its maximum means 256.
    let size = u8::try_from(colours)
        .ok()
        .and_then(|size| PaletteSize::try_from(size).ok());
    let pipeline = Pipeline::new()
        .palette_size(size.unwrap_or(PaletteSize::MAX))
        .ditherer(None);
    let indexed = pipeline.input_image(image).output_srgb8_indexed_image();
    let palette: Vec<u8> = indexed
        .palette()
        .iter()
        .flat_map(|c| [c.red, c.green, c.blue])
        .collect();

    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette);
    encoder.set_filter(png::Filter::NoFilter);
    encoder.set_compression(png::Compression::Balanced);
    let mut writer = encoder.write_header().map_err(io::Error::other)?;
    writer
        .write_image_data(indexed.indices())
        .map_err(io::Error::other)?;
    writer.finish().map_err(io::Error::other)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;
    use std::collections::HashSet;

    #[test]
    fn the_palette_has_the_size_asked_for_and_the_picture_looks_alike() {
        let picture = RgbImage::from_fn(64, 48, |x, y| Rgb([4 * x as u8, 5 * y as u8, 128]));
        for colours in [2, 16, 64, 256] {
            let decoded = image::load_from_memory(&png(&picture, colours).unwrap())
                .unwrap()
                .to_rgb8();
            assert_eq!(decoded.dimensions(), picture.dimensions());
            let used: HashSet<_> = decoded.pixels().collect();
            assert!(used.len() <= usize::from(colours) && used.len() > usize::from(colours) / 2);
            let off = |(a, b): (&u8, &u8)| f64::from(a.abs_diff(*b)).powi(2);
            let error: f64 = decoded.as_raw().iter().zip(picture.as_raw()).map(off).sum();
            let rms = (error / picture.as_raw().len() as f64).sqrt();
            assert!(colours < 256 || rms < 8.0, "{colours} colours: {rms}");
        }
    }

    #[test]
    fn a_picture_of_one_colour_is_no_special_case() {
        let picture = RgbImage::from_pixel(3, 2, Rgb([9, 8, 7]));
        let decoded = image::load_from_memory(&png(&picture, 64).unwrap())
            .unwrap()
            .to_rgb8();
        assert_eq!(decoded, picture);
    }
}
