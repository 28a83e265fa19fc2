//! Large matrices are not stored with an optimized model.

use super::{array, computed, model, noise, options, run};
use crate::onnx::proto::ModelProto;
use crate::onnx::{Builder, Graph};
use crate::runtime::matrices::Matrices;
use crate::runtime::operators::optimized::optimized;
use crate::runtime::shape_inference::infer_types_with_operators;
use crate::runtime::{Provider, Session, SessionOptions};

/// Elements that make a matrix large.
const SIDE: usize = 160;

fn matrix(builder: &mut Builder, seed: usize) -> String {
    let elements: Vec<f32> = (0..SIDE * SIDE)
        .map(|index| noise(index + seed) / 16.0)
        .collect();
    builder.floats(&[SIDE as i64, SIDE as i64], &elements)
}

/// Products by the same matrices forward and, transposed, backward.
fn products(builder: &mut Builder) -> String {
    let (first, second) = (matrix(builder, 1), matrix(builder, 2));
    let value = builder.emit("MatMul", &["x", &first], &[]);
    let value = builder.emit("Relu", &[&value], &[]);
    let value = builder.emit("MatMul", &[&value, &second], &[]);
    let transposed = |builder: &mut Builder, matrix: &str| {
        builder.emit("Transpose", &[matrix], &[("perm", vec![1i64, 0].into())])
    };
    let right = transposed(builder, &second);
    let value = builder.emit("MatMul", &[&value, &right], &[]);
    let right = transposed(builder, &first);
    builder.emit("MatMul", &[&value, &right], &[])
}

/// Names of the inputs, and of the operators of the model that is stored.
fn stored(model: &ModelProto) -> (Vec<&str>, Vec<&str>) {
    let graph = model.graph.as_ref().unwrap();
    let inputs = graph.input.iter().map(|input| input.name.as_str());
    let operators = graph.node.iter().map(|node| node.op_type.as_str());
    (inputs.collect(), operators.collect())
}

#[test]
fn matrices_of_products_are_detached_and_attached() {
    let value = array([1, 2, 3, SIDE], 1);
    let inputs = [("x", &value)];
    let mut model = model(&inputs, products);
    let constants = model.graph.as_ref().unwrap().initializer.clone();
    let matrices = Matrices::detach(&mut model);
    assert!(model.graph.as_ref().unwrap().initializer.is_empty());

    let mut optimized = optimized(&model, &options()).unwrap();
    let (inputs, operators) = stored(&optimized);
    assert_eq!(inputs.len(), 3);
    // Transposed factors are part of a product: no step transposes them again.
    assert!(!operators.contains(&"Transpose"), "{operators:?}");

    matrices.attach(&mut optimized);
    assert_eq!(stored(&optimized).0, ["x"]);
    let returned = &optimized.graph.as_ref().unwrap().initializer;
    assert!(constants.iter().all(|constant| returned.contains(constant)));
}

#[test]
fn a_fused_model_with_matrices_computes_the_same() {
    let value = array([1, 2, 3, SIDE], 1);
    let inputs = [("x", &value)];
    let expected = computed(&inputs, products).unwrap();
    let model = model(&inputs, products);
    let types =
        infer_types_with_operators(&Graph::new(model.clone()).unwrap(), &[("x", value.shape())]);
    let mut session = Session::open_fused(model, &types.unwrap(), &options())
        .unwrap()
        .unwrap();
    assert_eq!(run(&mut session, &inputs).unwrap(), expected);
}

#[test]
fn a_session_that_runs_once_computes_the_same_to_rounding() {
    let value = array([1, 2, 3, SIDE], 1);
    let inputs = [("x", &value)];
    let expected = computed(&inputs, products).unwrap();
    let once = SessionOptions {
        runs_once: true,
        ..options()
    };
    let model = model(&inputs, products);
    let mut session = Session::open_model(&model, Provider::Cpu, &once).unwrap();
    let names: Vec<&str> = session
        .inputs()
        .iter()
        .map(|port| port.name.as_str())
        .collect();
    assert_eq!(names, ["x"]);
    let computed = run(&mut session, &inputs).unwrap();
    let largest = expected
        .iter()
        .fold(0f32, |largest, value| largest.max(value.abs()));
    assert!(largest > 0.0);
    for (expected, computed) in expected.iter().zip(&computed) {
        assert!(
            (expected - computed).abs() <= 1e-6 * largest,
            "{expected} {computed}"
        );
    }
}

#[test]
fn matrices_with_other_uses_stay() {
    let value = array([1, 1, SIDE, SIDE], 1);
    let uses: [fn(&mut Builder) -> String; 5] = [
        |builder| {
            let matrix = matrix(builder, 1);
            builder.emit("Add", &["x", &matrix], &[])
        },
        |builder| {
            let matrix = matrix(builder, 1);
            builder.emit("MatMul", &[&matrix, "x"], &[])
        },
        |builder| {
            let matrix = matrix(builder, 1);
            let product = builder.emit("MatMul", &["x", &matrix], &[]);
            builder.emit("Mul", &[&product, &matrix], &[])
        },
        |builder| {
            let matrix = matrix(builder, 1);
            let transposed = builder.emit("Transpose", &[&matrix], &[]);
            builder.emit("Sub", &["x", &transposed], &[])
        },
        |builder| {
            let few = builder.floats(&[SIDE as i64, 1], &[0.5; SIDE]);
            builder.emit("MatMul", &["x", &few], &[])
        },
    ];
    for build in uses {
        let mut model = model(&[("x", &value)], build);
        let before = model.clone();
        Matrices::detach(&mut model);
        assert_eq!(model, before);
    }
}
