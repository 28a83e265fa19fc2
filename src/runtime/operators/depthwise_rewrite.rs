//! Puts [`DepthwiseGradient`](super::depthwise) in the place of its standard form in an optimized graph: a depthwise
//! convolution, before it for stride 2 a nearest-neighbor `Upsample` and a product with a mask of every second row and
//! column (see `autodiff::lowering::blocked`). Masks of the gradient and of the result become parts of it.

use super::blocked::{block_size, is_blocked};
use super::depthwise::is_supported;
use super::elementwise::program::{Bounds, Program};
use crate::onnx::own_operators::{
    BLOCK, DEPTHWISE_GRADIENT, DOMAIN, ELEMENTWISE, GRADIENT_BOUNDS, RESULT_BOUNDS, STRIDE,
};
use crate::onnx::proto::{NodeProto, TensorProto};
use crate::onnx::{Error, Graph};
use std::collections::{HashMap, HashSet};

/// A gradient in its standard form.
struct Match {
    gradient: String,
    /// The nodes between it and the convolution.
    spacing: Vec<usize>,
    weights: String,
    stride: i64,
    pads: Vec<i64>,
    channels: usize,
}

/// The graph with gradients of depthwise convolutions as operators of their own: those of stride 2, and those of
/// stride 1 before or after a mask.
///
/// # Errors
/// [`Error`] if the graph is damaged.
pub(super) fn with_depthwise_gradients(graph: Graph) -> Result<Graph, Error> {
    let matches = graph.nodes().iter().enumerate();
    let mut matches: Vec<(usize, Match)> = matches
        .filter_map(|(index, node)| Some((index, matched(&graph, node)?)))
        .collect();
    if matches.is_empty() {
        return Ok(graph);
    }
    let Some(block) = block_size() else {
        return Ok(graph);
    };
    matches.retain(|(_, form)| form.channels.is_multiple_of(block));
    let readers = graph.consumers();
    let only_reader = |value: &str| {
        let is_output = graph.outputs().iter().any(|output| output.name == value);
        match readers.get(value).map(Vec::as_slice) {
            Some(&[reader]) if !is_output => Some(reader),
            _ => None,
        }
    };
    // What replaces each node; nothing if the operator computes a mask, too.
    let mut replacements: HashMap<usize, Option<NodeProto>> = HashMap::new();
    for (index, form) in &matches {
        let result = graph.nodes()[*index].output[0].as_str();
        let after = only_reader(result)
            .and_then(|reader| Some((reader, mask(&graph.nodes()[reader], Some(result))?)));
        let spacing = form
            .spacing
            .iter()
            .map(|node| &graph.nodes()[*node].output[0]);
        let is_read_elsewhere = [&form.gradient]
            .into_iter()
            .chain(spacing)
            .any(|value| only_reader(value).is_none());
        let before = (graph.producer(&form.gradient))
            .filter(|_| !is_read_elsewhere)
            // It may be the mask after another gradient.
            .filter(|producer| !replacements.contains_key(producer))
            .and_then(|producer| Some((producer, mask(&graph.nodes()[producer], None)?)));
        if form.stride == 1 && after.is_none() && before.is_none() {
            continue;
        }
        let last = after.as_ref().map_or(*index, |(reader, _)| *reader);
        let masks = [&before, &after].map(|mask| mask.as_ref().map(|(_, mask)| mask));
        let node = gradient(form, block, masks, &graph.nodes()[last]);
        if let Some((producer, _)) = before {
            replacements.insert(producer, None);
            replacements.extend(form.spacing.iter().map(|node| (*node, None)));
        }
        replacements.insert(*index, None);
        replacements.insert(last, Some(node));
    }
    let mut result = graph.without_nodes();
    for (index, node) in graph.nodes().iter().enumerate() {
        let replacement = replacements.remove(&index);
        if let Some(node) = replacement.unwrap_or_else(|| Some(node.clone())) {
            result.insert(node)?;
        }
    }
    result.set_outputs(graph.outputs().to_vec());
    Ok(result)
}

/// The products of gradients with masks of every second row and column in the standard form of strided gradients.
pub(super) fn products(graph: &Graph) -> HashSet<&str> {
    let matches = graph.nodes().iter().filter_map(|node| {
        let form = matched(graph, node)?;
        (form.stride == 2).then(|| node.input[0].as_str())
    });
    matches.collect()
}

/// The operator in the place of `node`, with masks of the gradient and of the result.
fn gradient(form: &Match, block: usize, masks: [Option<&Mask>; 2], node: &NodeProto) -> NodeProto {
    let value = |mask: Option<&'_ Mask>| mask.map_or("", |mask| &mask.value).to_owned();
    let mut inputs = vec![form.gradient.clone(), form.weights.clone()];
    if let Some(mask) = masks[0] {
        inputs[0].clone_from(&mask.kept);
    }
    inputs.extend(masks.map(value));
    while inputs.last().is_some_and(String::is_empty) {
        inputs.pop();
    }
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let mut gradient = NodeProto::new(DEPTHWISE_GRADIENT, &inputs, &node.output)
        .with_name(&node.name)
        .in_domain(DOMAIN)
        .attr(BLOCK, block as i64)
        .attr(STRIDE, form.stride)
        .attr("pads", form.pads.clone());
    for (bounds, mask) in [GRADIENT_BOUNDS, RESULT_BOUNDS].into_iter().zip(masks) {
        if let Some(mask) = mask {
            gradient = gradient.attr(bounds, vec![mask.low, mask.high]);
        }
    }
    gradient
}

/// A mask of a gradient: kept where a value is between two bounds.
struct Mask {
    kept: String,
    value: String,
    low: f32,
    high: f32,
}

/// The mask that `node` is, of `gradient` if that is known.
fn mask(node: &NodeProto, gradient: Option<&str>) -> Option<Mask> {
    let is_program = (node.domain.as_str(), node.op_type.as_str()) == (DOMAIN, ELEMENTWISE);
    // A program that broadcasts may mask by a value of another shape.
    if !is_program || node.attribute_named(BLOCK).is_some() {
        return None;
    }
    let Bounds {
        kept,
        value,
        low,
        high,
    } = Program::of_node(node)?.only_bounds()?;
    let (kept, value) = (node.input.get(kept)?, node.input.get(value)?);
    let is_mask = gradient.is_none_or(|gradient| kept == gradient) && value != kept;
    is_mask.then(|| Mask {
        kept: kept.clone(),
        value: value.clone(),
        low,
        high,
    })
}

/// The gradient whose standard form ends with `node`.
fn matched(graph: &Graph, node: &NodeProto) -> Option<Match> {
    let is_default = |name: &str| {
        node.ints(name)
            .is_none_or(|values| values.iter().all(|value| *value == 1))
    };
    // It has neither a bias nor another sum.
    let [read, weights] = node.input.as_slice() else {
        return None;
    };
    let dims = graph.constant(weights)?.shape().ok()?;
    let &[channels, 1, rows, columns] = dims.as_slice() else {
        return None;
    };
    let pads = node.ints("pads").filter(|pads| pads.len() == 4)?;
    let sizes: Option<Vec<usize>> = pads.iter().map(|pad| usize::try_from(*pad).ok()).collect();
    let sizes = sizes?;
    let is_depthwise = is_blocked(node, "Conv")
        && node.int("group") == Some(channels as i64)
        && is_default("strides")
        && is_default("dilations")
        && node.attribute_named("activation").is_none();
    let is_supported =
        is_supported(rows, [sizes[0], sizes[2]]) && is_supported(columns, [sizes[1], sizes[3]]);
    if !is_depthwise || !is_supported {
        return None;
    }
    let (gradient, spacing) = doubled(graph, read).unwrap_or((read, Vec::new()));
    Some(Match {
        stride: if spacing.is_empty() { 1 } else { 2 },
        gradient: gradient.to_owned(),
        spacing,
        weights: weights.clone(),
        pads: pads.to_vec(),
        channels,
    })
}

/// The value that `value` is with a zero after each row and column, and the nodes that insert them.
fn doubled<'g>(graph: &'g Graph, value: &str) -> Option<(&'g str, Vec<usize>)> {
    let product = graph.producer(value)?;
    let [repeated, places] = graph.nodes()[product].input.as_slice() else {
        return None;
    };
    let upsample = graph.producer(repeated)?;
    let node = &graph.nodes()[upsample];
    let is_doubled = graph.nodes()[product].is_op("Mul")
        && is_blocked(node, "Upsample")
        && node.ints("scales") == Some(&[1, 1, 2, 2])
        && node.string("mode") == Some("nearest")
        && is_every_second(graph, places);
    is_doubled.then(|| (node.input[0].as_str(), vec![upsample, product]))
}

/// Whether a value is 1 in every second row and column, the first ones included, and 0 elsewhere.
fn is_every_second(graph: &Graph, value: &str) -> bool {
    let producer = |value: &str| graph.producer(value).map(|index| &graph.nodes()[index]);
    let constant = |value: &str| graph.constant(value);
    let check = || {
        let repeated = producer(value).filter(|node| is_blocked(node, "Conv"))?;
        let [plane, ones] = repeated.input.as_slice() else {
            return None;
        };
        // Channels that fill the last block are 0.
        let ones = constant(ones)?;
        let is_repeated =
            ones.dims.get(1..) == Some(&[1, 1, 1]) && is_filled_with_zeros(&ones.to_f32().ok()?);
        let product = producer(plane).filter(|node| is_repeated && node.is_op("Mul"))?;
        let [rows, columns] = product.input.as_slice() else {
            return None;
        };
        let rows = producer(rows)?;
        // Repeated for each of several pictures.
        let rows = if rows.is_op("Expand") {
            producer(&rows.input[0])?
        } else {
            rows
        };
        let [levels, scale] = rows.input.as_slice() else {
            return None;
        };
        let is_one = rows.is_op("DequantizeLinear") && constant(scale)?.to_f32().ok()? == [1.0];
        let alternates = alternates(constant(levels)?, 2) && alternates(constant(columns)?, 3);
        Some(is_one && alternates)
    };
    check().unwrap_or(false)
}

/// Whether weights of channels are 1, up to those that fill the last block, which are 0.
fn is_filled_with_zeros(weights: &[f32]) -> bool {
    let zeros = weights.iter().rev().take_while(|weight| **weight == 0.0);
    let ones = weights.len() - zeros.count();
    weights.len() - ones < 16 && weights[..ones].iter().all(|weight| *weight == 1.0)
}

/// Whether a constant (1, 1, …) is 1, 0, 1, 0, … along an axis.
fn alternates(constant: &TensorProto, axis: usize) -> bool {
    let is_line = constant.dims.len() == 4
        && (constant.dims.iter().enumerate()).all(|(place, size)| place == axis || *size == 1);
    let values = constant.to_f64().unwrap_or_default();
    let expected = [1.0, 0.0].into_iter().cycle();
    is_line
        && values
            .iter()
            .zip(expected)
            .all(|(value, expected)| *value == expected)
}
