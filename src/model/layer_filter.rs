//! Selects the values of a network that are layers in the usual sense. Exported files decompose a normalization or a
//! GELU into five nodes and transpose axes in between; only the result of such a group is a layer.

use super::Network;
use super::input_scaling::InputScaling;
use super::layout::{Axes, Layout};
use crate::onnx::proto::NodeProto;
use crate::onnx::{Graph, residual};
use std::collections::{HashMap, HashSet};

/// Operators that only rearrange elements.
const REARRANGING: &[&str] = &[
    "Cast",
    "CastLike",
    "Dropout",
    "Expand",
    "Flatten",
    "Gather",
    "GatherElements",
    "GatherND",
    "Identity",
    "Pad",
    "Reshape",
    "Slice",
    "Split",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
];

/// Operators into which functions such as LayerNormalization, GELU or SiLU are decomposed.
const ARITHMETIC: &[&str] = &[
    "Abs",
    "Add",
    "Div",
    "Erf",
    "Exp",
    "HardSigmoid",
    "Log",
    "Max",
    "Mean",
    "Min",
    "Mul",
    "Neg",
    "Pow",
    "Reciprocal",
    "ReduceL2",
    "ReduceMax",
    "ReduceMean",
    "ReduceSum",
    "ReduceSumSquare",
    "Sigmoid",
    "Softplus",
    "Sqrt",
    "Sub",
    "Sum",
    "Tanh",
    "Where",
];

/// Operators whose feature maps are attention weights, in a network whose other feature maps come from convolutions.
const ATTENTION: &[&str] = &["FusedMatMul", "MatMul", "Softmax"];

/// Operators that compute means. A global pool over (N, tokens, channels) averages channels.
const MEANS: &[&str] = &["GlobalAveragePool", "ReduceMean", "ReduceSum"];

/// Operators that keep every element; their consumers count instead.
const TRANSPARENT: &[&str] = &["Cast", "Identity", "Transpose"];

/// Decides whether values are layers.
pub(super) struct LayerFilter<'a> {
    network: &'a Network,
    input_scaling: InputScaling<'a>,
    consumers: HashMap<&'a str, Vec<usize>>,
    dependent: HashSet<&'a str>,
    /// Whether the network has tokens or channels last. Only its feature maps of the picture's aspect ratio are layers;
    /// others belong to attention.
    is_transformer: bool,
}

impl<'a> LayerFilter<'a> {
    pub fn new(network: &'a Network) -> Self {
        let graph = &network.graph;
        let values = graph.nodes().iter().flat_map(|node| &node.output);
        let mut layouts = values.filter_map(|value| network.layout(value));
        Self {
            network,
            input_scaling: InputScaling::trace(graph, &network.input),
            consumers: graph.consumers(),
            dependent: graph.descendants([network.input.as_str()]),
            is_transformer: layouts.any(is_of_a_transformer),
        }
    }

    /// Whether the output `name` of node `index` is a layer. `layout` is its layout.
    pub fn contains(&self, index: usize, name: &str, layout: Layout) -> bool {
        let node = &self.graph().nodes()[index];
        let fused_op = self.network.fused_ops.producing(name);
        let op = fused_op
            .map_or(&node.op_type, |fused_op| &fused_op.op)
            .as_str();
        if self.is_attention(op, layout)
            || REARRANGING.contains(&op)
            || self.input_scaling.contains(name)
            || (fused_op.is_none() && self.is_statistic(node, layout))
            || self.bias_of(index).is_some()
        {
            return false;
        }
        let within = ARITHMETIC.contains(&op) && self.is_read_within(name);
        !within || self.linear_before(index).is_some() || self.is_residual_sum(index)
    }

    /// Whether all consumers of a value are intermediate steps of a function.
    fn is_read_within(&self, name: &'a str) -> bool {
        let readers = |name: &str| self.consumers.get(name).map_or(&[][..], Vec::as_slice);
        let mut worklist = readers(name).to_vec();
        let is_read = !worklist.is_empty();
        while let Some(reader) = worklist.pop() {
            let reader = &self.graph().nodes()[reader];
            let moved = reader.output.first().map_or(&[][..], |name| readers(name));
            if is_one_of(reader, TRANSPARENT) && !moved.is_empty() {
                worklist.extend(moved);
            } else if !self.is_step(reader) {
                return false;
            }
        }
        is_read
    }

    /// Whether a node is an intermediate step of a function. A mean is one, except over the positions of a channel: the
    /// input of a pool is a layer.
    fn is_step(&self, node: &NodeProto) -> bool {
        let layout = |name: &String| self.network.layout(name);
        let input = node.input.first().and_then(layout);
        let output = node.output.first().and_then(layout);
        let is_step = is_one_of(node, ARITHMETIC) || node.is_op("Softmax");
        match (input, output) {
            (Some(input), Some(output)) if is_one_of(node, MEANS) => {
                let pools = output.channels == input.channels;
                is_statistic(input, output) || (is_step && !pools)
            }
            _ => is_step,
        }
    }

    /// Whether a node reduces the channels of each position to one number: the mean or variance of a normalization.
    fn is_statistic(&self, node: &NodeProto, layout: Layout) -> bool {
        let input = node.input_at(0).and_then(|name| self.network.layout(name));
        is_one_of(node, MEANS) && input.is_some_and(|input| is_statistic(input, layout))
    }

    /// Whether a value belongs to attention: it has another aspect ratio than the picture, or is (tokens, tokens).
    fn is_attention(&self, op: &str, layout: Layout) -> bool {
        let plane = (layout.rows, layout.columns);
        let is_attention = match layout.axes {
            Axes::ChannelsFirst => !self.network.grids.resembles(plane) || ATTENTION.contains(&op),
            Axes::NonSpatial { rank, .. } => rank == 4,
            Axes::Vector | Axes::ChannelsLast | Axes::Tokens { .. } => false,
        };
        self.is_transformer && is_attention
    }

    /// The matrix product whose bias node `index` adds.
    pub fn linear_before(&self, index: usize) -> Option<&'a NodeProto> {
        let mut inputs = self.graph().nodes()[index].input.iter();
        let producer = inputs.find_map(|input| self.graph().producer(input))?;
        (self.bias_of(producer) == Some(index)).then(|| &self.graph().nodes()[producer])
    }

    /// The node that adds the bias to the output of node `index`, if that is a matrix product without other consumers.
    fn bias_of(&self, index: usize) -> Option<usize> {
        let node = &self.graph().nodes()[index];
        let product = node.output.first()?;
        let &[reader] = self.consumers.get(product.as_str())?.as_slice() else {
            return None;
        };
        let adding = &self.graph().nodes()[reader];
        let mut others = adding.input.iter().filter(|input| *input != product);
        let adds_constant =
            adding.is_op("Add") && others.all(|other| self.graph().constant(other).is_some());
        (node.is_op("MatMul") && adds_constant).then_some(reader)
    }

    fn is_residual_sum(&self, index: usize) -> bool {
        let inputs = &self.graph().nodes()[index].input;
        inputs
            .iter()
            .all(|input| self.dependent.contains(input.as_str()))
            && residual::residual_input(self.graph(), index).is_some()
    }

    fn graph(&self) -> &'a Graph {
        &self.network.graph
    }
}

/// Whether the layout only occurs in networks with tokens or channels last.
fn is_of_a_transformer(layout: Layout) -> bool {
    let has_grid = layout.rows > 1 && layout.columns > 1;
    has_grid && !layout.is_channels_first()
}

/// Whether a value has one number per position of another, for all of its channels.
fn is_statistic(input: Layout, output: Layout) -> bool {
    let same_places = (input.rows, input.columns) == (output.rows, output.columns);
    output.channels == 1 && input.channels > 1 && same_places
}

fn is_one_of(node: &NodeProto, ops: &[&str]) -> bool {
    ops.iter().any(|op| node.is_op(op))
}
