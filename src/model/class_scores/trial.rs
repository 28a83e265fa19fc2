//! Evaluates a network on a few pictures to classify its output.

use crate::model::{Activation, Affine, InputSize};
use crate::onnx::Graph;
use crate::onnx::types::untyped_value;
use crate::runtime::{Provider, Session, SessionOptions, Tensor};
use ndarray::Array4;

/// Tolerance of the sum of probabilities.
const SUM_TOLERANCE: f64 = 1e-3;

/// Tolerance of a probability compared with the exponential of its logarithm.
const TOLERANCE: f32 = 1e-3;

/// Pictures: grey levels from 0 (black) to 1 at the flat positions 0, 1, … of a channel.
const PICTURES: [fn(usize) -> f32; 3] = [|_| 0.5, |place| (place % 256) as f32 / 255.0, noise];

/// The kind of numbers in an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Probabilities of exclusive classes, which sum to 1.
    Exclusive,
    /// Log-probabilities of exclusive classes.
    Logarithms,
    /// Numbers from 0 to 1: independent probabilities.
    Independent,
    /// Numbers from 0 to 100, some above 1: possibly probabilities in percent.
    Percent,
    /// Numbers below 0: possibly logarithms of independent probabilities.
    Negative,
}

/// The image input of a network and its range.
pub(super) struct Trial<'a> {
    pub input: &'a str,
    pub size: InputSize,
    /// Scale and offset of each channel.
    pub affine: &'a [Affine],
}

/// The output of a network for each picture.
pub(super) type Given = Vec<Vec<f32>>;

impl Trial<'_> {
    /// The kind of probabilities in `value` for the pictures, and the numbers; `None` if they are not probabilities or
    /// cannot be computed.
    pub fn kind_of(&self, graph: &Graph, value: &str) -> Option<(Kind, Given)> {
        let given = self.run(graph, value)?;
        kind(&given).map(|kind| (kind, given))
    }

    /// Whether `value` has finite scores whose `activation` are the probabilities `given`.
    pub fn agrees(
        &self,
        graph: &Graph,
        value: &str,
        activation: Activation,
        given: &Given,
    ) -> bool {
        let Some(scores) = self.run(graph, value) else {
            return false;
        };
        let agree = |(scores, given): (&Vec<f32>, &Vec<f32>)| {
            let found = activation.probabilities(scores.iter().copied());
            found.len() == given.len()
                && scores.iter().all(|score| score.is_finite())
                && found
                    .iter()
                    .zip(given)
                    .all(|(a, b)| (a - b).abs() <= TOLERANCE)
        };
        scores.iter().zip(given).all(agree)
    }

    /// The elements of `value` for each picture.
    fn run(&self, graph: &Graph, value: &str) -> Option<Given> {
        let model = graph.to_model(&[untyped_value(value)]).ok()?;
        let mut session =
            Session::open_model(&model, Provider::Cpu, &SessionOptions::default()).ok()?;
        let mut given = Given::new();
        for grey in PICTURES {
            let picture = self.picture(grey);
            let found = session.run(&[(self.input, &picture)], &[value]).ok()?;
            given.push(found.first()?.as_f32()?.iter().copied().collect());
        }
        Some(given)
    }

    fn picture(&self, grey: fn(usize) -> f32) -> Tensor {
        let (height, width) = (self.size.height as usize, self.size.width as usize);
        let dims = (1, self.affine.len(), height, width);
        let picture = Array4::from_shape_fn(dims, |(_, channel, row, column)| {
            self.affine[channel].to_model(grey(row * width + column))
        });
        picture.into()
    }
}

/// Pseudorandom grey levels: the bits of a multiple of the golden ratio.
fn noise(place: usize) -> f32 {
    let mixed = (place as u32).wrapping_add(1).wrapping_mul(0x9e37_79b9);
    ((mixed ^ (mixed >> 15)).wrapping_mul(0x85eb_ca6b) >> 8) as f32 / (1u32 << 24) as f32
}

fn kind(given: &Given) -> Option<Kind> {
    let numbers = || given.iter().flatten();
    let sums_to_one = |value: fn(f64) -> f64| {
        let sum = |row: &Vec<f32>| {
            row.iter()
                .map(|&number| value(f64::from(number)))
                .sum::<f64>()
        };
        given
            .iter()
            .all(|row| (sum(row) - 1.0).abs() <= SUM_TOLERANCE)
    };
    if numbers().next().is_none() || !numbers().all(|number| number.is_finite()) {
        return None;
    }
    let several = given.iter().all(|row| row.len() > 1);
    if numbers().all(|number| (-1e-6..=1.0 + 1e-5).contains(number)) {
        return Some(if several && sums_to_one(|number| number) {
            Kind::Exclusive
        } else {
            Kind::Independent
        });
    }
    if numbers().all(|number| (-1e-4..=100.0 + 1e-3).contains(number)) {
        return Some(Kind::Percent);
    }
    let negative = numbers().all(|&number| number <= 1e-5);
    let kind = if several && sums_to_one(f64::exp) {
        Kind::Logarithms
    } else {
        Kind::Negative
    };
    negative.then_some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_show_what_they_are() {
        let rows = |rows: &[&[f32]]| rows.iter().map(|row| row.to_vec()).collect::<Given>();
        for (given, expected) in [
            (rows(&[&[0.2, 0.8], &[1.0, 0.0]]), Some(Kind::Exclusive)),
            (rows(&[&[0.2, 0.9], &[1.0, 0.0]]), Some(Kind::Independent)),
            (rows(&[&[0.2], &[0.7]]), Some(Kind::Independent)),
            (rows(&[&[1.0], &[1.0]]), Some(Kind::Independent)),
            (rows(&[&[-1.0, -0.458_675]]), Some(Kind::Logarithms)),
            (rows(&[&[-3.0, -0.2]]), Some(Kind::Negative)),
            (rows(&[&[-3.0, 0.2]]), None),
            (rows(&[&[0.2, 1.8]]), Some(Kind::Percent)),
            (rows(&[&[0.2, 180.0]]), None),
            (rows(&[&[0.2, f32::NAN]]), None),
            (rows(&[]), None),
        ] {
            assert_eq!(kind(&given), expected, "{given:?}");
        }
    }
}
