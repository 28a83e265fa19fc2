//! The scaling of pixels at the start of a network. Many files scale pixels themselves (Keras's `Rescaling` and
//! `Normalization`, `preprocess_input`, PaddlePaddle's deployments), which reveals the range of their input.

use super::Preprocessing;
use crate::onnx::Graph;
use crate::onnx::proto::NodeProto;
use std::collections::HashMap;

/// Operators that only move the pixels of a picture, or average neighbouring ones.
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

/// Maximum number of elements of a constant that scales the picture.
const MAX_ELEMENTS: usize = 1 << 20;

/// The accumulated transformation of pixels `x`: `scale · x + offset`, averaged over channels.
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

    /// The preprocessing for which the transformation standardizes pixels (mean about 0, deviation about 1); `None` if
    /// its input is already standardized, or unknown.
    fn expects(self) -> Option<Preprocessing> {
        let (middle, spread) = (-self.offset / self.scale, 1.0 / self.scale.abs());
        // Bytes have a maximum of 255 and a standard deviation of about 60.
        let are_pixels = middle >= 20.0 || spread >= 20.0;
        // Brightness has a maximum of 1 and a standard deviation of about 0.25; or it is scaled to bytes.
        let are_units = ((0.2..=0.8).contains(&middle) && spread <= 0.8) || spread <= 0.05;
        match (are_pixels, are_units) {
            _ if !middle.is_finite() || !spread.is_finite() => None,
            (true, _) => Some(Preprocessing::PIXELS),
            (false, true) => Some(Preprocessing::UNITS),
            (false, false) => None,
        }
    }
}

/// The values that are the picture, only scaled and rearranged.
#[derive(Debug)]
pub(super) struct InputScaling<'a> {
    picture: HashMap<&'a str, ScaleOffset>,
    /// The transformation before the first node that does anything else.
    first_read: ScaleOffset,
}

impl<'a> InputScaling<'a> {
    /// Propagates the picture from the input `input`.
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

    /// Whether a value is only a scaled or rearranged picture.
    pub fn contains(&self, name: &str) -> bool {
        self.picture.contains_key(name)
    }

    /// The preprocessing that the scaling implies; `None` if it implies none.
    pub fn expects(&self) -> Option<Preprocessing> {
        self.first_read.expects()
    }
}

/// The transformation after a node whose input has `read`; `None` if the node does more than scale or move pixels.
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

/// The mean of a constant with one element, one per channel, or one per pixel.
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

    /// The preprocessing implied by `steps`, each with one number per channel, before a convolution.
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
    fn the_scaling_implies_the_preprocessing() {
        let (pixels, units) = (Some(Preprocessing::PIXELS), Some(Preprocessing::UNITS));
        let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
        let caffe = [103.939, 116.779, 123.68];
        for (steps, expects) in [
            (&[][..], None),
            // Keras: Rescaling, MobileNet, Normalization, older networks.
            (&[("Mul", [1.0 / 255.0; 3])], pixels),
            (&[("Div", [127.5; 3]), ("Sub", [1.0; 3])], pixels),
            (&[("Sub", caffe), ("Div", [58.0; 3])], pixels),
            (&[("Sub", caffe)], pixels),
            (&[("Div", [255.0; 3]), ("Sub", mean), ("Div", std)], pixels),
            (&[("Sub", mean), ("Div", std)], units),
            (&[("Mul", [2.0; 3]), ("Add", [-1.0; 3])], units),
            (&[("Mul", [255.0; 3]), ("Sub", caffe)], units),
            // Torchvision's GoogLeNet converts one normalization to another.
            (&[("Mul", [0.458; 3]), ("Add", [-0.03; 3])], None),
            (&[("Mul", [0.0; 3])], None),
        ] {
            assert_eq!(expected(steps), expects, "{steps:?}");
        }
    }

    #[test]
    fn an_initial_batch_norm_implies_the_preprocessing() {
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
