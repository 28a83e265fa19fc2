//! Transposed convolutions that operators of our own can compute.

use crate::onnx::proto::{NodeProto, TensorProto};
use crate::onnx::{ElementType, Graph};

/// A transposed convolution with two spatial axes and constant weights, without groups, dilations and bias.
pub struct Transposed<'g> {
    /// float32 (C, c, h, w)
    pub weights: &'g TensorProto,
    /// The sizes of the weights, none of them 0.
    pub sizes: [usize; 4],
    pub strides: [i64; 2],
    /// Rows before, columns before, rows after, columns after.
    pub pads: [i64; 4],
    /// Less than the strides.
    pub output_padding: [i64; 2],
}

impl<'g> Transposed<'g> {
    /// The one that `node` is.
    pub fn of_node(graph: &'g Graph, node: &NodeProto) -> Option<Self> {
        let [_, weights] = node.input.as_slice() else {
            return None;
        };
        let is_plain = node.is_op("ConvTranspose")
            && node.int("group").unwrap_or(1) == 1
            && node.ints("dilations").unwrap_or(&[1; 2]) == [1; 2]
            && node.string("auto_pad").unwrap_or("NOTSET") == "NOTSET"
            && node.attribute_named("output_shape").is_none();
        let weights = graph.constant(weights).filter(|_| is_plain)?;
        let form = Self {
            weights,
            sizes: weights.shape().ok()?.try_into().ok()?,
            strides: integers(node, "strides", 1)?,
            pads: integers(node, "pads", 0)?,
            output_padding: integers(node, "output_padding", 0)?,
        };
        let mut padding = form.output_padding.iter().zip(&form.strides);
        let fits = matches!(weights.elem(), Ok(ElementType::F32))
            && form.sizes.iter().all(|size| *size > 0)
            && form.pads.iter().all(|pad| *pad >= 0)
            && padding.all(|(added, stride)| (0..*stride).contains(added));
        fits.then_some(form)
    }
}

/// An attribute of `N` integers, each `default` if there is none.
fn integers<const N: usize>(node: &NodeProto, name: &str, default: i64) -> Option<[i64; N]> {
    match node.ints(name) {
        Some(values) => values.try_into().ok(),
        None => Some([default; N]),
    }
}
