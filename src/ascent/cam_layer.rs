//! Where a class activation map is taken: the last activations that are still a picture, that the whole score comes from,
//! and at whose places it has a gradient.

use super::cam::{Map, Method};
use super::{Error, Kind, Objective};
use crate::model::Network;
use crate::model::layout::{Axes, Layout};
use crate::onnx::Graph;
use crate::onnx::proto::NodeProto;
use crate::text::printable;
use std::collections::{HashMap, HashSet};

/// Operators that treat each token separately, if what they make has as many. A matrix product does if its other factor is
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

/// Operators that take some of the tokens.
const TAKING: &[&str] = &["Gather", "Slice", "Split"];

/// Where and how a map is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct CamOptions<'a> {
    pub method: Method,
    /// AscentProgress which layer; `None`: one that is found.
    pub layer: Option<&'a str>,
}

/// The map of an objective. `None` if no layer is chosen and none found.
///
/// # Errors
/// [`Error::NoMap`] if the chosen layer has no places or does not lead to the objective, or if [`Method::Cam`] is asked for
/// and the score is more than pooling and one linear layer; [`Error::Graph`] if the objective's value is not known.
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

/// The layer of an objective's map: for a class, see above; for a channel, its own. A neuron is one place, and a layer is
/// everywhere: neither has a map. `None` too if no activations are a picture.
///
/// # Errors
/// [`Error::Graph`] if the objective's value is not known.
fn find(network: &Network, objective: &Objective) -> Result<Option<String>, Error> {
    match objective.kind {
        Kind::Neuron | Kind::Layer => Ok(None),
        Kind::Channel => {
            let plane = super::unit::layout(network, objective)?.plane();
            let has_places = plane.is_some_and(|(rows, columns)| rows * columns > 1);
            Ok(has_places.then(|| objective.value.clone()))
        }
        Kind::Class | Kind::NotClass => Ok(Path::new(network, &objective.value).last_map()),
    }
}

/// Checks that `layer`, chosen by someone, is on the way to the objective and has places.
///
/// # Errors
/// [`Error::NoMap`] that says what is missing.
fn check(network: &Network, objective: &Objective, layer: &str) -> Result<(), Error> {
    let name = printable(layer);
    if network.shapes.find(layer).is_none() {
        let why = format!("no layer is called {name}, so no class activation map is taken there");
        return Err(Error::NoMap(why));
    }
    let plane = network.layout(layer).and_then(|layout| layout.plane());
    if plane.is_none_or(|(rows, columns)| rows * columns < 2) {
        let why = format!("{name} has no class activation map: it has no rows and columns");
        return Err(Error::NoMap(why));
    }
    let path = Path::new(network, &objective.value);
    if layer != objective.value && !path.last_use.contains_key(layer) {
        let value = printable(&objective.value);
        let why =
            format!("{name} has no class activation map of {value}, which does not come from it");
        return Err(Error::NoMap(why));
    }
    Ok(())
}

/// Operators between the last activations and the scores of a network that class activation mapping was made for: they
/// pool, move, and weigh.
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

/// Checks that from `layer` to the objective there is but pooling and one linear layer.
///
/// # Errors
/// [`Error::NoMap`] that names what else there is.
fn check_linear(network: &Network, objective: &Objective, layer: &str) -> Result<(), Error> {
    let after = network.graph.descendants([layer]);
    let path = Path::new(network, &objective.value);
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
                printable(layer),
                node.display_name(),
                printable(&node.op_type)
            )));
        }
        pooled |= node.is_op("GlobalAveragePool") || node.is_op("ReduceMean");
    }
    match pooled {
        true => Ok(()),
        false => Err(Error::NoMap(format!(
            "plain CAM needs global average pooling behind {}: use grad-cam",
            printable(layer)
        ))),
    }
}

/// The nodes on the way from the picture to a value.
struct Path<'a> {
    network: &'a Network,
    value: &'a str,
    /// Indices of the nodes, in order.
    nodes: Vec<usize>,
    /// The last node on the way that reads a value.
    last_use: HashMap<&'a str, usize>,
}

impl<'a> Path<'a> {
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

    /// The last value that is a picture with gradients at its places: one that everything goes through, if there is one.
    fn last_map(&self) -> Option<String> {
        let grids = &self.network.grids;
        let unseen = self.unseen();
        let is_map = |name: &&str| {
            let plane = self.network.layout(name).and_then(|layout| layout.plane());
            plane.is_some_and(|plane| grids.is_map(plane)) && !unseen.contains(name)
        };
        let narrow = self.narrow();
        let last = |names: &[&'a str]| names.iter().rev().copied().find(is_map);
        let all: Vec<&str> = self.nodes.iter().flat_map(|&at| self.made(at)).collect();
        last(&narrow).or_else(|| last(&all)).map(str::to_string)
    }

    fn made(&self, node: usize) -> impl Iterator<Item = &'a str> + use<'a> {
        let graph: &'a Graph = &self.network.graph;
        graph.nodes()[node].output.iter().map(String::as_str)
    }

    /// The values that everything goes through: when they are made, nothing made before is read any more.
    fn narrow(&self) -> Vec<&'a str> {
        let mut found = Vec::new();
        let input = self.last_use.get(self.network.input.as_str());
        let mut open = input.copied().unwrap_or(0);
        for &index in &self.nodes {
            let read = self
                .made(index)
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

    /// The rows of tokens of which only those that stand for no place are ever looked at: behind the last attention, a
    /// classifier that reads its class token needs no other.
    fn unseen(&self) -> HashSet<&'a str> {
        let mut seen: HashSet<&str> = HashSet::from([self.value]);
        let mut unseen = HashSet::new();
        for &index in self.nodes.iter().rev() {
            let node = &self.network.graph.nodes()[index];
            let is_unseen = self.made(index).all(|name| !seen.contains(name));
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

    /// How a row of tokens reads.
    fn tokens(&self, name: &str) -> Option<Layout> {
        let layout = self.network.layout(name)?;
        matches!(layout.axes, Axes::Tokens { .. }).then_some(layout)
    }

    /// Whether each token that `node` makes comes from that token of `name` alone.
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
        let constant = |place: usize| {
            let input = node.input_at(place);
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

    /// Whether `node` takes none of `name` but tokens that stand for no place, as far as anything of it is `seen`.
    fn takes_extra(&self, node: &NodeProto, name: &str, seen: &HashSet<&str>) -> bool {
        let takes = TAKING.iter().any(|op| node.is_op(op)) && node.input_at(0) == Some(name);
        let mut taken = node
            .output
            .iter()
            .filter(|made| seen.contains(made.as_str()));
        takes
            && self.tokens(name).is_some()
            && taken.all(|made| !self.network.grids.has_places(made))
    }

    /// The whole numbers that a node's constant input holds.
    fn numbers(&self, node: &NodeProto, place: usize) -> Option<Vec<i64>> {
        let constant = self.network.graph.constant(node.input_at(place)?)?;
        constant.to_i64().ok()
    }
}
