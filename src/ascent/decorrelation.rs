//! Colour decorrelation: the basis of the canvas.
//!
//! The channels of a pixel are correlated: a pixel that is brighter in red is usually brighter in green and blue too. A
//! canvas `z` has one axis per channel, and its picture is `R z + 1/2`, where `R` is a square root of the colour
//! covariance of photographs. Steps of equal length are then equally natural along every axis.

use crate::model::Network;
use ndarray::{Array2, Array3, ArrayView3, Axis};
use std::f32::consts::PI;

/// A square root of the colour covariance (rows R, G, B) of ImageNet, as measured for Lucid (Olah, Mordvintsev and
/// Schubert 2017). Columns: luminance, blue-yellow, green-magenta.
const ROOT: [[f32; 3]; 3] = [[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]];

/// The strength of each axis of [`ROOT`]: the root mean square of its column.
const STRENGTH: [f32; 3] = [0.2667, 0.0735, 0.0356];

/// A colour basis: the contribution of each axis of the canvas to the brightness (0 to 1) of each channel.
#[derive(Debug, Clone, PartialEq)]
pub struct ColourBasis(Array2<f32>);

impl ColourBasis {
    /// The basis for `channels` channels; `rgb_of_channel` is the index in R, G, B of each of three channels.
    ///
    /// Other numbers of channels are not colours. Their first axis is the common brightness, with the strength of
    /// luminance in photographs; the others are a discrete cosine transform across channels, with the strength of
    /// chroma.
    pub fn new(channels: usize, rgb_of_channel: [usize; 3]) -> Self {
        let matrix = match channels {
            3 => Array2::from_shape_fn((3, 3), |(row, axis)| ROOT[rgb_of_channel[row]][axis]),
            _ => Array2::from_shape_fn((channels, channels), |(row, axis)| {
                let phase = (row as f32 + 0.5) * axis as f32 / channels as f32;
                let norm = if axis == 0 { 1.0 } else { 2f32.sqrt() };
                STRENGTH[axis.min(2)] * norm * (PI * phase).cos()
            }),
        };
        Self(matrix)
    }

    /// The basis of a network's image input.
    pub fn for_network(network: &Network) -> Self {
        let order = network.preprocessing.rgb_of_channel();
        Self::new(network.size.channels().count(), order)
    }

    /// The matrix `R`, (channels, axes).
    pub fn matrix(&self) -> &Array2<f32> {
        &self.0
    }

    /// The brightness (C, h, w) of a canvas (C, h, w): `R z + 1/2`, not clipped.
    pub fn brightness(&self, canvas: ArrayView3<'_, f32>) -> Array3<f32> {
        self.to_channels(canvas) + 0.5
    }

    /// The change of brightness for a change `z` (C, h, w) of the canvas: `R z`.
    pub fn to_channels(&self, canvas: ArrayView3<'_, f32>) -> Array3<f32> {
        let mut mixed = Array3::zeros(canvas.dim());
        for (row, mut plane) in self.0.outer_iter().zip(mixed.axis_iter_mut(Axis(0))) {
            for (&weight, source) in row.iter().zip(canvas.outer_iter()) {
                plane.scaled_add(weight, &source);
            }
        }
        mixed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(basis: &ColourBasis) -> impl Iterator<Item = f32> + '_ {
        let square = |column: ndarray::ArrayView1<f32>| column.mapv(|v| v * v).mean();
        let columns = basis.matrix().columns().into_iter();
        columns.map(move |column| square(column).unwrap_or(0.0).sqrt())
    }

    #[test]
    fn the_first_axis_is_brightness_and_the_strongest_for_any_number_of_channels() {
        for channels in [1, 2, 3, 4, 13, 64] {
            let basis = ColourBasis::new(channels, [0, 1, 2]);
            let matrix = basis.matrix();
            assert!(matrix.column(0).iter().all(|&weight| weight > 0.2));
            for (axis, strength) in columns(&basis).enumerate() {
                let expected = STRENGTH[axis.min(2)];
                assert!((strength - expected).abs() < 1e-3, "{channels}, {axis}");
            }
        }
    }

    #[test]
    fn axes_are_nearly_orthogonal() {
        for channels in [2, 3, 4, 13] {
            let matrix = ColourBasis::new(channels, [0, 1, 2]).0;
            let norm = |axis: usize| matrix.column(axis).dot(&matrix.column(axis)).sqrt();
            for a in 0..channels {
                for b in 0..a {
                    let cosine = matrix.column(a).dot(&matrix.column(b)) / (norm(a) * norm(b));
                    assert!(cosine.abs() < 0.2, "{channels}: {a} and {b}: {cosine}");
                }
            }
        }
    }

    #[test]
    fn the_order_of_the_channels_exchanges_rows() {
        let (rgb, bgr) = (
            ColourBasis::new(3, [0, 1, 2]),
            ColourBasis::new(3, [2, 1, 0]),
        );
        assert_eq!(rgb.matrix().row(0), bgr.matrix().row(2));
        assert_eq!(rgb.matrix().row(1), bgr.matrix().row(1));
    }

    #[test]
    fn an_empty_canvas_is_mid_grey() {
        let basis = ColourBasis::new(3, [0, 1, 2]);
        let grey = basis.brightness(Array3::zeros((3, 2, 2)).view());
        assert!(grey.iter().all(|&value| value == 0.5));
    }
}
