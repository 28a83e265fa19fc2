//! Determines the class scores of a model, a value (N, classes) before its activation, and the activation.
//!
//! - `containers`: class scores behind dictionaries, labels and top scores
//! - `candidates`: selection of the output
//! - `mod@tail`: the activation at the end of the network
//! - `trial`: the kind of output for a few pictures
//! - `logarithm`: log-probabilities that replace probabilities
//!
//! Used by [`Network`](super::Network).

mod candidates;
mod containers;
mod logarithm;
mod tail;
mod trial;

use super::{Activation, Affine, Error, InputSize, ModelFile};
use crate::onnx::proto::{NodeProto, TensorProto};
use crate::onnx::{Builder, Graph, INTERNAL_PREFIX, Types, ValueType};
use crate::text::quoted;
use candidates::Candidate;
pub use tail::Evidence;
use tail::Tail;
use trial::Trial;

pub(in crate::model) use containers::{ScoreSource, sources};

/// Maximum number of classes. ImageNet-22k has 21,841.
const MAX_CLASSES: usize = 1 << 20;

/// The class scores of a network.
#[derive(Debug, Clone)]
pub struct ClassScores {
    /// Name of the value (N, classes), before the activation.
    pub value: String,
    /// The activation.
    pub activation: Activation,
    /// How the activation was determined.
    pub evidence: Evidence,
    /// The model output from which they were determined.
    pub output: String,
    /// Number of classes.
    pub classes: usize,
    /// Class names in the graph, in order.
    pub labels: Option<Vec<String>>,
    /// Messages about the choice; one line each, without the model's name.
    pub remarks: Vec<String>,
}

/// Information about a network besides its graph.
pub(super) struct Known<'a> {
    pub file: &'a ModelFile,
    pub sources: &'a [ScoreSource],
    /// Name of the image input.
    pub input: &'a str,
    pub size: InputSize,
    /// Scale and offset of each channel of the picture.
    pub affine: &'a [Affine],
    /// The activation of the output according to the card or the exporter.
    pub activation: Option<Activation>,
    /// Length of each list of class names.
    pub names: Vec<usize>,
}

/// The graph pruned to its class scores, see [`containers`].
///
/// # Errors
/// [`Error::Onnx`] if the graph is damaged.
pub(super) fn reduced(
    graph: Graph,
    sources: &[ScoreSource],
    file: &ModelFile,
) -> Result<Graph, Error> {
    Ok(containers::reduced(
        graph,
        sources,
        file.card.output.as_deref(),
    )?)
}

/// Why a network has no class scores.
type NoScores = String;

/// Finds the class scores: of the output that the card names; otherwise of the only output with as many classes as
/// there are names; otherwise of the first one with one element per class. Adds the necessary nodes to `graph` and
/// their types to `shapes`; `infer` infers the types of all values.
///
/// # Errors
/// [`Error::NoClassScores`] if the card names an output that does not exist or has no class scores, or if there are
/// more classes than [`MAX_CLASSES`]; [`Error::Onnx`] if the graph is damaged. `Ok(Err(why))` if no output is named and
/// none has class scores: such a network has layers, but no classes.
pub(super) fn find(
    graph: &mut Graph,
    shapes: &mut Types,
    known: &Known<'_>,
    infer: impl Fn(&Graph) -> Result<Types, Error>,
) -> Result<Result<ClassScores, NoScores>, Error> {
    let wanted = known.file.card.output.as_deref();
    let no_scores = |why: String| Error::NoClassScores {
        path: known.file.path.clone(),
        why,
    };
    let choice = candidates::choose(graph, shapes, known.sources, wanted, &known.names);
    let (chosen, mut remarks) = match choice {
        Ok(choice) => choice,
        Err(why) if wanted.is_some() => return Err(no_scores(why)),
        Err(why) => return Ok(Err(why)),
    };
    let Candidate { source, classes } = chosen;
    if classes > MAX_CLASSES {
        return Err(no_scores(format!(
            "{classes} classes are more than {MAX_CLASSES}"
        )));
    }
    let Tail {
        value,
        activation,
        evidence,
    } = tail(graph, shapes, &source.value, classes, known)?;
    let is_squashed = tail::is_squashed(graph, &source.value);
    remarks.extend(remark(
        (&source.output, classes, is_squashed),
        activation,
        evidence,
        known.activation,
    ));
    if shapes.find(&value).is_none() {
        *shapes = infer(graph)?;
    }
    let mut scores = ClassScores {
        value: flattened(graph, shapes, value, classes)?,
        activation,
        evidence,
        output: source.output.clone(),
        classes,
        labels: source.labels.clone(),
        remarks,
    };
    let labels = scores.labels.iter().map(Vec::len);
    let mut names = known.names.iter().copied().chain(labels);
    if classes == 1 && activation == Activation::Sigmoid && names.any(|count| count == 2) {
        scores.value = paired(graph, shapes, &scores.value)?;
        scores.classes = 2;
    }
    Ok(Ok(scores))
}

/// The value of the class scores, and its activation.
fn tail(
    graph: &mut Graph,
    shapes: &Types,
    output: &str,
    classes: usize,
    known: &Known<'_>,
) -> Result<Tail, Error> {
    if let Some(tail) = tail::by_operators(graph, shapes, output) {
        return Ok(tail);
    }
    if tail::may_be_bounded(graph, output) {
        let trial = Trial {
            input: known.input,
            size: known.size,
            affine: known.affine,
        };
        if let Some(tail) = tail::by_trial(graph, shapes, output, &trial)? {
            return Ok(tail);
        }
    }
    let (activation, evidence) = match known.activation {
        Some(activation) => (activation, Evidence::Description),
        // A softmax of one score is always 1.
        None if classes == 1 => (Activation::Sigmoid, Evidence::Assumption),
        None => (Activation::Softmax, Evidence::Assumption),
    };
    Ok(Tail {
        value: output.into(),
        activation,
        evidence,
    })
}

/// A message about the activation. `is_squashed`: the output is bounded.
fn remark(
    (output, classes, is_squashed): (&str, usize, bool),
    activation: Activation,
    evidence: Evidence,
    described: Option<Activation>,
) -> Option<String> {
    let output = quoted(output);
    match (evidence, described) {
        (Evidence::Operators | Evidence::Trial, Some(described)) if described != activation => {
            Some(format!(
                "the activation of {output} is described as {}, but the network ends with {}; using the latter",
                described.name(),
                activation.name(),
            ))
        }
        (Evidence::Assumption, _) if classes > 1 && is_squashed => Some(format!(
            "the meaning of the bounded numbers in {output} is unknown; assuming logits of a softmax (set activation = \"none\" in a card under [output] if they are not)"
        )),
        (Evidence::Assumption, _) if classes == 1 => Some(format!(
            "{output} is one number per picture, whose meaning is unknown; assuming the logit of one class (set activation = \"none\" in a card under [output] if it is not)"
        )),
        _ => None,
    }
}

/// The scores as (N, classes). Adds a node if they have other axes of size 1.
fn flattened(
    graph: &mut Graph,
    shapes: &mut Types,
    scores: String,
    classes: usize,
) -> Result<String, Error> {
    let ValueType { elem, dims } = shapes.get(&scores)?.clone();
    if dims == [1, classes] {
        return Ok(scores);
    }
    let flat = graph.free_name(&format!("{scores}/flat"));
    let node = if dims.len() < 2 {
        let to = graph.free_name(&format!("{flat}/dims"));
        graph.insert_constant(TensorProto::int_list(&to, &[-1, classes as i64]))?;
        NodeProto::new("Reshape", &[&scores, &to], &[&flat])
    } else {
        NodeProto::new("Flatten", &[&scores], &[&flat]).attr("axis", 1i64)
    };
    graph.insert_node(node)?;
    let dims = vec![1, classes];
    shapes.insert(flat.clone(), ValueType { elem, dims });
    Ok(flat)
}

/// The logits of two classes for a network that only computes that of the second: minus the logit, and the logit.
fn paired(graph: &mut Graph, shapes: &mut Types, logit: &str) -> Result<String, Error> {
    let elem = shapes.get(logit)?.elem;
    let mut builder = Builder::extend(graph.clone(), &format!("{INTERNAL_PREFIX}scores/"));
    let minus = builder.emit("Neg", &[logit], &[]);
    let value = builder.graph().free_name(&format!("{logit}/pair"));
    builder.emit_named(&value, "Concat", &[&minus, logit], &[("axis", 1i64.into())])?;
    *graph = builder.into_graph();
    for (name, count) in [(minus, 1), (value.clone(), 2)] {
        let dims = vec![1, count];
        shapes.insert(name, ValueType { elem, dims });
    }
    Ok(value)
}
