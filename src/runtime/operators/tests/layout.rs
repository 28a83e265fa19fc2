//! Fused models keep the blocked channels of convolutional networks.

use super::{array, computed, model, noise, options, result_of, run};
use crate::onnx::own_operators::ELEMENTWISE;
use crate::onnx::proto::ModelProto;
use crate::onnx::{Builder, Graph};
use crate::runtime::operators::known_types::renamed;
use crate::runtime::operators::open_fused::fused_model;
use crate::runtime::operators::optimized::optimized;
use crate::runtime::shape_inference::infer_types_with_operators;
use crate::runtime::{Session, Tensor};

/// Two layers of a convolution with a bounded rectifier, each with the gradient of both.
fn rectified(builder: &mut Builder) -> String {
    let weight = |builder: &mut Builder, seed: usize| {
        let weights: Vec<f32> = (0..32 * 32 * 9)
            .map(|index| noise(index + seed) / 8.0)
            .collect();
        builder.floats(&[32, 32, 3, 3], &weights)
    };
    let pads = [("pads", vec![1i64, 1, 1, 1].into())];
    let mut value = String::from("x");
    for layer in 0..2 {
        let weight = weight(builder, layer);
        let sum = builder.emit("Conv", &[&value, &weight], &pads);
        let (low, high) = (builder.floats(&[], &[0.0]), builder.floats(&[], &[1.0]));
        let bounded = builder.emit("Clip", &[&sum, &low, &high], &[]);
        let mut gradient = builder.emit("Conv", &[&bounded, &weight], &pads);
        for (alpha, beta) in [(1e30f32, 0f32), (-1e30, 1e30)] {
            let slope = [("alpha", alpha.into()), ("beta", beta.into())];
            let mask = builder.emit("HardSigmoid", &[&bounded], &slope);
            gradient = builder.emit("Mul", &[&gradient, &mask], &[]);
        }
        value = builder.emit("Conv", &[&gradient, &weight], &pads);
    }
    value
}

/// The model, optimized and fused.
pub(super) fn fused(mut model: ModelProto, inputs: &[(&str, &[usize])]) -> ModelProto {
    let types = infer_types_with_operators(&Graph::new(model.clone()).unwrap(), inputs);
    let nodes = renamed(&mut model);
    let optimized = optimized(&model, &options()).unwrap();
    fused_model(optimized, &nodes, &types.unwrap()).unwrap()
}

#[test]
fn masks_between_convolutions_keep_their_layout_and_their_values() {
    let value = array([2, 32, 9, 11], 1);
    let inputs = [("x", &value)];
    let expected = computed(&inputs, rectified).unwrap();
    assert!(expected.iter().filter(|value| **value != 0.0).count() > expected.len() / 2);

    let model = model(&inputs, rectified);
    let types =
        infer_types_with_operators(&Graph::new(model.clone()).unwrap(), &[("x", value.shape())]);
    let mut session = Session::open_fused(model.clone(), &types.unwrap(), &options())
        .unwrap()
        .unwrap();
    assert_eq!(run(&mut session, &inputs).unwrap(), expected);

    let nodes = fused(model, &[("x", value.shape())]).graph.unwrap().node;
    let count = |op: &str| nodes.iter().filter(|node| node.op_type == op).count();
    assert_eq!((count(ELEMENTWISE), count("Mul")), (2, 0));
    let is_blocked = nodes
        .iter()
        .any(|node| node.op_type == "Conv" && node.domain.ends_with("nchwc"));
    // Without AVX2 there is no blocked layout.
    if is_blocked {
        assert_eq!((count("ReorderInput"), count("ReorderOutput")), (1, 1));
    }
}

#[test]
fn the_nodes_of_an_operator_that_is_decomposed_are_fused() {
    let value = array([1, 32, 9, 11], 1);
    let network = |builder: &mut Builder| {
        let weights: Vec<f32> = (0..32 * 32).map(noise).collect();
        let weight = builder.floats(&[32, 32, 1, 1], &weights);
        let sum = builder.emit("Conv", &["x", &weight], &[]);
        // Read twice, so that it does not become a part of the convolution.
        let activation = builder.emit("HardSwish", &[&sum], &[]);
        let product = builder.emit("Mul", &[&activation, &sum], &[]);
        builder.emit("Conv", &[&product, &weight], &[])
    };
    let inputs = [("x", &value)];
    let expected = computed(&inputs, network).unwrap();
    let fused = fused(model(&inputs, network), &[("x", value.shape())]);
    let nodes = &fused.graph.as_ref().unwrap().node;
    let count = |op: &str| nodes.iter().filter(|node| node.op_type == op).count();
    let ops: Vec<&str> = nodes.iter().map(|node| node.op_type.as_str()).collect();
    assert_eq!(
        (count(ELEMENTWISE), count("HardSigmoid")),
        (1, 0),
        "{ops:?}"
    );
    assert_eq!(result_of(&fused, &inputs), expected);
}

#[test]
fn nodes_keep_their_names() {
    let value = array([1, 32, 4, 4], 1);
    let model = model(&[("x", &value)], |builder| {
        let sum = builder.emit("Add", &["x", "x"], &[]);
        let root = builder.emit_named("root", "Relu", &[&sum], &[]).unwrap();
        builder.emit("Softmax", &[&root], &[])
    });
    let nodes = fused(model, &[("x", value.shape())]).graph.unwrap().node;
    let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
    assert!(names.contains(&"root"), "{names:?}");
    assert!(
        !names.iter().any(|name| name.starts_with("ziggurat/")),
        "{names:?}"
    );
}

#[test]
fn names_that_onnx_runtime_gives_to_its_own_nodes_are_no_obstacle() {
    let value = array([2, 32, 9, 11], 1);
    let inputs = [("x", &value)];
    let expected = computed(&inputs, rectified).unwrap();
    for name in [
        "ReorderInput",
        "ReorderOutput",
        "y_nchwc",
        "ziggurat/node/0",
    ] {
        for place in [2, 5] {
            let mut model = model(&inputs, rectified);
            let nodes = &mut model.graph.as_mut().unwrap().node;
            nodes[place].name = name.into();
            let graph = Graph::new(model.clone()).unwrap();
            let types = infer_types_with_operators(&graph, &[("x", value.shape())]);
            let session = Session::open_fused(model, &types.unwrap(), &options());
            let mut session = session.unwrap().expect("the fused model can be opened");
            assert_eq!(run(&mut session, &inputs).unwrap(), expected, "{name}");
        }
    }
}

#[test]
fn a_model_without_element_wise_nodes_is_opened_as_any_other() {
    let value = array([1, 3, 4, 4], 0);
    let inputs = [("x", &value)];
    let model = model(&inputs, |builder| builder.emit("Softplus", &["x"], &[]));
    let mut session = Session::open_fused(model, &Default::default(), &options())
        .unwrap()
        .unwrap();
    let Tensor::F32(value) = &value else {
        panic!("float32")
    };
    let result = run(&mut session, &inputs).unwrap();
    for (result, value) in result.iter().zip(value) {
        assert!((result - value.exp().ln_1p()).abs() < 1e-6);
    }
}
