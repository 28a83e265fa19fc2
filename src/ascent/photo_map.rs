//! The class activation map of an entire photo, whatever its proportions.
//!
//! A network takes pictures of one aspect ratio. A longer photo is divided along its longer side into views of this
//! aspect ratio that overlap by at least half. Each view is preprocessed like a separate photo, at the scale of the
//! network's training data, and has its own map. Overlapping maps are averaged with weights that fall towards the ends
//! of a view, where the network lacks context. Shrinking the photo instead would remove detail that is needed for
//! recognition; padding would add a border that is evidence for other classes.
//!
//! A photo of the network's aspect ratio is a single view, with the map of [`Mapper`], and so is every photo for a
//! network whose preprocessing squashes pictures. The narrow border that preprocessing crops away takes the adjacent
//! values.

use super::evaluate::{Mapper, Site};
use super::{CamOptions, Error, Objective, Unit};
use crate::model::{Fit, Network, Window};
use image::{RgbImage, imageops};
use ndarray::{Array1, Array2};
use std::iter;
use std::ops::Range;

/// Maximum number of views of a photo.
const MAX_VIEWS: u32 = 64;

/// Maximum length of a photo that is a single view, relative to the view.
const TOLERANCE: f64 = 0.02;

/// The class activation map of a photo.
#[derive(Debug, Clone)]
pub struct PhotoMap {
    width: u32,
    height: u32,
    views: Vec<View>,
}

/// A part of a photo that is evaluated separately.
#[derive(Debug, Clone)]
struct View {
    /// Its columns and rows in the photo.
    columns: Range<u32>,
    rows: Range<u32>,
    /// The part of it that preprocessing shows to the network.
    window: Window,
    map: Array2<f32>,
}

/// Columns and rows of a photo.
type Part = (Range<u32>, Range<u32>);

/// Computes the map of a target for the complete `photo`.
///
/// # Errors
/// As [`Mapper::open`] and [`Mapper::map`]; [`Error::NoMap`] if the photo is too long.
pub fn of_photo(
    network: &Network,
    (target, unit): (&Objective, Unit),
    photo: &RgbImage,
    choice: CamOptions<'_>,
    site: impl Into<Site>,
) -> Result<PhotoMap, Error> {
    let (width, height) = photo.dimensions();
    let size = network.size;
    let parts = match network.preprocessing.proportions() {
        Fit::Crop => parts((width, height), (size.width, size.height))?,
        Fit::Squash => vec![(0..width, 0..height)],
    };
    let mut mapper = Mapper::open(network, target, unit, choice, site)?;
    let mut view = |(columns, rows): Part| -> Result<View, Error> {
        let (left, top) = (columns.start, rows.start);
        let (wide, high) = (columns.end - left, rows.end - top);
        let part = imageops::crop_imm(photo, left, top, wide, high).to_image();
        let window = network.preprocessing.window((wide, high), size);
        Ok(View {
            map: mapper.map(network.preprocessing.tensor(&part, size))?,
            window: window.moved(left, top),
            columns,
            rows,
        })
    };
    Ok(PhotoMap {
        width,
        height,
        views: parts
            .into_iter()
            .map(&mut view)
            .collect::<Result<_, Error>>()?,
    })
}

/// The views of a photo.
fn parts((width, height): (u32, u32), (wide, high): (u32, u32)) -> Result<Vec<Part>, Error> {
    let proportion = f64::from(wide) / f64::from(high);
    let is_wide = f64::from(width) > f64::from(height) * proportion;
    let (long, view) = if is_wide {
        (width, f64::from(height) * proportion)
    } else {
        (height, f64::from(width) / proportion)
    };
    let parts = spread(long, view.round().max(1.0) as u32).ok_or_else(|| {
        Error::NoMap(format!(
            "a photo of {width} × {height} pixels is too long for a map of it: cut it into shorter ones"
        ))
    })?;
    let pair = |part: Range<u32>| {
        if is_wide {
            (part, 0..height)
        } else {
            (0..width, part)
        }
    };
    Ok(parts.into_iter().map(pair).collect())
}

/// The intervals of views of length `view` on a line of length `long`: evenly spaced, with neighbours that overlap by
/// at least half. `None` if there would be too many.
fn spread(long: u32, view: u32) -> Option<Vec<Range<u32>>> {
    let beyond = f64::from(long) / f64::from(view) - 1.0;
    if beyond <= TOLERANCE {
        return Some(iter::once(0..long).collect());
    }
    let steps = (2.0 * beyond).ceil();
    if steps >= f64::from(MAX_VIEWS) {
        return None;
    }
    let rest = f64::from(long - view);
    let start = |step: u32| (rest * f64::from(step) / steps).round() as u32;
    let mut starts: Vec<u32> = (0..=steps as u32).map(start).collect();
    // Views of one pixel may be rounded to the same place.
    starts.dedup();
    let views = starts.into_iter().map(|start| start..start + view);
    Some(views.collect())
}

impl PhotoMap {
    /// Number of views.
    pub fn views(&self) -> usize {
        self.views.len()
    }

    /// Whether the map is zero everywhere: nothing in the photo is evidence for the target.
    pub fn is_zero(&self) -> bool {
        let mut values = self.views.iter().flat_map(|view| &view.map);
        values.all(|&value| value == 0.0)
    }

    /// The map resampled at the pixel centres of the photo at another size, (height, width); non-negative, not scaled.
    pub fn resized(&self, width: u32, height: u32) -> Array2<f32> {
        let from = |pixel: u32, side: u32, to: u32| {
            let middle = (f64::from(pixel) + 0.5) * f64::from(side) / f64::from(to);
            (middle as u32).min(side - 1)
        };
        let mut resized = Array2::zeros((height as usize, width as usize));
        for (y, mut line) in (0..height).zip(resized.rows_mut()) {
            let row = self.row(from(y, self.height, height));
            for (x, value) in (0..width).zip(&mut line) {
                *value = row[from(x, self.width, width) as usize];
            }
        }
        resized
    }

    /// The map at each pixel of the photo, (height, width), divided by its maximum; zero if nothing
    /// supports the target.
    pub fn scaled(&self) -> Array2<f32> {
        let mut scaled = Array2::zeros((self.height as usize, self.width as usize));
        for (y, mut line) in (0..self.height).zip(scaled.rows_mut()) {
            line.assign(&Array1::from_vec(self.row(y)));
        }
        let largest = scaled.fold(0.0, |most: f32, &value| most.max(value));
        if largest > 0.0 {
            scaled / largest
        } else {
            scaled
        }
    }

    /// The map at each pixel of a row of the photo; non-negative, not scaled.
    pub fn row(&self, row: u32) -> Vec<f32> {
        let (width, height) = (self.width as usize, self.height);
        let (mut sum, mut total) = (vec![0.0; width], vec![0.0; width]);
        for view in self.views.iter().filter(|view| view.rows.contains(&row)) {
            let down = weight(row, &view.rows, height);
            let line = view.line(row);
            for column in view.columns.clone() {
                let weight = down * weight(column, &view.columns, self.width);
                sum[column as usize] += weight * view.at(&line, column);
                total[column as usize] += weight;
            }
        }
        sum.iter()
            .zip(total)
            .map(|(sum, total)| sum / total)
            .collect()
    }
}

impl View {
    /// The values of the map along a row of the photo.
    fn line(&self, row: u32) -> Vec<f32> {
        let rows = self.map.nrows();
        let (above, below, share) = between(row, self.window.top, self.window.height, rows);
        let pairs = self.map.row(above).into_iter().zip(self.map.row(below));
        pairs
            .map(|(above, below)| above + share * (below - above))
            .collect()
    }

    /// The value of such a row at a column of the photo.
    fn at(&self, line: &[f32], column: u32) -> f32 {
        let (left, right, share) = between(column, self.window.left, self.window.width, line.len());
        line[left] + share * (line[right] - line[left])
    }
}

/// The two of `count` evenly spaced samples around the centre of a pixel, and the interpolation weight of the second.
/// Beyond the ends, both are the outermost sample.
fn between(pixel: u32, start: f64, length: f64, count: usize) -> (usize, usize, f32) {
    let place = (f64::from(pixel) + 0.5 - start) / length * count as f64 - 0.5;
    let place = place.clamp(0.0, (count - 1) as f64);
    let below = place.floor();
    let next = (below as usize + 1).min(count - 1);
    (below as usize, next, (place - below) as f32)
}

/// The weight of a view at a pixel; it falls towards an end that overlaps another view.
fn weight(pixel: u32, part: &Range<u32>, long: u32) -> f32 {
    let before = if part.start == 0 {
        u32::MAX
    } else {
        pixel - part.start + 1
    };
    let behind = if part.end == long {
        u32::MAX
    } else {
        part.end - pixel
    };
    match before.min(behind) {
        u32::MAX => 1.0,
        distance => (distance as f32 / (part.end - part.start) as f32).min(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn views_cover_the_photo_and_overlap_by_half(
            (width, height) in (1u32..3000, 1u32..3000),
            (wide, high) in (1u32..400, 1u32..400),
        ) {
            let Ok(parts) = parts((width, height), (wide, high)) else { return Ok(()) };
            let (first, last) = (&parts[0], &parts[parts.len() - 1]);
            prop_assert_eq!((first.0.start, first.1.start), (0, 0));
            prop_assert_eq!((last.0.end, last.1.end), (width, height));
            for pair in parts.windows(2) {
                let lines = [0, 1].map(|at: usize| (&pair[at].0, &pair[at].1));
                let line = |at: usize| if width == lines[at].0.len() as u32 { lines[at].1 } else { lines[at].0 };
                let (before, after) = (line(0), line(1));
                prop_assert!(before.start < after.start);
                prop_assert!(before.end - after.start + 2 >= before.len() as u32 / 2);
            }
        }

        #[test]
        fn equal_maps_of_overlapping_views_are_one_even_map(long in 10u32..500, view in 4u32..40) {
            let Some(parts) = spread(long, view) else { return Ok(()) };
            let views = parts.into_iter().map(|part| View {
                window: Window::entire(part.len() as u32, 7).moved(part.start, 0),
                columns: part,
                rows: 0..7,
                map: Array2::from_elem((3, 4), 2.5),
            });
            let map = PhotoMap { width: long, height: 7, views: views.collect() };
            prop_assert!(map.row(3).iter().all(|value| (value - 2.5).abs() < 1e-5));
        }
    }

    #[test]
    fn a_photo_too_long_for_its_views_is_refused_and_one_nearly_square_is_one_view() {
        assert!(parts((40_000, 100), (224, 224)).is_err());
        assert_eq!(parts((1000, 990), (224, 224)).unwrap().len(), 1);
        assert_eq!(parts((1800, 600), (224, 224)).unwrap().len(), 5);
        assert_eq!(parts((600, 1800), (224, 224)).unwrap().len(), 5);
        assert_eq!(parts((1, 2), (69, 1)).unwrap().len(), 2);
        assert_eq!(parts((192, 48), (192, 48)).unwrap().len(), 1);
        assert_eq!(parts((192, 96), (192, 48)).unwrap().len(), 3);
    }

    #[test]
    fn one_view_of_a_photo_is_resized_as_every_map() {
        let map = ndarray::arr2(&[[0.0, 1.0, 3.0], [2.0, 0.5, 7.0]]);
        let view = View {
            columns: 0..30,
            rows: 0..20,
            window: Window::entire(30, 20),
            map: map.clone(),
        };
        let photo = PhotoMap {
            width: 30,
            height: 20,
            views: vec![view],
        };
        let stacked = map.insert_axis(ndarray::Axis(0));
        let resized = crate::ascent::resampling::resize_picture(&stacked, 20, 30);
        let same = photo.resized(30, 20);
        let half = photo.resized(15, 10);
        assert!((half[(4, 7)] - same[(9, 15)]).abs() < 1e-6);
        for row in 0..20 {
            assert_eq!(same.row(row as usize).to_vec(), photo.row(row));
            for (column, value) in photo.row(row).into_iter().enumerate() {
                let expected = resized[(0, row as usize, column)];
                assert!((value - expected).abs() < 1e-5, "{row}, {column}");
            }
        }
    }
}
