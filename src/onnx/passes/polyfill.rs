//! Defines non-standard operators as model-local functions of standard ones: operators of other frameworks that
//! exporters leave in place (no runtime can load such a file), and those of scikit-learn pipelines. Needs no shapes.

use crate::onnx::builder::{OPSET, node};
use crate::onnx::node::is_default_domain;
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

/// An attribute of a step.
enum StepAttribute {
    Value(Attribute),
    /// A reference to this attribute of the polyfilled operator.
    Reference(&'static str),
}
use StepAttribute::{Reference, Value};

/// A node of a function body: operator, inputs, output and attributes.
type Step = (
    &'static str,
    &'static [&'static str],
    &'static str,
    Vec<(&'static str, StepAttribute)>,
);

/// A function of `x` that defines an operator.
struct Polyfill {
    domain: &'static str,
    op: &'static str,
    overload: &'static str,
    outputs: &'static [&'static str],
    steps: fn() -> Vec<Step>,
}

/// Formulas: TensorFlow's, as tf2onnx leaves them, and ONNX's `Operators-ml.md`.
#[rustfmt::skip]
const POLYFILLS: &[Polyfill] = &[
    Polyfill { domain: "", op: "Erfc", overload: "", outputs: &["y"], steps: erfc },
    Polyfill { domain: "", op: "Expm1", overload: "", outputs: &["y"], steps: expm1 },
    Polyfill { domain: ML_DOMAIN, op: "LinearClassifier", overload: "LOGISTIC", outputs: &["label", "y"], steps: || linear_classifier("Sigmoid") },
    Polyfill { domain: ML_DOMAIN, op: "LinearClassifier", overload: "NONE", outputs: &["label", "y"], steps: || linear_classifier("Identity") },
    Polyfill { domain: ML_DOMAIN, op: "LinearClassifier", overload: "SOFTMAX", outputs: &["label", "y"], steps: || linear_classifier("Softmax") },
    Polyfill { domain: ML_DOMAIN, op: "Normalizer", overload: "L1", outputs: &["y"], steps: || normalizer("ReduceL1") },
    Polyfill { domain: ML_DOMAIN, op: "Normalizer", overload: "L2", outputs: &["y"], steps: || normalizer("ReduceL2") },
    Polyfill { domain: ML_DOMAIN, op: "Scaler", overload: "", outputs: &["y"], steps: scaler },
];

/// Domain, name and overload of each operator that is defined here.
pub fn supported() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let polyfills = POLYFILLS.iter();
    let polyfills = polyfills.map(|polyfill| (polyfill.domain, polyfill.op, polyfill.overload));
    polyfills.chain([("", TFL_GELU, "")])
}

/// A constant float scalar.
fn scalar(name: &'static str, value: f32) -> Step {
    (
        "Constant",
        &[],
        name,
        vec![("value_float", Value(value.into()))],
    )
}

/// A constant with the values of the operator's float list attribute `name`.
fn attribute_constant(name: &'static str) -> Step {
    (
        "Constant",
        &[],
        name,
        vec![("value_floats", Reference(name))],
    )
}

/// A constant 1-D int64 tensor.
fn ints(name: &'static str, values: &[i64]) -> Step {
    let values = [("value_ints", Value(values.into()))];
    ("Constant", &[], name, values.into())
}

/// `x` as float32.
fn real() -> Step {
    let float = i64::from(ElementType::F32.code());
    ("Cast", &["x"], "real", vec![("to", Value(float.into()))])
}

/// `1 - erf(x)`, used by Keras for GELU.
fn erfc() -> Vec<Step> {
    vec![
        scalar("one", 1.0),
        ("Erf", &["x"], "erf", vec![]),
        ("Sub", &["one", "erf"], "y", vec![]),
    ]
}

/// `e^x - 1`.
fn expm1() -> Vec<Step> {
    vec![
        scalar("one", 1.0),
        ("Exp", &["x"], "exp", vec![]),
        ("Sub", &["exp", "one"], "y", vec![]),
    ]
}

/// `(x - offset) · scale`.
fn scaler() -> Vec<Step> {
    vec![
        attribute_constant("offset"),
        attribute_constant("scale"),
        real(),
        ("Sub", &["real", "offset"], "centred", vec![]),
        ("Mul", &["centred", "scale"], "y", vec![]),
    ]
}

/// `activation(x Wᵀ + b)`; the label output is the index of the class with the highest score.
fn linear_classifier(activation: &'static str) -> Vec<Step> {
    vec![
        attribute_constant("coefficients"),
        attribute_constant("intercepts"),
        ints("rest", &[-1]),
        ("Shape", &["intercepts"], "classes", vec![]),
        (
            "Concat",
            &["classes", "rest"],
            "shape",
            vec![("axis", Value(0i64.into()))],
        ),
        ("Reshape", &["coefficients", "shape"], "weight", vec![]),
        real(),
        (
            "Gemm",
            &["real", "weight", "intercepts"],
            "scores",
            vec![("transB", Value(1i64.into()))],
        ),
        (
            "ArgMax",
            &["scores"],
            "label",
            vec![
                ("axis", Value(1i64.into())),
                ("keepdims", Value(0i64.into())),
            ],
        ),
        (activation, &["scores"], "y", vec![]),
    ]
}

/// `x / |x|` for each row.
fn normalizer(norm: &'static str) -> Vec<Step> {
    vec![
        ints("axis", &[-1]),
        real(),
        (norm, &["real", "axis"], "norm", vec![]),
        ("Div", &["real", "norm"], "y", vec![]),
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
        let domain = match is_default_domain(&node.domain) {
            true => "",
            false => node.domain.as_str(),
        };
        (domain, node.op_type.as_str(), node.overload.as_str())
            == (self.domain, self.op, self.overload)
    }

    fn function(&self) -> FunctionProto {
        FunctionProto {
            name: self.op.into(),
            domain: self.domain.into(),
            overload: self.overload.into(),
            input: vec!["x".into()],
            output: self.outputs.iter().map(|&name| name.into()).collect(),
            node: (self.steps)().into_iter().map(step).collect(),
            opset_import: vec![opset("", OPSET)],
            ..Default::default()
        }
    }
}

fn step((op, inputs, output, attributes): Step) -> NodeProto {
    let mut result = node(output, op, inputs, &[output.into()], &[]);
    let attributes = attributes.into_iter().map(|(name, value)| match value {
        Value(value) => value.named(name),
        Reference(attribute) => AttributeProto {
            name: name.into(),
            ref_attr_name: attribute.into(),
            ..Default::default()
        },
    });
    result.attribute = attributes.collect();
    result
}

fn opset(domain: &str, version: i64) -> OperatorSetIdProto {
    OperatorSetIdProto {
        domain: domain.into(),
        version,
    }
}
