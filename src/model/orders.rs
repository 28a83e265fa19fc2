//! In which order values have their axes, as far as operators tell: a convolution makes (N, channels, rows, columns)
//! whatever the numbers look like, a transposition exchanges what it says, and most others leave the order as it is.

use crate::onnx::proto::NodeProto;
use crate::onnx::{Graph, Shapes};
use std::collections::HashMap;

/// Where the channels are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// On the second axis: (N, channels, rows, columns).
    ChannelsFirst,
    /// On the last axis: (N, rows, columns, channels).
    ChannelsLast,
}

/// Operators whose first input and output have their channels on the second axis.
const CHANNELS_FIRST: &[&str] = &[
    "AveragePool",
    "BatchNormalization",
    "Conv",
    "ConvTranspose",
    "DepthToSpace",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "GridSample",
    "GroupNormalization",
    "InstanceNormalization",
    "LRN",
    "LpPool",
    "MaxPool",
    "RoiAlign",
    "SpaceToDepth",
];

/// Operators after which an axis may be another one, as it may wherever their number changes.
const REARRANGING: &[&str] = &["Einsum", "Gather", "GatherElements", "GatherND"];

/// The order of every value of which it is known. `input` is the picture, whose channels come first.
pub fn orders(graph: &Graph, shapes: &Shapes, input: &str) -> HashMap<String, Order> {
    let mut known = HashMap::from([(input.to_owned(), Order::ChannelsFirst)]);
    for node in graph.nodes() {
        let output = node.output.first().map_or("", String::as_str);
        let Some(order) = made(graph, shapes, &known, node, output) else {
            continue;
        };
        let outputs = node.output.iter().filter(|name| !name.is_empty());
        known.extend(outputs.map(|name| (name.clone(), order)));
    }
    known
}

/// The order of what a node makes, of which `output` is the first.
fn made(
    graph: &Graph,
    shapes: &Shapes,
    known: &HashMap<String, Order>,
    node: &NodeProto,
    output: &str,
) -> Option<Order> {
    let is_any = |ops: &[&str]| ops.iter().any(|op| node.is(op));
    if is_any(CHANNELS_FIRST) {
        return Some(Order::ChannelsFirst);
    }
    let dims = |name: &str| shapes.find(name).map(|found| found.dims.as_slice());
    let first = node.input_at(0)?;
    let before = known.get(first).copied();
    if node.is("Transpose") {
        return transposed(before?, node.ints("perm")?);
    }
    // A row of all places, and back.
    if node.is("Reshape") {
        let same_last = dims(first)?.last() == dims(output)?.last();
        return before.filter(|order| *order == Order::ChannelsLast && same_last);
    }
    // Weights make channels of channels.
    if is_any(&["MatMul", "Gemm"]) {
        let has_weights = graph.constant(node.input_at(1)?).is_some();
        return before.filter(|order| *order == Order::ChannelsLast && has_weights);
    }
    let rank = dims(output)?.len();
    let as_many = |name: &&String| dims(name).is_some_and(|dims| dims.len() == rank);
    let mut alike = node.input.iter().filter(as_many);
    let order = alike.find_map(|name| known.get(name).copied());
    order.filter(|_| !is_any(REARRANGING))
}

fn transposed(before: Order, order: &[i64]) -> Option<Order> {
    match (before, order) {
        (Order::ChannelsFirst, [0, 2, 3, 1]) => Some(Order::ChannelsLast),
        (Order::ChannelsLast, [0, 3, 1, 2]) => Some(Order::ChannelsFirst),
        (Order::ChannelsFirst, [0, 1, ..]) => Some(before),
        (Order::ChannelsLast, [.., last]) if *last == order.len() as i64 - 1 => Some(before),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::shapes::fixed;
    use crate::onnx::{Builder, Elem, ValueType};

    #[test]
    fn orders_follow_from_operators() {
        let mut b = Builder::empty(18, "");
        b.input("x", Elem::F32, &fixed(&[1, 3, 33, 33])).unwrap();
        let weight = b.floats(&[32, 3, 3, 3], &[0.0; 864]);
        let [last, first] =
            [[0i64, 2, 3, 1], [0, 3, 1, 2]].map(|order| [("perm", (&order[..]).into())]);
        let [places, back, apart] =
            [&[961, 32][..], &[1, 31, 31, 8], &[1, 31, 8, 31]].map(|dims| b.ints(dims));
        let scale = b.floats(&[32], &[1.0; 32]);
        let dense = b.floats(&[32, 8], &[1.0; 256]);
        b.emit_named("planes", "Conv", &["x", &weight], &[])
            .unwrap();
        b.emit_named("turned", "Transpose", &["planes"], &last)
            .unwrap();
        b.emit_named("scaled", "Mul", &[&scale, "turned"], &[])
            .unwrap();
        b.emit_named("back", "Transpose", &["scaled"], &first)
            .unwrap();
        b.emit_named("odd", "Transpose", &["back"], &first).unwrap();
        b.emit_named("places", "Reshape", &["scaled", &places], &[])
            .unwrap();
        b.emit_named("product", "MatMul", &["places", &dense], &[])
            .unwrap();
        b.emit_named("dense", "Reshape", &["product", &back], &[])
            .unwrap();
        b.emit_named("apart", "Reshape", &["dense", &apart], &[])
            .unwrap();
        let graph = b.into_graph();
        let shapes = [
            ("x", vec![1, 3, 33, 33]),
            ("planes", vec![1, 32, 31, 31]),
            ("turned", vec![1, 31, 31, 32]),
            ("scaled", vec![1, 31, 31, 32]),
            ("back", vec![1, 32, 31, 31]),
            ("odd", vec![1, 31, 32, 31]),
            ("places", vec![961, 32]),
            ("product", vec![961, 8]),
            ("dense", vec![1, 31, 31, 8]),
            ("apart", vec![1, 31, 8, 31]),
        ];
        let elem = Elem::F32;
        let typed = |(name, dims): (&str, _)| (name.to_owned(), ValueType { elem, dims });
        let shapes = shapes.map(typed).into_iter().collect();
        let orders = orders(&graph, &shapes, "x");
        let of = |name: &str| orders.get(name).copied();
        let (first, last) = (Some(Order::ChannelsFirst), Some(Order::ChannelsLast));
        assert_eq!(["x", "planes", "back"].map(of), [first; 3]);
        assert_eq!(["turned", "scaled", "dense"].map(of), [last; 3]);
        assert_eq!(["odd", "apart"].map(of), [None; 2]);
    }
}
