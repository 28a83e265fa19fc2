//! Recognises the activation at the end of a network, and its input. An ascent maximizes that input, because a
//! probability that rounds to 0 or 1 has no gradient.
//!
//! A final `Softmax` or `Sigmoid` is recognised by its operator. If other operators may compute probabilities (powers
//! and a quotient, the mean of two heads, `1 - p` beside `p`), the network is evaluated on a few pictures: non-negative
//! rows that sum to 1 are probabilities of exclusive classes. Their logarithms then replace the scores, see
//! [`logarithm`](super::logarithm), and are verified on the same pictures.

use super::logarithm::{Logarithms, is_filled_with};
use super::trial::{Kind, Trial};
use crate::model::Activation;
use crate::onnx::proto::NodeProto;
use crate::onnx::types::resolve_index;
use crate::onnx::{Builder, ElementType, Error, Graph, INTERNAL_PREFIX, Types};

/// Operators that preserve the elements and their order.
const REARRANGING: &[&str] = &[
    "Cast",
    "Dropout",
    "Flatten",
    "Identity",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
];

/// Operators with learned weights, whose outputs are scores, not probabilities.
const MIXING: &[&str] = &["Conv", "ConvTranspose", "Einsum", "Gemm", "MatMul"];

/// Operators that may compute probabilities.
const BOUNDED: &[&str] = &[
    "Clip",
    "Div",
    "Exp",
    "Log",
    "LogSoftmax",
    "Max",
    "Min",
    "ReduceL1",
    "ReduceLogSumExp",
    "Reciprocal",
    "Softplus",
];

/// Operators with bounded outputs for all inputs. Only these compute independent probabilities.
const SQUASHING: &[&str] = &[
    "Erf",
    "Exp",
    "HardSigmoid",
    "Sigmoid",
    "Softmax",
    "Softsign",
    "Tanh",
];

/// Operators with bounded outputs for bounded inputs.
const BOUNDS_KEPT: &[&str] = &[
    "Add",
    "Concat",
    "Gather",
    "Max",
    "Mean",
    "Min",
    "Mul",
    "Neg",
    "ReduceMax",
    "ReduceMean",
    "Slice",
    "Sub",
    "Transpose",
];

/// Maximum number of successive operators that are followed.
const MAX_DEPTH: usize = 16;

/// Maximum number of operators examined from the end.
const MAX_OPERATORS: usize = 64;

/// The bounds of a `Clip` that only keeps probabilities off 0 and 1.
const CLIPPED: (f32, f32) = (1e-3, 1.0 - 1e-3);

/// How the activation at the end of a network was determined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// Recognised operators.
    Operators,
    /// The output for a few pictures.
    Trial,
    /// Stated by the card or the exporter.
    Description,
    /// Assumed.
    Assumption,
}

/// The scores of a network before its activation, and the activation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tail {
    /// The value of the scores, with one element per class.
    pub value: String,
    pub activation: Activation,
    pub evidence: Evidence,
}

/// Finds a softmax over the classes, or a sigmoid, that is only followed by operators that preserve elements. The
/// scores are its input, or an earlier value of the same dimensions that is only rearranged.
pub(super) fn by_operators(graph: &Graph, shapes: &Types, output: &str) -> Option<Tail> {
    let dims = |value: &str| shapes.find(value).map(|known| known.dims.as_slice());
    let (mut scores, mut value, mut activation) = (output, output, None);
    while let Some(node) = producer(graph, value) {
        let Some(input) = node.input_at(0) else { break };
        if activation.is_none() && node.is_op("Sigmoid") {
            (scores, activation) = (input, Some(Activation::Sigmoid));
        } else if is_first_softmax(node, activation) {
            if !is_over_classes(node, dims(input)?) {
                break;
            }
            (scores, activation) = (input, Some(Activation::Softmax));
        } else if !changes_nothing(graph, shapes, node, activation.is_none()) {
            break;
        } else if activation.is_some() && dims(input) == dims(scores) {
            scores = input;
        }
        value = input;
    }
    Some(Tail {
        value: scores.into(),
        activation: activation?,
        evidence: Evidence::Operators,
    })
}

/// Whether the last operators may compute probabilities in a way that [`by_operators`] does not recognise.
pub(super) fn may_be_bounded(graph: &Graph, output: &str) -> bool {
    reaches(
        graph,
        output,
        |node| is_one_of(node, BOUNDED) || is_one_of(node, SQUASHING),
        |_| true,
    )
}

/// Whether the output may be independent probabilities. A gate (`x · σ(y)`) is not a probability, a product of
/// probabilities is.
fn may_be_independent(graph: &Graph, output: &str) -> bool {
    let is_gate = |node: &NodeProto| {
        let is_moving = |input: &String| graph.constant(input).is_none();
        node.is_op("Mul")
            && node.input.iter().all(is_moving)
            && !node.input.iter().all(|input| is_bounded(graph, input, 0))
    };
    reaches(
        graph,
        output,
        |node| is_one_of(node, SQUASHING),
        |node| !is_gate(node),
    )
}

/// Whether a bounded function follows all learned weights.
pub(super) fn is_squashed(graph: &Graph, output: &str) -> bool {
    let squashes = |node: &NodeProto| is_one_of(node, SQUASHING) || node.is_op("Hardmax");
    reaches(graph, output, squashes, |_| true)
}

/// Whether a value is bounded for all inputs of the network.
fn is_bounded(graph: &Graph, value: &str, depth: usize) -> bool {
    if graph.constant(value).is_some() {
        return true;
    }
    let Some(node) = producer(graph, value).filter(|_| depth < MAX_DEPTH) else {
        return false;
    };
    let squashes = is_one_of(node, SQUASHING) && !node.is_op("Exp");
    let keeps = is_one_of(node, BOUNDS_KEPT) || is_one_of(node, REARRANGING);
    let mut inputs = node.input.iter().filter(|input| !input.is_empty());
    squashes || (keeps && inputs.all(|input| is_bounded(graph, input, depth + 1)))
}

fn is_one_of(node: &NodeProto, ops: &[&str]) -> bool {
    ops.iter().any(|op| node.is_op(op))
}

/// Whether a node that is `wanted` is between the learned weights and `output`, followed only by nodes that `pass`.
pub(super) fn reaches(
    graph: &Graph,
    output: &str,
    wanted: impl Fn(&NodeProto) -> bool,
    pass: impl Fn(&NodeProto) -> bool,
) -> bool {
    let mut open = vec![output];
    let mut seen = 0;
    while let Some(value) = open.pop() {
        let Some(node) = producer(graph, value).filter(|_| seen < MAX_OPERATORS) else {
            continue;
        };
        seen += 1;
        if wanted(node) {
            return true;
        }
        if !is_one_of(node, MIXING) && pass(node) {
            open.extend(node.input.iter().map(String::as_str));
        }
    }
    false
}

/// Replaces output probabilities by scores of which they are the softmax or sigmoid, if `trial` shows that they are
/// probabilities. Adds the necessary nodes to `graph`.
///
/// # Errors
/// [`Error`] if the graph is damaged.
pub(super) fn by_trial(
    graph: &mut Graph,
    shapes: &Types,
    output: &str,
    trial: &Trial,
) -> Result<Option<Tail>, Error> {
    let Some((kind, given)) = trial.kind_of(graph, output) else {
        return Ok(None);
    };
    match kind {
        Kind::Percent if is_percentage(graph, output) => {
            return by_trial_of(graph, shapes, output, trial, |builder, elem| {
                let hundred = builder.scalar(elem, 100.0)?;
                Ok(builder.emit("Div", &[output, &hundred], &[]))
            });
        }
        Kind::Negative if ends_in_logarithms(graph, output) => {
            return by_trial_of(graph, shapes, output, trial, |builder, _| {
                Ok(builder.emit("Exp", &[output], &[]))
            });
        }
        _ => {}
    }
    let (suffix, activation) = match kind {
        Kind::Exclusive => ("log-probability", Activation::Softmax),
        Kind::Percent | Kind::Negative => return Ok(None),
        Kind::Independent if !may_be_independent(graph, output) => return Ok(None),
        Kind::Independent => ("logit", Activation::Sigmoid),
        Kind::Logarithms => {
            return Ok(Some(Tail {
                value: output.into(),
                activation: Activation::Softmax,
                evidence: Evidence::Trial,
            }));
        }
    };
    // If the logarithms are wrong (a sum with a negative term), the logarithm of the output is computed directly.
    for depth in [MAX_OPERATORS, 0] {
        let (changed, value) = with_scores(graph, shapes, (output, suffix), activation, depth)?;
        if trial.agrees(&changed, &value, activation, &given) {
            *graph = changed;
            return Ok(Some(Tail {
                value,
                activation,
                evidence: Evidence::Trial,
            }));
        }
    }
    Ok(None)
}

/// As [`by_trial`], for a value of the same type that `make` emits from the output, for example a hundredth of it.
fn by_trial_of(
    graph: &mut Graph,
    shapes: &Types,
    output: &str,
    trial: &Trial,
    make: impl Fn(&mut Builder, ElementType) -> Result<String, Error>,
) -> Result<Option<Tail>, Error> {
    let known = shapes.get(output)?.clone();
    let mut builder = Builder::extend(graph.clone(), &format!("{INTERNAL_PREFIX}scores/"));
    let scores = make(&mut builder, known.elem)?;
    let mut shapes = shapes.clone();
    shapes.insert(&scores, known);
    let mut changed = builder.into_graph();
    let found = by_trial(&mut changed, &shapes, &scores, trial)?;
    if found.is_some() {
        *graph = changed;
    }
    Ok(found)
}

/// Whether the output is a hundred times something.
fn is_percentage(graph: &Graph, output: &str) -> bool {
    let mut value = output;
    while let Some(node) = producer(graph, value) {
        let is_hundred = |input: &String| is_filled_with(graph, input, 100.0);
        if node.is_op("Mul") && node.input.iter().any(is_hundred) {
            return true;
        }
        match node.input_at(0) {
            Some(input) if is_one_of(node, REARRANGING) => value = input,
            _ => return false,
        }
    }
    false
}

/// Whether the output may be logarithms of independent probabilities.
fn ends_in_logarithms(graph: &Graph, output: &str) -> bool {
    let is_logarithm = |node: &NodeProto| node.is_op("Log") || node.is_op("Softplus");
    reaches(graph, output, is_logarithm, |_| true)
}

/// The graph with scores of which the probabilities in `output` are the softmax or sigmoid, and their name: that of the
/// output and a suffix. Rewrites at most `depth` successive operators.
fn with_scores(
    graph: &Graph,
    shapes: &Types,
    (output, suffix): (&str, &str),
    activation: Activation,
    depth: usize,
) -> Result<(Graph, String), Error> {
    let mut builder = Builder::extend(graph.clone(), &format!("{INTERNAL_PREFIX}scores/"));
    let mut logarithms = Logarithms {
        builder: &mut builder,
        shapes,
        depth,
    };
    let scores = match activation {
        Activation::Sigmoid => {
            let [yes, no] = [logarithms.of(output)?, logarithms.of_complement(output)?];
            builder.emit("Sub", &[&yes, &no], &[])
        }
        _ => logarithms.of(output)?,
    };
    let value = builder.graph().free_name(&format!("{output}/{suffix}"));
    builder.emit_named(&value, "Identity", &[&scores], &[])?;
    Ok((builder.into_graph(), value))
}

fn producer<'a>(graph: &'a Graph, value: &str) -> Option<&'a NodeProto> {
    graph.producer(value).map(|index| &graph.nodes()[index])
}

/// Whether the input of a node has the same softmax as the output of the network. The softmax of log-probabilities are
/// the probabilities; the softmax of probabilities are not.
fn is_first_softmax(node: &NodeProto, activation: Option<Activation>) -> bool {
    match activation {
        None => node.is_op("Softmax") || node.is_op("LogSoftmax"),
        Some(Activation::Softmax) => node.is_op("LogSoftmax"),
        Some(_) => false,
    }
}

/// Whether a softmax of a value of these dimensions is over all elements of a picture.
fn is_over_classes(node: &NodeProto, dims: &[usize]) -> bool {
    let axis = resolve_index(node.int("axis").unwrap_or(-1), dims.len());
    axis.is_some_and(|axis| dims[axis] == dims.iter().product::<usize>())
}

/// Whether a node preserves the elements and their order; for probabilities also if it only keeps them off 0 and 1.
fn changes_nothing(graph: &Graph, shapes: &Types, node: &NodeProto, may_clip: bool) -> bool {
    let count = |value: &str| shapes.find(value).map(|known| known.count());
    let (Some(input), Some(output)) = (node.input_at(0), node.output.first()) else {
        return false;
    };
    if count(input).is_none() || count(input) != count(output) {
        return false;
    }
    let numbers = |index: usize| {
        let constant = graph.constant(node.input_at(index)?)?;
        constant.to_f32().ok().filter(|numbers| !numbers.is_empty())
    };
    let all = |index: usize, wanted: f32| {
        let input = node.input_at(index);
        input.is_some_and(|input| is_filled_with(graph, input, wanted))
    };
    match node.op_type.as_str() {
        "Mul" | "Div" => all(1, 1.0),
        "Add" | "Sub" => all(1, 0.0),
        "Clip" => {
            let bound = |index: usize, open: f32| numbers(index).map_or(open, |numbers| numbers[0]);
            let bounds = (bound(1, f32::NEG_INFINITY), bound(2, f32::INFINITY));
            may_clip && bounds.0 <= CLIPPED.0 && bounds.1 >= CLIPPED.1
        }
        op => REARRANGING.contains(&op),
    }
}
