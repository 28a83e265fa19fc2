//! The rules: one table, op type to rule; one file a family, one function an op.
//!
//! A rule is given a [`Context`] and returns one gradient an input (see [`Gradients`](super::context::Gradients)).
//! In the formulas of the rules, `x` is the first input, `y` the output, `g` the gradient of the output.

mod activation;
mod arithmetic;
mod convolution;
mod layout;
mod linear;
mod normalization;
mod pooling;
mod reduction;
mod slicing;
mod window;

use super::Error;
use super::context::{Context, Gradients};
use crate::onnx::Elem;
use crate::onnx::graph::is_default_domain;
use crate::onnx::proto::NodeProto;

/// Computes the gradients of a node's inputs from those of its outputs.
pub type Rule = fn(&mut Context) -> Result<Gradients, Error>;

/// Every operator of the default domain that has a rule, in alphabetical order.
#[rustfmt::skip]
pub const RULES: &[(&str, Rule)] = &[
    ("Abs", arithmetic::abs),
    ("Add", arithmetic::sum),
    ("AveragePool", pooling::average_pool),
    ("BatchNormalization", normalization::batch_normalization),
    ("Cast", layout::cast),
    ("Clip", activation::clip),
    ("Concat", slicing::concat),
    ("Conv", convolution::conv),
    ("Div", arithmetic::div),
    ("Dropout", layout::dropout),
    ("Elu", activation::elu),
    ("Erf", arithmetic::erf),
    ("Exp", arithmetic::exp),
    ("Flatten", layout::same_elements),
    ("Gelu", activation::gelu),
    ("Gemm", linear::gemm),
    ("GlobalAveragePool", pooling::global_average_pool),
    ("GlobalMaxPool", pooling::global_max_pool),
    ("HardSigmoid", activation::hard_sigmoid),
    ("HardSwish", activation::hard_swish),
    ("Identity", layout::same_elements),
    ("LRN", normalization::lrn),
    ("LeakyRelu", activation::leaky_relu),
    ("Log", arithmetic::log),
    ("LogSoftmax", reduction::log_softmax),
    ("MatMul", linear::mat_mul),
    ("MaxPool", pooling::max_pool),
    ("Mul", arithmetic::mul),
    ("Neg", arithmetic::neg),
    ("PRelu", activation::p_relu),
    ("Pad", slicing::pad),
    ("Pow", arithmetic::pow),
    ("ReduceMean", reduction::reduce_mean),
    ("ReduceSum", reduction::reduce_sum),
    ("Relu", activation::relu),
    ("Reshape", layout::same_elements),
    ("Sigmoid", activation::sigmoid),
    ("Slice", slicing::slice),
    ("Softmax", reduction::softmax),
    ("Softplus", activation::softplus),
    ("Split", slicing::split),
    ("Sqrt", arithmetic::sqrt),
    ("Squeeze", layout::same_elements),
    ("Sub", arithmetic::sub),
    ("Sum", arithmetic::sum),
    ("Tanh", activation::tanh),
    ("Transpose", layout::transpose),
    ("Unsqueeze", layout::same_elements),
];

/// Operators whose output does not change with small changes of the input: the sweep ends there. So it does at a `Cast`
/// to integers.
const ZERO_GRADIENT: &[&str] = &[
    "And",
    "ArgMax",
    "ArgMin",
    "Ceil",
    "ConstantOfShape",
    "Equal",
    "EyeLike",
    "Floor",
    "Greater",
    "GreaterOrEqual",
    "IsInf",
    "IsNaN",
    "Less",
    "LessOrEqual",
    "NonZero",
    "Not",
    "OneHot",
    "Or",
    "Round",
    "Shape",
    "Sign",
    "Size",
    "Xor",
];

/// The rule for a node, if there is one.
pub fn rule(node: &NodeProto) -> Option<Rule> {
    if !is_default_domain(&node.domain) {
        return None;
    }
    let found = RULES.binary_search_by_key(&node.op_type.as_str(), |(op, _)| op);
    found.ok().map(|index| RULES[index].1)
}

/// Whether the gradient of a node is zero wherever it exists.
pub fn has_zero_gradient(node: &NodeProto) -> bool {
    let to_float = |code| {
        i32::try_from(code)
            .ok()
            .and_then(Elem::from_code)
            .is_none_or(Elem::is_float)
    };
    let rounds = node.is("Cast") && !node.int("to").is_none_or(to_float);
    rounds || is_default_domain(&node.domain) && ZERO_GRADIENT.contains(&node.op_type.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_every_rule_is_found() {
        assert!(RULES.is_sorted_by_key(|(op, _)| op));
        assert!(RULES.iter().all(|(op, _)| !ZERO_GRADIENT.contains(op)));
    }
}
