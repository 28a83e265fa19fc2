//! Defines non-standard operators as model-local functions of standard ones: operators of other frameworks that
//! exporters leave in place (no runtime can load such a file), and those of scikit-learn pipelines. Needs no shapes.

use crate::onnx::builder::OPSET;
use crate::onnx::proto::{
    AttributeProto, FunctionProto, ModelProto, NodeProto, OperatorSetIdProto,
};
use crate::onnx::{Attribute, ElementType};
use std::collections::HashSet;

/// The domain of ONNX Runtime's contrib operators.
const MICROSOFT_DOMAIN: &str = "com.microsoft";

/// The domain of ONNX's classical machine learning operators.
const ML_DOMAIN: &str = "ai.onnx.ml";

/// TensorFlow Lite's GELU.
const TFL_GELU: &str = "TFL_GELU";

/// A function of `x` that defines an operator.
struct Polyfill {
    domain: &'static str,
    op: &'static str,
    overload: &'static str,
    outputs: &'static [&'static str],
    body: fn() -> Vec<NodeProto>,
}

/// Formulas: TensorFlow's, as tf2onnx leaves them, and ONNX's `Operators-ml.md`.
#[rustfmt::skip]
const POLYFILLS: &[Polyfill] = &[
    Polyfill { domain: "", op: "Erfc", overload: "", outputs: &["y"], body: erfc },
    Polyfill { domain: "", op: "Expm1", overload: "", outputs: &["y"], body: expm1 },
    Polyfill { domain: ML_DOMAIN, op: "LinearClassifier", overload: "LOGISTIC", outputs: &["label", "y"], body: || linear_classifier("Sigmoid") },
    Polyfill { domain: ML_DOMAIN, op: "LinearClassifier", overload: "NONE", outputs: &["label", "y"], body: || linear_classifier("Identity") },
    Polyfill { domain: ML_DOMAIN, op: "LinearClassifier", overload: "SOFTMAX", outputs: &["label", "y"], body: || linear_classifier("Softmax") },
    Polyfill { domain: ML_DOMAIN, op: "Normalizer", overload: "L1", outputs: &["y"], body: || normalizer("ReduceL1") },
    Polyfill { domain: ML_DOMAIN, op: "Normalizer", overload: "L2", outputs: &["y"], body: || normalizer("ReduceL2") },
    Polyfill { domain: ML_DOMAIN, op: "Scaler", overload: "", outputs: &["y"], body: scaler },
];

/// Domain, name and overload of each operator that is defined here.
pub fn supported() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let polyfills = POLYFILLS.iter();
    let polyfills = polyfills.map(|polyfill| (polyfill.domain, polyfill.op, polyfill.overload));
    polyfills.chain([("", TFL_GELU, "")])
}

/// A node of a function body, called like its output.
fn step(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto::new(op, inputs, &[output]).with_name(output)
}

/// A constant float scalar.
fn scalar(name: &str, value: f32) -> NodeProto {
    step("Constant", &[], name).attr("value_float", value)
}

/// A constant with the values of the operator's float list attribute `name`.
fn attribute_constant(name: &str) -> NodeProto {
    let value = Attribute::Reference(name.into());
    step("Constant", &[], name).attr("value_floats", value)
}

/// A constant 1-D int64 tensor.
fn ints(name: &str, values: &[i64]) -> NodeProto {
    step("Constant", &[], name).attr("value_ints", values)
}

/// `x` as float32.
fn real() -> NodeProto {
    let float = i64::from(ElementType::F32.code());
    step("Cast", &["x"], "real").attr("to", float)
}

/// `1 - erf(x)`, used by Keras for GELU.
fn erfc() -> Vec<NodeProto> {
    vec![
        scalar("one", 1.0),
        step("Erf", &["x"], "erf"),
        step("Sub", &["one", "erf"], "y"),
    ]
}

/// `e^x - 1`.
fn expm1() -> Vec<NodeProto> {
    vec![
        scalar("one", 1.0),
        step("Exp", &["x"], "exp"),
        step("Sub", &["exp", "one"], "y"),
    ]
}

/// `(x - offset) · scale`.
fn scaler() -> Vec<NodeProto> {
    vec![
        attribute_constant("offset"),
        attribute_constant("scale"),
        real(),
        step("Sub", &["real", "offset"], "centred"),
        step("Mul", &["centred", "scale"], "y"),
    ]
}

/// `activation(x Wᵀ + b)`; the label output is the index of the class with the highest score.
fn linear_classifier(activation: &str) -> Vec<NodeProto> {
    vec![
        attribute_constant("coefficients"),
        attribute_constant("intercepts"),
        ints("rest", &[-1]),
        step("Shape", &["intercepts"], "classes"),
        step("Concat", &["classes", "rest"], "shape").attr("axis", 0i64),
        step("Reshape", &["coefficients", "shape"], "weight"),
        real(),
        step("Gemm", &["real", "weight", "intercepts"], "scores").attr("transB", 1i64),
        step("ArgMax", &["scores"], "label")
            .attr("axis", 1i64)
            .attr("keepdims", 0i64),
        step(activation, &["scores"], "y"),
    ]
}

/// `x / |x|` for each row.
fn normalizer(norm: &str) -> Vec<NodeProto> {
    vec![
        ints("axis", &[-1]),
        real(),
        step(norm, &["real", "axis"], "norm"),
        step("Div", &["real", "norm"], "y"),
    ]
}

/// The model with a function for each operator that it uses and that is defined here, to be inlined (see
/// [`crate::onnx::passes::inline_functions`]).
pub fn define_missing_ops(mut model: ModelProto) -> ModelProto {
    let mut used = vec![false; POLYFILLS.len()];
    let mut has_gelu = false;
    let graphs = model.graph.iter_mut().map(|graph| &mut graph.node);
    let bodies = model
        .functions
        .iter_mut()
        .map(|function| &mut function.node);
    let mut worklist: Vec<&mut Vec<NodeProto>> = graphs.chain(bodies).collect();
    while let Some(nodes) = worklist.pop() {
        has_gelu |= convert_tfl_gelu(nodes);
        split_overloads(nodes);
        for node in &*nodes {
            let index = POLYFILLS.iter().position(|polyfill| polyfill.defines(node));
            index.into_iter().for_each(|index| used[index] = true);
        }
        let attributes = nodes.iter_mut().flat_map(|node| &mut node.attribute);
        let graphs = attributes.flat_map(AttributeProto::graphs_mut);
        worklist.extend(graphs.map(|graph| &mut graph.node));
    }
    let used = POLYFILLS.iter().zip(used).filter(|(_, used)| *used);
    let functions = used.map(|(polyfill, _)| polyfill.function());
    // The model's own functions come last and take precedence.
    model.functions.splice(..0, functions);
    if has_gelu {
        model.opset_import.push(opset(MICROSOFT_DOMAIN, 1));
    }
    model
}

/// Replaces TensorFlow Lite's GELU by ONNX Runtime's; returns whether there was one.
fn convert_tfl_gelu(nodes: &mut [NodeProto]) -> bool {
    let mut result = false;
    for node in nodes.iter_mut().filter(|node| node.is_op(TFL_GELU)) {
        let approximate = node.int("approximate").unwrap_or(0) != 0;
        node.op_type = if approximate { "FastGelu" } else { "Gelu" }.into();
        node.domain = MICROSOFT_DOMAIN.into();
        node.attribute.clear();
        result = true;
    }
    result
}

/// Turns the attribute that selects the definition of an operator into its overload.
fn split_overloads(nodes: &mut [NodeProto]) {
    let mut softmax_outputs = HashSet::new();
    for node in nodes.iter_mut().filter(|node| node.domain == ML_DOMAIN) {
        let overload = match node.op_type.as_str() {
            "LinearClassifier" if has_one_score_per_label(node) => {
                node.string("post_transform").unwrap_or("NONE")
            }
            "Normalizer" => node.string("norm").unwrap_or("MAX"),
            _ => continue,
        }
        .to_owned();
        node.overload = overload;
        match node.overload.as_str() {
            "SOFTMAX" => softmax_outputs.extend(node.output.get(1).cloned()),
            // The L1 norm of a softmax is 1.
            "L1" if node
                .input
                .first()
                .is_some_and(|x| softmax_outputs.contains(x)) =>
            {
                (node.op_type, node.domain) = ("Identity".into(), String::new());
                node.overload.clear();
                node.attribute.clear();
            }
            _ => {}
        }
    }
}

/// Whether a LinearClassifier has one score per label. With two labels, it may have a single score.
fn has_one_score_per_label(node: &NodeProto) -> bool {
    let count =
        |name, numbers: fn(&AttributeProto) -> usize| node.attribute_named(name).map_or(0, numbers);
    let labels = count("classlabels_ints", |a| a.ints.len())
        + count("classlabels_strings", |a| a.strings.len());
    count("intercepts", |a| a.floats.len()) == labels
}

impl Polyfill {
    fn defines(&self, node: &NodeProto) -> bool {
        (self.domain, self.op) == node.op_key() && self.overload == node.overload
    }

    fn function(&self) -> FunctionProto {
        FunctionProto {
            name: self.op.into(),
            domain: self.domain.into(),
            overload: self.overload.into(),
            input: vec!["x".into()],
            output: self.outputs.iter().map(|&name| name.into()).collect(),
            node: (self.body)(),
            opset_import: vec![opset("", OPSET)],
            ..Default::default()
        }
    }
}

fn opset(domain: &str, version: i64) -> OperatorSetIdProto {
    OperatorSetIdProto {
        domain: domain.into(),
        version,
    }
}
