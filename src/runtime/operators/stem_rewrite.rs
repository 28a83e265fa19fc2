//! Puts [`StemGradient`](super::stem) in the place of transposed convolutions with few output channels: the gradient
//! with respect to the picture of a network's first convolution.

use super::stem::MAX_CHANNELS;
use crate::onnx::own_operators::{DOMAIN, STEM_GRADIENT};
use crate::onnx::proto::{NodeProto, TensorProto};
use crate::onnx::{ElementType, Error, Graph, NameScope};

/// The graph with such convolutions as operators of their own.
///
/// # Errors
/// [`Error`] if the graph is damaged.
pub(super) fn with_stem_gradients(graph: Graph) -> Result<Graph, Error> {
    let is_stem = |node: &NodeProto| matched(&graph, node).is_some();
    if !graph.nodes().iter().any(is_stem) {
        return Ok(graph);
    }
    let mut names = NameScope::from_graph(&graph);
    let mut result = graph.without_nodes();
    for node in graph.nodes() {
        let Some(weights) = matched(&graph, node) else {
            result.insert(node.clone())?;
            continue;
        };
        let name = names.fresh("stem_gradient", "weights");
        result.insert_constant(channels_last(weights, &name)?)?;
        let ints = |name: &str, default: &[i64]| node.ints(name).unwrap_or(default).to_vec();
        let stem = NodeProto::new(STEM_GRADIENT, &[&node.input[0], &name], &node.output)
            .with_name(&node.name)
            .in_domain(DOMAIN)
            .attr("strides", ints("strides", &[1; 2]))
            .attr("pads", ints("pads", &[0; 4]))
            .attr("output_padding", ints("output_padding", &[0; 2]));
        result.insert(stem)?;
    }
    result.set_outputs(graph.outputs().to_vec());
    Ok(result)
}

/// The weights of the transposed convolution `node`, if the operator computes the same.
fn matched<'g>(graph: &'g Graph, node: &NodeProto) -> Option<&'g TensorProto> {
    let [_, weights] = node.input.as_slice() else {
        return None;
    };
    let weights = graph
        .constant(weights)
        .filter(|_| node.is_op("ConvTranspose"))?;
    let &[_, channels, rows, columns] = weights.shape().ok()?.as_slice() else {
        return None;
    };
    let strides = node.ints("strides").unwrap_or(&[1; 2]);
    let pads = node.ints("pads").unwrap_or(&[0; 4]);
    let padding = node.ints("output_padding").unwrap_or(&[0; 2]);
    let fits = matches!(weights.elem(), Ok(ElementType::F32))
        && (1..=MAX_CHANNELS).contains(&channels)
        && rows * columns > 0
        && (strides.len(), pads.len(), padding.len()) == (2, 4, 2)
        && padding
            .iter()
            .zip(strides)
            .all(|(added, stride)| added < stride);
    let is_plain = node.int("group").unwrap_or(1) == 1
        && node.ints("dilations").unwrap_or(&[1; 2]) == [1; 2]
        && node.string("auto_pad").unwrap_or("NOTSET") == "NOTSET"
        && node.attribute_named("output_shape").is_none();
    (fits && is_plain).then_some(weights)
}

/// Weights (C, c, h, w) as (C, h, w, c).
fn channels_last(weights: &TensorProto, name: &str) -> Result<TensorProto, Error> {
    let &[filters, channels, rows, columns] = weights.shape()?.as_slice() else {
        return Err(Error::Corrupt(format!("weights {:?}", weights.name)));
    };
    let values = weights.to_f32()?;
    let area = rows * columns;
    let order = (0..filters * area * channels).map(|index| {
        let (pixel, channel) = (index / channels, index % channels);
        (pixel / area * channels + channel) * area + pixel % area
    });
    let values: Vec<f32> = order.map(|index| values[index]).collect();
    let dims = [filters, rows, columns, channels].map(|size| size as i64);
    Ok(TensorProto::from_f32(name, &dims, &values))
}
