//! An opened classifier: its normalized graph, image input, class scores, and layers.

use super::class_scores::{self, ClassScores, Evidence, Known};
use super::fused_ops::FusedOps;
use super::image_input::ImageInput;
use super::input_scaling::InputScaling;
use super::interface::Interface;
use super::layers::Layer;
use super::layout::{Layout, LayoutMap};
use super::metadata::{self, Choices, ExporterMetadata, Record};
use super::passes::{self, LeftOut};
use super::receptive_field::{self, ReceptiveField};
use super::{
    Activation, Affine, Classes, Error, ImageSize, InputSize, ModelFile, Origin, Preprocessing,
};
use crate::onnx::declared_interface::DeclaredInterface;
use crate::onnx::passes::Passes;
use crate::onnx::proto::ModelProto;
use crate::onnx::{ElementType, Graph, Types, file};
use crate::runtime::{Provider, Session, SessionOptions};
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};

/// A classifier, ready to be differentiated. Needs ONNX Runtime to be loaded.
#[derive(Debug, Clone)]
pub struct Network {
    /// Its display name.
    pub name: String,
    /// Hash of everything that determines its output for a picture: the file, its weights, the image input and its
    /// size, the preprocessing, and the values of other inputs. 64 hexadecimal digits.
    pub hash: String,
    /// The graph at opset 18 or newer, with constants folded.
    pub graph: Graph,
    /// Name of the image input, (N, channels, height, width).
    pub input: String,
    pub size: InputSize,
    /// The origin of height and width.
    pub size_origin: Origin,
    pub preprocessing: Preprocessing,
    /// The origin of the preprocessing.
    pub preprocessing_origin: Origin,
    /// The class scores, or why the model has none: a backbone or a detector only has layers.
    pub scores: Result<ClassScores, String>,
    /// The class names; numbers if there are none. Empty without class scores.
    pub classes: Classes,
    /// The origin of the class names.
    pub classes_origin: Origin,
    /// Whether N is dynamic; otherwise it is 1.
    pub batchable: bool,
    /// Types of all values for N = 1.
    pub shapes: Types,
    /// The layouts of values.
    pub grids: LayoutMap,
    /// The inputs and outputs of the file.
    pub interface: Interface,
    /// The inputs and outputs that the card chooses.
    choices: Choices,
    /// Ignored metadata; one line each.
    remarks: Vec<String>,
    /// The fused operators of the file, which the graph has decomposed.
    pub(super) fused_ops: FusedOps,
    /// Passes that were skipped because ONNX Runtime rejects their result.
    pub left_out: Vec<LeftOut>,
}

impl Network {
    /// Opens a model file.
    ///
    /// # Errors
    /// [`Error::Onnx`] if the file is not a valid model, [`Error::NoImageInput`] if it has no image input,
    /// [`Error::NoClassScores`] if the card names an output without class scores, [`Error::AssumedSize`] if it does not
    /// work with the assumed image size, [`Error::Classes`] if the number of the card's class names is wrong.
    pub fn open(file: &ModelFile) -> Result<Self, Error> {
        let model = file::read(&file.path)?;
        // Passes consume the model, so every further attempt reads it again.
        let first = Cell::new(Some(model));
        let again = || first.take().map_or_else(|| file::read(&file.path), Ok);
        let attempt = |passes: Passes| Self::with_passes(file, again()?, passes);
        let opens = || {
            let options = SessionOptions::default();
            again().is_ok_and(|model| Session::open_model(&model, Provider::Cpu, &options).is_ok())
        };
        let (network, left_out) = passes::fewest_left_out(attempt, opens)?;
        Ok(Self {
            left_out,
            ..network
        })
    }

    /// The network of a file after `passes`.
    fn with_passes(file: &ModelFile, model: ModelProto, passes: Passes) -> Result<Self, Error> {
        let hints = ExporterMetadata::from_model(&model, &file.path);
        let file = &*hints.choices.complete(file);
        let declared = DeclaredInterface::from_model(&model);
        let full = passes.normalize(model)?;
        let content = content_hash(file, &full)?;
        let sources = class_scores::sources(&full);
        let graph = class_scores::reduced(full.clone(), &sources, file)?;
        let size = hints.size.as_ref().map(|hint| hint.value);
        let picture = ImageInput::find(&graph, file, size)?;
        let (size, size_origin) = (picture.size, picture.size_origin);
        let parts = Parts {
            content,
            declared,
            full: &full,
            reduced: &graph,
            sources: &sources,
        };
        Self::assemble(file, parts, picture, hints, passes).map_err(|problem| {
            let is_of_size = matches!(problem, Error::Runtime(_) | Error::NoClassScores { .. });
            match ImageSize::try_from([size.height, size.width]) {
                Ok(sides) if is_of_size && size_origin == Origin::Assumed => Error::AssumedSize {
                    sides,
                    source: Box::new(problem),
                },
                _ => problem,
            }
        })
    }

    /// The network of a file's graph for the image input `picture`.
    fn assemble(
        file: &ModelFile,
        parts: Parts<'_>,
        picture: ImageInput,
        hints: ExporterMetadata,
        passes: Passes,
    ) -> Result<Self, Error> {
        let (size, size_origin, batchable) = (picture.size, picture.size_origin, picture.batchable);
        let graph = picture.to_input(parts.reduced)?;
        let (input, raw) = (picture.name.clone(), picture.elem == ElementType::U8);
        let fused_ops = FusedOps::new(&graph);
        let spec = passes::InputSpec {
            input: &input,
            size,
            batchable,
        };
        let mut graph = spec.specialize(graph, passes)?;
        let mut shapes = spec.infer(&graph, 1)?;
        // A uint8 input takes unscaled pixels.
        let expected = if raw {
            Some(Preprocessing::PIXELS)
        } else {
            InputScaling::trace(&graph, &input).expects()
        };
        let (preprocessing, preprocessing_origin) =
            hints.prepare(file.card.preprocessing, expected, raw);
        let named = file.card.classes()?;
        let known = Known {
            file,
            sources: parts.sources,
            input: &input,
            size,
            affine: &preprocessing.affine(size.channels()),
            activation: file
                .card
                .activation
                .or(hints.activation.as_ref().map(|hint| hint.value)),
            names: match &named {
                Some(classes) => vec![classes.len()],
                None => hints.names.iter().map(|hint| hint.value.len()).collect(),
            },
        };
        let types = |graph: &Graph| spec.infer(graph, 1);
        let scores = class_scores::find(&mut graph, &mut shapes, &known, types)?;
        let (classes, classes_origin) = match &scores {
            Ok(scores) => class_names(file, scores, named, &hints)?,
            Err(_) => (Classes::none(), Origin::Assumed),
        };
        let remarks = match classes_origin {
            Origin::Card => hints.unmet,
            _ => hints.remarks(classes.len()),
        };
        let interface = Interface::new(&parts.declared, parts.full, &graph, &picture);
        let hash = network_hash(parts.content, &input, size, &preprocessing);
        let sides = (size.height as usize, size.width as usize);
        let grids = LayoutMap::new(&graph, &shapes, &input, sides);
        Ok(Self {
            name: file.name.clone(),
            hash,
            graph,
            input,
            size,
            size_origin,
            preprocessing,
            preprocessing_origin,
            scores,
            classes,
            classes_origin,
            batchable,
            shapes,
            grids,
            interface,
            choices: file.card.choices(),
            remarks,
            fused_ops,
            left_out: Vec::new(),
        })
    }

    /// Adds the class names, the preprocessing, the activation and the choice of inputs and outputs, if a card or
    /// metadata state them, to a model with this network's interface, as metadata that [`Network::open`] reads. What
    /// the model states already stays as it is.
    pub fn record_metadata(&self, model: &mut ModelProto) {
        let is_stated = |origin| matches!(origin, Origin::Card | Origin::Exporter);
        let scores = self.scores.as_ref().ok();
        // Otherwise it follows from the operators, which the model has too.
        let described = scores.filter(|scores| scores.evidence == Evidence::Description);
        let known = Record {
            classes: is_stated(self.classes_origin).then_some(&self.classes),
            preprocessing: is_stated(self.preprocessing_origin).then_some(self.preprocessing),
            activation: described.map(|scores| scores.activation),
            choices: Choices {
                // The values of further inputs are part of the model.
                feed: BTreeMap::new(),
                ..self.choices.clone()
            },
        };
        metadata::record(model, &known);
    }

    /// Assumptions about the network that are stated nowhere, and ignored metadata; one line each, for the user.
    pub fn assumptions(&self) -> Vec<String> {
        let Self { name, size, .. } = self;
        let size = (self.size_origin == Origin::Assumed).then(|| {
            let (height, width) = (size.height, size.width);
            format!("{name}: it leaves height and width open; assuming {height} × {width} pixels (--input-size sets others)")
        });
        let pixels = (self.preprocessing_origin == Origin::Assumed).then(|| {
            format!("{name}: no preprocessing is specified; assuming ImageNet's mean and standard deviation")
        });
        let scores = match &self.scores {
            Ok(scores) => scores.remarks.clone(),
            Err(why) => vec![format!("no class scores, only layers: {why}")],
        };
        let remarks = scores.iter().chain(&self.remarks);
        let remarks = remarks.map(|remark| format!("{name}: {remark}"));
        size.into_iter().chain(pixels).chain(remarks).collect()
    }

    /// Name of the class scores, (N, classes), before the activation; `None` without class scores.
    pub fn logits(&self) -> Option<&str> {
        self.scores
            .as_ref()
            .ok()
            .map(|scores| scores.value.as_str())
    }

    /// The activation of the class scores.
    pub fn activation(&self) -> Activation {
        self.scores
            .as_ref()
            .map_or(Activation::default(), |scores| scores.activation)
    }

    /// Types of all values for a batch of `runs` pictures.
    ///
    /// # Errors
    /// [`Error::Runtime`] if ONNX Runtime rejects the graph for that batch size.
    pub fn shapes_for(&self, runs: usize) -> Result<Types, Error> {
        if runs == 1 {
            return Ok(self.shapes.clone());
        }
        self.input_spec().infer(&self.graph, runs)
    }

    /// Dimensions of the image input for a batch of `runs` pictures.
    pub fn input_dims(&self, runs: usize) -> [usize; 4] {
        self.input_spec().dims(runs)
    }

    /// The image input.
    fn input_spec(&self) -> passes::InputSpec<'_> {
        passes::InputSpec {
            input: &self.input,
            size: self.size,
            batchable: self.batchable,
        }
    }

    /// The channels of the input that are displayed as red, green and blue.
    pub fn shown_channels(&self) -> [usize; 3] {
        let order = self.preprocessing.rgb_of_channel();
        self.size.channels().shown(order)
    }

    /// The scale and offset of each channel of the input.
    pub fn affine(&self) -> Vec<Affine> {
        self.preprocessing.affine(self.size.channels())
    }

    /// The layout of `value`; `None` if it has no channels or is unknown.
    pub fn layout(&self, value: &str) -> Option<Layout> {
        self.grids.layout(value)
    }

    /// Every value that can be a target, in graph order.
    pub fn layers(&self) -> Vec<Layer> {
        super::layers::layers(self)
    }

    /// The receptive field of each value, by name.
    pub fn receptive_fields(&self) -> HashMap<String, ReceptiveField> {
        receptive_field::receptive_fields(&self.graph, &self.shapes, &self.input)
    }

    /// Number of learned parameters.
    pub fn parameters(&self) -> usize {
        let nodes = self.graph.nodes().iter();
        nodes.fold(0, |sum, node| {
            sum.saturating_add(super::layers::parameters(&self.graph, node))
        })
    }
}

/// The graph of a model file, and what was found in it before its image input is known.
struct Parts<'a> {
    /// See [`content_hash`].
    content: blake3::Hasher,
    /// The inputs that the file declares.
    declared: DeclaredInterface,
    /// The graph with all outputs, and pruned to class scores.
    full: &'a Graph,
    reduced: &'a Graph,
    sources: &'a [class_scores::ScoreSource],
}

/// The class names of a model, and their origin: the card, the graph, or the exporter.
fn class_names(
    file: &ModelFile,
    scores: &ClassScores,
    named: Option<Classes>,
    hints: &ExporterMetadata,
) -> Result<(Classes, Origin), Error> {
    let count = scores.classes;
    match named {
        Some(classes) if classes.len() == count => return Ok((classes, Origin::Card)),
        Some(classes) => {
            let named = classes.len();
            return Err(Error::Classes {
                list: format!("card {}", file.card.name),
                why: format!("it names {named} classes, but the model has {count}"),
            });
        }
        None => {}
    }
    let labels = scores
        .labels
        .as_ref()
        .filter(|labels| labels.len() == count);
    if let Some(labels) = labels {
        return Ok((
            Classes::new(labels, "the labels in the graph")?,
            Origin::Network,
        ));
    }
    Ok(match hints.classes(count) {
        Some(classes) => (classes.value, Origin::Exporter),
        None => (Classes::numbered(count), Origin::Assumed),
    })
}

/// The hash of a file, its weights (including external data), and the values of other inputs.
fn content_hash(file: &ModelFile, graph: &Graph) -> Result<blake3::Hasher, Error> {
    let path = &file.path;
    let mut hasher = blake3::Hasher::new();
    let content = crate::files::open(path).map_err(Error::file(path))?;
    hasher.update_reader(content).map_err(Error::file(path))?;
    for constant in graph.constants() {
        hasher.update(constant.raw_data.as_deref().unwrap_or_default());
    }
    for (name, value) in &file.card.feed {
        hasher.update(name.as_bytes());
        hasher.update(&value.to_le_bytes());
    }
    Ok(hasher)
}

/// The hash of a network, which also depends on the image input and the preprocessing.
fn network_hash(
    mut content: blake3::Hasher,
    input: &str,
    size: InputSize,
    preprocessing: &Preprocessing,
) -> String {
    let interpretation = serde_json::to_vec(&(input, size.height, size.width, preprocessing))
        .expect("texts and numbers can always be written as JSON");
    content.update(&interpretation);
    content.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests;
