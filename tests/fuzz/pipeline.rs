//! The processing of a model file up to its gradient, in two pipelines: *passes* runs only this program's own passes,
//! with the dimensions of the unchanged model and without an evaluator of constants; *end to end* does what the command
//! line does, where ONNX Runtime folds constants and infers dimensions.

use crate::models::WEIGHTS;
use std::collections::HashSet;
use std::path::Path;
use ziggurat::ascent::CamOptions;
use ziggurat::ascent::Kind::{Channel, Class, Layer, Neuron, NotClass};
use ziggurat::ascent::{Ascent, Objective, Run, Settings, Unit, evaluate};
use ziggurat::autodiff::differentiability::{Differentiability, analyze};
use ziggurat::autodiff::{self, Device, GradientOptions, GradientRequest};
use ziggurat::model::{ModelSource, Network};
use ziggurat::onnx::passes::{self, constant_folding, decompose, fuse_batch_norm};
use ziggurat::onnx::proto::{ModelProto, TensorProto};
use ziggurat::onnx::types::untyped_value;
use ziggurat::onnx::{Builder, Dims, ElementType, Evaluator, Graph, Types, file};
use ziggurat::runtime::{self, CancelHandle, OnnxRuntime};

use ndarray::Array4;

/// How a model is processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pipeline {
    /// The passes of this program, without ONNX Runtime.
    Passes,
    /// As the command line.
    EndToEnd,
}

/// Writes a model and a file of external data into a folder.
pub fn put(folder: &Path, bytes: &[u8]) {
    let weights = folder.join("weights.bin");
    if !weights.exists() {
        std::fs::write(&weights, [0x3c; WEIGHTS]).expect("the folder is the test's own");
    }
    std::fs::write(folder.join("model.onnx"), bytes).expect("the folder is the test's own");
}

/// The types of the values of a valid model after normalization.
pub fn types(model: &ModelProto) -> Result<Types, String> {
    let graph = passes::normalize(model.clone()).map_err(|error| error.to_string())?;
    let found = (|| {
        let shapes = constant_folding::shapes(&OnnxRuntime, &graph, &[])?;
        let decomposed = decompose::decompose(&graph, &shapes)?;
        constant_folding::shapes(&OnnxRuntime, &decomposed, &[])
    })();
    found.map_err(|error: runtime::Error| error.to_string())
}

/// Types that are known beforehand. It computes nothing.
struct KnownTypes<'a>(&'a Types);

impl Evaluator for KnownTypes<'_> {
    type Error = ziggurat::onnx::Error;

    fn infer_types(&self, _: &Graph, _: &Dims) -> Result<Types, Self::Error> {
        Ok(self.0.clone())
    }

    fn evaluate(&self, _: &Graph, _: &[String], _: usize) -> Result<Vec<TensorProto>, Self::Error> {
        Ok(Vec::new())
    }

    fn is_rejection(&self, _: &Self::Error) -> bool {
        false
    }
}

/// Success, or the error message of the program.
pub type Outcome = Result<(), String>;

/// Reads the model in `folder` and writes the gradient of its first output, given the types of its values.
pub fn run_passes(folder: &Path, shapes: &Types) -> Outcome {
    let message = |error: ziggurat::onnx::Error| error.to_string();
    let model = file::read(&folder.join("model.onnx")).map_err(message)?;
    let graph = passes::normalize(model).map_err(message)?;
    let graph = passes::specialize(&KnownTypes(shapes), graph, &[&[]]).map_err(message)?;
    let source = graph.inputs().first().map(|input| input.name.clone());
    let source = source.ok_or("no inputs")?;
    let mut reached: Vec<String> = analyze(&graph, shapes, &source)
        .into_iter()
        .filter(|(_, reach)| *reach == Differentiability::Differentiable)
        .map(|(name, _)| name.to_owned())
        .collect();
    reached.sort_unstable();
    let objective = graph.outputs().first().map(|output| output.name.clone());
    let objective = objective.ok_or("no outputs")?;
    // The output, and an intermediate value, since the output may not be differentiable.
    let middle = reached.get(reached.len() / 2).cloned();
    let folded = fuse_batch_norm::fuse_batch_norm(&graph, &HashSet::new()).map_err(message)?;
    let mut last = Ok(());
    for (value, device) in [(Some(objective), Device::CPU), (middle, Device::FULL)] {
        let Some(value) = value else { continue };
        let graph = if device == Device::CPU {
            &folded
        } else {
            &graph
        };
        last = differentiate(graph.clone(), shapes, &value, &source, device);
    }
    last
}

fn differentiate(
    graph: Graph,
    shapes: &Types,
    value: &str,
    source: &str,
    device: Device,
) -> Outcome {
    let message = |error: ziggurat::onnx::Error| error.to_string();
    let options = GradientOptions {
        device,
        redirect: None,
    };
    let mut builder = Builder::extend(graph, "fuzz/");
    let elem = shapes
        .find(value)
        .map_or(ElementType::F32, |known| known.elem);
    let seed = if elem.is_float() {
        builder.scalar(elem, 1.0).map_err(message)?
    } else {
        builder.constant(TensorProto::from_f32("", &[], &[1.0]))
    };
    let seeds = [(value.to_owned(), seed)];
    let found = autodiff::gradient(&mut builder, shapes, &seeds, &[source.to_owned()], &options);
    let found = found.map_err(|error| error.to_string())?;
    let outputs: Vec<_> = found.iter().map(|name| untyped_value(name)).collect();
    let model = builder.graph().to_model(&outputs).map_err(message)?;
    file::encode(&model).map_err(message).map(drop)
}

/// Does what `ziggurat layers`, `ziggurat gradient`, `ziggurat cam` and the first step of
/// `ziggurat run` do with the model in `folder`.
pub fn run_end_to_end(folder: &Path, device: runtime::Device) -> Outcome {
    let path = folder.join("model.onnx");
    let home = runtime::testing::home();
    let source = ModelSource::resolve(&home, path.to_str()).map_err(|error| error.to_string())?;
    let ModelSource::File(file) = source else {
        return Err("no file".into());
    };
    let network = Network::open(&file).map_err(|error| error.to_string())?;
    let layers = network.layers();
    let objective = |kind, value: &str| Objective {
        kind,
        value: value.into(),
    };
    let of_classes = [Class, NotClass].into_iter();
    let mut targets: Vec<Objective> = of_classes
        .filter_map(|kind| Some(objective(kind, network.logits()?)))
        .collect();
    for kind in [Channel, Neuron, Layer] {
        let reached = layers
            .iter()
            .rev()
            .filter(|layer| layer.differentiability == Differentiability::Differentiable);
        targets.extend(reached.take(1).map(|layer| objective(kind, &layer.name)));
    }
    let [runs, channels, height, width] = network.input_dims(1);
    if channels * height * width > 1 << 16 {
        return Err("a large picture".into());
    }
    let model = file::read(&path).map_err(|error| error.to_string())?;
    let _ = autodiff::gradient_model(model, &GradientRequest::default(), &OnnxRuntime);
    if let Some(target) = targets.first() {
        let _ = first_step(&network, target, device);
    }
    let picture = Array4::from_elem((runs, channels, height, width), 0.25);
    let mut last = Ok(());
    for target in &targets {
        let unit = Unit::default();
        let found = evaluate::input_gradient(&network, target, unit, picture.clone(), device);
        last = found.map(drop).map_err(|error| error.to_string());
        let _ = evaluate::class_activation(
            &network,
            target,
            unit,
            picture.clone(),
            CamOptions::default(),
            device,
        );
    }
    last
}

/// The first step of an ascent.
fn first_step(
    network: &Network,
    objective: &Objective,
    device: runtime::Device,
) -> Result<(), ziggurat::ascent::Error> {
    let settings = Settings {
        steps: 1,
        octaves: 1,
        ..Settings::default()
    };
    let run = Run::new(Unit::default(), 0, settings);
    let mut ascent = Ascent::new(network, objective, &[run], device, &CancelHandle::default())?;
    ascent.step().map(drop)
}
