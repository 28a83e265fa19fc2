//! Inlines model-local functions. Outputs of a call keep their names; inner values are called `CALL/VALUE`.

use crate::onnx::builder::OPSET;
use crate::onnx::names::{self, Renames};
use crate::onnx::node::{canonical_domain, is_default_domain};
use crate::onnx::passes::upgrade_opset;
use crate::onnx::proto::{AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto};
use crate::onnx::{Error, NameScope};
use crate::text::quoted;
use prost::Message;
use std::collections::HashMap;

/// Maximum call depth; exceeded by recursion.
const MAX_DEPTH: usize = 64;

/// Maximum total cost of all inlined bodies (see [`names::cost`]).
const MAX_COST: usize = 1 << 19;

/// Maximum total encoded size of all inlined bodies in bytes.
const MAX_BYTES: usize = 1 << 29;

/// The model with all functions inlined. Bodies of an older opset are converted to opset [`OPSET`]; the model itself
/// must have been converted before (see [`upgrade_opset::upgrade`]).
///
/// # Errors
/// [`Error::Unsupported`] if calls are nested too deeply, for example by recursion, if the model becomes too large, or
/// if [`upgrade_opset::upgrade`] fails.
pub fn inline(mut model: ModelProto) -> Result<ModelProto, Error> {
    if model.functions.is_empty() {
        return Ok(model);
    }
    let functions = std::mem::take(&mut model.functions);
    let mut graph = model.graph.take().unwrap_or_default();
    let mut inliner = Inliner {
        functions: functions.iter().map(Function::from_proto).collect(),
        scope: NameScope::from_proto(&graph),
        cost: 0,
        bytes: 0,
    };
    inliner.graph(&mut graph, 0)?;
    model.graph = Some(graph);
    for opset in functions.iter().flat_map(|function| &function.opset_import) {
        let matches = |domain: &str| canonical_domain(domain) == canonical_domain(&opset.domain);
        match model
            .opset_import
            .iter_mut()
            .find(|import| matches(&import.domain))
        {
            Some(import) => import.version = import.version.max(opset.version),
            None => model.opset_import.push(opset.clone()),
        }
    }
    Ok(model)
}

/// Identifies a function: domain, name, overload.
type Key<'a> = (&'a str, &'a str, &'a str);

struct Function<'a> {
    proto: &'a FunctionProto,
    /// Version of the standard opset that it imports.
    opset: i64,
    /// See [`names::cost`].
    cost: usize,
    /// Encoded size of its nodes in bytes.
    bytes: usize,
}

impl<'a> Function<'a> {
    fn from_proto(proto: &'a FunctionProto) -> (Key<'a>, Self) {
        let import = proto
            .opset_import
            .iter()
            .find(|opset| is_default_domain(&opset.domain));
        let function = Self {
            proto,
            opset: import.map_or(OPSET, |opset| opset.version),
            cost: names::cost(&proto.node),
            bytes: proto.node.iter().map(Message::encoded_len).sum(),
        };
        (key(&proto.domain, &proto.name, &proto.overload), function)
    }
}

fn key<'a>(domain: &'a str, name: &'a str, overload: &'a str) -> Key<'a> {
    (canonical_domain(domain), name, overload)
}

struct Inliner<'a> {
    functions: HashMap<Key<'a>, Function<'a>>,
    scope: NameScope,
    /// Total cost and encoded size of the bodies inlined so far.
    cost: usize,
    bytes: usize,
}

impl Inliner<'_> {
    /// Inlines the calls in a graph, its subgraphs and the inlined bodies. `depth` is the call depth of the graph.
    fn graph(&mut self, graph: &mut GraphProto, depth: usize) -> Result<(), Error> {
        let mut done = Vec::with_capacity(graph.node.len());
        // A stack of nodes with their call depths, the next node on top.
        let nodes = std::mem::take(&mut graph.node).into_iter().rev();
        let mut stack: Vec<(NodeProto, usize)> = nodes.map(|node| (node, depth)).collect();
        while let Some((mut node, depth)) = stack.pop() {
            if self
                .functions
                .contains_key(&key(&node.domain, &node.op_type, &node.overload))
            {
                let GraphProto {
                    node, initializer, ..
                } = self.body(&node, depth)?;
                graph.initializer.extend(initializer);
                stack.extend(node.into_iter().rev().map(|node| (node, depth + 1)));
                continue;
            }
            let attributes = node.attribute.iter_mut();
            for inner in attributes.flat_map(AttributeProto::graphs_mut) {
                self.graph(inner, depth)?;
            }
            done.push(node);
        }
        graph.node = done;
        Ok(())
    }

    /// The nodes and initializers that replace a call.
    fn body(&mut self, call: &NodeProto, depth: usize) -> Result<GraphProto, Error> {
        let Function {
            proto,
            opset,
            cost,
            bytes,
        } = &self.functions[&key(&call.domain, &call.op_type, &call.overload)];
        let unsupported = |why: &str| {
            let (call, function) = (call.display_name(), quoted(&call.op_type));
            Error::Unsupported(format!("node {call}: function {function} {why}"))
        };
        if depth >= MAX_DEPTH {
            return Err(unsupported(&format!(
                "exceeds the maximum call depth of {MAX_DEPTH}; it may be recursive"
            )));
        }
        // Every node may refer to every attribute of the call.
        let attributes = call.attribute.iter().chain(&proto.attribute_proto);
        let referenced = attributes.map(Message::encoded_len).sum::<usize>();
        self.cost += cost + 3 * proto.output.len();
        self.bytes = referenced
            .saturating_mul(*cost)
            .saturating_add(self.bytes + bytes);
        if self.cost > MAX_COST || self.bytes > MAX_BYTES {
            return Err(unsupported(
                "is called too often: the model would become too large",
            ));
        }
        let parameters = proto.input.iter().enumerate();
        let mut names: Renames = parameters
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
            names.insert(name.into(), self.scope.fresh(prefix, name));
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
        upgrade_opset::upgrade_graph(&mut graph, opset, &mut self.scope)?;
        Ok(graph)
    }
}

/// Replaces references to function attributes by the values passed by the call, or else by the defaults; references
/// without a value are dropped. Applies to the subgraphs of the node, but not to subgraphs that are such values
/// themselves.
fn resolve_attributes(node: &mut NodeProto, call: &NodeProto, defaults: &[AttributeProto]) {
    let mut worklist: Vec<&mut NodeProto> = vec![node];
    while let Some(node) = worklist.pop() {
        let (references, mut attributes): (Vec<_>, Vec<_>) = std::mem::take(&mut node.attribute)
            .into_iter()
            .partition(|attribute| !attribute.ref_attr_name.is_empty());
        let count = attributes.len();
        attributes.extend(references.into_iter().filter_map(
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
        node.attribute = attributes;
        let unresolved = node.attribute[..count].iter_mut();
        let graphs = unresolved.flat_map(AttributeProto::graphs_mut);
        worklist.extend(graphs.flat_map(|graph| &mut graph.node));
    }
}

#[cfg(test)]
mod tests;
