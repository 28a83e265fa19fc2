//! Heatmaps: class activation maps in colour, alone or over the picture.

use super::resampling::resize_picture;
use image::{Rgb, RgbImage};
use ndarray::{Array2, Axis, s};

/// Opacity of the heatmap over the picture.
const ALPHA: f32 = 0.55;

/// The colour map from 0 to the maximum, evenly spaced. Its brightness increases monotonically, so that it is readable
/// without colour vision.
const RAMP: [[f32; 3]; 6] = [
    [0.0, 0.0, 12.0],
    [68.0, 12.0, 104.0],
    [148.0, 40.0, 100.0],
    [220.0, 80.0, 60.0],
    [252.0, 164.0, 16.0],
    [252.0, 252.0, 168.0],
];

/// Draws `map` (rows, columns; non-negative) over `picture`, resized to its size and scaled to the map's maximum. A map
/// of zeros has the lowest colour everywhere.
pub fn overlay(picture: &RgbImage, map: &Array2<f32>) -> RgbImage {
    let (width, height) = picture.dimensions();
    let map = map.clone().insert_axis(Axis(0));
    let heat = resize_picture(&map, height as usize, width as usize);
    overlay_rows(picture, |row| heat.slice(s![0, row as usize, ..]).to_vec())
}

/// As [`overlay`], with the map values of each row of the picture from `row`.
pub fn overlay_rows(picture: &RgbImage, row: impl Fn(u32) -> Vec<f32>) -> RgbImage {
    let height = picture.height();
    let largest = (0..height).flat_map(&row).fold(0.0, f32::max);
    let mut result = picture.clone();
    for (y, pixels) in result.enumerate_rows_mut() {
        for ((.., pixel), value) in pixels.zip(row(y)) {
            let share = if largest > 0.0 { value / largest } else { 0.0 };
            let (over, under) = (colour(share), pixel.0);
            *pixel = Rgb([0, 1, 2].map(|channel| {
                let mixed = ALPHA * over[channel] + (1.0 - ALPHA) * f32::from(under[channel]);
                mixed.round() as u8
            }));
        }
    }
    result
}

/// `map` (rows, columns; non-negative) without a picture, at its own size and scaled to its maximum.
pub fn alone(map: &Array2<f32>) -> RgbImage {
    let largest = map.fold(0.0, |a: f32, &b| a.max(b));
    let scale = if largest > 0.0 { 1.0 / largest } else { 0.0 };
    let (rows, columns) = map.dim();
    RgbImage::from_fn(columns as u32, rows as u32, |x, y| {
        let value = map[(y as usize, x as usize)] * scale;
        Rgb(colour(value).map(|part| part.round() as u8))
    })
}

/// The colour at `share`, 0 to 1.
fn colour(share: f32) -> [f32; 3] {
    let position = share.clamp(0.0, 1.0) * (RAMP.len() - 1) as f32;
    let below = (position as usize).min(RAMP.len() - 2);
    let part = position - below as f32;
    [0, 1, 2].map(|channel| {
        let (from, to) = (RAMP[below][channel], RAMP[below + 1][channel]);
        from + part * (to - from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brightness([r, g, b]: [f32; 3]) -> f32 {
        0.299 * r + 0.587 * g + 0.114 * b
    }

    #[test]
    fn more_heat_is_brighter() {
        let ramp: Vec<f32> = (0..=100)
            .map(|step| brightness(colour(step as f32 / 100.0)))
            .collect();
        assert!(ramp.is_sorted());
        assert!(ramp[100] > ramp[0] + 200.0);
    }

    #[test]
    fn the_hottest_corner_of_the_map_is_the_brightest_of_the_picture() {
        let picture = RgbImage::from_pixel(40, 20, Rgb([100; 3]));
        let map = ndarray::arr2(&[[0.0, 0.1], [0.2, 7.0]]);
        let laid = overlay(&picture, &map);
        assert_eq!(laid.dimensions(), (40, 20));
        let at = |x, y| brightness(laid.get_pixel(x, y).0.map(f32::from));
        assert!(at(39, 19) > at(0, 19) && at(0, 19) > at(0, 0));
    }

    #[test]
    fn a_map_without_picture_uses_the_complete_colour_map() {
        let alone = alone(&ndarray::arr2(&[[0.0, 0.5, 2.0]]));
        let at = |x| brightness(alone.get_pixel(x, 0).0.map(f32::from));
        assert!(at(0) < 10.0 && at(1) > at(0) && at(2) > 200.0);
    }

    #[test]
    fn a_map_of_zeros_has_the_lowest_colour() {
        let picture = RgbImage::from_pixel(4, 4, Rgb([255; 3]));
        let laid = overlay(&picture, &Array2::zeros((2, 2)));
        assert!(laid.pixels().all(|pixel| pixel == laid.get_pixel(0, 0)));
    }
}
