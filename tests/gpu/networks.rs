//! The networks that are run.

#[path = "../common/networks.rs"]
mod common;

use std::sync::OnceLock;
use ziggurat::model::Network;
use ziggurat::onnx::proto::Dim;
use ziggurat::onnx::{Builder, ElementType};

/// Classes of [`small`].
const CLASSES: usize = 10;

/// The default network.
pub fn default_network() -> &'static Network {
    static NETWORK: OnceLock<Network> = OnceLock::new();
    NETWORK.get_or_init(|| common::open(None))
}

/// A network of 32 px with the usual operators of convolutional networks: strided, depthwise and grouped convolutions,
/// several activations, both pools, LRN, squeeze-and-excite, a sum of three.
pub fn small() -> &'static Network {
    static NETWORK: OnceLock<Network> = OnceLock::new();
    NETWORK.get_or_init(|| common::built(emit_small))
}

fn emit_small(b: &mut Builder) -> String {
    let mut phase = 0.0;
    // Numbers without a pattern, of the scale that keeps activations of size 1.
    let mut numbers = |dims: &[i64]| -> Vec<f32> {
        let inputs: i64 = dims[1..].iter().product();
        let scale = (2.0 / inputs.max(1) as f32).sqrt() * 1.4;
        phase += 0.37;
        let count: i64 = dims.iter().product();
        (0..count)
            .map(|place| scale * (place as f32 * 12.9898 + phase).sin())
            .collect()
    };
    let mut weights = |b: &mut Builder, dims: &[i64]| b.floats(dims, &numbers(dims));
    let dims = [
        Dim::DimParam("N".into()),
        Dim::DimValue(3),
        Dim::DimValue(32),
        Dim::DimValue(32),
    ];
    let x = b.input("x", ElementType::F32, &dims).unwrap();
    let w = weights(b, &[8, 3, 3, 3]);
    let pads = ("pads", vec![1i64, 1, 1, 1].into());
    let stride = ("strides", vec![2i64, 2].into());
    let stem = b.emit("Conv", &[&x, &w], &[pads.clone(), stride.clone()]);
    let stem = b.emit("HardSwish", &[&stem], &[]);
    let w = weights(b, &[8, 1, 3, 3]);
    let depthwise = b.emit(
        "Conv",
        &[&stem, &w],
        &[pads.clone(), ("group", 8i64.into())],
    );
    let depthwise = b.emit("LeakyRelu", &[&depthwise], &[]);
    let w = weights(b, &[8, 4, 1, 1]);
    let grouped = b.emit("Conv", &[&stem, &w], &[("group", 2i64.into())]);
    let grouped = b.emit("Sigmoid", &[&grouped], &[]);
    let sum = b.emit("Sum", &[&stem, &depthwise, &grouped], &[]);
    let normed = b.emit(
        "LRN",
        &[&sum],
        &[("size", 5i64.into()), ("alpha", 0.3f32.into())],
    );
    let window = [("kernel_shape", vec![2i64, 2].into()), stride.clone()];
    let pooled = b.emit("MaxPool", &[&normed], &window);
    let mean = b.emit("GlobalAveragePool", &[&pooled], &[]);
    let w = weights(b, &[8, 8, 1, 1]);
    let gate = b.emit("Conv", &[&mean, &w], &[]);
    let gate = b.emit("HardSigmoid", &[&gate], &[]);
    let gated = b.emit("Mul", &[&pooled, &gate], &[]);
    let w = weights(b, &[16, 8, 3, 3]);
    let last = b.emit("Conv", &[&gated, &w], &[pads]);
    let last = b.emit("Relu", &[&last], &[]);
    let last = b.emit("AveragePool", &[&last], &window);
    let features = b.emit("GlobalAveragePool", &[&last], &[]);
    let features = b.emit("Flatten", &[&features], &[]);
    let w = weights(b, &[CLASSES as i64, 16]);
    b.emit("Gemm", &[&features, &w], &[("transB", 1i64.into())])
}

/// A model file of [`small`]'s network.
pub fn small_file(folder: &std::path::Path) -> String {
    let path = folder.join("small.onnx");
    common::write(&path, emit_small);
    path.to_str().unwrap().into()
}
