//! Looks through what converters put around class scores: dictionaries (`ZipMap`), the names of the best classes (`ArgMax`,
//! `Hardmax`, and `LabelEncoder` or `ArrayFeatureExtractor`) and the best few scores (`TopK`). What goes in are the class scores, and
//! the labels are the classes' names.

use crate::onnx::proto::{AttributeProto, NodeProto, ValueInfoProto};
use crate::onnx::tensor::element_count;
use crate::onnx::types::untyped_value;
use crate::onnx::{ElementType, Error, Graph};

/// Most labels that are read. ImageNet-22k has 21,841.
const MAX_LABELS: usize = 1 << 17;

/// Operators that pass labels or indices on.
const PASSING: &[&str] = &[
    "Cast",
    "Flatten",
    "Identity",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
];

/// An output of a model and the class scores that it is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::model) struct ScoreSource {
    /// The output's name.
    pub output: String,
    /// The value that may be class scores: the output itself, or what a container holds.
    pub value: String,
    /// The operator of the container, if there is one.
    pub container: Option<String>,
    /// The names of the classes, in order, if the container holds them.
    pub labels: Option<Vec<String>>,
}

impl ScoreSource {
    /// Whether the output holds less than the class scores that it is made from.
    pub(super) fn is_reduced(&self) -> bool {
        self.container.as_deref().is_some_and(|op| op != "ZipMap")
    }
}

/// What each output of `graph` is made from.
pub(in crate::model) fn sources(graph: &Graph) -> Vec<ScoreSource> {
    let outputs = graph.outputs().iter();
    outputs.map(|output| source(graph, &output.name)).collect()
}

/// The graph without what its class scores do not need: containers, and, if an output is `wanted`, all that only other
/// outputs need. Its outputs are the contents of containers then, so that later passes need not know of dictionaries and
/// texts.
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

/// The node that puts class scores into a container, and the labels that it, or what follows it, has for them.
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
            // Scores of the best few that are scaled or shifted.
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

/// The only input of a node that is not constant.
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

/// The labels of a `ZipMap`: texts, or numbers other than 0, 1, …
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

/// The labels of a `LabelEncoder` from the numbers 0, 1, … to texts, in the order of the numbers.
fn encoded(node: &NodeProto) -> Option<Vec<String>> {
    let keys = &attribute(node, "keys_int64s")?.ints;
    let values = texts(&attribute(node, "values_strings")?.strings);
    let mut pairs: Vec<(i64, String)> = keys.iter().copied().zip(values).collect();
    pairs.sort_by_key(|(key, _)| *key);
    let counts = pairs.iter().zip(0..).all(|((key, _), index)| *key == index);
    let labels: Vec<String> = pairs.into_iter().map(|(_, label)| label).collect();
    (counts && !labels.is_empty()).then_some(labels)
}

/// A constant list of texts.
fn constant_labels(graph: &Graph, value: &str) -> Option<Vec<String>> {
    let constant = graph.constant(value)?;
    let is_list =
        ElementType::from_code(constant.data_type).is_none() && !constant.string_data.is_empty();
    let count = element_count(&constant.dims)?;
    (is_list && count == constant.string_data.len()).then(|| texts(&constant.string_data))
}
