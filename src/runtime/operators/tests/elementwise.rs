//! Element-wise nodes beside the programs that replace them.

use super::{array, computed, noise, options};
use crate::onnx::own_operators::ELEMENTWISE;
use crate::onnx::proto::{ModelProto, NodeProto};
use crate::onnx::types::{fixed_dims, untyped_value};
use crate::onnx::{Attribute, Builder, ElementType, Graph};
use crate::runtime::operators::known_types::renamed;
use crate::runtime::operators::open_fused::fused_model;
use crate::runtime::shape_inference::infer_types_with_operators;
use crate::runtime::{Optimisation, Provider, Session, SessionOptions, Tensor, testing};

type Input = (&'static str, Vec<usize>);

/// Inputs that broadcast to each other in various ways.
fn inputs() -> Vec<Input> {
    let dims: [(&str, &[usize]); 8] = [
        ("full", &[2, 3, 37, 41]),
        ("other", &[2, 3, 37, 41]),
        ("picture", &[2, 1, 1, 1]),
        ("channel", &[1, 3, 1, 1]),
        ("row", &[37, 1]),
        ("column", &[41]),
        ("plane", &[2, 1, 37, 41]),
        ("number", &[1]),
    ];
    dims.map(|(name, dims)| (name, dims.to_vec())).to_vec()
}

/// A graph of 30 element-wise nodes; some of their values are outputs or summed.
fn random_model(seed: usize) -> ModelProto {
    let mut builder = Builder::empty(18, "");
    let mut values: Vec<String> = Vec::new();
    for (name, dims) in inputs() {
        builder
            .input(name, ElementType::F32, &fixed_dims(&dims))
            .unwrap();
        values.push(name.into());
    }
    let mut outputs = Vec::new();
    let pick = |index: usize, count: usize| ((noise(index) + 1.0) / 2.0 * count as f32) as usize;
    for step in 0..30 {
        let draw = |place: usize, count: usize| pick(seed * 1000 + step * 10 + place, count);
        // Later values more often.
        let any = |place: usize, values: &[String]| {
            let recent = values.len().min(6);
            match draw(place, 3) {
                0 => values[draw(place + 1, values.len())].clone(),
                _ => values[values.len() - 1 - draw(place + 1, recent)].clone(),
            }
        };
        let (first, second) = (any(0, &values), any(2, &values));
        let (first, second) = (first.as_str(), second.as_str());
        let value = match draw(4, 14) {
            0 => builder.emit("Sub", &[first, second], &[]),
            1 => builder.emit("Abs", &[first], &[]),
            2 => builder.emit("Neg", &[first], &[]),
            3 => builder.emit("Relu", &[first], &[]),
            4 => builder.emit("Max", &[first, second, "column"], &[]),
            5 => builder.emit("Min", &[first, second], &[]),
            6 => {
                let (low, high) = (builder.floats(&[], &[-0.5]), builder.floats(&[], &[0.25]));
                builder.emit("Clip", &[first, &low, &high], &[])
            }
            7 => builder.emit("HardSigmoid", &[first], &[("alpha", 0.3f32.into())]),
            8 => {
                let steep = [("alpha", (-1e30f32).into()), ("beta", 2.5e29f32.into())];
                let mask = builder.emit("HardSigmoid", &[first], &steep);
                builder.emit("Mul", &[second, &mask], &[])
            }
            9 => {
                let op = ["Greater", "Less", "Equal"][draw(5, 3)];
                let flags = builder.emit(op, &[first, second], &[]);
                builder.emit("Cast", &[&flags], &[("to", 1i64.into())])
            }
            10 => {
                let magnitude = builder.emit("Abs", &[second], &[]);
                let root = builder.emit("Sqrt", &[&magnitude], &[]);
                let one = builder.floats(&[1, 1], &[1.0]);
                let divisor = builder.emit("Add", &[&root, &one], &[]);
                builder.emit("Div", &[first, &divisor], &[])
            }
            11 => {
                let axes = builder.ints(&[-1]);
                builder.emit("ReduceMax", &[first, &axes], &[])
            }
            12 => builder.emit("Mul", &[first, second], &[]),
            _ => builder.emit("Add", &[first, second], &[]),
        };
        if draw(6, 5) == 0 {
            outputs.push(untyped_value(&value));
        }
        values.push(value);
    }
    outputs.push(untyped_value(&values[values.len() - 1]));
    outputs.dedup();
    builder.graph().to_model(&outputs).unwrap()
}

/// The model with its nodes fused, and how many programs it has.
fn fused(model: &ModelProto) -> (ModelProto, usize) {
    testing::library();
    let mut model = model.clone();
    let inputs = inputs();
    let dims: Vec<(&str, &[usize])> = (inputs.iter())
        .map(|(name, dims)| (*name, dims.as_slice()))
        .collect();
    let types = infer_types_with_operators(&Graph::new(model.clone()).unwrap(), &dims).unwrap();
    let nodes = renamed(&mut model);
    let fused = fused_model(model, &nodes, &types).unwrap();
    let nodes = fused.graph.iter().flat_map(|graph| &graph.node);
    let count = nodes.filter(|node| node.op_type == ELEMENTWISE).count();
    (fused, count)
}

fn outputs(model: &ModelProto, options: &SessionOptions) -> Vec<Tensor> {
    testing::library();
    let mut session = Session::open_model(model, Provider::Cpu, options).unwrap();
    let graph = model.graph.as_ref().unwrap();
    let tensors: Vec<(&str, Tensor)> = inputs()
        .into_iter()
        .enumerate()
        .filter(|(_, (name, _))| graph.input.iter().any(|input| input.name == *name))
        .map(|(index, (name, dims))| {
            let dims = dims.as_slice();
            let tensor = match *dims {
                [a] => array([a], index),
                [a, b] => array([a, b], index),
                [a, b, c, d] => array([a, b, c, d], index),
                _ => unreachable!(),
            };
            (name, tensor)
        })
        .collect();
    let tensors: Vec<(&str, &Tensor)> =
        tensors.iter().map(|(name, value)| (*name, value)).collect();
    let names: Vec<&str> = graph
        .output
        .iter()
        .map(|output| output.name.as_str())
        .collect();
    session.run(&tensors, &names).unwrap()
}

#[test]
fn programs_equal_the_nodes_that_they_replace() {
    let unoptimized = SessionOptions {
        optimisation: Optimisation::None,
        ..options()
    };
    let mut programs = 0;
    for seed in 0..60 {
        let model = random_model(seed);
        let (fused, count) = fused(&model);
        programs += count;
        let nodes = |model: &ModelProto| model.graph.as_ref().unwrap().node.len();
        assert!(
            nodes(&fused) < nodes(&model),
            "seed {seed}: nothing is fused"
        );
        let (expected, results) = (outputs(&model, &unoptimized), outputs(&fused, &unoptimized));
        for (expected, result) in expected.iter().zip(&results) {
            let (Tensor::F32(expected), Tensor::F32(result)) = (expected, result) else {
                panic!("float32")
            };
            assert_eq!(expected.shape(), result.shape(), "seed {seed}");
            // Zeros of both signs are equal.
            assert!(expected == result, "seed {seed}");
        }
    }
    assert!(programs > 100, "{programs}");
}

#[test]
fn a_cheap_value_is_computed_where_it_is_read_and_an_expensive_one_stored() {
    let programs = |length: usize| {
        let mut builder = Builder::empty(18, "");
        for (name, dims) in &inputs()[..2] {
            builder
                .input(name, ElementType::F32, &fixed_dims(dims))
                .unwrap();
        }
        let mut value = String::from("full");
        for _ in 0..length {
            value = builder.emit("Mul", &[&value, "other"], &[]);
        }
        let outputs = ["Add", "Sub"].map(|op| {
            let result = builder.emit(op, &[&value, "other"], &[]);
            untyped_value(&builder.emit("Relu", &[&result], &[]))
        });
        fused(&builder.graph().to_model(&outputs).unwrap()).1
    };
    assert_eq!(programs(2), 2);
    assert_eq!(programs(20), 3);
}

#[test]
fn infinite_values_and_those_that_are_no_numbers_are_compared_alike() {
    let mut builder = Builder::empty(18, "");
    for (name, dims) in &inputs()[..2] {
        let dims = fixed_dims(dims);
        builder.input(name, ElementType::F32, &dims).unwrap();
    }
    // Infinite of both signs, and where the rectifier is 0 not a number.
    let zero = builder.emit("Sub", &["full", "full"], &[]);
    let rectified = builder.emit("Relu", &["full"], &[]);
    let mut odd = vec![builder.emit("Div", &["other", &zero], &[])];
    odd.push(builder.emit("Div", &[&rectified, &zero], &[]));
    let mut results = Vec::new();
    for odd in &odd {
        let bound = builder.floats(&[], &[0.25]);
        for op in ["Greater", "Less"] {
            let flags = builder.emit(op, &[odd, &bound], &[]);
            let mask = builder.emit("Cast", &[&flags], &[("to", 1i64.into())]);
            results.push(builder.emit("Mul", &["other", &mask], &[]));
        }
        for op in ["Max", "Min"] {
            for operands in [["other", odd], [odd, "other"]] {
                let most = builder.emit(op, &operands, &[]);
                results.push(builder.emit("Neg", &[&most], &[]));
            }
        }
    }
    for (alpha, beta) in [
        (1e20f32, 0.5f32),
        (1e30, 0.25),
        (-1e30, 0.5),
        (1e30, 0.0),
        (9e17, -2e17),
    ] {
        let slope = [("alpha", alpha.into()), ("beta", beta.into())];
        let steep = builder.emit("HardSigmoid", &[&rectified], &slope);
        results.push(builder.emit("Mul", &["other", &steep], &[]));
    }
    let declared: Vec<_> = results.iter().map(|name| untyped_value(name)).collect();
    let model = builder.graph().to_model(&declared).unwrap();
    let unoptimized = SessionOptions {
        optimisation: Optimisation::None,
        ..options()
    };
    let (expected, found) = (
        outputs(&model, &unoptimized),
        outputs(&fused(&model).0, &unoptimized),
    );
    for ((name, expected), found) in results.iter().zip(&expected).zip(&found) {
        let (Tensor::F32(expected), Tensor::F32(found)) = (expected, found) else {
            panic!("float32")
        };
        let mut pairs = expected.iter().zip(found);
        let alike = |(a, b): (&f32, &f32)| a == b || (a.is_nan() && b.is_nan());
        assert!(pairs.all(alike), "{name}");
    }
}

#[test]
fn numbers_alone_and_results_that_nothing_reads_are_no_obstacle() {
    let mut builder = Builder::empty(18, "");
    for (name, dims) in &inputs()[..2] {
        let dims = fixed_dims(dims);
        builder.input(name, ElementType::F32, &dims).unwrap();
    }
    let (two, three) = (builder.floats(&[], &[2.0]), builder.floats(&[], &[3.0]));
    let sum = builder.emit("Add", &[&two, &three], &[]);
    let number = builder.emit("Mul", &[&sum, &two], &[]);
    let difference = builder.emit("Sub", &["full", "other"], &[]);
    let result = builder.emit("Abs", &[&difference], &[]);
    let mut model = (builder.graph())
        .to_model(&[untyped_value(&number), untyped_value(&result)])
        .unwrap();
    let unread = NodeProto::new("Neg", &[&difference], &["unread"]);
    model.graph.as_mut().unwrap().node.push(unread);
    let (fused, count) = fused(&model);
    assert_eq!(count, 2);
    assert_eq!(outputs(&fused, &options()), outputs(&model, &options()));
}

#[test]
fn a_program_that_does_not_fit_is_an_error() {
    let (value, other) = (array([2, 3], 0), array([3, 2], 0));
    let inputs = [("a", &value), ("b", &other)];
    let result = |codes: &[i64], numbers: &[f32], inputs: &[(&str, &Tensor)]| {
        let attributes: [(&str, Attribute); 2] =
            [("instructions", codes.into()), ("numbers", numbers.into())];
        let names: Vec<&str> = inputs.iter().map(|(name, _)| *name).collect();
        computed(inputs, |builder| {
            builder.emit_own(ELEMENTWISE, &names, &attributes)
        })
    };
    let sum = [0, 0, 0, -1, -1];
    assert!(result(&sum, &[0.0], &inputs[..1]).is_ok());
    assert!(
        result(&sum, &[0.0], &inputs)
            .unwrap_err()
            .contains("do not broadcast")
    );
    let damaged: [&[i64]; 7] = [
        &[],
        &[0, 0, 0, -1],
        &[99, 0, 0, -1, -1],
        &[0, 2, 0, -1, -1],
        &[0, 1, 0, -1, -1],
        &[0, 0, 0, -2, -1],
        &[0, 0, 0, 0, -1],
    ];
    for codes in damaged {
        let error = result(codes, &[0.0], &inputs[..1]).unwrap_err();
        assert!(error.contains("no valid program"), "{codes:?}: {error}");
    }
}

#[test]
fn functions_in_a_program_equal_those_of_onnx_runtime_to_rounding() {
    let mut builder = Builder::empty(18, "");
    let (name, dims) = &inputs()[0];
    let dims = fixed_dims(dims);
    builder.input(name, ElementType::F32, &dims).unwrap();
    let wide = builder.floats(&[], &[6.0]);
    let wide = builder.emit("Mul", &["full", &wide], &[]);
    let mut results = Vec::new();
    for op in ["Exp", "Erf", "Sigmoid", "Reciprocal"] {
        let value = builder.emit(op, &[&wide], &[]);
        results.push(builder.emit("Mul", &[&value, &value], &[]));
    }
    let declared: Vec<_> = results.iter().map(|name| untyped_value(name)).collect();
    let model = builder.graph().to_model(&declared).unwrap();
    let unoptimized = SessionOptions {
        optimisation: Optimisation::None,
        ..options()
    };
    let (fused, programs) = fused(&model);
    assert_eq!(programs, results.len());
    let (expected, results) = (outputs(&model, &unoptimized), outputs(&fused, &unoptimized));
    for (expected, result) in expected.iter().zip(&results) {
        let (Tensor::F32(expected), Tensor::F32(result)) = (expected, result) else {
            panic!("float32")
        };
        for (expected, result) in expected.iter().zip(result) {
            let error = (expected - result).abs();
            assert!(
                error <= 1e-6 + 2e-6 * expected.abs(),
                "{result}, not {expected}"
            );
        }
    }
}
