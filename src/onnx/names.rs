//! Names of values: fresh ones, and renaming of nodes that are inlined elsewhere: a function body,
//! a branch, an iteration of a loop.

use crate::onnx::Graph;
use crate::onnx::proto::{AttributeProto, GraphProto, NodeProto};
use std::collections::{HashMap, HashSet};

/// Maximum length of a prefix in characters. Names in a file may be arbitrarily long, and each is repeated many times.
const MAX_PREFIX: usize = 200;

/// New names of values, by old name. Other names stay.
pub type Renames = HashMap<String, String>;

/// A measure of the memory that nodes take: the number of nodes, inputs and outputs, including those in subgraphs.
pub fn cost(nodes: &[NodeProto]) -> usize {
    let mut cost = 0;
    let mut worklist: Vec<&[NodeProto]> = vec![nodes];
    while let Some(nodes) = worklist.pop() {
        for node in nodes {
            cost += 1 + node.input.len() + node.output.len();
            worklist.extend(node.subgraphs().map(|graph| graph.node.as_slice()));
        }
    }
    cost
}

/// Name prefix for the values that replace `node`: its name, or that of its first output.
pub fn prefix(node: &NodeProto) -> String {
    let candidates = std::iter::once(&node.name).chain(&node.output);
    let first = candidates.into_iter().find(|name| !name.is_empty());
    first
        .unwrap_or(&node.op_type)
        .chars()
        .take(MAX_PREFIX)
        .collect()
}

/// `stem_N` for the first N above `number` for which it is not taken. Sets `number` to N.
pub fn numbered(stem: &str, number: &mut usize, is_taken: impl Fn(&str) -> bool) -> String {
    loop {
        *number += 1;
        let name = format!("{stem}_{number}");
        if !is_taken(&name) {
            return name;
        }
    }
}

/// The names that are taken in a graph: those of its values, of the values within its subgraphs, and of those that a
/// pass is about to add.
#[derive(Debug, Clone, Default)]
pub struct NameScope(HashSet<String>);

impl NameScope {
    /// The names of the values of `graph`, without those within subgraphs.
    pub fn from_values(graph: &Graph) -> Self {
        Self(graph.names().map(str::to_owned).collect())
    }

    /// The names in `graph`.
    pub fn from_graph(graph: &Graph) -> Self {
        let mut scope = Self::from_values(graph);
        scope.insert_outputs(graph.nodes());
        scope
    }

    /// The names in `graph`, a graph as it is in a file.
    pub fn from_proto(graph: &GraphProto) -> Self {
        let constants = graph.initializer.iter().map(|tensor| &tensor.name);
        let inputs = graph.input.iter().map(|value| &value.name);
        let mut scope = Self(constants.chain(inputs).cloned().collect());
        scope.insert_outputs(&graph.node);
        scope
    }

    /// Whether a name is taken.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// Adds the names of another scope.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Adds a name; `false` if it is taken.
    pub fn insert(&mut self, name: &str) -> bool {
        self.0.insert(name.to_owned())
    }

    /// Adds the names of all values that `nodes` define.
    pub fn insert_outputs(&mut self, nodes: &[NodeProto]) {
        for_each_output(nodes, &mut |name| {
            self.insert(name);
        });
    }

    /// Adds the names of all values within the subgraphs of `nodes`.
    pub fn insert_inner(&mut self, nodes: &[NodeProto]) {
        for graph in nodes.iter().flat_map(NodeProto::subgraphs) {
            for_each_name(graph, &mut |name| {
                self.insert(name);
            });
        }
    }

    /// The number of names.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Adds `prefix/name`, or `prefix/name_N` if that is taken, and returns it.
    pub fn fresh(&mut self, prefix: &str, name: &str) -> String {
        let name = format!("{prefix}/{name}");
        if self.insert(&name) {
            return name;
        }
        self.numbered(&name)
    }

    /// Adds `name`, or `prefix/name` as [`NameScope::fresh`] if that is taken, and returns it.
    pub fn preferred(&mut self, name: &str, prefix: &str) -> String {
        if self.insert(name) {
            return name.to_owned();
        }
        self.fresh(prefix, name)
    }

    /// Adds `stem_N` for a number N, and returns it.
    pub fn numbered(&mut self, stem: &str) -> String {
        // No fewer attempts than names that begin like it, but usually one.
        let name = numbered(stem, &mut self.0.len(), |name| self.0.contains(name));
        self.insert(&name);
        name
    }
}

/// Calls `visit` with the name of every value that `nodes` define, including subgraph inputs, constants and outputs.
pub fn for_each_output<'a>(nodes: &'a [NodeProto], visit: &mut impl FnMut(&'a str)) {
    let mut worklist: Vec<&[NodeProto]> = vec![nodes];
    while let Some(nodes) = worklist.pop() {
        for node in nodes {
            let outputs = node.output.iter().filter(|name| !name.is_empty());
            outputs.for_each(|name| visit(name));
            for graph in node.subgraphs() {
                for_each_declared(graph, visit);
                worklist.push(&graph.node);
            }
        }
    }
}

/// Calls `visit` with the name of every value in a graph and its subgraphs.
fn for_each_name<'a>(graph: &'a GraphProto, visit: &mut impl FnMut(&'a str)) {
    for_each_declared(graph, visit);
    for_each_output(&graph.node, visit);
}

/// Calls `visit` with the names of the inputs and constants of a graph.
fn for_each_declared<'a>(graph: &'a GraphProto, visit: &mut impl FnMut(&'a str)) {
    graph.input.iter().for_each(|value| visit(&value.name));
    let constants = graph.initializer.iter();
    constants.for_each(|tensor| visit(&tensor.name));
}

/// Renames the values that `node` reads and defines, also in its subgraphs.
pub fn rename(node: &mut NodeProto, names: &Renames) {
    let apply = |name: &mut String| {
        if let Some(new) = names.get(name) {
            name.clone_from(new);
        }
    };
    let mut worklist: Vec<&mut NodeProto> = vec![node];
    while let Some(node) = worklist.pop() {
        node.input.iter_mut().for_each(apply);
        node.output.iter_mut().for_each(apply);
        for graph in node
            .attribute
            .iter_mut()
            .flat_map(AttributeProto::graphs_mut)
        {
            let GraphProto {
                node,
                initializer,
                input,
                output,
                ..
            } = graph;
            initializer
                .iter_mut()
                .for_each(|tensor| apply(&mut tensor.name));
            input.iter_mut().for_each(|value| apply(&mut value.name));
            output.iter_mut().for_each(|value| apply(&mut value.name));
            worklist.extend(node);
        }
    }
}

/// Renames each `inner` output of `nodes` to the `outer` output that it becomes. Returns Identity nodes for the outputs
/// for which that is impossible: values that `nodes` do not compute, constants, and values already bound to another
/// output.
pub fn bind_outputs(
    nodes: &[NodeProto],
    inner: &[impl AsRef<str>],
    outer: &[String],
    names: &mut Renames,
) -> Vec<NodeProto> {
    let is_computed = |name: &str| {
        let mut outputs = nodes
            .iter()
            .filter(|node| !node.is_op("Constant"))
            .flat_map(|node| &node.output);
        outputs.any(|output| output == name)
    };
    let mut copies = Vec::new();
    let mut bound: Vec<&str> = Vec::new();
    for (inner, outer) in inner.iter().zip(outer) {
        let inner = inner.as_ref();
        if outer.is_empty() {
            continue;
        }
        if is_computed(inner) && !bound.contains(&inner) {
            bound.push(inner);
            names.insert(inner.into(), outer.clone());
        } else {
            copies.push(NodeProto::identity(inner, outer));
        }
    }
    for copy in &mut copies {
        if let Some(name) = names.get(&copy.input[0]) {
            copy.input[0].clone_from(name);
        }
    }
    copies
}
