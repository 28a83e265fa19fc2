//! Selects the layer of a class activation map: the last layer with spatial dimensions that dominates the score and has
//! a gradient at its positions.

use super::cam::{Map, Method};
use super::{Error, Kind, Objective};
use crate::model::Network;
use crate::model::layout::{Axes, Layout};
use crate::onnx::Graph;
use crate::onnx::proto::NodeProto;
use crate::text::quoted;
use std::collections::{HashMap, HashSet};

/// Operators that treat each token separately if the output has as many tokens. So does a matrix product with a
/// constant.
const TOKENWISE: &[&str] = &[
    "Add",
    "Cast",
    "Clip",
    "Div",
    "Dropout",
    "Elu",
    "Erf",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LayerNormalization",
    "LeakyRelu",
    "Mish",
    "Mul",
    "Pow",
    "RMSNormalization",
    "Reciprocal",
    "Relu",
    "Sigmoid",
    "SimplifiedLayerNormalization",
    "Softplus",
    "Sqrt",
    "Sub",
    "Swish",
    "Tanh",
];

/// Operators that select some of the tokens.
const SELECTING: &[&str] = &["Gather", "Slice", "Split"];

/// The requested method and layer of a map.
#[derive(Debug, Clone, Copy, Default)]
pub struct CamOptions<'a> {
    pub method: Method,
    /// The layer; `None` selects one automatically.
    pub layer: Option<&'a str>,
}

/// The map of an objective; `None` if no layer is requested and none is suitable.
///
/// # Errors
/// [`Error::NoMap`] if the requested layer has no positions or the objective does not depend on it, or for
/// [`Method::Cam`] if the layer is followed by more than pooling and one linear layer; [`Error::Graph`] if the
/// objective's value is unknown.
pub(super) fn resolve(
    network: &Network,
    objective: &Objective,
    choice: CamOptions<'_>,
) -> Result<Option<Map>, Error> {
    let found = match choice.layer {
        Some(layer) => {
            check(network, objective, layer)?;
            Some(layer.to_string())
        }
        None => find(network, objective)?,
    };
    let Some(layer) = found else {
        return Ok(None);
    };
    if choice.method == Method::Cam {
        check_linear(network, objective, &layer)?;
    }
    let layout = network.layout(&layer);
    Ok(layout.map(|layout| Map {
        layer,
        layout,
        method: choice.method,
    }))
}

/// The layer of an objective's map: for a class, see above; for a channel, its own layer. A neuron or a layer has no
/// map. `None` also if no layer has spatial dimensions.
///
/// # Errors
/// [`Error::Graph`] if the objective's value is unknown.
fn find(network: &Network, objective: &Objective) -> Result<Option<String>, Error> {
    match objective.kind {
        Kind::Neuron | Kind::Layer => Ok(None),
        Kind::Channel => {
            let plane = super::unit::layout(network, objective)?.plane();
            let has_places = plane.is_some_and(|(rows, columns)| rows * columns > 1);
            Ok(has_places.then(|| objective.value.clone()))
        }
        Kind::Class | Kind::NotClass => Ok(ScorePath::new(network, &objective.value).last_map()),
    }
}

/// Checks that the objective depends on the requested `layer`, and that it has positions.
///
/// # Errors
/// [`Error::NoMap`] with the reason.
fn check(network: &Network, objective: &Objective, layer: &str) -> Result<(), Error> {
    let name = quoted(layer);
    if network.shapes.find(layer).is_none() {
        let why = format!("no layer is called {name}, so it has no class activation map");
        return Err(Error::NoMap(why));
    }
    let plane = network.layout(layer).and_then(|layout| layout.plane());
    if plane.is_none_or(|(rows, columns)| rows * columns < 2) {
        let why = format!("{name} has no class activation map: it has no rows and columns");
        return Err(Error::NoMap(why));
    }
    let path = ScorePath::new(network, &objective.value);
    if layer != objective.value && !path.last_use.contains_key(layer) {
        let value = quoted(&objective.value);
        let why =
            format!("{name} has no class activation map of {value}, which does not depend on it");
        return Err(Error::NoMap(why));
    }
    Ok(())
}

/// Operators between the last activations and the scores of a network for which plain CAM is defined.
const LINEAR: &[&str] = &[
    "Add",
    "Dropout",
    "Flatten",
    "Gemm",
    "GlobalAveragePool",
    "Identity",
    "MatMul",
    "ReduceMean",
    "Reshape",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];

/// Checks that only pooling and one linear layer are between `layer` and the objective.
///
/// # Errors
/// [`Error::NoMap`] with the first other operator.
fn check_linear(network: &Network, objective: &Objective, layer: &str) -> Result<(), Error> {
    let after = network.graph.descendants([layer]);
    let path = ScorePath::new(network, &objective.value);
    let nodes = path
        .nodes
        .iter()
        .map(|&index| &network.graph.nodes()[index]);
    let behind = nodes.filter(|node| {
        node.input
            .iter()
            .any(|input| after.contains(input.as_str()))
    });
    let dependent = network.graph.descendants([network.input.as_str()]);
    let from_picture = |node: &NodeProto| {
        let inputs = node.input.iter();
        inputs
            .filter(|input| dependent.contains(input.as_str()))
            .count()
    };
    let mut pooled = false;
    for node in behind {
        if !LINEAR.iter().any(|op| node.is_op(op)) || from_picture(node) > 1 {
            return Err(Error::NoMap(format!(
                "plain CAM needs pooling and one linear layer between {} and the scores, but there is node {} ({}): use grad-cam",
                quoted(layer),
                node.display_name(),
                quoted(&node.op_type)
            )));
        }
        pooled |= node.is_op("GlobalAveragePool") || node.is_op("ReduceMean");
    }
    if pooled {
        Ok(())
    } else {
        Err(Error::NoMap(format!(
            "plain CAM needs global average pooling after {}: use grad-cam",
            quoted(layer)
        )))
    }
}

/// The nodes between the picture and a value.
struct ScorePath<'a> {
    network: &'a Network,
    value: &'a str,
    /// Indices of the nodes, in graph order.
    nodes: Vec<usize>,
    /// The last of the nodes that reads each value.
    last_use: HashMap<&'a str, usize>,
}

impl<'a> ScorePath<'a> {
    fn new(network: &'a Network, value: &'a str) -> Self {
        let graph = &network.graph;
        let needed = graph.ancestors([value]);
        let dependent = graph.descendants([network.input.as_str()]);
        let depends = |names: &[String]| names.iter().any(|name| dependent.contains(name.as_str()));
        let nodes: Vec<usize> = (0..needed.len())
            .filter(|&index| needed[index] && depends(&graph.nodes()[index].output))
            .collect();
        let mut last_use = HashMap::new();
        for &index in &nodes {
            let inputs = graph.nodes()[index].input.iter().map(String::as_str);
            let read = inputs.filter(|name| dependent.contains(name));
            last_use.extend(read.map(|name| (name, index)));
        }
        Self {
            network,
            value,
            nodes,
            last_use,
        }
    }

    /// The last value with spatial dimensions and a gradient at its positions; a dominator of the score if there is
    /// one.
    fn last_map(&self) -> Option<String> {
        let grids = &self.network.grids;
        let unread = self.unread_tokens();
        let is_map = |name: &&str| {
            let plane = self.network.layout(name).and_then(|layout| layout.plane());
            plane.is_some_and(|plane| grids.is_map(plane)) && !unread.contains(name)
        };
        let dominators = self.dominators();
        let last = |names: &[&'a str]| names.iter().rev().copied().find(is_map);
        let all: Vec<&str> = self.nodes.iter().flat_map(|&at| self.outputs(at)).collect();
        last(&dominators).or_else(|| last(&all)).map(str::to_string)
    }

    fn outputs(&self, node: usize) -> impl Iterator<Item = &'a str> + use<'a> {
        let graph: &'a Graph = &self.network.graph;
        graph.nodes()[node].output.iter().map(String::as_str)
    }

    /// The dominators of the score: values that every path from the picture passes. After their node, no earlier value
    /// is read.
    fn dominators(&self) -> Vec<&'a str> {
        let mut found = Vec::new();
        let input = self.last_use.get(self.network.input.as_str());
        let mut open = input.copied().unwrap_or(0);
        for &index in &self.nodes {
            let read = self
                .outputs(index)
                .filter(|name| self.last_use.contains_key(name));
            let read: Vec<&str> = read.collect();
            if let ([only], true) = (read.as_slice(), open <= index) {
                found.push(*only);
            }
            let last = read.iter().filter_map(|name| self.last_use.get(name));
            open = last.copied().fold(open, usize::max);
        }
        found
    }

    /// The values with tokens of which only tokens without a position are read: after the last attention, a classifier
    /// that uses its class token needs no other.
    fn unread_tokens(&self) -> HashSet<&'a str> {
        let mut seen: HashSet<&str> = HashSet::from([self.value]);
        let mut unseen = HashSet::new();
        for &index in self.nodes.iter().rev() {
            let node = &self.network.graph.nodes()[index];
            let is_unseen = self.outputs(index).all(|name| !seen.contains(name));
            for name in &node.input {
                let passes = is_unseen && self.is_tokenwise(node, name);
                if passes || self.takes_extra(node, name, &seen) {
                    unseen.insert(name.as_str());
                } else {
                    seen.insert(name);
                }
            }
        }
        unseen.retain(|name| !seen.contains(name));
        unseen
    }

    /// The layout of a value with tokens.
    fn tokens(&self, name: &str) -> Option<Layout> {
        let layout = self.network.layout(name)?;
        matches!(layout.axes, Axes::Tokens { .. }).then_some(layout)
    }

    /// Whether each output token of `node` depends only on the same token of `name`.
    fn is_tokenwise(&self, node: &NodeProto, name: &str) -> bool {
        let tokens = |name: &str| {
            let Layout {
                axes,
                rows,
                columns,
                ..
            } = self.tokens(name)?;
            Some((axes, rows, columns))
        };
        let alike = node.output.first().and_then(|made| tokens(made)) == tokens(name);
        let constant = |index: usize| {
            let input = node.input_at(index);
            input.is_some_and(|input| self.network.graph.constant(input).is_some())
        };
        let last_axis = node
            .ints("axes")
            .is_some_and(|axes| axes == [-1] || axes == [2]);
        let each = TOKENWISE.iter().any(|op| node.is_op(op))
            || (node.is_op("MatMul") && constant(1))
            || (node.is_op("ReduceMean") && (last_axis || self.reduces_last(node)));
        tokens(name).is_some() && alike && each
    }

    fn reduces_last(&self, node: &NodeProto) -> bool {
        matches!(self.numbers(node, 1).as_deref(), Some([-1 | 2]))
    }

    /// Whether `node` selects only tokens of `name` without a position, as far as its outputs are read.
    fn takes_extra(&self, node: &NodeProto, name: &str, seen: &HashSet<&str>) -> bool {
        let takes = SELECTING.iter().any(|op| node.is_op(op)) && node.input_at(0) == Some(name);
        let mut taken = node
            .output
            .iter()
            .filter(|made| seen.contains(made.as_str()));
        takes
            && self.tokens(name).is_some()
            && taken.all(|made| !self.network.grids.has_places(made))
    }

    /// The integers of a constant input of a node.
    fn numbers(&self, node: &NodeProto, index: usize) -> Option<Vec<i64>> {
        let constant = self.network.graph.constant(node.input_at(index)?)?;
        constant.to_i64().ok()
    }
}
