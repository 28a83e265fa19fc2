//! Decomposes rare operators into common ones, for providers that would leave them to the CPU (with
//! copies there and back) or compute them wrongly.

mod einsum;

use crate::autodiff::einsum_equation::Equation;
use crate::onnx::proto::NodeProto;
use crate::onnx::{Builder, Error, Graph, NameScope};

/// The graph with `Sum`, `OneHot`, `LRN`, `LogSoftmax` and `Einsum` decomposed, and outputs that are an `Identity`
/// computed by a kernel (they must be float32). Values keep their names. What cannot be decomposed (a
/// `OneHot` of unknown depth, or along another axis than the last; an `Einsum` of other than two operands) stays as it
/// is. `rank` is the rank of a value, if it is known: an `Einsum` with an ellipsis, or without an output, needs it (see
/// [`needs_ranks`]).
///
/// # Errors
/// [`Error::Corrupt`] if a constant's data does not fit its dimensions.
pub fn without_rare_operators(
    graph: &Graph,
    rank: impl Fn(&str) -> Option<usize>,
) -> Result<Graph, Error> {
    let mut builder = Builder::extend(graph.without_nodes(), "basic/");
    builder.reserve(NameScope::from_graph(graph));
    let is_output = |value: &str| graph.outputs().iter().any(|output| output.name == value);
    for node in graph.nodes() {
        let is_done = match node.op_type.as_str() {
            "Sum" if is_standard(node) => sum(&mut builder, node)?,
            "OneHot" if is_standard(node) => one_hot(&mut builder, node)?,
            "LRN" if is_standard(node) => lrn(&mut builder, node)?,
            "LogSoftmax" if is_standard(node) => log_softmax(&mut builder, node)?,
            "Einsum" if is_standard(node) => einsum::decompose(&mut builder, node, &rank)?,
            "Identity" if is_standard(node) && is_output(&node.output[0]) => {
                copy(&mut builder, node)?
            }
            _ => false,
        };
        if !is_done {
            builder.append(node.clone())?;
        }
    }
    let mut result = builder.into_graph();
    result.set_outputs(graph.outputs().to_vec());
    Ok(result)
}

/// Whether [`without_rare_operators`] needs the ranks of values of this graph.
pub fn needs_ranks(graph: &Graph) -> bool {
    let depends = |node: &NodeProto| {
        let equation = node.string("equation").unwrap_or_default();
        node.is_op("Einsum") && Equation::depends_on_ranks(equation)
    };
    graph.nodes().iter().any(depends)
}

fn is_standard(node: &NodeProto) -> bool {
    node.standard_op().is_some() && node.output.len() == 1
}

/// The larger of a value and itself. Providers copy the value of an `Identity` outside their kernels, and do not do so
/// when they replay recorded kernels.
fn copy(builder: &mut Builder, node: &NodeProto) -> Result<bool, Error> {
    let Some(value) = node.input_at(0) else {
        return Ok(false);
    };
    builder.emit_named(&node.output[0], "Max", &[value, value], &[])?;
    Ok(true)
}

/// A chain of additions.
fn sum(builder: &mut Builder, node: &NodeProto) -> Result<bool, Error> {
    let terms: Vec<&str> = node.input.iter().map(String::as_str).collect();
    let output = node.output[0].as_str();
    match terms.as_slice() {
        [] => return Ok(false),
        [one] => builder.emit_named(output, "Identity", &[one], &[])?,
        [first, middle @ .., last] => {
            let mut so_far = first.to_string();
            for term in middle {
                so_far = builder.emit("Add", &[&so_far, term], &[]);
            }
            builder.emit_named(output, "Add", &[&so_far, last], &[])?
        }
    };
    Ok(true)
}

/// Where the last axis, counted from 0, is the index, the second of the two values, elsewhere the
/// first. Indices and counts are compared as float32: there are fewer classes than these hold
/// exactly.
fn one_hot(builder: &mut Builder, node: &NodeProto) -> Result<bool, Error> {
    const MAX_DEPTH: f64 = 16_777_216.0; // 2^24
    let (Some(indices), Some(depth), Some(values)) =
        (node.input_at(0), node.input_at(1), node.input_at(2))
    else {
        return Ok(false);
    };
    let depth = match builder.graph().constant(depth) {
        Some(tensor) => tensor.to_f64()?.first().copied(),
        None => None,
    };
    let depth = depth.filter(|depth| (1.0..MAX_DEPTH).contains(depth));
    let (Some(depth), -1) = (depth, node.int("axis").unwrap_or(-1)) else {
        return Ok(false);
    };
    let count = depth as i64;
    let numbers: Vec<f32> = (0..count).map(|number| number as f32).collect();
    let numbers = builder.floats(&[count], &numbers);
    let indices = builder.emit("Cast", &[indices], &[("to", 1i64.into())]);
    // A negative index counts from the end.
    let zero = builder.floats(&[], &[0.0]);
    let length = builder.floats(&[], &[depth as f32]);
    let is_negative = builder.emit("Less", &[&indices, &zero], &[]);
    let wrapped = builder.emit("Add", &[&indices, &length], &[]);
    let indices = builder.emit("Where", &[&is_negative, &wrapped, &indices], &[]);
    let last = builder.ints(&[-1]);
    let indices = builder.emit("Unsqueeze", &[&indices, &last], &[]);
    let is_hot = builder.emit("Equal", &[&indices, &numbers], &[]);
    let at = |builder: &mut Builder, place: i64| {
        let place = builder.int(place);
        builder.emit("Gather", &[values, &place], &[])
    };
    let (off, on) = (at(builder, 0), at(builder, 1));
    builder.emit_named(&node.output[0], "Where", &[&is_hot, &on, &off], &[])?;
    Ok(true)
}

/// `d - log Σ exp d`, where `d` is the difference from the maximum.
fn log_softmax(builder: &mut Builder, node: &NodeProto) -> Result<bool, Error> {
    // Earlier, the axes of `ReduceMax` are an attribute, and those of `LogSoftmax` others.
    const AXES_ARE_INPUTS: i64 = 18;
    let input = node.input_at(0);
    let Some(input) = input.filter(|_| builder.graph().opset() >= AXES_ARE_INPUTS) else {
        return Ok(false);
    };
    let axis = builder.ints(&[node.int("axis").unwrap_or(-1)]);
    let maximum = builder.emit("ReduceMax", &[input, &axis], &[]);
    let difference = builder.emit("Sub", &[input, &maximum], &[]);
    let power = builder.emit("Exp", &[&difference], &[]);
    let sum = builder.emit("ReduceSum", &[&power, &axis], &[]);
    let log = builder.emit("Log", &[&sum], &[]);
    builder.emit_named(&node.output[0], "Sub", &[&difference, &log], &[])?;
    Ok(true)
}

/// `x · (bias + alpha/size · Σ x²)^-β` over the `size` channels around each, for an input of four axes.
fn lrn(builder: &mut Builder, node: &NodeProto) -> Result<bool, Error> {
    /// More slices than this are worse than a copy.
    const MAX_SIZE: i64 = 32;
    let size = node.int("size").unwrap_or(0);
    let Some(input) = node.input_at(0).filter(|_| (1..=MAX_SIZE).contains(&size)) else {
        return Ok(false);
    };
    let alpha = node.float("alpha").unwrap_or(1e-4);
    let beta = node.float("beta").unwrap_or(0.75);
    let bias = node.float("bias").unwrap_or(1.0);
    let before = (size - 1) / 2;
    let pads = builder.ints(&[0, before, 0, 0, 0, size - 1 - before, 0, 0]);
    let square = builder.emit("Mul", &[input, input], &[]);
    let padded = builder.emit("Pad", &[&square, &pads], &[]);
    let axis = builder.ints(&[1]);
    let slice = |builder: &mut Builder, place: i64| {
        let start = builder.ints(&[place]);
        // The last one reaches the end, of which an end of 0 would be the beginning.
        let end = match place - (size - 1) {
            0 => i64::MAX,
            end => end,
        };
        let end = builder.ints(&[end]);
        builder.emit("Slice", &[&padded, &start, &end, &axis], &[])
    };
    let mut total = slice(builder, 0);
    for place in 1..size {
        let next = slice(builder, place);
        total = builder.emit("Add", &[&total, &next], &[]);
    }
    let factor = builder.floats(&[], &[alpha / size as f32]);
    let bias = builder.floats(&[], &[bias]);
    let exponent = builder.floats(&[], &[-beta]);
    let mean = builder.emit("Mul", &[&total, &factor], &[]);
    let divisor = builder.emit("Add", &[&mean, &bias], &[]);
    let power = builder.emit("Pow", &[&divisor, &exponent], &[]);
    builder.emit_named(&node.output[0], "Mul", &[input, &power], &[])?;
    Ok(true)
}
