//! A contact sheet: many runs on one picture, each with a caption.

use super::ExportedRun;
use super::draw_text::{Face, mix};
use crate::runs::{Error, Record, format};
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

/// Most runs on a sheet.
pub const MAX_RUNS: usize = 400;

/// Longest side of the sheet that a cell's size is chosen for, in pixels.
const SHEET: u32 = 6000;

/// Smallest and largest side of a picture on the sheet, in pixels.
const SIDES: (u32, u32) = (224, 448);

/// Space around the sheet, and between its cells, in pixels.
const MARGIN: u32 = 40;
const GAP: u32 = 32;

/// Space between a picture and its caption, and between the caption's lines.
const BELOW: u32 = 12;
const LEADING: u32 = 4;

/// Radius of a picture's corners.
const RADIUS: f32 = 8.0;

const BACKGROUND: Rgb<u8> = Rgb([17, 18, 22]);
const BRIGHT: Rgb<u8> = Rgb([238, 238, 242]);
const DIM: Rgb<u8> = Rgb([150, 153, 165]);

/// A contact sheet as the bytes of a PNG file; see [`draw`].
///
/// # Errors
/// As [`draw`].
pub fn encode(runs: &[ExportedRun]) -> Result<Vec<u8>, Error> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    draw(runs)?
        .write_to(&mut bytes, image::ImageFormat::Png)
        .map_err(|problem| Error::Export(problem.to_string()))?;
    Ok(bytes.into_inner())
}

/// The sheet of some runs, in their order, from left to right and from top to bottom.
///
/// # Errors
/// [`Error::Export`] if there is no run, or more than [`MAX_RUNS`].
pub fn draw(runs: &[ExportedRun]) -> Result<RgbImage, Error> {
    if runs.is_empty() || runs.len() > MAX_RUNS {
        let count = runs.len();
        let why = format!("a contact sheet holds 1 to {MAX_RUNS} runs, not {count}");
        return Err(Error::Export(why));
    }
    let columns = columns(runs.len());
    let rows = runs.len().div_ceil(columns) as u32;
    let (columns, side) = (columns as u32, side(runs, columns as u32));
    let caption = BELOW + Face::Title.height() + 2 * (LEADING + Face::Small.height());
    // A row is as high as its pictures need: wide ones leave no empty space below them.
    let height = runs.iter().map(|run| fitted(&run.picture, side).1).max();
    let cell = (side, height.unwrap_or(side) + caption);
    let size = (
        2 * MARGIN + columns * (cell.0 + GAP) - GAP,
        2 * MARGIN + rows * (cell.1 + GAP) - GAP,
    );
    let mut sheet = RgbImage::from_pixel(size.0, size.1, BACKGROUND);
    for (index, run) in (0..).zip(runs) {
        let x = MARGIN + index % columns * (cell.0 + GAP);
        let y = MARGIN + index / columns * (cell.1 + GAP);
        let box_size = (side, cell.1 - caption);
        place(&mut sheet, &run.picture, (x, y), box_size);
        write(&mut sheet, &run.record, (x, y + box_size.1 + BELOW), side);
    }
    Ok(sheet)
}

/// How many columns: a little wider than high, and no last row with a single picture if that can be helped.
fn columns(count: usize) -> usize {
    let root = (count as f64 * 1.4).sqrt().ceil() as usize;
    let near = [root, root.saturating_sub(1), root + 1];
    let possible = near
        .into_iter()
        .filter(|&columns| columns > 0 && columns <= count);
    let empty = |columns: &usize| count.div_ceil(*columns) * columns - count;
    possible.min_by_key(empty).unwrap_or(1)
}

/// The side of the square that every picture is fitted into: that of the largest, within reason.
fn side(runs: &[ExportedRun], columns: u32) -> u32 {
    let longest = |run: &ExportedRun| run.picture.width().max(run.picture.height());
    let most = SIDES.1.min(SHEET / columns).max(SIDES.0);
    let largest = runs.iter().map(longest).max().unwrap_or(0);
    largest.clamp(SIDES.0, most)
}

/// The size of a picture whose longer side is `side`.
fn fitted(picture: &RgbImage, side: u32) -> (u32, u32) {
    let (width, height) = (picture.width().max(1), picture.height().max(1));
    let scale = f64::from(side) / f64::from(width.max(height));
    let scaled = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    (scaled(width), scaled(height))
}

/// Places a picture with round corners in the middle of a box.
fn place(
    sheet: &mut RgbImage,
    picture: &RgbImage,
    (x, y): (u32, u32),
    (width, height): (u32, u32),
) {
    let size = fitted(picture, width);
    let picture = if size == picture.dimensions() {
        picture.clone()
    } else {
        imageops::resize(picture, size.0, size.1, FilterType::CatmullRom)
    };
    let (left, top) = (x + (width - size.0) / 2, y + (height - size.1) / 2);
    for (column, row, colour) in picture.enumerate_pixels() {
        let pixel = sheet.get_pixel_mut(left + column, top + row);
        *pixel = mix(*pixel, *colour, coverage((column, row), size));
    }
}

/// How much of a pixel lies within a rectangle with round corners, of 255.
fn coverage((x, y): (u32, u32), (width, height): (u32, u32)) -> u8 {
    // How far the pixel's middle lies beyond the centre of the corner's circle, towards the corner.
    let beyond = |at: u32, length: u32| {
        let (at, length) = (at as f32 + 0.5, length as f32);
        (RADIUS - at).max(at - (length - RADIUS)).max(0.0)
    };
    let distance = beyond(x, width).hypot(beyond(y, height));
    ((RADIUS + 0.5 - distance).clamp(0.0, 1.0) * 255.0) as u8
}

/// Writes a run's caption.
fn write(sheet: &mut RgbImage, record: &Record, (x, y): (u32, u32), width: u32) {
    let spec = &record.spec;
    let score = format::score(record.score);
    let result = match record.probability {
        None => format!("score {score}"),
        Some(probability) => format!("p {} \u{b7} score {score}", format::percent(probability)),
    };
    let model = crate::text::safe(&spec.model);
    let model = model.rsplit('/').next().unwrap_or_default();
    let lines = [
        (Face::Title, crate::text::safe(&spec.target), BRIGHT),
        (Face::Small, result, DIM),
        (
            Face::Small,
            format!("{model} \u{b7} seed {}", spec.seed),
            DIM,
        ),
    ];
    let mut line_y = y;
    for (face, text, colour) in lines {
        face.draw(sheet, (x, line_y), &face.fit(&text, width), colour);
        line_y += face.height() + LEADING;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::history::testing::record;

    fn exhibits(sizes: &[(u32, u32)]) -> Vec<ExportedRun> {
        let colour = |index: usize| Rgb([200, 100 + 10 * (index % 10) as u8, 50]);
        let runs = sizes
            .iter()
            .enumerate()
            .map(|(index, &(width, height))| ExportedRun {
                record: record(index as u64),
                picture: RgbImage::from_pixel(width, height, colour(index)),
            });
        runs.collect()
    }

    #[test]
    fn every_picture_is_on_the_sheet_with_ink_below_it() {
        let runs = exhibits(&[(256, 256); 5]);
        let sheet = draw(&runs).unwrap();
        for (index, run) in (0..).zip(&runs) {
            let (column, row) = (index % 3, index / 3);
            let caption = BELOW + Face::Title.height() + 2 * (LEADING + Face::Small.height());
            let x = MARGIN + column * (256 + GAP);
            let y = MARGIN + row * (256 + caption + GAP);
            assert_eq!(
                sheet.get_pixel(x + 128, y + 128),
                run.picture.get_pixel(0, 0)
            );
            assert_eq!(*sheet.get_pixel(x, y), BACKGROUND);
            let below = imageops::crop_imm(&sheet, x, y + 256, 256, caption).to_image();
            assert!(below.pixels().any(|pixel| pixel[0] > 200));
        }
    }

    #[test]
    fn pictures_of_any_shape_and_number_fit() {
        let mixed = draw(&exhibits(&[(224, 224), (500, 100), (3, 900), (1, 1)])).unwrap();
        assert_eq!(mixed.width(), 2 * MARGIN + 2 * 448 + GAP);
        let many = draw(&exhibits(&[(2, 2); 150])).unwrap();
        assert!(many.width() < SHEET && many.height() < SHEET);
        assert!(matches!(draw(&[]), Err(Error::Export(_))));
        assert!(draw(&exhibits(&vec![(1, 1); MAX_RUNS + 1])).is_err());
    }

    #[test]
    fn the_last_row_is_as_full_as_can_be() {
        let expected = [
            (1, 1),
            (2, 2),
            (3, 3),
            (4, 2),
            (6, 3),
            (8, 4),
            (9, 3),
            (12, 4),
        ];
        for (count, width) in expected {
            assert_eq!(columns(count), width, "{count}");
        }
    }
}
