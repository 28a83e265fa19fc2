//! Puts [`StemGradient`](super::stem) in the place of transposed convolutions with few output channels: the gradient
//! with respect to the picture of a network's first convolution.

use super::stem::MAX_CHANNELS;
use super::transposed::Transposed;
use crate::onnx::own_operators::{DOMAIN, STEM_GRADIENT};
use crate::onnx::proto::{NodeProto, TensorProto};
use crate::onnx::{Error, Graph, NameScope};

/// The graph with such convolutions as operators of their own.
///
/// # Errors
/// [`Error`] if the graph is damaged.
pub(super) fn with_stem_gradients(graph: Graph) -> Result<Graph, Error> {
    if !graph
        .nodes()
        .iter()
        .any(|node| stem(&graph, node).is_some())
    {
        return Ok(graph);
    }
    let mut names = NameScope::from_graph(&graph);
    let mut result = graph.without_nodes();
    for node in graph.nodes() {
        let Some(form) = stem(&graph, node) else {
            result.insert(node.clone())?;
            continue;
        };
        let name = names.fresh("stem_gradient", "weights");
        result.insert_constant(channels_last(&form, &name)?)?;
        let stem = NodeProto::new(STEM_GRADIENT, &[&node.input[0], &name], &node.output)
            .with_name(&node.name)
            .in_domain(DOMAIN)
            .attr("strides", form.strides.as_slice())
            .attr("pads", form.pads.as_slice())
            .attr("output_padding", form.output_padding.as_slice());
        result.insert(stem)?;
    }
    result.set_outputs(graph.outputs().to_vec());
    Ok(result)
}

/// The transposed convolution that `node` is, if the operator computes it.
fn stem<'g>(graph: &'g Graph, node: &NodeProto) -> Option<Transposed<'g>> {
    Transposed::of_node(graph, node).filter(|form| form.sizes[1] <= MAX_CHANNELS)
}

/// The weights (C, c, h, w) as (C, h, w, c).
fn channels_last(form: &Transposed, name: &str) -> Result<TensorProto, Error> {
    let [filters, channels, rows, columns] = form.sizes;
    let values = form.weights.to_f32()?;
    let area = rows * columns;
    let order = (0..filters * area * channels).map(|index| {
        let (pixel, channel) = (index / channels, index % channels);
        (pixel / area * channels + channel) * area + pixel % area
    });
    let values: Vec<f32> = order.map(|index| values[index]).collect();
    let dims = [filters, rows, columns, channels].map(|size| size as i64);
    Ok(TensorProto::from_f32(name, &dims, &values))
}
