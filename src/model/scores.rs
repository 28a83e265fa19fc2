//! Where a model gives its class scores: as (N, classes), before any softmax.

use super::{Error, ModelFile};
use crate::onnx::proto::NodeProto;
use crate::onnx::{Attribute, Graph, Shapes, ValueType, control, printable};

/// Most classes: every one has a name and a row on the screen. ImageNet-22k has 21,841.
const MOST: usize = 1 << 20;

/// Operators that leave the order of the elements as it is.
const REARRANGING: &[&str] = &["Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"];

/// How class scores become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Head {
    /// One class per picture: softmax.
    #[default]
    Softmax,
    /// Any number of classes per picture, each with a probability of its own: sigmoid.
    Sigmoid,
}

impl Head {
    /// The probability of every class from the class scores, in double precision. They are not finite where the scores
    /// are not.
    pub fn probabilities(self, scores: impl Iterator<Item = f32> + Clone) -> Vec<f32> {
        match self {
            Self::Softmax => {
                let largest = scores.clone().fold(f32::NEG_INFINITY, f32::max);
                let powers: Vec<f64> = scores
                    .map(|score| f64::from(score - largest).exp())
                    .collect();
                let total: f64 = powers.iter().sum();
                powers.iter().map(|power| (power / total) as f32).collect()
            }
            Self::Sigmoid => scores
                .map(|score| (1.0 / (1.0 + f64::from(-score).exp())) as f32)
                .collect(),
        }
    }
}

/// The class scores of a graph.
pub struct ClassScores {
    /// Name of the value (N, classes), before the function that makes probabilities of it.
    pub value: String,
    pub classes: usize,
    pub head: Head,
}

/// The class scores: those of the output that the card names, or of the first one of
/// dimensions (1, classes), or else (1, classes, 1, …). Scores of the latter kind are flattened by a node that is added.
///
/// # Errors
/// [`Error::NoClassScores`] if no output is like that, or there are more than [`MOST`].
pub fn class_scores(
    graph: &mut Graph,
    shapes: &mut Shapes,
    file: &ModelFile,
) -> Result<ClassScores, Error> {
    let wanted = file.card.output.as_deref();
    let classes = |name: &str, most: usize| match shapes.find(name)?.dims.as_slice() {
        [1, classes, rest @ ..] if *classes > 0 && rest.len() <= most => {
            rest.iter().all(|&dim| dim == 1).then_some(*classes)
        }
        _ => None,
    };
    let outputs = graph.outputs().iter().map(|output| output.name.as_str());
    let outputs: Vec<&str> = outputs
        .filter(|name| wanted.is_none_or(|wanted| wanted == *name))
        .collect();
    let find = |most| {
        let mut found = outputs
            .iter()
            .filter_map(|name| Some((*name, classes(name, most)?)));
        found.next()
    };
    let no_scores = |why: String| Error::NoClassScores {
        path: file.path.clone(),
        why,
    };
    let (output, count) = find(0).or_else(|| find(usize::MAX)).ok_or_else(|| {
        let which = wanted.map_or("none of its outputs".into(), printable);
        let blocked = outputs
            .iter()
            .find_map(|name| obstacle(graph, shapes, name));
        let why = blocked.map_or(String::new(), |why| format!(": {why}"));
        no_scores(format!("{which} has dimensions (1, classes){why}"))
    })?;
    if count > MOST {
        return Err(no_scores(format!("{count} classes are more than {MOST}")));
    }
    let (value, head) = before_probabilities(graph, shapes, output);
    let mut value = value.to_owned();
    if classes(&value, 0) != Some(count) {
        value = flattened(graph, shapes, &value, count)?;
    }
    Ok(ClassScores {
        value,
        classes: count,
        head,
    })
}

/// What keeps the dimensions of `output` from being known, or from being right: control flow that is not decided, of whose
/// results ONNX Runtime may tell no number of axes and so none; else the first node of unknown results.
fn obstacle(graph: &Graph, shapes: &Shapes, output: &str) -> Option<String> {
    let refusals = control::Refusals::of(graph, shapes);
    let is_known = |name: &String| name.is_empty() || shapes.find(name).is_some();
    let nodes = graph.nodes().iter().zip(graph.needed_for([output]));
    let needed: Vec<&NodeProto> = nodes
        .filter_map(|(node, needed)| needed.then_some(node))
        .collect();
    let undecided = needed
        .iter()
        .find_map(|node| Some((*node, refusals.find(node)?)));
    let (node, why) = match undecided {
        Some((node, why)) => (node, format!(": {why}")),
        None => {
            let mut unknown = needed
                .iter()
                .filter(|node| !node.output.iter().all(is_known));
            (*unknown.next()?, String::new())
        }
    };
    Some(format!(
        "the dimensions of {} are not known before the model runs, because of node {} ({}){why}",
        printable(output),
        node.title(),
        printable(&node.op_type),
    ))
}

/// The value that goes into a softmax over the classes, or a sigmoid of each, at the end, if there is one; earlier, if only
/// rearranging lies between and it is of the same dimensions.
fn before_probabilities<'a>(graph: &'a Graph, shapes: &Shapes, output: &'a str) -> (&'a str, Head) {
    let dims = |value: &str| shapes.find(value).map(|known| known.dims.as_slice());
    let count = |value: &str| Some(dims(value)?.iter().product::<usize>());
    let (mut scores, mut value, mut found) = (output, output, None);
    while let Some(node) = graph.producer(value).map(|index| &graph.nodes()[index]) {
        let Some(input) = node.input_at(0) else { break };
        if found.is_none() && node.is("Sigmoid") {
            (scores, found) = (input, Some(Head::Sigmoid));
        } else if found != Some(Head::Sigmoid) && is_softmax(node) {
            let axis = node.int("axis").unwrap_or(-1);
            let over = dims(input).and_then(|dims| {
                let axis = if axis < 0 {
                    axis + dims.len() as i64
                } else {
                    axis
                };
                dims.get(usize::try_from(axis).ok()?).copied()
            });
            if over.is_none() || over != count(input) {
                break;
            }
            (scores, found) = (input, Some(Head::Softmax));
        } else if !REARRANGING.iter().any(|op| node.is(op)) || count(input) != count(value) {
            break;
        } else if found.is_some() && dims(input) == dims(scores) {
            scores = input;
        }
        value = input;
    }
    (scores, found.unwrap_or_default())
}

fn is_softmax(node: &NodeProto) -> bool {
    node.is("Softmax") || node.is("LogSoftmax")
}

/// Adds a node that makes scores of dimensions (N, classes, 1, …) two-dimensional.
fn flattened(
    graph: &mut Graph,
    shapes: &mut Shapes,
    scores: &str,
    count: usize,
) -> Result<String, Error> {
    let mut flat = format!("{scores}/flat");
    while graph.contains(&flat) {
        flat.push('_');
    }
    graph.insert_node(NodeProto {
        op_type: "Flatten".into(),
        input: vec![scores.into()],
        output: vec![flat.clone()],
        attribute: vec![Attribute::Int(1).named("axis")],
        ..Default::default()
    })?;
    let elem = shapes.get(scores)?.elem;
    let dims = vec![1, count];
    shapes.insert(flat.clone(), ValueType { elem, dims });
    Ok(flat)
}
