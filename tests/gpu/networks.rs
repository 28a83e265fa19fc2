//! The networks of these tests.

#[path = "../common/networks.rs"]
mod common;

#[allow(unused_imports)]
pub use common::built;
pub use common::open;

use std::sync::OnceLock;
use ziggurat::model::Network;
use ziggurat::onnx::Attribute;
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

/// The parts that ResNet, DenseNet and vision transformers add to [`small`]'s, each in a small network.
pub fn architectures() -> [Network; 3] {
    [
        ("residual", emit_residual as fn(&mut Builder) -> String),
        ("dense", emit_dense),
        ("transformer", emit_transformer),
    ]
    .map(|(name, emit)| {
        let mut network = common::built(emit);
        network.name = name.into();
        network
    })
}

/// A small network with an operator that WebGPU leaves to the CPU.
pub fn with_selu() -> Network {
    common::built(|b| {
        let mut weights = weights();
        let x = picture(b);
        let w = weights(b, &[8, 3, 3, 3]);
        let value = b.emit("Conv", &[&x, &w], &[("strides", square(2))]);
        let value = b.emit("Selu", &[&value], &[]);
        classify(b, &value, 8, &mut weights)
    })
}

/// A source of weights without a pattern, of the scale that keeps activations of size 1.
fn weights() -> impl FnMut(&mut Builder, &[i64]) -> String {
    let mut phase = 0.0;
    move |b, dims| {
        let inputs: i64 = dims[1..].iter().product();
        let scale = (2.0 / inputs.max(1) as f32).sqrt() * 1.4;
        phase += 0.37;
        let count: i64 = dims.iter().product();
        let values: Vec<f32> = (0..count)
            .map(|place| scale * (place as f32 * 12.9898 + phase).sin())
            .collect();
        b.floats(dims, &values)
    }
}

/// A picture of 32 px, of any batch size.
fn picture(b: &mut Builder) -> String {
    let dims = [
        Dim::DimParam("N".into()),
        Dim::DimValue(3),
        Dim::DimValue(32),
        Dim::DimValue(32),
    ];
    b.input("x", ElementType::F32, &dims).unwrap()
}

fn square(side: i64) -> Attribute {
    vec![side, side].into()
}

/// Padding of this width on all sides.
fn pads(width: i64) -> Attribute {
    vec![width; 4].into()
}

fn normalize(b: &mut Builder, value: &str, channels: i64) -> String {
    let parameter = |b: &mut Builder, phase: f32, base: f32| {
        let values: Vec<f32> = (0..channels)
            .map(|place| base + 0.2 * (place as f32 + phase).sin())
            .collect();
        b.floats(&[channels], &values)
    };
    let scale = parameter(b, 0.1, 1.0);
    let bias = parameter(b, 0.2, 0.0);
    let mean = parameter(b, 0.3, 0.0);
    let variance = parameter(b, 0.4, 1.0);
    b.emit(
        "BatchNormalization",
        &[value, &scale, &bias, &mean, &variance],
        &[],
    )
}

/// As ResNet: a stem of stride 2, an overlapping maximum pool, a block with a projection and one without.
fn emit_residual(b: &mut Builder) -> String {
    let mut weights = weights();
    let x = picture(b);
    let w = weights(b, &[8, 3, 7, 7]);
    let stem = b.emit(
        "Conv",
        &[&x, &w],
        &[("strides", square(2)), ("pads", pads(3))],
    );
    let stem = normalize(b, &stem, 8);
    let stem = b.emit("Relu", &[&stem], &[]);
    let pool = [
        ("kernel_shape", square(3)),
        ("strides", square(2)),
        ("pads", pads(1)),
    ];
    let mut value = b.emit("MaxPool", &[&stem], &pool);
    for (channels, stride) in [(16, 2), (16, 1)] {
        let from = if stride == 2 { 8 } else { channels };
        let w = weights(b, &[channels, from, 3, 3]);
        let strides = ("strides", square(stride));
        let inner = b.emit("Conv", &[&value, &w], &[strides.clone(), ("pads", pads(1))]);
        let inner = normalize(b, &inner, channels);
        let inner = b.emit("Relu", &[&inner], &[]);
        let w = weights(b, &[channels, channels, 3, 3]);
        let inner = b.emit("Conv", &[&inner, &w], &[("pads", pads(1))]);
        let inner = normalize(b, &inner, channels);
        if stride == 2 {
            let w = weights(b, &[channels, from, 1, 1]);
            value = b.emit("Conv", &[&value, &w], &[strides]);
        }
        let sum = b.emit("Add", &[&inner, &value], &[]);
        value = b.emit("Relu", &[&sum], &[]);
    }
    classify(b, &value, 16, &mut weights)
}

/// As DenseNet: normalization before each convolution, concatenated outputs, a transition with an average pool.
fn emit_dense(b: &mut Builder) -> String {
    let mut weights = weights();
    let x = picture(b);
    let w = weights(b, &[8, 3, 3, 3]);
    let mut value = b.emit("Conv", &[&x, &w], &[("pads", pads(1))]);
    let mut channels = 8;
    for _ in 0..3 {
        let inner = normalize(b, &value, channels);
        let inner = b.emit("Relu", &[&inner], &[]);
        let w = weights(b, &[4, channels, 3, 3]);
        let inner = b.emit("Conv", &[&inner, &w], &[("pads", pads(1))]);
        value = b.emit("Concat", &[&value, &inner], &[("axis", 1i64.into())]);
        channels += 4;
    }
    let inner = normalize(b, &value, channels);
    let inner = b.emit("Relu", &[&inner], &[]);
    let w = weights(b, &[10, channels, 1, 1]);
    let inner = b.emit("Conv", &[&inner, &w], &[]);
    let pool = [("kernel_shape", square(2)), ("strides", square(2))];
    let value = b.emit("AveragePool", &[&inner], &pool);
    classify(b, &value, 10, &mut weights)
}

fn classify(
    b: &mut Builder,
    value: &str,
    channels: i64,
    weights: &mut impl FnMut(&mut Builder, &[i64]) -> String,
) -> String {
    let features = b.emit("GlobalAveragePool", &[value], &[]);
    let features = b.emit("Flatten", &[&features], &[]);
    let w = weights(b, &[CLASSES as i64, channels]);
    b.emit("Gemm", &[&features, &w], &[("transB", 1i64.into())])
}

/// As ViT: patches, a class token, positions, attention with two heads, a perceptron with GELU.
fn emit_transformer(b: &mut Builder) -> String {
    const WIDTH: i64 = 16;
    const TOKENS: i64 = 17;
    let mut weights = weights();
    let x = picture(b);
    let w = weights(b, &[WIDTH, 3, 8, 8]);
    let patches = b.emit("Conv", &[&x, &w], &[("strides", square(8))]);
    let dims = b.ints(&[0, WIDTH, TOKENS - 1]);
    let patches = b.emit("Reshape", &[&patches, &dims], &[]);
    let tokens = b.emit(
        "Transpose",
        &[&patches],
        &[("perm", vec![0i64, 2, 1].into())],
    );
    // One class token per picture.
    let shape = b.emit("Shape", &[&x], &[]);
    let zero = b.ints(&[0]);
    let count = b.emit("Gather", &[&shape, &zero], &[]);
    let rest = b.ints(&[1, WIDTH]);
    let dims = b.emit("Concat", &[&count, &rest], &[("axis", 0i64.into())]);
    let class = weights(b, &[1, 1, WIDTH]);
    let class = b.emit("Expand", &[&class, &dims], &[]);
    let tokens = b.emit("Concat", &[&class, &tokens], &[("axis", 1i64.into())]);
    let positions = weights(b, &[1, TOKENS, WIDTH]);
    let tokens = b.emit("Add", &[&tokens, &positions], &[]);

    let normed = layer_norm(b, &tokens, WIDTH);
    let mut heads = |b: &mut Builder, order: [i64; 4]| {
        let w = weights(b, &[WIDTH, WIDTH]);
        let value = b.emit("MatMul", &[&normed, &w], &[]);
        let dims = b.ints(&[0, 0, 2, WIDTH / 2]);
        let value = b.emit("Reshape", &[&value, &dims], &[]);
        b.emit("Transpose", &[&value], &[("perm", order.to_vec().into())])
    };
    let (query, key, value) = (
        heads(b, [0, 2, 1, 3]),
        heads(b, [0, 2, 3, 1]),
        heads(b, [0, 2, 1, 3]),
    );
    let scores = b.emit("MatMul", &[&query, &key], &[]);
    let scale = b.floats(&[], &[0.35]);
    let scores = b.emit("Mul", &[&scores, &scale], &[]);
    let shares = b.emit("Softmax", &[&scores], &[("axis", (-1i64).into())]);
    let mixed = b.emit("MatMul", &[&shares, &value], &[]);
    let mixed = b.emit(
        "Transpose",
        &[&mixed],
        &[("perm", vec![0i64, 2, 1, 3].into())],
    );
    let dims = b.ints(&[0, 0, WIDTH]);
    let mixed = b.emit("Reshape", &[&mixed, &dims], &[]);
    let w = weights(b, &[WIDTH, WIDTH]);
    let mixed = b.emit("MatMul", &[&mixed, &w], &[]);
    let tokens = b.emit("Add", &[&tokens, &mixed], &[]);

    let inner = layer_norm(b, &tokens, WIDTH);
    let w = weights(b, &[WIDTH, 2 * WIDTH]);
    let inner = b.emit("MatMul", &[&inner, &w], &[]);
    let inner = gelu(b, &inner);
    let w = weights(b, &[2 * WIDTH, WIDTH]);
    let inner = b.emit("MatMul", &[&inner, &w], &[]);
    let tokens = b.emit("Add", &[&tokens, &inner], &[]);
    let tokens = layer_norm(b, &tokens, WIDTH);
    let first = b.int(0);
    let class = b.emit("Gather", &[&tokens, &first], &[("axis", 1i64.into())]);
    let w = weights(b, &[CLASSES as i64, WIDTH]);
    b.emit("Gemm", &[&class, &w], &[("transB", 1i64.into())])
}

fn layer_norm(b: &mut Builder, value: &str, width: i64) -> String {
    let scale = b.floats(&[width], &vec![1.1; width as usize]);
    let bias = b.floats(&[width], &vec![0.1; width as usize]);
    b.emit("LayerNormalization", &[value, &scale, &bias], &[])
}

/// As PyTorch exports it.
fn gelu(b: &mut Builder, value: &str) -> String {
    let [root, one, half] =
        [std::f32::consts::FRAC_1_SQRT_2, 1.0, 0.5].map(|number| b.floats(&[], &[number]));
    let scaled = b.emit("Mul", &[value, &root], &[]);
    let error = b.emit("Erf", &[&scaled], &[]);
    let error = b.emit("Add", &[&error, &one], &[]);
    let product = b.emit("Mul", &[value, &error], &[]);
    b.emit("Mul", &[&product, &half], &[])
}

fn emit_small(b: &mut Builder) -> String {
    let mut weights = weights();
    let x = picture(b);
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
