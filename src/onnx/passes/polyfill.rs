//! Operators from outside of ONNX's own set that are made of a few of those: what exporters left of another framework, for
//! they knew no translation (no runtime opens such a file), and what scikit-learn's pipelines begin and end with. They are
//! said as functions that the model might have brought along, before anything is known of its shapes.

use crate::onnx::builder::{OPSET, node};
use crate::onnx::graph::is_default_domain;
use crate::onnx::proto::{
    AttributeProto, FunctionProto, ModelProto, NodeProto, OperatorSetIdProto,
};
use crate::onnx::{Attribute, Elem, names};
use std::collections::HashSet;

/// ONNX Runtime's own operators.
const MICROSOFT_DOMAIN: &str = "com.microsoft";

/// ONNX's operators of classical machine learning.
const ML_DOMAIN: &str = "ai.onnx.ml";

/// TensorFlow Lite's GELU.
const TFL_GELU: &str = "TFL_GELU";

/// An attribute of a step.
enum Given {
    Is(Attribute),
    /// That of the operator itself of this name.
    Of(&'static str),
}
use Given::{Is, Of};

/// One operator of several: its type, what it reads, what it makes, and its attributes.
type Step = (
    &'static str,
    &'static [&'static str],
    &'static str,
    Vec<(&'static str, Given)>,
);

/// An operator of `x`, and how it is made.
struct Translation {
    domain: &'static str,
    op: &'static str,
    /// Which of several of this name.
    overload: &'static str,
    made: &'static [&'static str],
    steps: fn() -> Vec<Step>,
}

/// Formulas: TensorFlow's, as tf2onnx leaves them, and ONNX's `Operators-ml.md`.
#[rustfmt::skip]
const TRANSLATIONS: &[Translation] = &[
    Translation { domain: "", op: "Erfc", overload: "", made: &["y"], steps: erfc },
    Translation { domain: "", op: "Expm1", overload: "", made: &["y"], steps: expm1 },
    Translation { domain: ML_DOMAIN, op: "LinearClassifier", overload: "LOGISTIC", made: &["label", "y"], steps: || linear_classifier("Sigmoid") },
    Translation { domain: ML_DOMAIN, op: "LinearClassifier", overload: "NONE", made: &["label", "y"], steps: || linear_classifier("Identity") },
    Translation { domain: ML_DOMAIN, op: "LinearClassifier", overload: "SOFTMAX", made: &["label", "y"], steps: || linear_classifier("Softmax") },
    Translation { domain: ML_DOMAIN, op: "Normalizer", overload: "L1", made: &["y"], steps: || normalizer("ReduceL1") },
    Translation { domain: ML_DOMAIN, op: "Normalizer", overload: "L2", made: &["y"], steps: || normalizer("ReduceL2") },
    Translation { domain: ML_DOMAIN, op: "Scaler", overload: "", made: &["y"], steps: scaler },
];

/// Domain, operator and form of everything that is translated here.
pub fn supported() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let own = TRANSLATIONS.iter();
    let own = own.map(|known| (known.domain, known.op, known.overload));
    own.chain([("", TFL_GELU, "")])
}

fn number(name: &'static str, value: f32) -> Step {
    (
        "Constant",
        &[],
        name,
        vec![("value_float", Is(value.into()))],
    )
}

/// The list of numbers that is the operator's attribute of this name.
fn attribute_constant(name: &'static str) -> Step {
    ("Constant", &[], name, vec![("value_floats", Of(name))])
}

fn integers(name: &'static str, values: &[i64]) -> Step {
    let values = [("value_ints", Is(values.into()))];
    ("Constant", &[], name, values.into())
}

/// `x` as real numbers.
fn real() -> Step {
    let float = i64::from(Elem::F32.code());
    ("Cast", &["x"], "real", vec![("to", Is(float.into()))])
}

/// `1 - erf(x)`: Keras writes GELU with it.
fn erfc() -> Vec<Step> {
    vec![
        number("one", 1.0),
        ("Erf", &["x"], "erf", vec![]),
        ("Sub", &["one", "erf"], "y", vec![]),
    ]
}

/// `e^x - 1`.
fn expm1() -> Vec<Step> {
    vec![
        number("one", 1.0),
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

/// `activation(x Wᵀ + b)`, and the number of the class with the largest score in the place of its label.
fn linear_classifier(activation: &'static str) -> Vec<Step> {
    vec![
        attribute_constant("coefficients"),
        attribute_constant("intercepts"),
        integers("rest", &[-1]),
        ("Shape", &["intercepts"], "classes", vec![]),
        (
            "Concat",
            &["classes", "rest"],
            "shape",
            vec![("axis", Is(0i64.into()))],
        ),
        ("Reshape", &["coefficients", "shape"], "weight", vec![]),
        real(),
        (
            "Gemm",
            &["real", "weight", "intercepts"],
            "scores",
            vec![("transB", Is(1i64.into()))],
        ),
        (
            "ArgMax",
            &["scores"],
            "label",
            vec![("axis", Is(1i64.into())), ("keepdims", Is(0i64.into()))],
        ),
        (activation, &["scores"], "y", vec![]),
    ]
}

/// `x / |x|`, row by row.
fn normalizer(norm: &'static str) -> Vec<Step> {
    vec![
        integers("axis", &[-1]),
        real(),
        (norm, &["real", "axis"], "norm", vec![]),
        ("Div", &["real", "norm"], "y", vec![]),
    ]
}

/// The model with a function for each operator that it uses and that is known here; to be inlined (see
/// [`crate::onnx::passes::inline_functions`]).
pub fn define_missing_ops(mut model: ModelProto) -> ModelProto {
    let mut used = vec![false; TRANSLATIONS.len()];
    let mut contributed = false;
    let graphs = model.graph.iter_mut().map(|graph| &mut graph.node);
    let bodies = model
        .functions
        .iter_mut()
        .map(|function| &mut function.node);
    let mut open: Vec<&mut Vec<NodeProto>> = graphs.chain(bodies).collect();
    while let Some(nodes) = open.pop() {
        contributed |= contribute_gelu(nodes);
        split_overloads(nodes);
        for node in &*nodes {
            let found = TRANSLATIONS.iter().position(|known| known.is(node));
            found.into_iter().for_each(|index| used[index] = true);
        }
        let attributes = nodes.iter_mut().flat_map(|node| &mut node.attribute);
        let graphs = attributes.flat_map(names::graphs_mut);
        open.extend(graphs.map(|graph| &mut graph.node));
    }
    let used = TRANSLATIONS.iter().zip(used).filter(|(_, used)| *used);
    let own = used.map(|(known, _)| known.function());
    // Those of the file come last, and win.
    model.functions.splice(..0, own);
    if contributed {
        model.opset_import.push(opset(MICROSOFT_DOMAIN, 1));
    }
    model
}

/// TensorFlow Lite's GELU is one of ONNX Runtime's two; whether there was one.
fn contribute_gelu(nodes: &mut [NodeProto]) -> bool {
    let mut found = false;
    for node in nodes.iter_mut().filter(|node| node.is(TFL_GELU)) {
        let approximate = node.int("approximate").unwrap_or(0) != 0;
        node.op_type = if approximate { "FastGelu" } else { "Gelu" }.into();
        node.domain = MICROSOFT_DOMAIN.into();
        node.attribute.clear();
        found = true;
    }
    found
}

/// Where an attribute decides what an operator is made of, it becomes the operator's overload.
fn split_overloads(nodes: &mut [NodeProto]) {
    let mut distributions = HashSet::new();
    for node in nodes.iter_mut().filter(|node| node.domain == ML_DOMAIN) {
        let overload = match node.op_type.as_str() {
            "LinearClassifier" if has_a_score_for_each_label(node) => {
                node.string("post_transform").unwrap_or("NONE")
            }
            "Normalizer" => node.string("norm").unwrap_or("MAX"),
            _ => continue,
        }
        .to_owned();
        node.overload = overload;
        match node.overload.as_str() {
            "SOFTMAX" => distributions.extend(node.output.get(1).cloned()),
            // It divides by 1 what comes of a softmax.
            "L1" if node
                .input
                .first()
                .is_some_and(|x| distributions.contains(x)) =>
            {
                (node.op_type, node.domain) = ("Identity".into(), String::new());
                node.overload.clear();
                node.attribute.clear();
            }
            _ => {}
        }
    }
}

/// Of two classes, one score may stand for both.
fn has_a_score_for_each_label(node: &NodeProto) -> bool {
    let count =
        |name, numbers: fn(&AttributeProto) -> usize| node.attribute_named(name).map_or(0, numbers);
    let labels = count("classlabels_ints", |a| a.ints.len())
        + count("classlabels_strings", |a| a.strings.len());
    count("intercepts", |a| a.floats.len()) == labels
}

impl Translation {
    fn is(&self, node: &NodeProto) -> bool {
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
            output: self.made.iter().map(|&name| name.into()).collect(),
            node: (self.steps)().into_iter().map(step).collect(),
            opset_import: vec![opset("", OPSET)],
            ..Default::default()
        }
    }
}

fn step((op, inputs, output, attributes): Step) -> NodeProto {
    let mut made = node(output, op, inputs, &[output.into()], &[]);
    let given = attributes.into_iter().map(|(name, given)| match given {
        Is(value) => value.named(name),
        Of(attribute) => AttributeProto {
            name: name.into(),
            ref_attr_name: attribute.into(),
            ..Default::default()
        },
    });
    made.attribute = given.collect();
    made
}

fn opset(domain: &str, version: i64) -> OperatorSetIdProto {
    OperatorSetIdProto {
        domain: domain.into(),
        version,
    }
}
