//! A classifier that has been read: its graph in today's form, its image input, its class scores, and what it is made of.

use super::layers::Layer;
use super::{Affine, Classes, Error, InputSize, ModelFile, Preprocessing};
use crate::onnx::graph::declared_dims;
use crate::onnx::proto::{Dim, ValueInfoProto};
use crate::onnx::{Elem, Graph, Shapes, file, printable, upgrade};
use crate::runtime::folding;
use std::fs::File;
use std::path::Path;

/// A classifier, ready to be differentiated. Needs ONNX Runtime to be loaded.
#[derive(Debug, Clone)]
pub struct Network {
    /// What to call it.
    pub name: String,
    /// Content hash of the file and its weights, 64 hexadecimal digits.
    pub hash: String,
    /// The graph, at opset 18 or newer, without what does not depend on the picture.
    pub graph: Graph,
    /// Name of the image input, (N, channels, height, width).
    pub input: String,
    pub size: InputSize,
    pub preprocessing: Preprocessing,
    /// Whether the preprocessing is only assumed, because no card tells it.
    pub preprocessing_assumed: bool,
    /// Name of the class scores, (N, classes), before any softmax.
    pub logits: String,
    /// The classes' names; numbers if nothing names them.
    pub classes: Classes,
    /// Whether N can be chosen; else it is 1.
    pub batchable: bool,
    /// Types of all values for N = 1.
    pub shapes: Shapes,
}

impl Network {
    /// Reads a model file.
    ///
    /// # Errors
    /// [`Error::Onnx`] if the file is no model, [`Error::NoImageInput`] or [`Error::NoClassScores`] if it is no image
    /// classifier, [`Error::Classes`] if the card's class names do not fit it.
    pub fn open(file: &ModelFile) -> Result<Self, Error> {
        let model = file::read(&file.path)?;
        let graph = Graph::new(upgrade::upgrade(model)?)?;
        let hash = content_hash(&file.path, &graph)?;
        let (input, dims) = image_input(&graph, file)?;
        let input = input.to_string();
        let batchable = !matches!(dims[0], Some(Dim::DimValue(_)));
        let size = input_size(&dims, file)?;
        let graph = folded(&graph, &input, size, batchable)?;
        let shapes = infer(&graph, &input, 1, size)?;
        let (output, count) = class_scores(&graph, &shapes, file)?;
        let logits = before_softmax(&graph, output).to_string();
        let classes = match file.card.classes()? {
            Some(classes) if classes.len() == count => classes,
            Some(classes) => {
                return Err(Error::Classes {
                    list: format!("card {}", file.card.name),
                    why: format!(
                        "it names {} classes, but the model has {count}",
                        classes.len()
                    ),
                });
            }
            None => Classes::numbered(count),
        };
        Ok(Self {
            name: file.name.clone(),
            hash,
            graph,
            input,
            size,
            preprocessing: file.card.preprocessing,
            preprocessing_assumed: file.card.preprocessing_assumed,
            logits,
            classes,
            batchable,
            shapes,
        })
    }

    /// Types of all values for `runs` pictures at once.
    ///
    /// # Errors
    /// [`Error::Fetch`] if ONNX Runtime cannot make sense of the graph at that size.
    pub fn shapes_for(&self, runs: usize) -> Result<Shapes, Error> {
        if runs == 1 {
            return Ok(self.shapes.clone());
        }
        infer(&self.graph, &self.input, runs, self.size)
    }

    /// Dimensions of the image input for `runs` pictures at once.
    pub fn input_dims(&self, runs: usize) -> [usize; 4] {
        dims_of(self.size, runs)
    }

    /// For each channel of the input, its scale and offset.
    pub fn affine(&self) -> Vec<Affine> {
        self.preprocessing.affine(self.size.channels())
    }

    /// What the network is made of, in graph order.
    pub fn layers(&self) -> Vec<Layer> {
        super::layers::layers(self)
    }
}

fn dims_of(size: InputSize, runs: usize) -> [usize; 4] {
    [
        runs,
        size.channels().count(),
        size.height as usize,
        size.width as usize,
    ]
}

/// The graph without what does not depend on the picture, nor on how many there are.
fn folded(graph: &Graph, input: &str, size: InputSize, batchable: bool) -> Result<Graph, Error> {
    let (one, two) = (dims_of(size, 1), dims_of(size, 2));
    let choices: [&[(&str, &[usize])]; 2] = [&[(input, &one)], &[(input, &two)]];
    let choices = if batchable {
        &choices[..]
    } else {
        &choices[..1]
    };
    Ok(folding::fold(graph, choices)?)
}

fn infer(graph: &Graph, input: &str, runs: usize, size: InputSize) -> Result<Shapes, Error> {
    Ok(folding::shapes(graph, &[(input, &dims_of(size, runs))])?)
}

/// Weights may lie outside of the file, so they are hashed as well.
fn content_hash(path: &Path, graph: &Graph) -> Result<String, Error> {
    let mut hasher = blake3::Hasher::new();
    let file = File::open(path).map_err(Error::file(path))?;
    hasher.update_reader(file).map_err(Error::file(path))?;
    for constant in graph.constants() {
        hasher.update(constant.raw_data.as_deref().unwrap_or_default());
    }
    Ok(hasher.finalize().to_hex().to_string())
}

type Dims = Vec<Option<Dim>>;

/// The input that the card names, or the only one that can take a picture.
fn image_input<'a>(graph: &'a Graph, file: &ModelFile) -> Result<(&'a str, Dims), Error> {
    let describe = |inputs: &[ValueInfoProto]| {
        let names: Vec<String> = inputs
            .iter()
            .take(8)
            .map(|input| printable(&input.name))
            .collect();
        if names.is_empty() {
            "none".to_string()
        } else {
            names.join(", ")
        }
    };
    let no_input = |why: String| Error::NoImageInput {
        path: file.path.clone(),
        why,
    };
    let picture = |input: &ValueInfoProto| {
        let (elem, dims) = declared_dims(input)?;
        let channels = match dims.get(1) {
            Some(Some(Dim::DimValue(count))) => matches!(count, 1 | 3),
            _ => false,
        };
        (elem == Elem::F32.code() && dims.len() == 4 && channels).then_some(dims)
    };
    let wanted = file.card.input.as_deref();
    let inputs = graph.inputs();
    let candidates: Vec<(&str, Dims)> = inputs
        .iter()
        .filter(|input| wanted.is_none_or(|wanted| wanted == input.name))
        .filter_map(|input| Some((input.name.as_str(), picture(input)?)))
        .collect();
    match candidates.as_slice() {
        [_] if inputs.len() == 1 => {}
        [_] => {
            return Err(no_input(format!(
                "it needs further inputs ({})",
                describe(inputs)
            )));
        }
        _ => {
            return Err(no_input(format!(
                "none of its inputs ({}) takes float32 pictures of (N, 1 or 3, height, width)",
                describe(inputs)
            )));
        }
    }
    candidates
        .into_iter()
        .next()
        .ok_or_else(|| no_input("it has none".into()))
}

fn input_size(dims: &Dims, file: &ModelFile) -> Result<InputSize, Error> {
    let number = |index: usize| match &dims[index] {
        Some(Dim::DimValue(size)) => u32::try_from(*size).ok().filter(|size| *size > 0),
        _ => None,
    };
    let [height, width] = match (number(2), number(3), file.card.input_size) {
        (Some(height), Some(width), _) => [height, width],
        (_, _, Some(size)) => size,
        _ => {
            return Err(Error::NoImageInput {
                path: file.path.clone(),
                why: "it leaves height and width open: say `input_size = [height, width]` in a card beside it".into(),
            });
        }
    };
    let largest = 8192;
    if height > largest || width > largest {
        let why = format!("its input is {height} × {width} pixels, more than {largest}");
        return Err(Error::NoImageInput {
            path: file.path.clone(),
            why,
        });
    }
    InputSize::new(number(1).unwrap_or(0) as usize, height, width)
}

/// The output that the card names, or the first one of dimensions (1, classes).
fn class_scores<'a>(
    graph: &'a Graph,
    shapes: &Shapes,
    file: &ModelFile,
) -> Result<(&'a str, usize), Error> {
    let wanted = file.card.output.as_deref();
    let outputs = graph.outputs().iter().map(|output| output.name.as_str());
    let scores = |name: &'a str| match shapes.find(name)?.dims.as_slice() {
        &[1, classes] if classes > 0 => Some((name, classes)),
        _ => None,
    };
    let mut candidates = outputs.filter(|name| wanted.is_none_or(|wanted| wanted == *name));
    candidates.find_map(scores).ok_or_else(|| {
        let which = wanted.map_or("none of its outputs".into(), printable);
        let why = format!("{which} has dimensions (1, classes)");
        Error::NoClassScores {
            path: file.path.clone(),
            why,
        }
    })
}

/// The value that goes into a softmax at the end, if there is one.
fn before_softmax<'a>(graph: &'a Graph, output: &'a str) -> &'a str {
    let mut value = output;
    while let Some(node) = graph.producer(value).map(|index| &graph.nodes()[index]) {
        let passes = ["Softmax", "LogSoftmax", "Identity"]
            .iter()
            .any(|op| node.is(op));
        match node.input_at(0).filter(|_| passes) {
            Some(input) => value = input,
            None => break,
        }
    }
    value
}
