//! Operators of another framework that an exporter left in a file, for it knew no translation: no runtime opens such a
//! file. What they compute is said here in ONNX's own operators, as functions that the model might have brought along.

use super::Attribute;
use super::builder::{OPSET, node};
use super::graph::is_default_domain;
use super::proto::{FunctionProto, ModelProto, NodeProto, OperatorSetIdProto};
use super::scope;

/// ONNX Runtime's own operators.
const CONTRIBUTED: &str = "com.microsoft";

/// An operator of `x` that makes `y`: other operators, what they read, and what they make. There is a number `one`.
type Body = &'static [(&'static str, &'static [&'static str], &'static str)];

/// TensorFlow's, as tf2onnx leaves them.
const BODIES: &[(&str, Body)] = &[
    // 1 - erf(x): Keras writes GELU with it.
    (
        "Erfc",
        &[("Erf", &["x"], "erf"), ("Sub", &["one", "erf"], "y")],
    ),
    // e^x - 1.
    (
        "Expm1",
        &[("Exp", &["x"], "exp"), ("Sub", &["exp", "one"], "y")],
    ),
];

/// The model with a function for each operator of another framework that it uses and that is known here; to be inlined
/// (see [`super::functions`]).
pub fn define(mut model: ModelProto) -> ModelProto {
    let mut used = vec![false; BODIES.len()];
    let mut renamed = false;
    let bodies = model.functions.iter_mut().flat_map(|f| &mut f.node);
    let own = model.graph.iter_mut().flat_map(|graph| &mut graph.node);
    let mut open: Vec<&mut NodeProto> = own.chain(bodies).collect();
    while let Some(node) = open.pop() {
        if node.is("TFL_GELU") {
            contribute_gelu(node);
            renamed = true;
        }
        if let Some(index) = BODIES.iter().position(|(op, _)| node.is(op)) {
            used[index] = true;
        }
        let graphs = node.attribute.iter_mut().flat_map(scope::graphs_mut);
        open.extend(graphs.flat_map(|graph| &mut graph.node));
    }
    let known = |op: &str| {
        let mut functions = model.functions.iter();
        functions.any(|known| is_default_domain(&known.domain) && known.name == op)
    };
    let needed = BODIES.iter().zip(used).filter(|(_, used)| *used);
    let needed: Vec<_> = needed
        .filter(|((op, _), _)| !known(op))
        .map(|((op, body), _)| function(op, body))
        .collect();
    model.functions.extend(needed);
    let is_contributed = |opset: &OperatorSetIdProto| opset.domain == CONTRIBUTED;
    if renamed && !model.opset_import.iter().any(is_contributed) {
        model.opset_import.push(opset(CONTRIBUTED, 1));
    }
    model
}

/// TensorFlow Lite's GELU is one of ONNX Runtime's two.
fn contribute_gelu(node: &mut NodeProto) {
    let approximate = node.int("approximate").unwrap_or(0) != 0;
    node.op_type = if approximate { "FastGelu" } else { "Gelu" }.into();
    node.domain = CONTRIBUTED.into();
    node.attribute.clear();
}

fn function(op: &str, body: Body) -> FunctionProto {
    let one = [("value_float", Attribute::Float(1.0))];
    let steps = body
        .iter()
        .map(|(op, inputs, output)| node(output, op, inputs, &[(*output).into()], &[]));
    FunctionProto {
        name: op.into(),
        input: vec!["x".into()],
        output: vec!["y".into()],
        node: std::iter::once(node("one", "Constant", &[], &["one".into()], &one))
            .chain(steps)
            .collect(),
        opset_import: vec![opset("", OPSET)],
        ..Default::default()
    }
}

fn opset(domain: &str, version: i64) -> OperatorSetIdProto {
    OperatorSetIdProto {
        domain: domain.into(),
        version,
    }
}
