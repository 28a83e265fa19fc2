//! What a network does to its picture before it looks at it. Many files scale pixels themselves (Keras's `Rescaling` and
//! `Normalization`, `preprocess_input`, PaddlePaddle's deployments): from that one can tell which numbers they expect.

use super::Preprocessing;
use crate::onnx::Graph;
use crate::onnx::proto::NodeProto;
use std::collections::HashMap;

/// Operators that only move the numbers of a picture, or make means of neighbouring ones.
const MOVING: &[&str] = &[
    "Cast",
    "Concat",
    "Flatten",
    "Gather",
    "Identity",
    "Pad",
    "Reshape",
    "Resize",
    "Slice",
    "Split",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];

/// Most elements of a constant that a picture is scaled by.
const MAX_ELEMENTS: usize = 1 << 20;

/// What a picture's numbers `x` have become: `scale · x + offset`, on the average of its channels.
#[derive(Debug, Clone, Copy, PartialEq)]
struct ScaleOffset {
    scale: f64,
    offset: f64,
}

impl ScaleOffset {
    const UNCHANGED: Self = Self {
        scale: 1.0,
        offset: 0.0,
    };

    fn times(self, factor: f64) -> Self {
        Self {
            scale: self.scale * factor,
            offset: self.offset * factor,
        }
    }

    fn plus(self, summand: f64) -> Self {
        Self {
            offset: self.offset + summand,
            ..self
        }
    }

    /// How pictures must be prepared for this to make numbers around 0 of about 1 of them; `None` if they already are, or
    /// nobody can tell.
    fn expects(self) -> Option<Preprocessing> {
        let (middle, spread) = (-self.offset / self.scale, 1.0 / self.scale.abs());
        // Bytes reach to 255, their standard deviation is about 60.
        let are_pixels = middle >= 20.0 || spread >= 20.0;
        // Brightness reaches to 1, its standard deviation is about 0.25; or it is made bytes again.
        let are_units = ((0.2..=0.8).contains(&middle) && spread <= 0.8) || spread <= 0.05;
        match (are_pixels, are_units) {
            _ if !middle.is_finite() || !spread.is_finite() => None,
            (true, _) => Some(Preprocessing::PIXELS),
            (false, true) => Some(Preprocessing::UNITS),
            (false, false) => None,
        }
    }
}

/// The values that are still the picture, only scaled and moved.
#[derive(Debug)]
pub(super) struct InputScaling<'a> {
    picture: HashMap<&'a str, ScaleOffset>,
    /// What the first node reads that does anything else.
    first_read: ScaleOffset,
}

impl<'a> InputScaling<'a> {
    /// Follows the picture that comes in as `input`.
    pub fn trace(graph: &'a Graph, input: &'a str) -> Self {
        let mut picture = HashMap::from([(input, ScaleOffset::UNCHANGED)]);
        let mut first_read = None;
        for node in graph.nodes() {
            let mut read = node
                .input
                .iter()
                .filter_map(|name| picture.get(name.as_str()));
            let Some(&first) = read.next() else { continue };
            match propagate(graph, node, first) {
                Some(made) => {
                    picture.extend(node.output.iter().map(|name| (name.as_str(), made)));
                }
                None => first_read = first_read.or(Some(first)),
            }
        }
        let first_read = first_read.unwrap_or(ScaleOffset::UNCHANGED);
        Self {
            picture,
            first_read,
        }
    }

    /// Whether a value is still the picture.
    pub fn contains(&self, name: &str) -> bool {
        self.picture.contains_key(name)
    }

    /// How pictures must be prepared, as far as what the network does to them tells.
    pub fn expects(&self) -> Option<Preprocessing> {
        self.first_read.expects()
    }
}

/// What a node makes of a picture that was `read`; `None` if it does more than to scale or move it.
fn propagate(graph: &Graph, node: &NodeProto, read: ScaleOffset) -> Option<ScaleOffset> {
    if MOVING.iter().any(|op| node.is_op(op)) {
        return Some(read);
    }
    let number = |index: usize| mean(graph, node.input_at(index)?);
    let [left, right] = [0, 1].map(number);
    match node.op_type.as_str() {
        "Add" => Some(read.plus(left.or(right)?)),
        "Mul" => Some(read.times(left.or(right)?)),
        "Sub" => Some(match left {
            Some(from) => read.times(-1.0).plus(from),
            None => read.plus(-right?),
        }),
        "Div" => Some(read.times(1.0 / right?)),
        "BatchNormalization" => {
            let epsilon = node.float("epsilon").unwrap_or(1e-5);
            let factor = right? / (number(4)? + f64::from(epsilon)).sqrt();
            Some(read.plus(-number(3)?).times(factor).plus(number(2)?))
        }
        _ => None,
    }
}

/// The mean of a constant that holds one number, one a channel, or one a pixel.
fn mean(graph: &Graph, name: &str) -> Option<f64> {
    let constant = graph.constant(name)?;
    let few = |count: &usize| (1..=MAX_ELEMENTS).contains(count);
    let count = constant.shape().ok()?.iter().product::<usize>();
    let values = Some(count)
        .filter(few)
        .and_then(|_| constant.to_f32().ok())?;
    Some(values.into_iter().map(f64::from).sum::<f64>() / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::types::fixed_dims;
    use crate::onnx::{Builder, ElementType};

    /// What a network expects that does `steps` to its picture, each with one number a channel, and then convolves it.
    fn expected(steps: &[(&str, [f32; 3])]) -> Option<Preprocessing> {
        let mut b = Builder::empty(18, "");
        let mut value = b
            .input("x", ElementType::F32, &fixed_dims(&[1, 3, 8, 8]))
            .unwrap();
        for (op, numbers) in steps {
            let numbers = b.floats(&[1, 3, 1, 1], numbers);
            value = b.emit(op, &[&value, &numbers], &[]);
        }
        let weight = b.floats(&[1, 3, 1, 1], &[100.0; 3]);
        let made = b.emit("Conv", &[&value, &weight], &[]);
        let made = b.emit("Mul", &[&made, &weight], &[]);
        let graph = b.into_graph();
        let entry = InputScaling::trace(&graph, "x");
        assert!(entry.contains("x") && entry.contains(&value) && !entry.contains(&made));
        entry.expects()
    }

    #[test]
    fn how_a_picture_is_scaled_tells_which_numbers_it_is_expected_in() {
        let (pixels, units) = (Some(Preprocessing::PIXELS), Some(Preprocessing::UNITS));
        let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
        let caffe = [103.939, 116.779, 123.68];
        for (steps, expects) in [
            (&[][..], None),
            // Of Keras: Rescaling, MobileNet's, Normalization, the older networks'.
            (&[("Mul", [1.0 / 255.0; 3])], pixels),
            (&[("Div", [127.5; 3]), ("Sub", [1.0; 3])], pixels),
            (&[("Sub", caffe), ("Div", [58.0; 3])], pixels),
            (&[("Sub", caffe)], pixels),
            (&[("Div", [255.0; 3]), ("Sub", mean), ("Div", std)], pixels),
            (&[("Sub", mean), ("Div", std)], units),
            (&[("Mul", [2.0; 3]), ("Add", [-1.0; 3])], units),
            (&[("Mul", [255.0; 3]), ("Sub", caffe)], units),
            // Torchvision's GoogLeNet makes one normalisation of another.
            (&[("Mul", [0.458; 3]), ("Add", [-0.03; 3])], None),
            (&[("Mul", [0.0; 3])], None),
        ] {
            assert_eq!(expected(steps), expects, "{steps:?}");
        }
    }

    #[test]
    fn a_normalisation_in_front_tells_too() {
        let expected = |means: f32, variances: f32| {
            let mut b = Builder::empty(18, "");
            b.input("x", ElementType::F32, &fixed_dims(&[1, 3, 8, 8]))
                .unwrap();
            let numbers = [1.0, 0.0, means, variances].map(|n| b.floats(&[3], &[n; 3]));
            let [scale, bias, means, variances] = &numbers;
            let inputs = ["x", scale, bias, means, variances];
            let made = b.emit("BatchNormalization", &inputs, &[]);
            b.emit("Relu", &[&made], &[]);
            InputScaling::trace(b.graph(), "x").expects()
        };
        assert_eq!(expected(118.0, 3600.0), Some(Preprocessing::PIXELS));
        assert_eq!(expected(0.0, 1.0), None);
    }
}
