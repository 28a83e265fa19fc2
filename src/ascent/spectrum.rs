//! The spectrum of photographs: the strength of each band of the Laplacian pyramid and each colour axis.

use super::resampling::{both_axes, expand, reduce};
use ndarray::{Array3, Axis};

/// Root mean square of the Laplacian bands of photographs of 256 × 256 pixels, finest first, in the axes of
/// [`super::decorrelation::ColourBasis`] (luminance, blue-yellow, green-magenta): the geometric mean over the 38
/// photographs of `tests/peers/spectrum.py`, which prints it.
const PHOTOGRAPHS: [[f64; 3]; 7] = [
    [0.192, 0.113, 0.125],
    [0.166, 0.136, 0.122],
    [0.187, 0.168, 0.136],
    [0.215, 0.204, 0.157],
    [0.248, 0.250, 0.183],
    [0.266, 0.287, 0.202],
    [0.267, 0.272, 0.178],
];

/// The strength of band `level` (0 is the finest) of colour axis `axis` in photographs.
///
/// Other canvas sizes use the same numbers, counted from the finest band. Shrunk photographs have up to twice as much
/// fine chroma; with that much, a coarse octave produces texture instead of shape (robust judge 0.73 instead of 0.81,
/// see `tests/peers/judge.py`). The residual counts as the band of its level.
pub fn strength(level: u32, axis: usize) -> f64 {
    let row = PHOTOGRAPHS[(level as usize).min(PHOTOGRAPHS.len() - 1)];
    row[axis.min(2)]
}

/// The Laplacian pyramid of a canvas (C, h, w): `levels` bands, finest first; the last one is the residual.
pub(super) fn pyramid(canvas: Array3<f32>, levels: u32) -> Vec<Array3<f32>> {
    let mut bands = Vec::with_capacity(levels as usize);
    let mut level = canvas;
    for _ in 1..levels {
        let (_, height, width) = level.dim();
        let coarse = both_axes(&level, &reduce(height), &reduce(width));
        bands.push(level - both_axes(&coarse, &expand(height), &expand(width)));
        level = coarse;
    }
    bands.push(level);
    bands
}

/// The canvas of a Laplacian pyramid.
pub(super) fn collapse(bands: Vec<Array3<f32>>) -> Array3<f32> {
    let sum = |coarse: Array3<f32>, band: Array3<f32>| {
        let (_, height, width) = band.dim();
        band + both_axes(&coarse, &expand(height), &expand(width))
    };
    let mut bands = bands.into_iter().rev();
    let residual = bands.next().unwrap_or_default();
    bands.fold(residual, sum)
}

/// `noise` (C, h, w) with the spectrum of photographs.
pub(super) fn shaped(noise: Array3<f32>, levels: u32) -> Array3<f32> {
    let mut bands = pyramid(noise, levels);
    for (level, band) in bands.iter_mut().enumerate() {
        for (axis, mut plane) in band.axis_iter_mut(Axis(0)).enumerate() {
            let rms = plane
                .mapv(|value| value * value)
                .mean()
                .unwrap_or(0.0)
                .sqrt();
            let factor = strength(level as u32, axis) as f32 / (rms + 1e-12);
            plane.mapv_inplace(|value| value * factor);
        }
    }
    collapse(bands)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ascent::random::Random;

    fn rms(plane: ndarray::ArrayView2<f32>) -> f64 {
        f64::from(plane.mapv(|value| value * value).mean().unwrap()).sqrt()
    }

    #[test]
    fn the_bands_of_a_pyramid_add_up_to_the_canvas() {
        let canvas = Random::new(1).noise((3, 37, 50), 1.0);
        for levels in [1, 2, 5, 8] {
            let again = collapse(pyramid(canvas.clone(), levels));
            let error = (&again - &canvas).fold(0.0, |most: f32, value| most.max(value.abs()));
            assert!(error < 1e-4, "{levels}: {error}");
        }
    }

    #[test]
    fn shaped_noise_has_the_bands_of_photographs() {
        let canvas = shaped(Random::new(2).noise((3, 128, 128), 1.0), 6);
        for (level, band) in pyramid(canvas, 6).into_iter().enumerate().take(4) {
            for (axis, plane) in band.outer_iter().enumerate() {
                let ratio = rms(plane) / strength(level as u32, axis);
                // The bands of a Laplacian pyramid overlap, so that each contains a little of its neighbours.
                assert!((0.6..1.7).contains(&ratio), "{level}, {axis}: {ratio}");
            }
        }
    }

    #[test]
    fn any_band_and_axis_has_a_strength() {
        for (level, axis) in [(0, 0), (7, 2), (200, 63)] {
            assert!(strength(level, axis) > 0.0);
        }
    }
}
