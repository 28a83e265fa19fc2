//! What a network does to its class scores at its end: which function makes probabilities of them, and which value goes
//! into it. An ascent climbs that value, for a probability that rounds to 0 or 1 has no gradient.
//!
//! A `Softmax` or `Sigmoid` at the end, with nothing of consequence behind it, is recognised by the operators alone.
//! Where other operators may make probabilities (powers and a quotient, the mean of two heads, `1 - p` beside `p`), the
//! network is run on a few pictures: rows that are never negative and sum to 1 are probabilities of exclusive classes.
//! Their logarithms then take the place of the scores, see [`logarithm`](super::logarithm); the same run shows whether
//! these are right.

use super::logarithm::{Logarithms, is_filled_with};
use super::trial::{Kind, Trial};
use crate::model::Activation;
use crate::onnx::proto::NodeProto;
use crate::onnx::{Builder, ElementType, Error, Graph, INTERNAL_PREFIX, Types};

/// Operators that leave the order of the elements and their values as they are.
const REARRANGING: &[&str] = &[
    "Cast",
    "Dropout",
    "Flatten",
    "Identity",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
];

/// Operators that mix what goes in with learned weights: what they give is a score, not a probability.
const MIXING: &[&str] = &["Conv", "ConvTranspose", "Einsum", "Gemm", "MatMul"];

/// Operators that probabilities may come from.
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

/// Operators whose results lie between two bounds whatever goes in. Independent probabilities come from these alone.
const SQUASHING: &[&str] = &[
    "Erf",
    "Exp",
    "HardSigmoid",
    "Sigmoid",
    "Softmax",
    "Softsign",
    "Tanh",
];

/// Operators that make bounded numbers of bounded ones.
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

/// How many operators are followed, one behind the other.
const MAX_DEPTH: usize = 16;

/// How many operators are looked at, from the end.
const MAX_OPERATORS: usize = 64;

/// The least and the largest probability that a `Clip` may leave.
const CLIPPED: (f32, f32) = (1e-3, 1.0 - 1e-3);

/// How the activation at the end of a network was determined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// Its operators are a softmax or a sigmoid.
    Operators,
    /// What it gave for a few pictures.
    Trial,
    /// The card or the exporter says it.
    Description,
    /// Nothing; it is assumed.
    Assumption,
}

/// The scores of a network before its activation, and that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tail {
    /// The value that is climbed, of as many elements per picture as there are classes.
    pub value: String,
    pub activation: Activation,
    pub evidence: Evidence,
}

/// Looks for a softmax over the classes, or a sigmoid of each, behind which there are only operators that change nothing.
/// The scores are its input; an earlier value, if only rearranging lies between and it is of the same dimensions.
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

/// Whether the operators at the end may make probabilities in a way that [`by_operators`] does not recognise.
pub(super) fn may_be_bounded(graph: &Graph, output: &str) -> bool {
    reaches(
        graph,
        output,
        |node| is_one_of(node, BOUNDED) || is_one_of(node, SQUASHING),
        |_| true,
    )
}

/// Whether the output may be a probability of its own for each class. A gate (`x · σ(y)`) makes none, a product of
/// probabilities does.
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

/// Whether a function that keeps numbers between bounds lies behind all learned weights.
pub(super) fn is_squashed(graph: &Graph, output: &str) -> bool {
    let squashes = |node: &NodeProto| is_one_of(node, SQUASHING) || node.is_op("Hardmax");
    reaches(graph, output, squashes, |_| true)
}

/// Whether a value lies between two bounds, whatever goes into the network.
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

/// Whether a node that is `wanted` lies before `output`, behind all learned weights, and only nodes that `pass` between.
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

/// Replaces probabilities that the network gives by scores of which they are the softmax or the sigmoid, if `trial` shows
/// that it gives any. The nodes that are needed are added to `graph`.
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
    // Where the logarithms are wrong (a sum of which a term is negative), that of the output itself is taken.
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

/// As [`by_trial`], of a value that `make` emits from the output: of the same type, such as a hundredth of it.
fn by_trial_of(
    graph: &mut Graph,
    shapes: &Types,
    output: &str,
    trial: &Trial,
    make: impl Fn(&mut Builder, ElementType) -> Result<String, Error>,
) -> Result<Option<Tail>, Error> {
    let known = shapes.get(output)?.clone();
    let mut builder = Builder::extend(graph.clone(), &format!("{INTERNAL_PREFIX}scores/"));
    let made = make(&mut builder, known.elem)?;
    let mut shapes = shapes.clone();
    shapes.insert(&made, known);
    let mut changed = builder.into_graph();
    let found = by_trial(&mut changed, &shapes, &made, trial)?;
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

/// The graph with scores of which the probabilities in `output` are the softmax or the sigmoid, and their name: that of the
/// output and a suffix. At most `depth` operators are followed backwards.
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
    let value = fresh(builder.graph(), &format!("{output}/{suffix}"));
    builder.emit_named(&value, "Identity", &[&scores], &[])?;
    Ok((builder.into_graph(), value))
}

/// A name that no value of `graph` has.
pub(super) fn fresh(graph: &Graph, name: &str) -> String {
    let mut fresh = name.to_string();
    while graph.contains(&fresh) {
        fresh.push('_');
    }
    fresh
}

fn producer<'a>(graph: &'a Graph, value: &str) -> Option<&'a NodeProto> {
    graph.producer(value).map(|index| &graph.nodes()[index])
}

/// Whether what goes into a node has the same softmax as what the network gives. The softmax of logarithms of
/// probabilities are these probabilities; that of probabilities is something else.
fn is_first_softmax(node: &NodeProto, activation: Option<Activation>) -> bool {
    match activation {
        None => node.is_op("Softmax") || node.is_op("LogSoftmax"),
        Some(Activation::Softmax) => node.is_op("LogSoftmax"),
        Some(_) => false,
    }
}

/// Whether a softmax of a value of these dimensions is over all of a picture's numbers.
fn is_over_classes(node: &NodeProto, dims: &[usize]) -> bool {
    let axis = node.int("axis").unwrap_or(-1);
    let axis = if axis < 0 {
        axis + dims.len() as i64
    } else {
        axis
    };
    let extent = usize::try_from(axis).ok().and_then(|axis| dims.get(axis));
    extent == Some(&dims.iter().product())
}

/// Whether a node gives what goes in, in the same order; of probabilities also if it only keeps them off 0 and 1.
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
