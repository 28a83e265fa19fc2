//! Brings a model of an older opset (7 or newer) to the form that the rest of the house reads and emits: opset
//! [`OPSET`](super::builder::OPSET), where axes, pads, bounds and split sizes are inputs.
//!
//! Names of values stay; a rewritten node may become several.

use super::builder::OPSET;
use super::graph::is_default_domain;
use super::proto::{AttributeProto, AttributeType, GraphProto, ModelProto, NodeProto, TensorProto};
use super::{Error, printable};
use std::collections::HashSet;

/// The oldest opset with today's broadcasting.
const OLDEST: i64 = 7;

/// What to do with a node of an older form.
enum Change {
    /// The int-list attribute becomes the input at the position; without it, the input is left out.
    AttributeToInput(&'static str, usize),
    /// Anything else.
    Rewrite(fn(NodeProto, &mut Emitted) -> Result<(), Error>),
    /// The old form is not known here.
    Unknown,
}
use Change::{AttributeToInput, Rewrite, Unknown};

/// Operators whose form changed after opset 7, the opset of the new form, and how to get there.
const CHANGES: &[(&str, i64, Change)] = &[
    ("BatchNormalization", 14, Rewrite(batch_normalization)),
    ("Clip", 11, Rewrite(clip)),
    ("Dropout", 12, Rewrite(dropout)),
    ("GridSample", 16, Unknown),
    ("Hardmax", 13, Unknown),
    ("LogSoftmax", 13, Rewrite(softmax)),
    ("Pad", 11, Rewrite(pad)),
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
    ("Resize", 11, Unknown),
    ("Scatter", 11, Unknown),
    ("Slice", 10, Rewrite(slice)),
    ("Softmax", 13, Rewrite(softmax)),
    ("Split", 18, Rewrite(split)),
    ("Squeeze", 13, AttributeToInput("axes", 1)),
    ("TopK", 10, Unknown),
    ("Unsqueeze", 13, AttributeToInput("axes", 1)),
    ("Upsample", 10, Unknown),
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

fn collect_names(graph: &GraphProto, names: &mut HashSet<String>) {
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

fn upgrade_graph(
    graph: &mut GraphProto,
    from: i64,
    names: &mut HashSet<String>,
) -> Result<(), Error> {
    let mut emitted = Emitted {
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
                    node.title()
                )));
            }
        }
    }
    let Emitted {
        nodes, constants, ..
    } = emitted;
    graph.node = nodes;
    graph.initializer.extend(constants);
    Ok(())
}

/// What the upgraded graph is made of so far.
struct Emitted<'a> {
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    names: &'a mut HashSet<String>,
    from: i64,
}

impl Emitted<'_> {
    fn fresh(&mut self, what: &str) -> String {
        let mut number = self.names.len();
        loop {
            let name = format!("ziggurat/upgrade/{what}_{number}");
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

fn batch_normalization(mut node: NodeProto, emitted: &mut Emitted) -> Result<(), Error> {
    if take(&mut node, "spatial", AttributeType::Int).is_some_and(|spatial| spatial.i == 0) {
        let name = node.title();
        return Err(Error::Unsupported(format!(
            "node {name}: BatchNormalization with spatial = 0"
        )));
    }
    // The further outputs were running statistics, which inference leaves empty.
    node.output.truncate(1);
    emitted.nodes.push(node);
    Ok(())
}

fn clip(mut node: NodeProto, emitted: &mut Emitted) -> Result<(), Error> {
    emitted.float_to_input(&mut node, "min", 1);
    emitted.float_to_input(&mut node, "max", 2);
    emitted.nodes.push(node);
    Ok(())
}

fn dropout(mut node: NodeProto, emitted: &mut Emitted) -> Result<(), Error> {
    // Outside of training, which is the default, the ratio means nothing.
    take(&mut node, "ratio", AttributeType::Float);
    emitted.nodes.push(node);
    Ok(())
}

fn pad(mut node: NodeProto, emitted: &mut Emitted) -> Result<(), Error> {
    emitted.attribute_to_input(&mut node, "pads", 1);
    emitted.float_to_input(&mut node, "value", 2);
    emitted.nodes.push(node);
    Ok(())
}

fn slice(mut node: NodeProto, emitted: &mut Emitted) -> Result<(), Error> {
    for (position, attribute) in ["starts", "ends", "axes"].into_iter().enumerate() {
        emitted.attribute_to_input(&mut node, attribute, position + 1);
    }
    emitted.nodes.push(node);
    Ok(())
}

fn split(mut node: NodeProto, emitted: &mut Emitted) -> Result<(), Error> {
    if emitted.from < 13 {
        emitted.attribute_to_input(&mut node, "split", 1);
    }
    if node.input_at(1).is_none() {
        let mut count = AttributeProto {
            name: "num_outputs".into(),
            ..Default::default()
        };
        count.set_type(AttributeType::Int);
        count.i = node.output.len() as i64;
        node.attribute.push(count);
    }
    emitted.nodes.push(node);
    Ok(())
}

/// Before opset 13, softmax ran over everything from `axis` on: flatten, softmax, and back to the old dimensions.
fn softmax(mut node: NodeProto, emitted: &mut Emitted) -> Result<(), Error> {
    let axis = take(&mut node, "axis", AttributeType::Int).map_or(1, |axis| axis.i);
    let (Some(input), [output]) = (node.input_at(0).map(str::to_owned), node.output.as_slice())
    else {
        return Err(Error::Corrupt(format!(
            "node {} has no input or output",
            printable(&node.name)
        )));
    };
    let output = output.clone();
    let [shape, flat, result] = ["shape", "flat", "softmax"].map(|what| emitted.fresh(what));
    // Without names of their own: the old node may be called like its output, and names must differ.
    let plain = |op: &str, input: &[&str], output: &str| NodeProto {
        op_type: op.into(),
        input: input.iter().map(|input| (*input).into()).collect(),
        output: vec![output.into()],
        ..Default::default()
    };
    let int = |name: &str, value: i64| {
        let mut attribute = AttributeProto {
            name: name.into(),
            i: value,
            ..Default::default()
        };
        attribute.set_type(AttributeType::Int);
        attribute
    };
    let mut flatten = plain("Flatten", &[&input], &flat);
    flatten.attribute.push(int("axis", axis));
    node.input = vec![flat.clone()];
    node.output = vec![result.clone()];
    node.attribute.push(int("axis", -1));
    let reshape = plain("Reshape", &[&result, &shape], &output);
    emitted
        .nodes
        .extend([plain("Shape", &[&input], &shape), flatten, node, reshape]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::Graph;
    use crate::onnx::proto::{OperatorSetIdProto, ValueInfoProto};

    fn model(opset: i64, op: &str, attributes: Vec<AttributeProto>) -> ModelProto {
        ModelProto {
            opset_import: vec![OperatorSetIdProto {
                domain: String::new(),
                version: opset,
            }],
            graph: Some(GraphProto {
                input: vec![ValueInfoProto {
                    name: "x".into(),
                    ..Default::default()
                }],
                output: vec![ValueInfoProto {
                    name: "y".into(),
                    ..Default::default()
                }],
                node: vec![NodeProto {
                    input: vec!["x".into()],
                    output: vec!["y".into()],
                    op_type: op.into(),
                    attribute: attributes,
                    ..Default::default()
                }],
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn ints(name: &str, values: &[i64]) -> AttributeProto {
        let mut attribute = AttributeProto {
            name: name.into(),
            ints: values.into(),
            ..Default::default()
        };
        attribute.set_type(AttributeType::Ints);
        attribute
    }

    #[test]
    fn axes_move_from_attributes_to_inputs() {
        let old = model(13, "ReduceMean", vec![ints("axes", &[2, 3])]);
        let graph = Graph::new(upgrade(old).unwrap()).unwrap();
        assert_eq!(graph.opset(), OPSET);
        let [node] = graph.nodes() else {
            panic!("one node stays one")
        };
        let axes = graph.constant(node.input_at(1).unwrap()).unwrap();
        assert_eq!(axes.to_i64().unwrap(), [2, 3]);
        assert!(node.attribute.is_empty());
    }

    #[test]
    fn the_old_softmax_flattens_and_its_value_keeps_its_name() {
        let graph = Graph::new(upgrade(model(9, "Softmax", vec![])).unwrap()).unwrap();
        let ops: Vec<&str> = graph
            .nodes()
            .iter()
            .map(|node| node.op_type.as_str())
            .collect();
        assert_eq!(ops, ["Shape", "Flatten", "Softmax", "Reshape"]);
        assert_eq!(graph.nodes()[3].output, ["y"]);
    }

    #[test]
    fn newer_models_stay_as_they_are() {
        let new = model(21, "Relu", vec![]);
        assert_eq!(upgrade(new.clone()).unwrap(), new);
    }

    #[test]
    fn what_is_not_known_is_named() {
        let problem = upgrade(model(9, "Upsample", vec![]))
            .unwrap_err()
            .to_string();
        assert!(
            problem.contains("\"y\"") && problem.contains("Upsample"),
            "{problem}"
        );
        let problem = upgrade(model(6, "Relu", vec![])).unwrap_err().to_string();
        assert!(problem.contains("opset 6"), "{problem}");
    }
}
