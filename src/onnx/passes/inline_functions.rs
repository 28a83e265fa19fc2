//! Functions that a model brings along: every call is replaced by what the function is made of, so that a gradient can
//! go through it. What a call makes keeps its name; values within are called after it, `CALL/VALUE`.

use crate::onnx::builder::OPSET;
use crate::onnx::graph::is_default_domain;
use crate::onnx::names::{self, Renames};
use crate::onnx::passes::upgrade_opset;
use crate::onnx::proto::{AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto};
use crate::onnx::{Error, printable};
use prost::Message;
use std::collections::{HashMap, HashSet};

/// How deep functions may call each other; one that calls itself goes deeper than any number.
const DEEPEST: usize = 64;

/// How much all calls together may become (see [`names::cost`]), and how many bytes it may take in a file.
const MOST: usize = 1 << 19;
const MOST_BYTES: usize = 1 << 29;

/// The model without functions. Their nodes are brought to opset [`OPSET`] if they are older, as the model's must have
/// been already (see [`upgrade_opset::upgrade`]).
///
/// # Errors
/// [`Error::Unsupported`] if functions call each other too deep (themselves, for example) or become too many nodes, or
/// for what [`upgrade_opset::upgrade`] refuses.
pub fn inline(mut model: ModelProto) -> Result<ModelProto, Error> {
    if model.functions.is_empty() {
        return Ok(model);
    }
    let functions = std::mem::take(&mut model.functions);
    let mut graph = model.graph.take().unwrap_or_default();
    let mut taken = HashSet::new();
    upgrade_opset::collect_names(&graph, &mut taken);
    let mut inliner = Inliner {
        functions: functions.iter().map(Function::of).collect(),
        taken,
        size: 0,
        bytes: 0,
    };
    inliner.graph(&mut graph, 0)?;
    model.graph = Some(graph);
    for opset in functions.iter().flat_map(|function| &function.opset_import) {
        let same = |domain: &str| {
            domain == opset.domain
                || (is_default_domain(domain) && is_default_domain(&opset.domain))
        };
        match model
            .opset_import
            .iter_mut()
            .find(|known| same(&known.domain))
        {
            Some(known) => known.version = known.version.max(opset.version),
            None => model.opset_import.push(opset.clone()),
        }
    }
    Ok(model)
}

/// What tells functions apart: domain, name, overload.
type Key<'a> = (&'a str, &'a str, &'a str);

struct Function<'a> {
    proto: &'a FunctionProto,
    /// The version of ONNX's own operators that its nodes are written in.
    opset: i64,
    /// See [`names::cost`].
    size: usize,
    /// How many bytes its nodes take in a file.
    bytes: usize,
}

impl<'a> Function<'a> {
    fn of(proto: &'a FunctionProto) -> (Key<'a>, Self) {
        let own = proto
            .opset_import
            .iter()
            .find(|opset| is_default_domain(&opset.domain));
        let function = Self {
            proto,
            opset: own.map_or(OPSET, |opset| opset.version),
            size: names::cost(&proto.node),
            bytes: proto.node.iter().map(Message::encoded_len).sum(),
        };
        (key(&proto.domain, &proto.name, &proto.overload), function)
    }
}

fn key<'a>(domain: &'a str, name: &'a str, overload: &'a str) -> Key<'a> {
    let domain = if is_default_domain(domain) {
        ""
    } else {
        domain
    };
    (domain, name, overload)
}

struct Inliner<'a> {
    functions: HashMap<Key<'a>, Function<'a>>,
    /// The names of all values so far.
    taken: HashSet<String>,
    /// What all calls so far have become, measured as a function is.
    size: usize,
    bytes: usize,
}

impl Inliner<'_> {
    /// Replaces the calls of a graph, in its subgraphs and in what they become too; `depth` calls lead to it.
    fn graph(&mut self, graph: &mut GraphProto, depth: usize) -> Result<(), Error> {
        let mut done = Vec::with_capacity(graph.node.len());
        // What is still to be looked at, the next one last, with the number of calls that lead to it.
        let given = std::mem::take(&mut graph.node).into_iter().rev();
        let mut open: Vec<(NodeProto, usize)> = given.map(|node| (node, depth)).collect();
        while let Some((mut node, depth)) = open.pop() {
            if self
                .functions
                .contains_key(&key(&node.domain, &node.op_type, &node.overload))
            {
                let GraphProto {
                    node, initializer, ..
                } = self.body(&node, depth)?;
                graph.initializer.extend(initializer);
                open.extend(node.into_iter().rev().map(|node| (node, depth + 1)));
                continue;
            }
            let held = node.attribute.iter_mut();
            for inner in held.flat_map(names::graphs_mut) {
                self.graph(inner, depth)?;
            }
            done.push(node);
        }
        graph.node = done;
        Ok(())
    }

    /// What a call becomes.
    fn body(&mut self, call: &NodeProto, depth: usize) -> Result<GraphProto, Error> {
        let Function {
            proto,
            opset,
            size,
            bytes,
        } = &self.functions[&key(&call.domain, &call.op_type, &call.overload)];
        let refused = |why: &str| {
            let (call, function) = (call.display_name(), printable(&call.op_type));
            Error::Unsupported(format!("node {call}: function {function} {why}"))
        };
        if depth >= DEEPEST {
            return Err(refused(&format!(
                "is called more than {DEEPEST} calls deep, perhaps by itself"
            )));
        }
        // Each of the nodes may refer to each of the call's attributes.
        let attributes = call.attribute.iter().chain(&proto.attribute_proto);
        let referred = attributes.map(Message::encoded_len).sum::<usize>();
        self.size += size + 3 * proto.output.len();
        self.bytes = referred
            .saturating_mul(*size)
            .saturating_add(self.bytes + bytes);
        if self.size > MOST || self.bytes > MOST_BYTES {
            return Err(refused(
                "is called too often: the model would become too large",
            ));
        }
        let given = proto.input.iter().enumerate();
        let mut names: Renames = given
            .map(|(index, inner)| {
                (
                    inner.clone(),
                    call.input_at(index).unwrap_or_default().into(),
                )
            })
            .collect();
        let prefix = &names::prefix(call);
        let (opset, mut body) = (*opset, proto.node.clone());
        names::for_each_output(&proto.node, &mut |name| {
            names.insert(
                name.into(),
                names::fresh_name(&mut self.taken, prefix, name),
            );
        });
        let copies = names::bind_outputs(&proto.node, &proto.output, &call.output, &mut names);
        for node in &mut body {
            resolve_attributes(node, call, &proto.attribute_proto);
            names::rename(node, &names);
            if !node.name.is_empty() {
                node.name = format!("{prefix}/{}", node.name);
            }
        }
        body.extend(copies);
        let mut graph = GraphProto {
            node: body,
            ..Default::default()
        };
        upgrade_opset::upgrade_graph(&mut graph, opset, &mut self.taken)?;
        Ok(graph)
    }
}

/// Gives the attributes that refer to one of the function's the value that the call gives it, or else its default; those
/// that have neither are left out. In subgraphs too, but not in those that are such values themselves.
fn resolve_attributes(node: &mut NodeProto, call: &NodeProto, defaults: &[AttributeProto]) {
    let mut open: Vec<&mut NodeProto> = vec![node];
    while let Some(node) = open.pop() {
        let (referring, mut own): (Vec<_>, Vec<_>) = std::mem::take(&mut node.attribute)
            .into_iter()
            .partition(|attribute| !attribute.ref_attr_name.is_empty());
        let count = own.len();
        own.extend(referring.into_iter().filter_map(
            |AttributeProto {
                 name,
                 ref_attr_name,
                 ..
             }| {
                let mut values = call.attribute.iter().chain(defaults);
                let value = values.find(|value| value.name == ref_attr_name)?;
                Some(AttributeProto {
                    name,
                    ..value.clone()
                })
            },
        ));
        node.attribute = own;
        let held = node.attribute[..count].iter_mut();
        let graphs = held.flat_map(names::graphs_mut);
        open.extend(graphs.flat_map(|graph| &mut graph.node));
    }
}

#[cfg(test)]
mod tests;
