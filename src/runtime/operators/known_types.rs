//! Types of values of a graph that ONNX Runtime has optimized: those of the graph before, under their former names.

use crate::onnx::proto::{ModelProto, NodeProto};
use crate::onnx::{Graph, Types, ValueType};
use std::collections::HashMap;

/// What the names of nodes begin with while the model is optimized.
const PREFIX: &str = "ziggurat/node/";

/// The name of each node, and its first result, by the name that it has while the model is optimized.
pub(super) type Nodes = HashMap<String, (String, Option<String>)>;

/// Gives each node a unique name: names in a model may be missing or equal.
pub(super) fn renamed(model: &mut ModelProto) -> Nodes {
    let nodes = model.graph.iter_mut().flat_map(|graph| &mut graph.node);
    let rename = |(index, node): (usize, &mut NodeProto)| {
        let name = format!("{PREFIX}{index}");
        let original = std::mem::replace(&mut node.name, name.clone());
        (name, (original, node.output.first().cloned()))
    };
    nodes.enumerate().map(rename).collect()
}

/// The types of values for example inputs.
#[derive(Clone, Copy)]
pub(super) struct KnownTypes<'a> {
    pub nodes: &'a Nodes,
    /// Those of the values that the model had before it was optimized.
    pub types: &'a Types,
}

impl KnownTypes<'_> {
    /// The type of a value that the model had before.
    pub fn of_value(&self, value: &str) -> Option<&ValueType> {
        self.types.find(value)
    }

    /// The type of the result of a node. The axes of a tensor in blocked channels are (N, C, H, W), too.
    fn of_node(&self, node: &NodeProto) -> Option<&ValueType> {
        // A node that is computed in blocked channels is called after its former result.
        let value = match self.nodes.get(&node.name) {
            Some((_, value)) => value.as_deref()?,
            None => node.name.strip_suffix("_nchwc")?,
        };
        self.types.find(value)
    }

    /// Types of the results of all nodes. Nodes that ONNX Runtime adds have none: an element-wise one gets that of its
    /// operands, if they have the same one.
    pub fn of_nodes(&self, graph: &Graph) -> Vec<Option<ValueType>> {
        let nodes = graph.nodes().iter();
        let mut types: Vec<Option<ValueType>> =
            nodes.map(|node| self.of_node(node).cloned()).collect();
        for (index, node) in graph.nodes().iter().enumerate() {
            if types[index].is_none()
                && matches!(node.standard_op(), Some("Add" | "HardSigmoid" | "Mul"))
            {
                let mut operands =
                    (node.input.iter()).map(|name| types[graph.producer(name)?].clone());
                let first = operands.next().flatten();
                types[index] =
                    first.filter(|first| operands.all(|other| other.as_ref() == Some(first)));
            }
        }
        types
    }
}
