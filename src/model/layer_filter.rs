//! Which of a network's values people would call layers. Exported files write a normalisation or a GELU as five nodes and
//! move axes about in between; what is worth looking at is what comes out of it.

use super::Network;
use super::input_scaling::InputScaling;
use super::layout::{Axes, Layout};
use crate::onnx::proto::NodeProto;
use crate::onnx::{Graph, residual};
use std::collections::{HashMap, HashSet};

/// Operators that make nothing new of the numbers that they move.
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

/// Operators that functions such as LayerNormalization, GELU or SiLU are written out in.
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

/// Operators that, where a picture's planes come from convolutions, make attention.
const ATTENTION: &[&str] = &["FusedMatMul", "MatMul", "Softmax"];

/// Operators that take means. The global pool's is one over channels where these come last: of (N, tokens, channels).
const MEANS: &[&str] = &["GlobalAveragePool", "ReduceMean", "ReduceSum"];

/// Operators that keep every number, and are stepped over to see what reads it.
const STEPPED_OVER: &[&str] = &["Cast", "Identity", "Transpose"];

/// What is needed to tell.
pub(super) struct LayerFilter<'a> {
    network: &'a Network,
    input_scaling: InputScaling<'a>,
    consumers: HashMap<&'a str, Vec<usize>>,
    dependent: HashSet<&'a str>,
    /// Whether it is a network of tokens or of channels that come last. Of its planes, only those of the picture are
    /// layers; the others belong to attention.
    is_transformer: bool,
}

impl<'a> LayerFilter<'a> {
    pub fn of(network: &'a Network) -> Self {
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

    /// Whether the value `name`, which node `index` makes, is one, by the operator that makes it in the file.
    pub fn contains(&self, index: usize, name: &str, layout: Layout) -> bool {
        let node = &self.graph().nodes()[index];
        let whole = self.network.fused_ops.producing(name);
        let op = whole.map_or(&node.op_type, |whole| &whole.op).as_str();
        if self.is_attention(op, layout)
            || REARRANGING.contains(&op)
            || self.input_scaling.contains(name)
            || (whole.is_none() && self.is_statistic(node, layout))
            || self.bias_of(index).is_some()
        {
            return false;
        }
        let within = ARITHMETIC.contains(&op) && self.is_read_within(name);
        !within || self.linear_before(index).is_some() || self.is_residual_sum(index)
    }

    /// Whether all that reads a value is a step within a function.
    fn is_read_within(&self, name: &'a str) -> bool {
        let readers = |name: &str| self.consumers.get(name).map_or(&[][..], Vec::as_slice);
        let mut open = readers(name).to_vec();
        let is_read = !open.is_empty();
        while let Some(reader) = open.pop() {
            let reader = &self.graph().nodes()[reader];
            let moved = reader.output.first().map_or(&[][..], |name| readers(name));
            if is_one_of(reader, STEPPED_OVER) && !moved.is_empty() {
                open.extend(moved);
            } else if !self.is_step(reader) {
                return false;
            }
        }
        is_read
    }

    /// Whether a node is a step within a function. A mean is, but for that of a channel's places: what is pooled is what
    /// there was to see.
    fn is_step(&self, node: &NodeProto) -> bool {
        let layout = |name: &String| self.network.layout(name);
        let read = node.input.first().and_then(layout);
        let made = node.output.first().and_then(layout);
        let is_step = is_one_of(node, ARITHMETIC) || node.is_op("Softmax");
        match (read, made) {
            (Some(read), Some(made)) if is_one_of(node, MEANS) => {
                let pools = made.channels == read.channels;
                is_statistic(read, made) || (is_step && !pools)
            }
            _ => is_step,
        }
    }

    /// Whether a node makes one number of all channels of a place: a mean or a variance of a normalisation.
    fn is_statistic(&self, node: &NodeProto, layout: Layout) -> bool {
        let read = node.input_at(0).and_then(|name| self.network.layout(name));
        is_one_of(node, MEANS) && read.is_some_and(|read| is_statistic(read, layout))
    }

    /// Whether a plane belongs to attention rather than to the picture: it has another shape, or is tokens by tokens.
    fn is_attention(&self, op: &str, layout: Layout) -> bool {
        let plane = (layout.rows, layout.columns);
        let is_attention = match layout.axes {
            Axes::ChannelsFirst => !self.network.grids.resembles(plane) || ATTENTION.contains(&op),
            Axes::NonSpatial { rank, .. } => rank == 4,
            Axes::Vector | Axes::ChannelsLast | Axes::Tokens { .. } => false,
        };
        self.is_transformer && is_attention
    }

    /// The matrix product to which node `index` adds the bias.
    pub fn linear_before(&self, index: usize) -> Option<&'a NodeProto> {
        let mut inputs = self.graph().nodes()[index].input.iter();
        let producer = inputs.find_map(|input| self.graph().producer(input))?;
        (self.bias_of(producer) == Some(index)).then(|| &self.graph().nodes()[producer])
    }

    /// The node that adds the bias to what node `index` makes, if that is a matrix product and nothing else reads it.
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

/// Whether a value is one of those that only networks have that keep tokens, or channels last.
fn is_of_a_transformer(layout: Layout) -> bool {
    let has_grid = layout.rows > 1 && layout.columns > 1;
    has_grid && !layout.is_channels_first()
}

/// Whether a value has one number for all channels of each place of another.
fn is_statistic(read: Layout, made: Layout) -> bool {
    let same_places = (read.rows, read.columns) == (made.rows, made.columns);
    made.channels == 1 && read.channels > 1 && same_places
}

fn is_one_of(node: &NodeProto, ops: &[&str]) -> bool {
    ops.iter().any(|op| node.is_op(op))
}
