//! The nine light models of the `onnx` package: the zoo's classic classifiers with the weights left out. They get
//! weights that are any, and the gradient of their strongest class is compared with differences of the class score.
//!
//! They come with ONNX's node tests and are looked at only where those are (see [`super::onnx_node_tests`]).

use super::onnx_node_tests;
use ndarray::Array4;
use std::collections::HashMap;
use std::path::Path;
use ziggurat::ascent::{Kind, Objective, Unit, evaluate};
use ziggurat::autodiff::differentiability::Differentiability;
use ziggurat::model::{ModelSource, Network};
use ziggurat::onnx::file;
use ziggurat::onnx::proto::{GraphProto, ModelProto, TensorProto};
use ziggurat::onnx::types::untyped_value;
use ziggurat::runtime::{Device, Provider, Session, SessionOptions, Tensor, package, testing};

const NAMES: [&str; 9] = [
    "bvlc_alexnet",
    "densenet121",
    "inception_v1",
    "inception_v2",
    "resnet50",
    "shufflenet",
    "squeezenet",
    "vgg19",
    "zfnet512",
];

/// How far from each other the points are that a difference is taken of: float32 scores have a best distance, which
/// differs between networks.
const STEPS: [f32; 4] = [1e-1, 3e-2, 1e-2, 3e-3];

#[test]
fn light_models_agree_with_differences_of_their_scores() {
    let Some(folder) = onnx_node_tests::folder("light") else {
        eprintln!("skipped: no light models (set ZIGGURAT_NODE_TESTS)");
        return;
    };
    let worst = NAMES.map(|name| {
        let error = error(&folder.join(format!("light_{name}.onnx")));
        eprintln!("light_{name}: {error:.1e}");
        error
    });
    assert!(worst.iter().all(|error| *error < 1e-2), "{worst:?}");
}

/// The relative error of the gradient's length against the rise of the score along it.
fn error(path: &Path) -> f64 {
    testing::library();
    let folder = tempfile::tempdir().unwrap();
    let weighted = folder.path().join("model.onnx");
    let model = with_weights(file::read(path).unwrap());
    file::write(model, &weighted, None).unwrap();
    let home = testing::home();
    let source = ModelSource::resolve(&home, weighted.to_str()).unwrap();
    let network = Network::open(&source.open(&home, &package::quiet).unwrap()).unwrap();
    let blocked = |layer: &ziggurat::model::Layer| {
        layer.differentiability != Differentiability::Differentiable
    };
    assert!(!network.layers().iter().any(blocked), "{}", path.display());

    let [runs, channels, height, width] = network.input_dims(1);
    let noise = noise(7);
    let picture = Array4::from_shape_simple_fn((runs, channels, height, width), noise);
    let model = network
        .graph
        .to_model(&[untyped_value(network.logits().unwrap())])
        .unwrap();
    let bytes = file::encode(&model).unwrap();
    let mut session = Session::open(&bytes, Provider::Cpu, &SessionOptions::default()).unwrap();
    let mut scores = |picture: Array4<f32>| -> Vec<f32> {
        let picture = Tensor::from(picture);
        let given = [(network.input.as_str(), &picture)];
        let found = session.run(&given, &[network.logits().unwrap()]).unwrap();
        found[0].as_f32().unwrap().iter().copied().collect()
    };
    let (class, _) = evaluate::largest(scores(picture.clone()), 1)[0];
    let objective = Objective {
        kind: Kind::Class,
        value: network.logits().unwrap().into(),
    };
    let unit = Unit {
        index: class,
        position: (0, 0),
    };
    let slope = evaluate::input_gradient(&network, &objective, unit, picture.clone(), Device::Cpu);
    let slope = slope.unwrap();
    let length = slope
        .iter()
        .map(|value| f64::from(*value).powi(2))
        .sum::<f64>()
        .sqrt();
    let along = slope.mapv(|value| (f64::from(value) / length) as f32);
    let errors = STEPS.map(|step| {
        let mut score = |step: f32| f64::from(scores(&picture + &(&along * step))[class]);
        let rise = (score(step) - score(-step)) / f64::from(2.0 * step);
        (rise - length).abs() / length
    });
    errors.into_iter().fold(f64::INFINITY, f64::min)
}

/// The model with weights where it has only their dimensions: of the size that keeps activations as large as they are.
fn with_weights(mut model: ModelProto) -> ModelProto {
    let graph = model.graph.get_or_insert_default();
    let statistics = statistics(graph);
    let dims: HashMap<String, Vec<i64>> = graph
        .initializer
        .iter()
        .filter_map(|tensor| Some((tensor.name.clone(), tensor.to_i64().ok()?)))
        .collect();
    let mut noise = noise(3);
    let mut weights = Vec::new();
    graph.node.retain(|node| {
        let dims = node.input.first().and_then(|name| dims.get(name));
        let Some(dims) = dims.filter(|_| node.op_type == "ConstantOfShape") else {
            return true;
        };
        let fan_in: i64 = dims.iter().skip(1).product();
        let count: i64 = dims.iter().product();
        let number = |noise: f32| match statistics.get(&node.output[0]) {
            // Scales and variances; shifts and means.
            Some(1 | 4) => 1.0 + 0.3 * noise.clamp(-2.0, 2.0),
            Some(_) => 0.1 * noise,
            None if dims.len() > 1 => noise * (2.0 / fan_in as f32).sqrt(),
            None => 0.05 * noise,
        };
        let values: Vec<f32> = (0..count).map(|_| number(noise())).collect();
        weights.push(TensorProto::from_f32(&node.output[0], dims, &values));
        false
    });
    graph.initializer.extend(weights);
    model
}

/// Which input of a batch normalisation a value is; factors of products, which follow some, are scales as well.
fn statistics(graph: &GraphProto) -> HashMap<String, usize> {
    let of = |op: &'static str| graph.node.iter().filter(move |node| node.op_type == op);
    let mut found = HashMap::new();
    for node in of("BatchNormalization") {
        let inputs = node.input.iter().cloned().enumerate();
        found.extend(inputs.skip(1).map(|(place, name)| (name, place)));
    }
    let spread: HashMap<&String, &String> = of("Unsqueeze")
        .map(|node| (&node.output[0], &node.input[0]))
        .collect();
    for factor in of("Mul").flat_map(|node| &node.input) {
        let factor = spread.get(factor).copied().unwrap_or(factor);
        found.entry(factor.clone()).or_insert(1);
    }
    found
}

/// Numbers of mean 0 and deviation 1, the same for the same seed: sums of twelve evenly spread ones.
fn noise(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed;
    let mut even = move || {
        // The 64-bit generator of Knuth's MMIX.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    move || (0..12).map(|_| even()).sum::<f32>() - 6.0
}
