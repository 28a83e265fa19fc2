//! A model summary for bug reports: contents of the file, its interpretation, and operators that block gradients.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use super::axis_order::AxisOrder;
use super::class_scores::Evidence;
use super::metadata::ExporterMetadata;
use super::passes::LeftOut;
use super::{Activation, Card, Error, ModelFile, Network, Origin, Preprocessing, image_input};
use crate::autodiff::differentiability::{Differentiability, SkipReasons};
use crate::autodiff::rules;
use crate::onnx::graph::declared_dims;
use crate::onnx::node::canonical_domain;
use crate::onnx::proto::{Dim, GraphProto, ModelProto, NodeProto, ValueInfoProto};
use crate::onnx::{ElementType, file};
use crate::runtime::{Library, Provider, Session, SessionOptions};

/// Maximum number of listed nodes without a gradient rule.
const LISTED: usize = 20;

/// Number of listed class names.
const NAMED: usize = 4;

/// The summary of a model. Texts of the file are unchanged, including control characters.
#[derive(Debug, Serialize)]
pub struct ModelSummary {
    pub name: String,
    pub path: String,
    /// Size of the file.
    pub bytes: u64,
    /// Size of the constants, including external data.
    pub weight_bytes: u64,
    pub producer: String,
    pub ir_version: i64,
    pub opsets: Vec<Opset>,
    /// Number of functions in the file.
    pub functions: usize,
    pub inputs: Vec<Value>,
    pub outputs: Vec<Value>,
    /// Number of nodes of the main graph per operator.
    pub operators: BTreeMap<String, usize>,
    /// Why ONNX Runtime rejects the unchanged file; `None` if it accepts it.
    pub refused: Option<String>,
    /// Why the model cannot be visualised; `None` if it can.
    pub why: Option<String>,
    #[serde(flatten)]
    pub network: Option<NetworkSummary>,
}

/// An imported operator set.
#[derive(Debug, Serialize)]
pub struct Opset {
    pub domain: String,
    pub version: i64,
}

/// An input or output as the file declares it.
#[derive(Debug, Serialize)]
pub struct Value {
    pub name: String,
    /// The element type, for example `float32`, or its ONNX code.
    pub element: Option<String>,
    /// Sizes, or names of dynamic dimensions; `?` without a name.
    pub dims: Option<Vec<String>>,
    /// `NCHW` or `NHWC`, if it can be an image.
    pub layout: Option<&'static str>,
}

/// The opened network.
#[derive(Debug, Serialize)]
pub struct NetworkSummary {
    /// Content hash of the file and its weights.
    pub hash: String,
    /// Dimensions of the image input (1, channels, height, width).
    pub input: [usize; 4],
    pub classes: usize,
    /// The class scores and their activation; `None` if there are none.
    pub scores: Option<Scored>,
    /// Why there are no class scores.
    pub no_scores: Option<String>,
    /// The first class names.
    pub class_names: Vec<String>,
    /// The origin of the class names.
    pub classes_origin: Origin,
    pub classes_source: String,
    /// The stated activation of the scores, if any, and its source; the one in use is in `scores`.
    pub activation: Option<Activation>,
    pub activation_source: Option<String>,
    pub batchable: bool,
    /// Passes that were skipped because ONNX Runtime rejects their result.
    pub left_out: Vec<LeftOut>,
    pub preprocessing: Preprocessing,
    /// The origin of height and width.
    pub size_origin: Origin,
    pub size_source: String,
    /// The origin of the preprocessing.
    pub preprocessing_origin: Origin,
    pub preprocessing_source: String,
    /// The model-input values of black and white, per channel.
    pub black_and_white: Vec<(f32, f32)>,
    /// Number of layers, and how many of them are differentiable.
    pub layers: usize,
    pub differentiable: usize,
    /// Layers whose channels have several elements without known positions.
    pub unplaced: Vec<String>,
    /// The last differentiable layer.
    pub last: Option<String>,
    /// Number of nodes between the image and the scores per operator, after decomposition and constant folding.
    pub path: BTreeMap<String, usize>,
    /// The first of these nodes that block gradients.
    pub blocks: Vec<Block>,
    /// Number of these nodes that block gradients.
    pub blocked: usize,
}

/// The class scores of a network.
#[derive(Debug, Serialize)]
pub struct Scored {
    /// The output from which they were determined.
    pub output: String,
    /// The value of the class scores.
    pub value: String,
    /// `softmax`, `sigmoid` or `none`.
    pub activation: &'static str,
    /// How that was determined.
    pub evidence: Evidence,
}

/// A node that blocks gradients.
#[derive(Debug, Serialize)]
pub struct Block {
    pub node: String,
    pub op: String,
    pub opset: i64,
    /// The unsupported property; `None` if the operator has no rule.
    pub why: Option<String>,
}

impl ModelSummary {
    /// Summarizes a model file. Problems of a readable model are part of the summary.
    ///
    /// # Errors
    /// [`Error::Onnx`] if the file or one of its weights cannot be read.
    pub fn new(file: &ModelFile) -> Result<Self, Error> {
        let model = file::read(&file.path)?;
        let bytes = std::fs::metadata(&file.path).map_err(Error::file(&file.path))?;
        let mut report = Self::declared(file, &model, bytes.len());
        if let Err(problem) = Library::loaded() {
            report.refused = Some(problem.to_string());
            report.why = Some("ONNX Runtime is not installed: run `ziggurat setup`".into());
            return Ok(report);
        }
        let network = Network::open(file);
        let opened = match &network {
            // This file would crash ONNX Runtime.
            Err(problem) if problem.is_fatal() => Err(problem.to_string()),
            _ => Session::open_model(&model, Provider::Cpu, &SessionOptions::default())
                .map_err(|problem| problem.to_string()),
        };
        report.refused = opened.err();
        match network {
            Ok(network) => {
                let hints = ExporterMetadata::from_model(&model, &file.path);
                report.network = Some(NetworkSummary::new(&network, &file.card, &hints));
            }
            Err(problem) => report.why = Some(problem.to_string()),
        }
        Ok(report)
    }

    /// The contents of the file.
    fn declared(file: &ModelFile, model: &ModelProto, bytes: u64) -> Self {
        let empty = GraphProto::default();
        let graph = model.graph.as_ref().unwrap_or(&empty);
        let constants = graph.initializer.iter().map(prost::Message::encoded_len);
        let opset = |import: &crate::onnx::proto::OperatorSetIdProto| Opset {
            domain: match canonical_domain(&import.domain) {
                "" => "ai.onnx".into(),
                domain => domain.into(),
            },
            version: import.version,
        };
        let stored: HashSet<&str> = graph
            .initializer
            .iter()
            .map(|constant| constant.name.as_str())
            .collect();
        let inputs = graph
            .input
            .iter()
            .filter(|input| !stored.contains(input.name.as_str()));
        Self {
            name: file.name.clone(),
            path: file.path.display().to_string(),
            bytes,
            weight_bytes: constants.map(|size| size as u64).sum(),
            producer: format!("{} {}", model.producer_name, model.producer_version)
                .trim()
                .into(),
            ir_version: model.ir_version,
            opsets: model.opset_import.iter().map(opset).collect(),
            functions: model.functions.len(),
            inputs: inputs.map(value).collect(),
            outputs: graph.output.iter().map(value).collect(),
            operators: counted(&graph.node),
            refused: None,
            why: None,
            network: None,
        }
    }
}

impl NetworkSummary {
    fn new(network: &Network, card: &Card, hints: &ExporterMetadata) -> Self {
        let activation = match (card.activation, &hints.activation) {
            (Some(known), _) => Some((known, source(Origin::Card, None))),
            (None, Some(hint)) => Some((hint.value, hint.source.clone())),
            (None, None) => None,
        };
        let (activation, activation_source) = activation.unzip();
        let count = network.classes.len();
        let named = hints.classes(count).map(|hint| hint.source);
        let sized = hints.size.as_ref().map(|hint| hint.source.clone());
        let names = network.classes.iter().take(NAMED);
        let layers = network.layers();
        let reached = || {
            layers
                .iter()
                .filter(|layer| layer.differentiability == Differentiability::Differentiable)
        };
        let graph = &network.graph;
        let dependent = graph.descendants([network.input.as_str()]);
        // Without class scores, all layers count.
        let ends: Vec<&str> = match network.logits() {
            Some(logits) => vec![logits],
            None => layers.iter().map(|layer| layer.name.as_str()).collect(),
        };
        let needed = graph.ancestors(ends);
        let on_path = graph.nodes().iter().zip(needed).filter(|(node, needed)| {
            *needed
                && node
                    .output
                    .iter()
                    .any(|output| dependent.contains(output.as_str()))
        });
        let on_path: Vec<&NodeProto> = on_path.map(|(node, _)| node).collect();
        let blocked = on_path
            .iter()
            .filter(|node| !rules::is_supported(node) && !rules::has_zero_gradient(node));
        let blocked: Vec<&&NodeProto> = blocked.collect();
        let refusals = SkipReasons::new(graph, &network.shapes);
        let block = |node: &&&NodeProto| Block {
            node: node.display_name(),
            op: title(node),
            opset: graph.opset(),
            why: refusals.find(node),
        };
        Self {
            hash: network.hash.clone(),
            input: network.input_dims(1),
            scores: network.scores.as_ref().ok().map(|scores| Scored {
                output: scores.output.clone(),
                value: scores.value.clone(),
                activation: scores.activation.name(),
                evidence: scores.evidence,
            }),
            no_scores: network.scores.as_ref().err().cloned(),
            classes: count,
            class_names: names.map(|(_, name)| name.to_owned()).collect(),
            classes_origin: network.classes_origin,
            classes_source: source(network.classes_origin, named),
            activation,
            activation_source,
            batchable: network.batchable,
            left_out: network.left_out.clone(),
            preprocessing: network.preprocessing,
            size_origin: network.size_origin,
            size_source: source(network.size_origin, sized),
            preprocessing_origin: network.preprocessing_origin,
            preprocessing_source: prepared(network.preprocessing_origin, hints),
            black_and_white: network.affine().iter().map(|each| each.range()).collect(),
            layers: layers.len(),
            differentiable: reached().count(),
            unplaced: reached()
                .filter(|layer| layer.is_activation && layer.layout.is_non_spatial())
                .map(|layer| layer.name.clone())
                .collect(),
            last: reached().next_back().map(|layer| layer.name.clone()),
            path: counted(on_path.iter().copied()),
            blocks: blocked.iter().take(LISTED).map(block).collect(),
            blocked: blocked.len(),
        }
    }
}

/// The source of an assumption, in reports.
pub const ASSUMED: &str = "nobody";

/// The source of a fact about a model, in words.
fn source(origin: Origin, stated: Option<String>) -> String {
    match origin {
        Origin::Card => "its card".into(),
        Origin::Exporter => stated.unwrap_or_else(|| "its exporter".into()),
        Origin::Network => "the network itself".into(),
        Origin::Assumed => ASSUMED.into(),
    }
}

/// The sources of the preprocessing: values and channel order may come from different ones.
fn prepared(origin: Origin, hints: &ExporterMetadata) -> String {
    let values = hints.range.as_ref().or(hints.preprocessing.as_ref());
    let values = source(origin, values.map(|hint| hint.source.clone()));
    match (&hints.order, origin) {
        (Some(order), Origin::Exporter | Origin::Network | Origin::Assumed) => {
            format!("{values}, order of colours {}", order.source)
        }
        _ => values,
    }
}

fn counted<'a>(nodes: impl IntoIterator<Item = &'a NodeProto>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for node in nodes {
        *counts.entry(title(node)).or_default() += 1;
    }
    counts
}

/// An operator with its domain, unless that is the standard one.
fn title(node: &NodeProto) -> String {
    match node.op_key() {
        ("", op) => op.into(),
        (domain, op) => format!("{domain}.{op}"),
    }
}

fn value(value: &ValueInfoProto) -> Value {
    let declared = declared_dims(value);
    let element = declared
        .as_ref()
        .map(|(code, _)| match ElementType::from_code(*code) {
            Some(elem) => elem.name().into(),
            None => format!("type {code}"),
        });
    let size = |dim: &Option<Dim>| match dim {
        Some(Dim::DimValue(size)) => size.to_string(),
        Some(Dim::DimParam(name)) if !name.is_empty() => name.clone(),
        _ => "?".into(),
    };
    Value {
        name: value.name.clone(),
        element,
        dims: declared.map(|(_, dims)| dims.iter().map(size).collect()),
        layout: image_input::axis_order(value).map(AxisOrder::name),
    }
}
