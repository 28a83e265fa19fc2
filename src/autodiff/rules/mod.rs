//! Gradient rules: one table from operator to rule, one file per family, one function per operator.
//!
//! A rule takes a [`Context`] and returns one gradient per input (see `Gradients`).
//! In the formulas of the rules, `x` is the first input, `y` the output, `g` the gradient of the output.

mod activation;
mod arithmetic;
mod batch_norm;
mod col2im;
mod conv;
mod conv_transpose;
mod conv_weights;
mod dft;
mod einsum;
mod grid_sample;
mod indexing;
mod interpolation;
mod lrn;
mod matmul;
mod norm;
mod pooling;
mod quantization;
mod reduction;
mod resize;
mod roi_align;
mod shape;
mod slicing;
mod sliding_window;
mod trigonometry;

use super::Error;
use super::context::{Context, Gradients};
use crate::onnx::ElementType;
use crate::onnx::proto::NodeProto;

/// Computes the gradients of a node's inputs from those of its outputs.
pub(super) type Rule = fn(&mut Context) -> Result<Gradients, Error>;

/// The gradient rule of a standard operator (domain ai.onnx).
#[derive(Debug, Clone, Copy)]
pub struct RuleEntry {
    /// The operator.
    pub op: &'static str,
    rule: Rule,
    /// The oldest supported opset: 7, or the first that has the operator.
    pub since: i64,
    /// The supported cases, if not all are.
    pub note: &'static str,
}

const fn entry(op: &'static str, rule: Rule, since: i64, note: &'static str) -> RuleEntry {
    RuleEntry {
        op,
        rule,
        since,
        note,
    }
}

/// Every operator that has a rule, in alphabetical order. `RULES.md` is generated from it.
#[rustfmt::skip]
const RULES: &[RuleEntry] = &[
    entry("Abs", arithmetic::abs, 7, "0 at 0"),
    entry("Acos", trigonometry::acos, 7, ""),
    entry("Acosh", trigonometry::acosh, 9, ""),
    entry("Add", arithmetic::sum, 7, ""),
    entry("Asin", trigonometry::asin, 7, ""),
    entry("Asinh", trigonometry::asinh, 9, ""),
    entry("Atan", trigonometry::atan, 7, ""),
    entry("Atanh", trigonometry::atanh, 9, ""),
    entry("AveragePool", pooling::average_pool, 7, "padding, `ceil_mode`, dilations"),
    entry("BatchNormalization", batch_norm::batch_normalization, 7, "of the outputs the first"),
    entry("Cast", shape::cast, 7, "to floating-point types"),
    entry("CastLike", shape::cast_like, 15, "between floating-point types"),
    entry("Celu", activation::celu, 12, ""),
    entry("Clip", activation::clip, 7, "constant bounds"),
    entry("Col2Im", col2im::col_2_im, 18, "constant blocks, up to 1024 elements each"),
    entry("Concat", slicing::concat, 7, ""),
    entry("Conv", conv::conv, 7, ""),
    entry("ConvInteger", quantization::conv_integer, 10, "straight through; the input only"),
    entry("ConvTranspose", conv_transpose::conv_transpose, 7, ""),
    entry("Cos", trigonometry::cos, 7, ""),
    entry("Cosh", trigonometry::cosh, 9, ""),
    entry("CumSum", shape::cum_sum, 11, ""),
    entry("DFT", dft::dft, 17, "constant length and axis; no inverse of half a spectrum"),
    entry("DepthToSpace", shape::depth_to_space, 7, "both orders of channels"),
    entry("DequantizeLinear", quantization::dequantize, 10, "straight through; one scale, or one per position of an axis"),
    entry("Div", arithmetic::div, 7, ""),
    entry("Dropout", shape::dropout, 7, "in training mode where the mask is an output"),
    entry("DynamicQuantizeLinear", quantization::dynamic_quantize, 11, "straight through"),
    entry("Einsum", einsum::einsum, 12, "ellipses, broadcasting, implicit output; no diagonals"),
    entry("Elu", activation::elu, 7, ""),
    entry("Erf", arithmetic::erf, 9, ""),
    entry("Exp", arithmetic::exp, 7, ""),
    entry("Expand", shape::expand, 8, ""),
    entry("Flatten", shape::same_elements, 7, ""),
    entry("Gather", indexing::gather, 7, ""),
    entry("GatherElements", indexing::gather_elements, 11, ""),
    entry("GatherND", indexing::gather_nd, 11, "batch axes"),
    entry("Gelu", activation::gelu, 20, "exact and `tanh`"),
    entry("Gemm", matmul::gemm, 7, ""),
    entry("GlobalAveragePool", pooling::global_average_pool, 7, ""),
    entry("GlobalLpPool", pooling::global_lp_pool, 7, ""),
    entry("GlobalMaxPool", pooling::global_max_pool, 7, "ties: the first, or shared equally, by the device"),
    entry("GridSample", grid_sample::grid_sample, 16, "input and grid; every mode and padding"),
    entry("GroupNormalization", norm::group_normalization, 18, ""),
    entry("HardSigmoid", activation::hard_sigmoid, 7, ""),
    entry("HardSwish", activation::hard_swish, 14, ""),
    entry("Identity", shape::same_elements, 7, ""),
    entry("InstanceNormalization", norm::instance_normalization, 7, ""),
    entry("LRN", lrn::lrn, 7, ""),
    entry("LayerNormalization", norm::layer_normalization, 17, ""),
    entry("LeakyRelu", activation::leaky_relu, 7, ""),
    entry("Log", arithmetic::log, 7, ""),
    entry("LogSoftmax", reduction::log_softmax, 7, ""),
    entry("LpNormalization", norm::lp_normalization, 7, ""),
    entry("LpPool", pooling::lp_pool, 7, ""),
    entry("MatMul", matmul::mat_mul, 7, ""),
    entry("MatMulInteger", quantization::mat_mul_integer, 10, "straight through"),
    entry("Max", arithmetic::extreme, 7, "ties: shared equally"),
    entry("MaxPool", pooling::max_pool, 7, "ties: the first, or shared equally, by the device"),
    entry("MaxUnpool", col2im::max_unpool, 9, "places that differ"),
    entry("Mean", arithmetic::mean, 7, ""),
    entry("MeanVarianceNormalization", norm::mean_variance_normalization, 9, ""),
    entry("Min", arithmetic::extreme, 7, "ties: shared equally"),
    entry("Mish", activation::mish, 18, ""),
    entry("Mod", arithmetic::remainder, 10, "the dividend only"),
    entry("Mul", arithmetic::mul, 7, ""),
    entry("Neg", arithmetic::neg, 7, ""),
    entry("OneHot", indexing::one_hot, 9, "the two values"),
    entry("PRelu", activation::p_relu, 7, ""),
    entry("Pad", slicing::pad, 7, "constant amounts; every mode"),
    entry("Pow", arithmetic::pow, 7, ""),
    entry("QuantizeLinear", quantization::quantize, 10, "straight through within the range; one scale, or one per position of an axis"),
    entry("RMSNormalization", norm::rms_normalization, 23, "input and scale"),
    entry("Reciprocal", arithmetic::reciprocal, 7, ""),
    entry("ReduceL1", reduction::reduce_l1, 7, "constant axes"),
    entry("ReduceL2", reduction::reduce_l2, 7, "constant axes; 0 at 0"),
    entry("ReduceLogSum", reduction::reduce_log_sum, 7, "constant axes"),
    entry("ReduceLogSumExp", reduction::reduce_log_sum_exp, 7, "constant axes"),
    entry("ReduceMax", reduction::reduce_extreme, 7, "constant axes; ties: shared equally"),
    entry("ReduceMean", reduction::reduce_mean, 7, "constant axes"),
    entry("ReduceMin", reduction::reduce_extreme, 7, "constant axes; ties: shared equally"),
    entry("ReduceProd", reduction::reduce_prod, 7, "constant axes; exact at zeros"),
    entry("ReduceSum", reduction::reduce_sum, 7, "constant axes"),
    entry("ReduceSumSquare", reduction::reduce_sum_square, 7, "constant axes"),
    entry("Relu", activation::relu, 7, "0 at 0"),
    entry("Reshape", shape::same_elements, 7, ""),
    entry("Resize", resize::resize, 7, "as `Upsample` before opset 10; every mode, `antialias`; constant scales and regions; axes up to 4096"),
    entry("ReverseSequence", shape::reverse_sequence, 10, ""),
    entry("RoiAlign", roi_align::roi_align, 10, "the input only; constant regions where `sampling_ratio` is 0; of equal largest, shared equally"),
    entry("ScatterElements", indexing::scatter_elements, 11, "data and updates; reductions `none` and `add`"),
    entry("ScatterND", indexing::scatter_nd, 11, "data and updates; reductions `none` and `add`"),
    entry("Selu", activation::selu, 7, ""),
    entry("Shrink", activation::shrink, 9, ""),
    entry("Sigmoid", activation::sigmoid, 7, ""),
    entry("SimplifiedLayerNormalization", norm::rms_normalization, 7, "ONNX Runtime's name for RMSNormalization"),
    entry("Sin", trigonometry::sin, 7, ""),
    entry("Sinh", trigonometry::sinh, 9, ""),
    entry("Slice", slicing::slice, 7, "constant places"),
    entry("Softmax", reduction::softmax, 7, ""),
    entry("Softplus", activation::softplus, 7, ""),
    entry("Softsign", activation::softsign, 7, ""),
    entry("SpaceToDepth", shape::space_to_depth, 7, ""),
    entry("Split", slicing::split, 7, ""),
    entry("Sqrt", arithmetic::sqrt, 7, ""),
    entry("Squeeze", shape::same_elements, 7, ""),
    entry("Sub", arithmetic::sub, 7, ""),
    entry("Sum", arithmetic::sum, 7, ""),
    entry("Swish", activation::swish, 24, ""),
    entry("Tan", trigonometry::tan, 7, ""),
    entry("Tanh", activation::tanh, 7, ""),
    entry("ThresholdedRelu", activation::thresholded_relu, 10, ""),
    entry("Tile", shape::tile, 7, ""),
    entry("TopK", indexing::top_k, 7, "the values"),
    entry("Transpose", shape::transpose, 7, ""),
    entry("Trilu", shape::trilu, 14, ""),
    entry("Unsqueeze", shape::same_elements, 7, ""),
    entry("Where", arithmetic::select, 9, ""),
];

/// Operators whose output is piecewise constant: the backward pass stops there, as it does at a `Cast` to integers.
const ZERO_GRADIENT: &[&str] = &[
    "And",
    "ArgMax",
    "ArgMin",
    "Bernoulli",
    "Ceil",
    "ConstantOfShape",
    "Equal",
    "EyeLike",
    "Floor",
    "Greater",
    "GreaterOrEqual",
    "Hardmax",
    "IsInf",
    "IsNaN",
    "Less",
    "LessOrEqual",
    "Multinomial",
    "NonMaxSuppression",
    "NonZero",
    "Not",
    "Or",
    "RandomNormalLike",
    "RandomUniformLike",
    "Round",
    "Shape",
    "Sign",
    "Size",
    "Xor",
];

/// Every operator that has a rule, in alphabetical order.
pub fn supported() -> &'static [RuleEntry] {
    RULES
}

/// Whether there is a rule for the operator of a node.
pub fn is_supported(node: &NodeProto) -> bool {
    rule(node).is_some()
}

/// The gradient rule for a node, if there is one.
pub(super) fn rule(node: &NodeProto) -> Option<Rule> {
    let op = node.standard_op()?;
    let index = RULES.binary_search_by_key(&op, |entry| entry.op).ok()?;
    Some(RULES[index].rule)
}

/// Whether the gradient of a node is zero wherever it exists.
pub fn has_zero_gradient(node: &NodeProto) -> bool {
    let to_float = |code| {
        i32::try_from(code)
            .ok()
            .and_then(ElementType::from_code)
            .is_none_or(ElementType::is_float)
    };
    let is_rounding = node.is_op("Cast") && !node.int("to").is_none_or(to_float);
    let op = node.standard_op();
    is_rounding || op.is_some_and(|op| ZERO_GRADIENT.contains(&op))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::passes::decompose::FUSIONS;
    use crate::onnx::passes::polyfill;

    #[test]
    fn the_table_is_sorted_so_that_every_rule_is_found() {
        assert!(RULES.is_sorted_by_key(|entry| entry.op));
        assert!(RULES.iter().all(|entry| !ZERO_GRADIENT.contains(&entry.op)));
    }

    fn covered(note: &'static str) -> &'static str {
        if note.is_empty() { "all" } else { note }
    }

    /// Operators on floating-point values that have no rule, and why.
    const LEFT_OUT: &[(&str, &str)] = &[
        (
            "CausalConvWithState, LinearAttention, TensorScatter",
            "state of language models",
        ),
        (
            "BitCast, CumProd, Det, SequenceMap, SwiGLU",
            "no known exporter writes them for an image classifier",
        ),
        ("MaxRoiPool", "for detectors; superseded by `RoiAlign`"),
        ("MelWeightMatrix, STFT", "audio"),
        (
            "NegativeLogLikelihoodLoss, SoftmaxCrossEntropyLoss",
            "training losses, after the class scores",
        ),
        (
            "Unique",
            "its output size depends on the data, so that later dimensions are unknown",
        ),
        (
            "Scan of opset 8",
            "it scans each batch entry separately; removed in opset 9",
        ),
        (
            "com.microsoft: DynamicQuantizeLSTM, PackedAttention, PackedMultiHeadAttention",
            "text models",
        ),
    ];

    /// The text of `RULES.md`, generated from the tables.
    fn document() -> String {
        let mut text = String::from(
            "# Operators that can be differentiated\n\n\
            Generated from `mod.rs` by its test `the_document_is_current`; do not edit. Models of opset 7 and newer are supported; \
            operators of older opsets are converted to opset 18 first.\n\n\
            | operator | since opset | supported |\n| --- | --- | --- |\n",
        );
        for RuleEntry {
            op, since, note, ..
        } in RULES
        {
            text += &format!("| {op} | {since} | {} |\n", covered(note));
        }
        text += &format!(
            "\nThe gradient of these is zero wherever it exists, so that the backward pass stops there: {}; and `Cast` to integers.\n",
            ZERO_GRADIENT.join(", ")
        );
        text += "\nFunctions are inlined. Control flow is resolved where its condition or trip count is known: an `If` with a constant \
            condition, a `Loop` with a constant trip count or a condition that counts up to a constant, and a `Scan` (opset 9 or \
            newer) over sequences of known length. Sequence and optional operators are resolved where elements and positions are \
            known, except `SequenceMap`.\n";
        text += "\nThese are decomposed into operators that have rules before differentiation:\n\n\
            | domain | operator | supported |\n| --- | --- | --- |\n";
        for fusion in FUSIONS {
            let domain = if fusion.domain.is_empty() {
                "ai.onnx"
            } else {
                fusion.domain
            };
            text += &format!("| {domain} | {} | {} |\n", fusion.op, covered(fusion.note));
        }
        text += "\nThese operators of scikit-learn pipelines, and TensorFlow operators that tf2onnx leaves in place, are decomposed as well:\n\n\
            | domain | operator | supported |\n| --- | --- | --- |\n";
        for (domain, op, form) in polyfill::supported() {
            text += &format!("| {domain} | {op} | {} |\n", covered(form));
        }
        text += "\nThese have no rule; only values computed before them can be differentiated:\n\n| operators | reason |\n| --- | --- |\n";
        for (ops, why) in LEFT_OUT {
            text += &format!("| {ops} | {why} |\n");
        }
        text
    }

    #[test]
    fn the_document_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/autodiff/rules/RULES.md");
        if std::env::var_os("ZIGGURAT_WRITE_RULES").is_some() {
            std::fs::write(path, document()).unwrap();
        }
        let found = std::fs::read_to_string(path).unwrap();
        assert!(
            found == document(),
            "RULES.md is out of date: ZIGGURAT_WRITE_RULES=1 cargo test --lib the_document_is_current"
        );
    }
}
