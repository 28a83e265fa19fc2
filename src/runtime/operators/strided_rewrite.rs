//! Puts [`StridedGradient`](super::strided) in the place of its standard form in an optimized graph: a nearest-neighbor
//! `Upsample`, a product with a mask of every second row and column, and a depthwise convolution (see
//! `autodiff::lowering::blocked`). A mask of the result becomes a part of it.

use super::blocked::{block_size, is_blocked};
use super::elementwise::program::{Bounds, Program};
use crate::onnx::own_operators::{BLOCK, DOMAIN, ELEMENTWISE, STRIDED_GRADIENT};
use crate::onnx::proto::{NodeProto, TensorProto};
use crate::onnx::{Error, Graph};
use std::collections::{HashMap, HashSet};

/// A gradient in its standard form.
struct Match {
    gradient: String,
    weights: String,
    pads: Vec<i64>,
    channels: usize,
}

/// The graph with strided gradients as operators of their own.
///
/// # Errors
/// [`Error`] if the graph is damaged.
pub(super) fn with_strided_gradients(graph: Graph) -> Result<Graph, Error> {
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
    // What replaces each node; nothing if its only reader, a mask, computes it too.
    let mut replacements: HashMap<usize, Option<NodeProto>> = HashMap::new();
    for (index, form) in &matches {
        let node = &graph.nodes()[*index];
        let name = node.output[0].as_str();
        let is_output = graph.outputs().iter().any(|output| output.name == name);
        let reader = match readers.get(name).map(Vec::as_slice) {
            Some(&[reader]) if !is_output => Some(reader),
            _ => None,
        };
        let masked = reader.and_then(|reader| Some((reader, mask(&graph.nodes()[reader], name)?)));
        if let Some((reader, mask)) = masked {
            replacements.insert(*index, None);
            let strided = strided(form, block, Some(&mask), &graph.nodes()[reader]);
            replacements.insert(reader, Some(strided));
        } else {
            replacements.insert(*index, Some(strided(form, block, None, node)));
        }
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
    let matches = (graph.nodes().iter()).filter(|node| matched(graph, node).is_some());
    matches.map(|node| node.input[0].as_str()).collect()
}

/// The operator in the place of `node`.
fn strided(form: &Match, block: usize, mask: Option<&Mask>, node: &NodeProto) -> NodeProto {
    let mut inputs = vec![form.gradient.as_str(), form.weights.as_str()];
    inputs.extend(mask.map(|mask| mask.value.as_str()));
    let mut strided = NodeProto::new(STRIDED_GRADIENT, &inputs, &node.output)
        .with_name(&node.name)
        .in_domain(DOMAIN)
        .attr(BLOCK, block as i64)
        .attr("pads", form.pads.clone());
    if let Some(mask) = mask {
        strided = strided.attr("low", mask.low).attr("high", mask.high);
    }
    strided
}

/// A mask of a gradient: kept where a value is between two bounds.
struct Mask {
    value: String,
    low: f32,
    high: f32,
}

/// The mask that `node` is of `gradient`.
fn mask(node: &NodeProto, gradient: &str) -> Option<Mask> {
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
    (kept == gradient && value != gradient).then(|| Mask {
        value: value.clone(),
        low,
        high,
    })
}

/// The gradient whose standard form ends with `node`.
fn matched(graph: &Graph, node: &NodeProto) -> Option<Match> {
    let producer = |value: &str| graph.producer(value).map(|index| &graph.nodes()[index]);
    let is_default = |name: &str| {
        node.ints(name)
            .is_none_or(|values| values.iter().all(|value| *value == 1))
    };
    let [spaced, weights] = node.input.as_slice() else {
        return None;
    };
    let pads = node
        .ints("pads")
        .filter(|pads| pads.len() == 4 && pads.iter().all(|pad| *pad >= 0))?;
    let dims = graph.constant(weights)?.shape().ok()?;
    let &[channels, 1, _, _] = dims.as_slice() else {
        return None;
    };
    let is_depthwise = is_blocked(node, "Conv")
        && node.int("group") == Some(channels as i64)
        && is_default("strides")
        && is_default("dilations")
        && node.attribute_named("activation").is_none();
    let product = producer(spaced).filter(|node| is_depthwise && node.is_op("Mul"))?;
    let [repeated, places] = product.input.as_slice() else {
        return None;
    };
    let upsample = producer(repeated).filter(|node| is_blocked(node, "Upsample"))?;
    let is_doubled = upsample.ints("scales") == Some(&[1, 1, 2, 2])
        && upsample.string("mode") == Some("nearest");
    (is_doubled && is_every_second(graph, places)).then(|| Match {
        gradient: upsample.input[0].clone(),
        weights: weights.clone(),
        pads: pads.to_vec(),
        channels,
    })
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
