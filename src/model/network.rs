//! A classifier that has been read: its graph in today's form, its image input, its class scores, and what it is made of.

use super::class_scores::{self, ClassScores, Known};
use super::fused_ops::FusedOps;
use super::image_input::ImageInput;
use super::input_scaling::InputScaling;
use super::layers::Layer;
use super::layout::{Layout, LayoutMap};
use super::metadata::ExporterMetadata;
use super::passes::{self, LeftOut, Passes};
use super::receptive_field::{self, ReceptiveField};
use super::{
    Activation, Affine, Classes, Error, ImageSize, InputSize, ModelFile, Origin, Preprocessing,
};
use crate::onnx::proto::ModelProto;
use crate::onnx::{ElementType, Graph, Types, file};
use crate::runtime::{Options, Provider, Session};
use std::cell::Cell;
use std::collections::HashMap;

/// A classifier, ready to be differentiated. Needs ONNX Runtime to be loaded.
#[derive(Debug, Clone)]
pub struct Network {
    /// What to call it.
    pub name: String,
    /// Hash of all that decides what it says of a picture: the file, its weights, which input takes the picture, of which
    /// size, how pictures are prepared, and what further inputs hold. 64 hexadecimal digits.
    pub hash: String,
    /// The graph, at opset 18 or newer, without what does not depend on the picture.
    pub graph: Graph,
    /// Name of the image input, (N, channels, height, width).
    pub input: String,
    pub size: InputSize,
    /// Who says how high and wide that is.
    pub size_origin: Origin,
    pub preprocessing: Preprocessing,
    /// Who says how its pixels are prepared.
    pub preprocessing_origin: Origin,
    /// The class scores, or why the model has none: a backbone or a detector has layers alone.
    pub scores: Result<ClassScores, String>,
    /// The classes' names; numbers if nothing names them. Empty without class scores.
    pub classes: Classes,
    /// Who names them.
    pub classes_origin: Origin,
    /// Whether N can be chosen; else it is 1.
    pub batchable: bool,
    /// Types of all values for N = 1.
    pub shapes: Types,
    /// Where values have their channels and places.
    pub grids: LayoutMap,
    /// What is stated of it, but not heeded; a line each.
    remarks: Vec<String>,
    /// What the file has for the parts that the graph has.
    pub(super) fused_ops: FusedOps,
    /// Passes that were left out when it was read, because ONNX Runtime refuses what they make.
    pub left_out: Vec<LeftOut>,
}

impl Network {
    /// Reads a model file.
    ///
    /// # Errors
    /// [`Error::Onnx`] if the file is no model, [`Error::NoImageInput`] if it takes no picture, [`Error::NoClassScores`] if
    /// the card names an output without class scores, [`Error::AssumedSize`] if it is none for pictures of the usual size and nobody says another,
    /// [`Error::Classes`] if the card's class names do not fit it.
    pub fn open(file: &ModelFile) -> Result<Self, Error> {
        let model = file::read(&file.path)?;
        // Passes change the model; for another attempt it is read again.
        let first = Cell::new(Some(model));
        let again = || first.take().map_or_else(|| file::read(&file.path), Ok);
        let attempt = |passes: Passes| Self::with_passes(file, again()?, passes);
        let opens = || {
            let options = Options::default();
            again().is_ok_and(|model| Session::open_model(&model, Provider::Cpu, &options).is_ok())
        };
        let (network, left_out) = passes::fewest_left_out(attempt, opens)?;
        Ok(Self {
            left_out,
            ..network
        })
    }

    /// The network that a file holds, by way of `passes`.
    fn with_passes(file: &ModelFile, model: ModelProto, passes: Passes) -> Result<Self, Error> {
        let hints = ExporterMetadata::of(&model, &file.path);
        let graph = passes.graph(model)?;
        let content = content_hash(file, &graph)?;
        let sources = class_scores::sources(&graph);
        let graph = class_scores::reduced(graph, &sources, file)?;
        let size = hints.size.as_ref().map(|hint| hint.value);
        let picture = ImageInput::find(&graph, file, size)?;
        let (size, size_origin) = (picture.size, picture.size_origin);
        Self::of(file, content, (&graph, &sources), picture, hints, passes).map_err(|problem| {
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

    /// The network that a file's graph is for pictures like `picture`.
    fn of(
        file: &ModelFile,
        content: blake3::Hasher,
        (graph, sources): (&Graph, &[class_scores::ScoreSource]),
        picture: ImageInput,
        hints: ExporterMetadata,
        passes: Passes,
    ) -> Result<Self, Error> {
        let (size, size_origin, batchable) = (picture.size, picture.size_origin, picture.batchable);
        let graph = picture.to_input(graph)?;
        let (input, raw) = (picture.name, picture.elem == ElementType::U8);
        let fused_ops = FusedOps::of(&graph);
        let taken = passes::InputSpec {
            input: &input,
            size,
            batchable,
        };
        let mut graph = passes.specialize(graph, taken)?;
        let mut shapes = taken.infer(&graph, 1)?;
        // Bytes can only be pixels as they are.
        let expected = match raw {
            true => Some(Preprocessing::PIXELS),
            false => InputScaling::trace(&graph, &input).expects(),
        };
        let (preprocessing, preprocessing_origin) =
            hints.prepare(file.card.preprocessing, expected, raw);
        let named = file.card.classes()?;
        let known = Known {
            file,
            sources,
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
        let types = |graph: &Graph| taken.infer(graph, 1);
        let scores = class_scores::find(&mut graph, &mut shapes, &known, types)?;
        let (classes, classes_origin) = match &scores {
            Ok(scores) => class_names(file, scores, named, &hints)?,
            Err(_) => (Classes::none(), Origin::Assumed),
        };
        let remarks = match classes_origin {
            Origin::Card => hints.unmet,
            _ => hints.remarks(classes.len()),
        };
        let hash = network_hash(content, &input, size, &preprocessing);
        let picture = (size.height as usize, size.width as usize);
        let grids = LayoutMap::of(&graph, &shapes, &input, picture);
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
            remarks,
            fused_ops,
            left_out: Vec::new(),
        })
    }

    /// What is assumed of the network because nobody says it, and what is stated but not heeded; a line each, for the user.
    pub fn assumptions(&self) -> Vec<String> {
        let Self { name, size, .. } = self;
        let size = (self.size_origin == Origin::Assumed).then(|| {
            let (height, width) = (size.height, size.width);
            format!("{name}: it leaves height and width open; {height} × {width} pixels are assumed (--input-size says others)")
        });
        let pixels = (self.preprocessing_origin == Origin::Assumed).then(|| {
            format!("{name}: nobody says how its pictures are prepared; ImageNet's mean and standard deviation are assumed")
        });
        let scores = match &self.scores {
            Ok(scores) => scores.remarks.clone(),
            Err(why) => vec![format!("no class scores, layers alone: {why}")],
        };
        let remarks = scores.iter().chain(&self.remarks);
        let remarks = remarks.map(|remark| format!("{name}: {remark}"));
        size.into_iter().chain(pixels).chain(remarks).collect()
    }

    /// Name of the class scores, (N, classes), before the function that makes probabilities of them, if there are any.
    pub fn logits(&self) -> Option<&str> {
        self.scores
            .as_ref()
            .ok()
            .map(|scores| scores.value.as_str())
    }

    /// The function that makes probabilities of the class scores.
    pub fn activation(&self) -> Activation {
        self.scores
            .as_ref()
            .map_or(Activation::default(), |scores| scores.activation)
    }

    /// Types of all values for `runs` pictures at once.
    ///
    /// # Errors
    /// [`Error::Runtime`] if ONNX Runtime cannot make sense of the graph at that size.
    pub fn shapes_for(&self, runs: usize) -> Result<Types, Error> {
        if runs == 1 {
            return Ok(self.shapes.clone());
        }
        self.taken().infer(&self.graph, runs)
    }

    /// Dimensions of the image input for `runs` pictures at once.
    pub fn input_dims(&self, runs: usize) -> [usize; 4] {
        self.taken().dims(runs)
    }

    /// The input that takes the picture.
    fn taken(&self) -> passes::InputSpec<'_> {
        passes::InputSpec {
            input: &self.input,
            size: self.size,
            batchable: self.batchable,
        }
    }

    /// Which channels of the input are shown as red, green and blue.
    pub fn shown_channels(&self) -> [usize; 3] {
        let order = self.preprocessing.rgb_of_channel();
        self.size.channels().shown(order)
    }

    /// For each channel of the input, its scale and offset.
    pub fn affine(&self) -> Vec<Affine> {
        self.preprocessing.affine(self.size.channels())
    }

    /// Where `value` has its channels and places; `None` if it has no channels or is not known.
    pub fn layout(&self, value: &str) -> Option<Layout> {
        self.grids.layout(value)
    }

    /// Every value that can be pointed at, in graph order.
    pub fn layers(&self) -> Vec<Layer> {
        super::layers::layers(self)
    }

    /// How much of the picture each value can depend on, by name.
    pub fn receptive_fields(&self) -> HashMap<String, ReceptiveField> {
        receptive_field::receptive_fields(&self.graph, &self.shapes, &self.input)
    }

    /// Number of learned numbers.
    pub fn parameters(&self) -> usize {
        let nodes = self.graph.nodes().iter();
        nodes.fold(0, |sum, node| {
            sum.saturating_add(super::layers::parameters(&self.graph, node))
        })
    }
}

/// The names of a model's classes, and who gives them: the card, the graph itself, or the exporter.
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

/// The hash of a file, its weights, which may lie outside of it, and what further inputs hold.
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

/// The hash of a network: which input takes the picture, and how that is prepared, make another one of the same file.
fn network_hash(
    mut content: blake3::Hasher,
    input: &str,
    size: InputSize,
    preprocessing: &Preprocessing,
) -> String {
    let read = serde_json::to_vec(&(input, size.height, size.width, preprocessing))
        .expect("texts and numbers can always be written as JSON");
    content.update(&read);
    content.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests;
