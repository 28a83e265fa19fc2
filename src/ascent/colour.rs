//! Colours of natural pictures are correlated: what makes a pixel brighter in red usually does so in green and blue too.
//! Mixing the gradient with their covariance turns the ascent away from lurid colours.

use ndarray::Array2;

/// A square root of the covariance of the colours (rows R, G, B) of ImageNet's pictures, as measured for Lucid
/// (Olah, Mordvintsev and Schubert 2017).
const ROOT: [[f64; 3]; 3] = [[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]];

/// The matrix that a gradient's channels are mixed with: the identity at strength 0, the covariance, scaled to the
/// identity's trace, at strength 1. `rgb_of_channel` says which of R, G, B each channel is; a network with other than
/// three channels gets the identity.
pub fn mixing(strength: f64, channels: usize, rgb_of_channel: [usize; 3]) -> Array2<f32> {
    let identity = Array2::<f64>::eye(channels);
    if channels != 3 {
        return identity.mapv(|value| value as f32);
    }
    let root = Array2::from_shape_fn((3, 3), |(row, column)| ROOT[rgb_of_channel[row]][column]);
    let covariance = root.dot(&root.t());
    let trace: f64 = covariance.diag().sum();
    let mixed = identity * (1.0 - strength) + covariance * (strength * 3.0 / trace);
    mixed.mapv(|value| value as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_is_favoured_over_a_single_colour() {
        let full = mixing(1.0, 3, [0, 1, 2]);
        let grey: f32 = full.sum() / 3.0;
        let opponent = full[(0, 0)] - full[(0, 2)];
        assert!(grey > 5.0 * opponent.abs(), "{full}");
    }

    #[test]
    fn strength_0_and_grey_networks_change_nothing() {
        assert_eq!(mixing(0.0, 3, [0, 1, 2]), Array2::<f32>::eye(3));
        assert_eq!(mixing(1.0, 1, [0, 1, 2]), Array2::<f32>::eye(1));
    }

    #[test]
    fn channel_order_permutes_the_matrix() {
        let (rgb, bgr) = (mixing(1.0, 3, [0, 1, 2]), mixing(1.0, 3, [2, 1, 0]));
        assert_eq!(rgb[(0, 1)], bgr[(2, 1)]);
        assert_eq!(rgb[(0, 2)], bgr[(2, 0)]);
    }
}
