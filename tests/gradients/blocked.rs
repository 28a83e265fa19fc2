//! Gradients of convolutional networks on the CPU stay in its blocked layout.

use crate::central_differences::{Fill, Problem, differentiable};
use ziggurat::autodiff::{Options, gradient};
use ziggurat::onnx::proto::{ModelProto, TensorProto};
use ziggurat::onnx::types::untyped_value;
use ziggurat::onnx::{ElementType, file};
use ziggurat::runtime::{self, Provider, Session};

/// A stem, a depthwise convolution of a stride, and a head, with the gradient of the input.
fn network(opset: i64, stride: i64, kernel: i64, size: usize) -> ModelProto {
    let image = ("x", &[1, 3, size, size][..], Fill::Uniform);
    let problem = Problem::of(ElementType::F32, opset, &[image], |b| {
        let mut convolution = |x: &str, weight: [i64; 4], stride: i64, group: i64| {
            let count = weight.iter().product::<i64>() as usize;
            let pad = weight[3] / 2;
            let weight = b.floats(&weight, &vec![0.5; count]);
            let attributes = [
                ("strides", vec![stride; 2].into()),
                ("pads", vec![pad; 4].into()),
                ("group", group.into()),
            ];
            b.emit("Conv", &[x, &weight], &attributes)
        };
        let stem = convolution("x", [16, 3, 3, 3], 1, 1);
        let depthwise = convolution(&stem, [16, 1, kernel, kernel], stride, 16);
        vec![convolution(&depthwise, [32, 16, 1, 1], 1, 1)]
    });
    let (mut builder, shapes) = differentiable(&problem).unwrap();
    let dims = &shapes.get(&problem.outputs[0]).unwrap().dims;
    let count = dims.iter().product();
    let dims: Vec<i64> = dims.iter().map(|&dim| dim as i64).collect();
    let ones = builder.constant(TensorProto::from_f32("", &dims, &vec![1.0; count]));
    // A seed that is not a constant: the gradient of a linear network would be one, too.
    let seed = builder.emit("Mul", &[&problem.outputs[0], &ones], &[]);
    let seeds = [(problem.outputs[0].clone(), seed)];
    let sources = ["x".to_string()];
    let found = gradient(&mut builder, &shapes, &seeds, &sources, &Options::default()).unwrap();
    let outputs = [untyped_value(&found[0])];
    builder.graph().to_model(&outputs).unwrap()
}

/// The operators of a model after ONNX Runtime has optimized it.
fn optimized(model: &ModelProto) -> Vec<String> {
    runtime::testing::library();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("optimized.onnx");
    let options = runtime::Options {
        optimised: Some(path.clone()),
        ..Default::default()
    };
    Session::open(&file::encode(model).unwrap(), Provider::Cpu, &options).unwrap();
    let nodes = file::read(&path).unwrap().graph.unwrap().node;
    nodes.into_iter().map(|node| node.op_type).collect()
}

fn reorders(ops: &[String]) -> usize {
    let reorders = ops.iter().filter(|op| op.starts_with("Reorder"));
    reorders.count()
}

#[test]
fn a_depthwise_convolution_of_stride_2_is_reordered_no_more_often_than_one_of_stride_1() {
    for opset in [18, 22] {
        let plain = reorders(&optimized(&network(opset, 1, 3, 32)));
        if plain == 0 {
            println!("this processor has no blocked layout");
            return;
        }
        for (kernel, size) in [(3, 32), (5, 32), (7, 32), (3, 31), (5, 33)] {
            let ops = optimized(&network(opset, 2, kernel, size));
            assert_eq!(
                reorders(&ops),
                plain,
                "opset {opset}, {kernel}, {size}: {ops:?}"
            );
            // The places of the gradient's elements are computed anew by each run: constants are not blocked.
            assert!(ops.iter().any(|op| op == "DequantizeLinear"), "{ops:?}");
        }
    }
}
