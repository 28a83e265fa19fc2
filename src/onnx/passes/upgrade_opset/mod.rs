//! Brings a model of an older opset (7 or newer) to the form that the rest of the house reads and emits: opset
//! [`OPSET`], where axes, pads, bounds and split sizes are inputs.
//!
//! Names of values stay; a rewritten node may become several.

mod experimental_ops;
mod rewrites;

use crate::onnx::builder::OPSET;
use crate::onnx::graph::{constant_of, is_default_domain};
use crate::onnx::proto::{
    AttributeProto, AttributeType, GraphProto, ModelProto, NodeProto, TensorProto,
};
use crate::onnx::{Error, INTERNAL_PREFIX};
use std::collections::HashSet;

/// The oldest opset with today's broadcasting.
const OLDEST: i64 = 7;

/// What to do with a node of an older form.
enum Change {
    /// The int-list attribute becomes the input at the position; without it, the input is left out.
    AttributeToInput(&'static str, usize),
    /// Anything else.
    Rewrite(fn(NodeProto, &mut Rewriter) -> Result<(), Error>),
    /// The old form is not known here.
    Unknown,
}
use Change::{AttributeToInput, Rewrite, Unknown};

/// Operators whose form changed after opset 7, the opset of the new form, and how to get there.
const CHANGES: &[(&str, i64, Change)] = &[
    ("Affine", 10, Rewrite(experimental_ops::affine)),
    (
        "BatchNormalization",
        14,
        Rewrite(rewrites::batch_normalization),
    ),
    ("Clip", 11, Rewrite(rewrites::clip)),
    ("Dropout", 12, Rewrite(rewrites::dropout)),
    ("Hardmax", 13, Rewrite(rewrites::softmax)),
    ("ImageScaler", 10, Rewrite(experimental_ops::image_scaler)),
    ("LogSoftmax", 13, Rewrite(rewrites::softmax)),
    ("Pad", 11, Rewrite(rewrites::pad)),
    (
        "ParametricSoftplus",
        10,
        Rewrite(experimental_ops::parametric_softplus),
    ),
    ("ReduceL1", 18, AttributeToInput("axes", 1)),
    ("ReduceL2", 18, AttributeToInput("axes", 1)),
    ("ReduceLogSum", 18, AttributeToInput("axes", 1)),
    ("ReduceLogSumExp", 18, AttributeToInput("axes", 1)),
    ("ReduceMax", 18, AttributeToInput("axes", 1)),
    ("ReduceMean", 18, AttributeToInput("axes", 1)),
    ("ReduceMin", 18, AttributeToInput("axes", 1)),
    ("ReduceProd", 18, AttributeToInput("axes", 1)),
    ("ReduceSum", 13, AttributeToInput("axes", 1)),
    ("ReduceSumSquare", 18, AttributeToInput("axes", 1)),
    ("Resize", 11, Rewrite(rewrites::resize)),
    ("RoiAlign", 16, Rewrite(rewrites::roi_align)),
    ("Scale", 10, Rewrite(experimental_ops::scale)),
    ("ScaledTanh", 10, Rewrite(experimental_ops::scaled_tanh)),
    ("Scan", 9, Unknown),
    ("Scatter", 11, Rewrite(rewrites::scatter)),
    ("Slice", 10, Rewrite(rewrites::slice)),
    ("Softmax", 13, Rewrite(rewrites::softmax)),
    ("Split", 18, Rewrite(rewrites::split)),
    ("Squeeze", 13, AttributeToInput("axes", 1)),
    ("TopK", 10, Rewrite(rewrites::top_k)),
    ("Unsqueeze", 13, AttributeToInput("axes", 1)),
    ("Upsample", 10, Rewrite(rewrites::resize)),
];

/// The model at opset 18, or as it is if it is that new already.
///
/// # Errors
/// [`Error::Unsupported`] if the opset is older than 7, or a node's old form is not known.
pub fn upgrade(mut model: ModelProto) -> Result<ModelProto, Error> {
    let own = model
        .opset_import
        .iter_mut()
        .find(|opset| is_default_domain(&opset.domain));
    let Some(opset) = own else { return Ok(model) };
    let from = opset.version;
    if from < OLDEST {
        return Err(Error::Unsupported(format!(
            "opset {from}, older than {OLDEST}; convert the model with the onnx package's version_converter"
        )));
    }
    if from >= OPSET {
        return Ok(model);
    }
    opset.version = OPSET;
    if let Some(graph) = &mut model.graph {
        let mut names = HashSet::new();
        collect_names(graph, &mut names);
        upgrade_graph(graph, from, &mut names)?;
    }
    Ok(model)
}

/// Adds the names of all values of a graph, in its subgraphs too.
pub(super) fn collect_names(graph: &GraphProto, names: &mut HashSet<String>) {
    names.extend(graph.initializer.iter().map(|tensor| tensor.name.clone()));
    names.extend(graph.input.iter().map(|value| value.name.clone()));
    for node in &graph.node {
        names.extend(node.output.iter().cloned());
        let inner = node
            .attribute
            .iter()
            .flat_map(|a| a.g.as_deref().into_iter().chain(&a.graphs));
        inner.for_each(|graph| collect_names(graph, names));
    }
}

/// Brings the nodes of a graph from the form of opset `from` to that of [`OPSET`]; new values get names that are not in
/// `names`, and are added to it.
///
/// # Errors
/// [`Error::Unsupported`] if a node's old form is not known.
pub(super) fn upgrade_graph(
    graph: &mut GraphProto,
    from: i64,
    names: &mut HashSet<String>,
) -> Result<(), Error> {
    let given = std::mem::take(&mut graph.initializer);
    let mut emitted = Rewriter {
        given: &given,
        nodes: Vec::new(),
        constants: Vec::new(),
        names,
        from,
    };
    for mut node in std::mem::take(&mut graph.node) {
        for attribute in &mut node.attribute {
            for inner in attribute
                .g
                .as_deref_mut()
                .into_iter()
                .chain(&mut attribute.graphs)
            {
                upgrade_graph(inner, from, emitted.names)?;
            }
        }
        let change = CHANGES
            .iter()
            .find(|(op, since, _)| node.is(op) && from < *since);
        match change {
            None => emitted.nodes.push(node),
            Some((_, _, AttributeToInput(attribute, position))) => {
                emitted.attribute_to_input(&mut node, attribute, *position);
                emitted.nodes.push(node);
            }
            Some((_, _, Rewrite(rewrite))) => rewrite(node, &mut emitted)?,
            Some((op, _, Unknown)) => {
                return Err(Error::Unsupported(format!(
                    "node {} is {op} in the form of opset {from}; export the model with opset {OPSET} or newer",
                    node.display_name()
                )));
            }
        }
    }
    let Rewriter {
        nodes, constants, ..
    } = emitted;
    graph.node = nodes;
    graph.initializer = given;
    graph.initializer.extend(constants);
    Ok(())
}

/// What the upgraded graph is made of so far.
struct Rewriter<'a> {
    /// The constants that were there.
    given: &'a [TensorProto],
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    names: &'a mut HashSet<String>,
    from: i64,
}

impl Rewriter<'_> {
    fn fresh(&mut self, what: &str) -> String {
        let mut number = self.names.len();
        loop {
            let name = format!("{INTERNAL_PREFIX}upgrade/{what}_{number}");
            if self.names.insert(name.clone()) {
                return name;
            }
            number += 1;
        }
    }

    fn ints(&mut self, what: &str, values: &[i64]) -> String {
        let name = self.fresh(what);
        self.constants
            .push(TensorProto::from_i64(&name, &[values.len() as i64], values));
        name
    }

    fn floats(&mut self, what: &str, values: &[f32]) -> String {
        let name = self.fresh(what);
        self.constants
            .push(TensorProto::from_f32(&name, &[values.len() as i64], values));
        name
    }

    /// The constant called `name`, if the graph that is upgraded holds it.
    fn constant(&self, name: &str) -> Option<TensorProto> {
        let mut held = self.given.iter().chain(&self.constants);
        let held = held.find(|tensor| tensor.name == name).cloned();
        let made = || {
            self.nodes
                .iter()
                .find(|node| node.output.iter().any(|made| made == name))
        };
        held.or_else(|| constant_of(made()?))
    }

    fn float(&mut self, what: &str, value: f32) -> String {
        let name = self.fresh(what);
        self.constants
            .push(TensorProto::from_f32(&name, &[], &[value]));
        name
    }

    fn attribute_to_input(&mut self, node: &mut NodeProto, attribute: &str, position: usize) {
        if let Some(AttributeProto { ints, .. }) = take(node, attribute, AttributeType::Ints) {
            let value = self.ints(attribute, &ints);
            set_input(node, position, value);
        }
    }

    fn float_to_input(&mut self, node: &mut NodeProto, attribute: &str, position: usize) {
        if let Some(AttributeProto { f, .. }) = take(node, attribute, AttributeType::Float) {
            let value = self.float(attribute, f);
            set_input(node, position, value);
        }
    }
}

fn take(node: &mut NodeProto, name: &str, kind: AttributeType) -> Option<AttributeProto> {
    let found = |a: &AttributeProto| a.name == name && a.r#type == kind as i32;
    let index = node.attribute.iter().position(found)?;
    Some(node.attribute.remove(index))
}

fn set_input(node: &mut NodeProto, position: usize, value: String) {
    while node.input.len() <= position {
        node.input.push(String::new());
    }
    node.input[position] = value;
}

#[cfg(test)]
mod tests;
