//! Finds class scores behind the containers of converters: dictionaries (`ZipMap`), labels of the predicted class
//! (`ArgMax`, `Hardmax`, and `LabelEncoder` or `ArrayFeatureExtractor`) and top scores (`TopK`). Their inputs are the
//! class scores, and their labels are the class names.

use crate::onnx::proto::{AttributeProto, NodeProto, ValueInfoProto};
use crate::onnx::tensor::element_count;
use crate::onnx::types::untyped_value;
use crate::onnx::{ElementType, Error, Graph};

/// Maximum number of labels. ImageNet-22k has 21,841 classes.
const MAX_LABELS: usize = 1 << 17;

/// Operators that pass labels or indices through.
const PASSING: &[&str] = &[
    "Cast",
    "Flatten",
    "Identity",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
];

/// An output of a model and the class scores from which it is computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::model) struct ScoreSource {
    /// The output's name.
    pub output: String,
    /// The value that may be class scores: the output, or the input of the container.
    pub value: String,
    /// The operator of the container; `None` without a container.
    pub container: Option<String>,
    /// The class names in order, if the container has them.
    pub labels: Option<Vec<String>>,
}

impl ScoreSource {
    /// Whether the output has less information than the class scores.
    pub(super) fn is_reduced(&self) -> bool {
        self.container.as_deref().is_some_and(|op| op != "ZipMap")
    }
}

/// The source of each output of `graph`.
pub(in crate::model) fn sources(graph: &Graph) -> Vec<ScoreSource> {
    let outputs = graph.outputs().iter();
    outputs.map(|output| source(graph, &output.name)).collect()
}

/// The graph pruned to its class scores: without containers and, if an output is `wanted`, without other outputs. The
/// inputs of containers become outputs, so that later passes see no dictionaries and strings.
///
/// # Errors
/// [`Error`] if the graph is damaged.
pub(super) fn reduced(
    graph: Graph,
    sources: &[ScoreSource],
    wanted: Option<&str>,
) -> Result<Graph, Error> {
    let is_wanted = |source: &&ScoreSource| {
        wanted.is_none_or(|wanted| wanted == source.output || wanted == source.value)
    };
    let kept: Vec<&ScoreSource> = sources.iter().filter(is_wanted).collect();
    let is_opened = kept.iter().any(|source| source.container.is_some());
    if kept.is_empty() || (kept.len() == sources.len() && !is_opened) {
        return Ok(graph);
    }
    let mut outputs: Vec<ValueInfoProto> = Vec::new();
    for source in kept {
        let declared = graph
            .outputs()
            .iter()
            .find(|output| output.name == source.value);
        if outputs.iter().all(|output| output.name != source.value) {
            outputs.push(
                declared
                    .cloned()
                    .unwrap_or_else(|| untyped_value(&source.value)),
            );
        }
    }
    Graph::new(graph.to_model(&outputs)?)
}

fn source(graph: &Graph, output: &str) -> ScoreSource {
    let plain = || ScoreSource {
        output: output.into(),
        value: output.into(),
        container: None,
        labels: None,
    };
    let Some((node, labels)) = container(graph, output) else {
        return plain();
    };
    let Some(value) = node.input_at(0) else {
        return plain();
    };
    ScoreSource {
        output: output.into(),
        value: value.into(),
        container: Some(node.op_type.clone()),
        labels,
    }
}

/// The node that puts class scores into a container, and the labels of it or of its consumers.
fn container<'a>(graph: &'a Graph, output: &str) -> Option<(&'a NodeProto, Option<Vec<String>>)> {
    let mut labels = None;
    let mut value = output;
    loop {
        let node = &graph.nodes()[graph.producer(value)?];
        match node.op_type.as_str() {
            "ZipMap" => return Some((node, class_labels(node))),
            "TopK" | "ArgMax" | "Hardmax" => return Some((node, labels)),
            "Gather" if constant_labels(graph, node.input_at(0)?).is_some() => {
                labels = constant_labels(graph, node.input_at(0)?);
                value = node.input_at(1)?;
            }
            // Top scores that are scaled or shifted.
            "Mul" | "Div" | "Add" | "Sub" => value = only_moving(graph, node)?,
            "LabelEncoder" => {
                labels = encoded(node);
                value = node.input_at(0)?;
            }
            "ArrayFeatureExtractor" => {
                labels = constant_labels(graph, node.input_at(0)?);
                value = node.input_at(1)?;
            }
            op if PASSING.contains(&op) => value = node.input_at(0)?,
            _ => return None,
        }
    }
}

/// The only non-constant input of a node.
fn only_moving<'a>(graph: &Graph, node: &'a NodeProto) -> Option<&'a str> {
    let mut moving = node
        .input
        .iter()
        .filter(|input| graph.constant(input).is_none());
    moving
        .next()
        .filter(|_| moving.next().is_none())
        .map(String::as_str)
}

fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|entry| entry.name == name)
}

fn texts(bytes: &[bytes::Bytes]) -> Vec<String> {
    let text = |bytes: &bytes::Bytes| String::from_utf8_lossy(bytes).into_owned();
    bytes.iter().take(MAX_LABELS).map(text).collect()
}

/// The labels of a `ZipMap`: strings, or numbers other than 0, 1, …
fn class_labels(node: &NodeProto) -> Option<Vec<String>> {
    let strings = attribute(node, "classlabels_strings").map(|entry| texts(&entry.strings));
    if let Some(labels) = strings.filter(|labels| !labels.is_empty()) {
        return Some(labels);
    }
    let numbers = &attribute(node, "classlabels_int64s")?.ints;
    let counts = numbers
        .iter()
        .zip(0..)
        .all(|(number, index)| *number == index);
    let labels = numbers.iter().take(MAX_LABELS).map(i64::to_string);
    (!counts).then(|| labels.collect())
}

/// The labels of a `LabelEncoder` from the numbers 0, 1, … to strings, in order.
fn encoded(node: &NodeProto) -> Option<Vec<String>> {
    let keys = &attribute(node, "keys_int64s")?.ints;
    let values = texts(&attribute(node, "values_strings")?.strings);
    let mut pairs: Vec<(i64, String)> = keys.iter().copied().zip(values).collect();
    pairs.sort_by_key(|(key, _)| *key);
    let counts = pairs.iter().zip(0..).all(|((key, _), index)| *key == index);
    let labels: Vec<String> = pairs.into_iter().map(|(_, label)| label).collect();
    (counts && !labels.is_empty()).then_some(labels)
}

/// A constant list of strings.
fn constant_labels(graph: &Graph, value: &str) -> Option<Vec<String>> {
    let constant = graph.constant(value)?;
    let is_list =
        ElementType::from_code(constant.data_type).is_none() && !constant.string_data.is_empty();
    let count = element_count(&constant.dims)?;
    (is_list && count == constant.string_data.len()).then(|| texts(&constant.string_data))
}
