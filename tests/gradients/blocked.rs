//! Gradients of convolutional networks on the CPU stay in its blocked layout.
//!
//! ONNX Runtime has this layout on every x86-64 processor. Elsewhere it may not: there, no operator is blocked.

use crate::central_differences::{Fill, Problem, differentiable};
use ziggurat::autodiff::{GradientOptions, gradient};
use ziggurat::onnx::own_operators::DEPTHWISE_GRADIENT;
use ziggurat::onnx::proto::ModelProto;
use ziggurat::onnx::types::untyped_value;
use ziggurat::onnx::{Builder, ElementType, Types, file};
use ziggurat::runtime::{self, Provider, Session, SessionOptions};

/// A convolution of random weights and "same" padding: (output, input/group, kernel, kernel).
fn convolution(b: &mut Builder, x: &str, weight: [i64; 4], stride: i64, group: i64) -> String {
    let count = weight.iter().product::<i64>() as usize;
    let values: Vec<f32> = (0..count).map(|place| (place as f32).sin()).collect();
    let values = b.floats(&weight, &values);
    let attributes = [
        ("strides", vec![stride; 2].into()),
        ("pads", vec![weight[3] / 2; 4].into()),
        ("group", group.into()),
    ];
    b.emit("Conv", &[x, &values], &attributes)
}

/// A stem of 16 channels, what `middle` makes of it, and a head, with the gradient of the image.
fn network(
    opset: i64,
    size: usize,
    middle: impl FnOnce(&mut Builder, &str) -> String,
) -> ModelProto {
    let image = ("x", &[1, 3, size, size][..], Fill::Uniform);
    let problem = Problem::new(ElementType::F32, opset, &[image], |b| {
        let stem = convolution(b, "x", [16, 3, 3, 3], 1, 1);
        let maps = middle(b, &stem);
        vec![convolution(b, &maps, [32, 16, 1, 1], 1, 1)]
    });
    let (mut builder, shapes) = differentiable(&problem).unwrap();
    // Not a constant: the gradient of a linear network would be one, too.
    let output = problem.outputs[0].clone();
    let seed = builder.emit("Mul", &[&output, &output], &[]);
    let sources = ["x".to_string()];
    let seeds = [(output, seed)];
    let found = gradient(
        &mut builder,
        &shapes,
        &seeds,
        &sources,
        &GradientOptions::default(),
    )
    .unwrap();
    let outputs = [untyped_value(&found[0])];
    builder.graph().to_model(&outputs).unwrap()
}

/// The operators of a model after ONNX Runtime has optimized it.
fn optimized(model: &ModelProto) -> Vec<String> {
    let bytes = file::encode(model).unwrap();
    written(|options| Session::open(&bytes, Provider::Cpu, options).unwrap())
}

/// The operators of the model that a session writes to a file when it is opened.
fn written(open: impl FnOnce(&SessionOptions) -> Session) -> Vec<String> {
    runtime::testing::library();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("optimized.onnx");
    open(&SessionOptions {
        optimised: Some(path.clone()),
        ..Default::default()
    });
    let nodes = file::read(&path).unwrap().graph.unwrap().node;
    nodes.into_iter().map(|node| node.op_type).collect()
}

fn reorders(ops: &[String]) -> usize {
    let reorders = ops.iter().filter(|op| op.starts_with("Reorder"));
    reorders.count()
}

/// The number of reorders in a network without anything in the middle; 0 if this processor has no blocked layout.
fn fewest_reorders() -> usize {
    let plain = network(18, 32, |_, stem| stem.into());
    let ops = optimized(&plain);
    let count = reorders(&ops);
    assert!(count > 0 || !cfg!(target_arch = "x86_64"), "{ops:?}");
    count
}

#[test]
fn depthwise_convolutions_of_stride_2_are_not_reordered() {
    let fewest = fewest_reorders();
    for opset in [18, 22] {
        for (kernel, size) in [(3, 32), (5, 32), (7, 32), (3, 31), (5, 33)] {
            let model = network(opset, size, |b, x| {
                convolution(b, x, [16, 1, kernel, kernel], 2, 16)
            });
            let ops = optimized(&model);
            let case = format!("opset {opset}, {kernel}, {size}: {ops:?}");
            assert_eq!(reorders(&ops), fewest, "{case}");
            // The places of the gradient's elements are computed anew by each run: constants are not blocked.
            let is_computed = ops.iter().any(|op| op == "DequantizeLinear");
            assert!(is_computed || fewest == 0, "{case}");
        }
    }
}

#[test]
fn gradients_of_depthwise_convolutions_of_stride_2_are_one_operator_where_nodes_are_fused() {
    let blocked = fewest_reorders() > 0;
    for (kernel, size) in [(3, 32), (5, 32), (3, 31)] {
        let model = network(18, size, |b, x| {
            convolution(b, x, [16, 1, kernel, kernel], 2, 16)
        });
        let ops = written(|options| {
            Session::open_fused(model, &Types::default(), options)
                .unwrap()
                .unwrap()
        });
        let count = |name: &str| ops.iter().filter(|op| *op == name).count();
        let expected = if blocked { [1, 0] } else { [0, 1] };
        assert_eq!(
            [DEPTHWISE_GRADIENT, "DequantizeLinear"].map(count),
            expected,
            "{ops:?}"
        );
    }
}

#[test]
fn squeeze_and_excitation_is_blocked_on_the_way_back() {
    let model = network(18, 32, |b, x| {
        let squeezed = b.emit("GlobalAveragePool", &[x], &[]);
        let excited = convolution(b, &squeezed, [16, 16, 1, 1], 1, 1);
        let scale = b.emit("Sigmoid", &[&excited], &[]);
        b.emit("Mul", &[x, &scale], &[])
    });
    let ops = optimized(&model);
    let count = |name: &str| ops.iter().filter(|op| *op == name).count();
    assert_eq!(count("Expand") + count("ReduceSum"), 0, "{ops:?}");
    // The blocked form of Resize is called Upsample. The product of the forward pass has neither.
    let resizes = match fewest_reorders() {
        0 => ["Upsample", "Resize"],
        _ => ["Resize", "Upsample"],
    };
    assert_eq!(resizes.map(count), [0, 2], "{ops:?}");
}

#[test]
fn gradients_of_hard_activations_are_not_reordered() {
    let fewest = fewest_reorders();
    let model = network(18, 32, |b, x| b.emit("HardSigmoid", &[x], &[]));
    assert_eq!(reorders(&optimized(&model)), fewest);
    // The operator itself is not blocked: its input and output are reordered once.
    let model = network(18, 32, |b, x| b.emit("HardSwish", &[x], &[]));
    let ops = optimized(&model);
    assert!(reorders(&ops) <= fewest + 2, "{ops:?}");
}
