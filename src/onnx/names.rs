//! Renames within a list of nodes that is to stand somewhere else: a function's body, a branch, one turn of a loop.

use crate::onnx::graph::subgraphs;
use crate::onnx::proto::{AttributeProto, GraphProto, NodeProto};
use std::collections::{HashMap, HashSet};

/// The longest beginning of a name, in characters: names are many, and a file may hold one of any length.
const LONGEST_PREFIX: usize = 200;

/// What values are called from now on. Names that are not in it stay.
pub type Renames = HashMap<String, String>;

/// The subgraphs that an attribute holds.
pub fn graphs_mut(attribute: &mut AttributeProto) -> impl Iterator<Item = &mut GraphProto> {
    attribute
        .g
        .as_deref_mut()
        .into_iter()
        .chain(&mut attribute.graphs)
}

/// How much memory nodes ask for: how many they are and how many names they mention, in subgraphs too.
pub fn cost(nodes: &[NodeProto]) -> usize {
    let mut size = 0;
    let mut open: Vec<&[NodeProto]> = vec![nodes];
    while let Some(nodes) = open.pop() {
        for node in nodes {
            size += 1 + node.input.len() + node.output.len();
            open.extend(subgraphs(node).map(|graph| graph.node.as_slice()));
        }
    }
    size
}

/// What the names of values begin with that stand where `node` stood: its name, or that of what it makes.
pub fn prefix(node: &NodeProto) -> String {
    let named = std::iter::once(&node.name).chain(&node.output);
    let first = named.into_iter().find(|name| !name.is_empty());
    first
        .unwrap_or(&node.op_type)
        .chars()
        .take(LONGEST_PREFIX)
        .collect()
}

/// A name for the value `name` that is not in `taken` yet, and is from now on.
pub fn fresh_name(taken: &mut HashSet<String>, prefix: &str, name: &str) -> String {
    let mut candidate = format!("{prefix}/{name}");
    let mut number = taken.len();
    while !taken.insert(candidate.clone()) {
        number += 1;
        candidate = format!("{prefix}/{name}_{number}");
    }
    candidate
}

/// Calls `found` with the name of every value that `nodes` make, in their subgraphs too.
pub fn for_each_output<'a>(nodes: &'a [NodeProto], found: &mut impl FnMut(&'a str)) {
    let mut open: Vec<&[NodeProto]> = vec![nodes];
    while let Some(nodes) = open.pop() {
        for node in nodes {
            let outputs = node.output.iter().filter(|name| !name.is_empty());
            outputs.for_each(|name| found(name));
            for graph in subgraphs(node) {
                graph.input.iter().for_each(|value| found(&value.name));
                graph
                    .initializer
                    .iter()
                    .for_each(|tensor| found(&tensor.name));
                open.push(&graph.node);
            }
        }
    }
}

/// Gives every value that `node` reads or makes its new name, in its subgraphs too.
pub fn rename(node: &mut NodeProto, names: &Renames) {
    let change = |name: &mut String| {
        if let Some(new) = names.get(name) {
            name.clone_from(new);
        }
    };
    let mut open: Vec<&mut NodeProto> = vec![node];
    while let Some(node) = open.pop() {
        node.input.iter_mut().for_each(change);
        node.output.iter_mut().for_each(change);
        for graph in node.attribute.iter_mut().flat_map(graphs_mut) {
            let GraphProto {
                node,
                initializer,
                input,
                output,
                ..
            } = graph;
            initializer
                .iter_mut()
                .for_each(|tensor| change(&mut tensor.name));
            input.iter_mut().for_each(|value| change(&mut value.name));
            output.iter_mut().for_each(|value| change(&mut value.name));
            open.extend(node);
        }
    }
}

/// The node that makes `output` a copy of `value`.
pub fn identity_node(value: &str, output: &str) -> NodeProto {
    NodeProto {
        op_type: "Identity".into(),
        input: vec![value.into()],
        output: vec![output.into()],
        ..Default::default()
    }
}

/// Lets what `inner` values are called be what the `outer` values are called that they become. Returns the copies that
/// are needed besides: of values that `nodes` do not make or that are constants, and of those that become several.
pub fn bind_outputs(
    nodes: &[NodeProto],
    inner: &[impl AsRef<str>],
    outer: &[String],
    names: &mut Renames,
) -> Vec<NodeProto> {
    let makes = |name: &str| {
        let mut made = nodes
            .iter()
            .filter(|node| !node.is("Constant"))
            .flat_map(|node| &node.output);
        made.any(|made| made == name)
    };
    let mut copies = Vec::new();
    let mut handed: Vec<&str> = Vec::new();
    for (inner, outer) in inner.iter().zip(outer) {
        let inner = inner.as_ref();
        if outer.is_empty() {
            continue;
        }
        if makes(inner) && !handed.contains(&inner) {
            handed.push(inner);
            names.insert(inner.into(), outer.clone());
        } else {
            copies.push(identity_node(inner, outer));
        }
    }
    for copy in &mut copies {
        if let Some(name) = names.get(&copy.input[0]) {
            copy.input[0].clone_from(name);
        }
    }
    copies
}
