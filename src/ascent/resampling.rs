//! Resampling as matrices. Resizing, blurring and pyramids are separable, so each is a small matrix per axis: its
//! transpose is the exact gradient, it is the same on every device, and independent of the conventions of resize
//! operators.

use ndarray::{Array2, Array3};

/// The matrix (to × from) that resizes a line of `from` samples to `to`: linear interpolation between pixel centres
/// when enlarging, a triangle filter over all samples when shrinking. Rows sum to 1.
pub fn resize(from: usize, to: usize) -> Array2<f32> {
    let scale = from as f64 / to as f64;
    let support = scale.max(1.0);
    let mut matrix = Array2::<f64>::zeros((to, from));
    for (position, mut row) in matrix.outer_iter_mut().enumerate() {
        let centre = (position as f64 + 0.5) * scale - 0.5;
        let (first, last) = (
            (centre - support).floor() as i64,
            (centre + support).ceil() as i64,
        );
        for sample in first..=last {
            let weight = (1.0 - (sample as f64 - centre).abs() / support).max(0.0);
            row[sample.clamp(0, from as i64 - 1) as usize] += weight;
        }
        let total = row.sum();
        row.mapv_inplace(|weight| weight / total);
    }
    matrix.mapv(|weight| weight as f32)
}

/// The binomial kernel of Burt and Adelson's pyramids.
const KERNEL: [f64; 5] = [1.0 / 16.0, 4.0 / 16.0, 6.0 / 16.0, 4.0 / 16.0, 1.0 / 16.0];

/// One level down in a Gaussian pyramid: the matrix (⌈size/2⌉ × size) that blurs a line and keeps every second sample,
/// with reflected borders.
pub fn reduce(size: usize) -> Array2<f32> {
    let mut matrix = Array2::<f64>::zeros((size.div_ceil(2), size));
    for (position, mut row) in matrix.outer_iter_mut().enumerate() {
        for (tap, weight) in KERNEL.iter().enumerate() {
            row[reflect(2 * position as i64 + tap as i64 - 2, size)] += weight;
        }
    }
    matrix.mapv(|weight| weight as f32)
}

/// One level up: the matrix (size × ⌈size/2⌉) that upsamples by 2 and blurs. Rows sum to 1.
pub fn expand(size: usize) -> Array2<f32> {
    let half = size.div_ceil(2);
    let mut matrix = Array2::<f64>::zeros((size, half));
    for (position, mut row) in matrix.outer_iter_mut().enumerate() {
        for (tap, weight) in KERNEL.iter().enumerate() {
            let source = position as i64 + tap as i64 - 2;
            if source.rem_euclid(2) == 0 {
                row[reflect(source.div_euclid(2), half)] += 2.0 * weight;
            }
        }
    }
    matrix.mapv(|weight| weight as f32)
}

/// `position` reflected into a line of `size` samples, without repeating the border sample.
fn reflect(position: i64, size: usize) -> usize {
    let period = (2 * size as i64 - 2).max(1);
    let folded = position.rem_euclid(period);
    folded.min(period - folded).clamp(0, size as i64 - 1) as usize
}

/// A picture (channels, height, width) resized with [`resize`] along both axes.
pub fn resize_picture(picture: &Array3<f32>, height: usize, width: usize) -> Array3<f32> {
    let (_, from_height, from_width) = picture.dim();
    both_axes(
        picture,
        &resize(from_height, height),
        &resize(from_width, width),
    )
}

/// `rows · plane · columnsᵀ` for every channel of a picture.
pub(super) fn both_axes(
    picture: &Array3<f32>,
    rows: &Array2<f32>,
    columns: &Array2<f32>,
) -> Array3<f32> {
    let channels = picture.dim().0;
    let mut result = Array3::zeros((channels, rows.nrows(), columns.nrows()));
    for (plane, mut target) in picture.outer_iter().zip(result.outer_iter_mut()) {
        target.assign(&rows.dot(&plane).dot(&columns.t()));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, Axis};

    #[test]
    fn constants_stay_constant_under_every_matrix() {
        for (from, to) in [
            (64, 224),
            (224, 64),
            (7, 7),
            (224, 224),
            (1, 5),
            (5, 1),
            (33, 100),
        ] {
            let sums = resize(from, to).sum_axis(Axis(1));
            assert!(
                sums.iter().all(|sum| (sum - 1.0).abs() < 1e-6),
                "{from} to {to}"
            );
        }
        for size in [1, 2, 3, 7, 64, 129] {
            for matrix in [reduce(size), expand(size)] {
                let sums = matrix.sum_axis(Axis(1));
                assert!(
                    sums.iter().all(|sum| (sum - 1.0).abs() < 1e-6),
                    "{size}: {sums}"
                );
            }
        }
    }

    #[test]
    fn the_same_size_is_the_identity() {
        assert_eq!(resize(9, 9), Array2::<f32>::eye(9));
    }

    #[test]
    fn a_ramp_stays_a_ramp_away_from_the_borders() {
        let ramp = Array1::from_iter((0..32).map(|x| x as f32));
        let twice = resize(32, 64).dot(&ramp);
        for x in 4..60 {
            assert!((twice[x] - (x as f32 + 0.5) / 2.0 + 0.5).abs() < 1e-4);
        }
        let there_and_back = expand(32).dot(&reduce(32).dot(&ramp));
        for x in 4..28 {
            assert!((there_and_back[x] - x as f32).abs() < 1e-4);
        }
    }
}
