//! A network whose class scores are linear in its input.

use super::CLASSES;
use ndarray::Array2;
use ziggurat::onnx::passes::constant_folding;
use ziggurat::onnx::types::fixed_dims;
use ziggurat::onnx::{Builder, ElementType, Graph, Types};
use ziggurat::runtime::{OnnxRuntime, testing};

/// Numbers that look random, between -1 and 1.
pub fn wave(index: usize) -> f32 {
    ((index * index + 3 * index) as f32 * 0.7).sin()
}

/// A network whose class scores are linear in its input (N, C, 8, 12): pooled to
/// [`CELLS`](super::CELLS), averaged, weighed.
pub fn network(runs: usize, channels: usize) -> (Graph, Types) {
    testing::library();
    let mut b = Builder::empty(18, "");
    let dims = [runs, channels, 8, 12];
    b.input("x", ElementType::F32, &fixed_dims(&dims)).unwrap();
    let kernel = [
        ("kernel_shape", vec![4i64, 4].into()),
        ("strides", vec![4i64, 4].into()),
    ];
    b.emit_named("pooled", "AveragePool", &["x"], &kernel)
        .unwrap();
    b.emit_named("features", "Relu", &["pooled"], &[]).unwrap();
    let mean = b.emit("GlobalAveragePool", &["features"], &[]);
    let flat = b.emit("Flatten", &[&mean], &[]);
    let weights = b.floats(
        &[CLASSES as i64, channels as i64],
        weights(channels).as_slice().unwrap(),
    );
    let gemm = [("transB", 1i64.into())];
    b.emit_named("logits", "Gemm", &[&flat, &weights], &gemm)
        .unwrap();
    let graph = b.into_graph();
    let shapes = constant_folding::shapes(&OnnxRuntime, &graph, &[("x", &dims)]).unwrap();
    (graph, shapes)
}

pub fn weights(channels: usize) -> Array2<f32> {
    Array2::from_shape_fn((CLASSES, channels), |(class, channel)| {
        wave(7 * class + channel + 1)
    })
}
