//! What happens to a model file before its gradient runs. Two journeys: *alone*, all that this program does by itself,
//! with the dimensions that the unchanged model's values have; and *whole*, as the command line goes, with ONNX Runtime
//! folding constants and telling dimensions.

use crate::models::WEIGHTS;
use std::path::Path;
use ziggurat::ascent::MapChoice;
use ziggurat::ascent::{Objective, Unit, probe};
use ziggurat::autodiff::differentiability::{Differentiability, analyze};
use ziggurat::autodiff::{self, Device, Options};
use ziggurat::model::{Network, Source};
use ziggurat::onnx::passes::{
    control_flow, decompose, fuse_batch_norm, inline_functions, sequences, to_float32,
    upgrade_opset,
};
use ziggurat::onnx::proto::{ModelProto, TensorProto};
use ziggurat::onnx::shapes::untyped;
use ziggurat::onnx::{Builder, Elem, Graph, Shapes, file};
use ziggurat::runtime::{self, constant_folding};

use ndarray::Array4;

/// Which way a model goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Journey {
    Alone,
    Whole,
}

/// Puts a model and what may lie beside it into a folder.
pub fn put(folder: &Path, bytes: &[u8]) {
    let weights = folder.join("weights.bin");
    if !weights.exists() {
        std::fs::write(&weights, [0x3c; WEIGHTS]).expect("the folder is the test's own");
    }
    std::fs::write(folder.join("model.onnx"), bytes).expect("the folder is the test's own");
}

/// The types of a valid model's values once it is in today's form.
pub fn types(model: &ModelProto) -> Result<Shapes, String> {
    let graph = modern(model.clone()).map_err(|error| error.to_string())?;
    let found = (|| {
        let shapes = constant_folding::shapes(&graph, &[])?;
        let apart = decompose::decompose(&graph, &shapes)?;
        constant_folding::shapes(&apart, &[])
    })();
    found.map_err(|error: runtime::Error| error.to_string())
}

fn modern(model: ModelProto) -> Result<Graph, ziggurat::onnx::Error> {
    let model = upgrade_opset::upgrade(to_float32::to_float32(model)?)?;
    Graph::new(inline_functions::inline(model)?)
}

/// What became of a model: said by the program, or reached.
pub type Told = Result<(), String>;

/// Reads the model in `folder` and writes the gradient of its first output, given the types of its values.
pub fn alone(folder: &Path, shapes: &Shapes) -> Told {
    let told = |error: ziggurat::onnx::Error| error.to_string();
    let mut graph = modern(file::read(&folder.join("model.onnx")).map_err(told)?).map_err(told)?;
    for _ in 0..4 {
        let types = std::slice::from_ref(shapes);
        let decided = control_flow::resolve(&graph, types).map_err(told)?;
        let resolved = sequences::resolve(decided.as_ref().unwrap_or(&graph), types);
        match resolved.map_err(told)?.or(decided) {
            Some(less) => graph = less,
            None => break,
        }
    }
    if decompose::is_fused(&graph) {
        graph = decompose::decompose(&graph, shapes).map_err(told)?;
    }
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
    // The output, and some value on the way, for the output may be out of reach.
    let middle = reached.get(reached.len() / 2).cloned();
    let folded = fuse_batch_norm::fuse_batch_norm(&graph, &Default::default()).map_err(told)?;
    let mut last = Ok(());
    for (value, device) in [(Some(objective), Device::CPU), (middle, Device::FULL)] {
        let Some(value) = value else { continue };
        let graph = if device == Device::CPU {
            &folded
        } else {
            &graph
        };
        last = differentiated(graph.clone(), shapes, &value, &source, device);
    }
    last
}

fn differentiated(
    graph: Graph,
    shapes: &Shapes,
    value: &str,
    source: &str,
    device: Device,
) -> Told {
    let told = |error: ziggurat::onnx::Error| error.to_string();
    let options = Options {
        device,
        redirect: None,
    };
    let mut builder = Builder::extend(graph, "fuzz/");
    let elem = shapes.find(value).map_or(Elem::F32, |known| known.elem);
    let seed = match elem.is_float() {
        true => builder.scalar(elem, 1.0).map_err(told)?,
        false => builder.constant(TensorProto::from_f32("", &[], &[1.0])),
    };
    let seeds = [(value.to_owned(), seed)];
    let found = autodiff::gradient(&mut builder, shapes, &seeds, &[source.to_owned()], &options);
    let found = found.map_err(|error| error.to_string())?;
    let outputs: Vec<_> = found.iter().map(|name| untyped(name)).collect();
    let model = builder.graph().to_model(&outputs).map_err(told)?;
    file::encode(&model).map_err(told).map(drop)
}

/// As `ziggurat layers`, `ziggurat gradient` and `ziggurat cam` go about the model in `folder`.
pub fn whole(folder: &Path, device: runtime::Device) -> Told {
    let path = folder.join("model.onnx");
    let home = runtime::testing::home();
    let source = Source::resolve(&home, path.to_str()).map_err(|error| error.to_string())?;
    let Source::File(file) = source else {
        return Err("no file".into());
    };
    let network = Network::open(&file).map_err(|error| error.to_string())?;
    let layers = network.layers();
    let objective = |kind, value: &str| Objective {
        kind,
        value: value.into(),
    };
    use ziggurat::ascent::Kind::{Channel, Class, Layer, Neuron, NotClass};
    let of_classes = [Class, NotClass].into_iter();
    let mut targets: Vec<Objective> = of_classes
        .filter_map(|kind| Some(objective(kind, network.logits()?)))
        .collect();
    for kind in [Channel, Neuron, Layer] {
        let reached = layers
            .iter()
            .rev()
            .filter(|layer| layer.reach == Differentiability::Differentiable);
        targets.extend(reached.take(1).map(|layer| objective(kind, &layer.name)));
    }
    let [runs, channels, height, width] = network.input_dims(1);
    if channels * height * width > 1 << 16 {
        return Err("a large picture".into());
    }
    let picture = Array4::from_elem((runs, channels, height, width), 0.25);
    let mut last = Ok(());
    for target in &targets {
        let unit = Unit::default();
        let found = probe::input_gradient(&network, target, unit, picture.clone(), device);
        last = found.map(drop).map_err(|error| error.to_string());
        let _ = probe::class_activation(
            &network,
            target,
            unit,
            picture.clone(),
            MapChoice::default(),
            device,
        );
    }
    last
}
