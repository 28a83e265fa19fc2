//! In which order values of four axes have them, as far as operators tell: a convolution makes (N, channels, rows, columns)
//! whatever the numbers look like, a transposition exchanges what it says, and most others leave the order as it is.

use crate::onnx::proto::NodeProto;
use crate::onnx::{Graph, Shapes};
use std::collections::HashMap;

/// Where the channels are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// (N, channels, rows, columns).
    ChannelsFirst,
    /// (N, rows, columns, channels).
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

/// Operators after which an axis may be another one. A product with a matrix is of the last axis.
const REARRANGING: &[&str] = &[
    "Einsum",
    "Flatten",
    "Gather",
    "GatherElements",
    "GatherND",
    "MatMul",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
];

/// The order of every value of which it is known. `input` is the picture, whose channels come first.
pub fn orders(graph: &Graph, shapes: &Shapes, input: &str) -> HashMap<String, Order> {
    let has_four = |name: &str| shapes.find(name).is_some_and(|known| known.dims.len() == 4);
    let mut known = HashMap::from([(input.to_owned(), Order::ChannelsFirst)]);
    for node in graph.nodes() {
        let read = node.input.iter().filter(|name| has_four(name));
        let before = read.filter_map(|name| known.get(name)).next().copied();
        let Some(order) = made(node, before) else {
            continue;
        };
        let four = node.output.iter().filter(|name| has_four(name));
        known.extend(four.map(|name| (name.clone(), order)));
    }
    known
}

/// The order of what a node makes of values of the order `before`.
fn made(node: &NodeProto, before: Option<Order>) -> Option<Order> {
    let is_any = |ops: &[&str]| ops.iter().any(|op| node.is(op));
    if is_any(CHANNELS_FIRST) {
        return Some(Order::ChannelsFirst);
    }
    if node.is("Transpose") {
        return match (before?, node.ints("perm")?) {
            (order, [0, 1, 2, 3]) => Some(order),
            (Order::ChannelsFirst, [0, 2, 3, 1]) => Some(Order::ChannelsLast),
            (Order::ChannelsLast, [0, 3, 1, 2]) => Some(Order::ChannelsFirst),
            _ => None,
        };
    }
    let is_product = node.is("MatMul") && before == Some(Order::ChannelsLast);
    before.filter(|_| is_product || !is_any(REARRANGING))
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
        let flat = b.ints(&[1, 31, 31, 32]);
        let scale = b.floats(&[32], &[1.0; 32]);
        b.emit_named("planes", "Conv", &["x", &weight], &[])
            .unwrap();
        b.emit_named("turned", "Transpose", &["planes"], &last)
            .unwrap();
        b.emit_named("scaled", "Mul", &[&scale, "turned"], &[])
            .unwrap();
        b.emit_named("back", "Transpose", &["scaled"], &first)
            .unwrap();
        b.emit_named("odd", "Transpose", &["back"], &first).unwrap();
        b.emit_named("flat", "Reshape", &["scaled", &flat], &[])
            .unwrap();
        let graph = b.into_graph();
        let four = |name: &str| {
            (
                name.to_owned(),
                ValueType {
                    elem: Elem::F32,
                    dims: vec![1; 4],
                },
            )
        };
        let made = graph.nodes().iter().map(|node| node.output[0].as_str());
        let shapes = made.chain(["x"]).map(four).collect();
        let orders = orders(&graph, &shapes, "x");
        let of = |name: &str| orders.get(name).copied();
        let (first, last) = (Some(Order::ChannelsFirst), Some(Order::ChannelsLast));
        assert_eq!(["x", "planes", "back"].map(of), [first; 3]);
        assert_eq!(["turned", "scaled"].map(of), [last; 2]);
        assert_eq!(["odd", "flat"].map(of), [None; 2]);
    }
}
