//! Where a derivative does not exist: ties of a pool, bounds of a rectifier; and rectifiers whose block is lifted.

use crate::central_differences::{DEVICES, Fill, Problem, gradients, run};
use ndarray::{ArrayD, IxDyn};
use ziggurat::autodiff::{Device, GradientOptions};
use ziggurat::onnx::proto::TensorProto;
use ziggurat::onnx::{Attribute, ElementType};

fn on(device: Device) -> GradientOptions {
    GradientOptions {
        device,
        ..Default::default()
    }
}

/// The gradients of the problem's outputs, each with cotangents of ones.
fn gradients_of_sum(problem: &Problem, options: &GradientOptions) -> Vec<ArrayD<f64>> {
    let outputs = run(problem, &problem.graph, &problem.outputs).unwrap();
    let ones: Vec<_> = outputs
        .iter()
        .map(|output| ArrayD::ones(output.raw_dim()))
        .collect();
    gradients(problem, &ones, options).unwrap()
}

#[test]
fn a_redirected_rectifier_lets_upward_gradients_through_where_it_blocks() {
    // One weight for each of a batch of two; where the first axis is not the batch, the larger one holds.
    let shapes: [(&[usize], [f64; 2]); 4] = [
        (&[2, 2, 3, 2], [0.25, 0.5]),
        (&[2, 12], [0.25, 0.5]),
        (&[2, 3, 4], [0.25, 0.5]),
        (&[4, 6], [0.5, 0.5]),
    ];
    for (op, max, elem) in [
        ("Relu", None, ElementType::F32),
        ("Clip", Some(1.0), ElementType::F32),
        ("Relu", None, ElementType::F64),
    ] {
        for (dims, weights) in shapes {
            let problem = Problem::new(elem, 18, &[("x", dims, Fill::Spaced)], |b| {
                let [low, high] = [0.25, 0.5].map(|weight| b.scalar(elem, weight).unwrap());
                let column = b.ints(&[1, 1, 1, 1]);
                let [low, high] = [low, high].map(|one| b.emit("Reshape", &[&one, &column], &[]));
                let along = [("axis", 0i64.into())];
                let weight = b.emit_named("weight", "Concat", &[&low, &high], &along);
                let bounds = [0.0, 1.0].map(|bound| b.scalar(elem, bound).unwrap());
                let made = match max {
                    Some(_) => b.emit(op, &["x", &bounds[0], &bounds[1]], &[]),
                    None => b.emit(op, &["x"], &[]),
                };
                vec![made, weight.unwrap()]
            });
            let cycle = [-1.0, 2.0, -0.5, 0.75, 3.0, -4.0];
            let spread = (0..24).map(|at| cycle[at % 6]).collect();
            let cotangents = [
                ArrayD::from_shape_vec(dims, spread).unwrap(),
                ArrayD::zeros(IxDyn(&[2, 1, 1, 1])),
            ];
            let expected = ArrayD::from_shape_fn(dims, |index| {
                let (x, g) = (problem.inputs[0].1[&index], cotangents[0][&index]);
                let weight = weights[index[0].min(1)];
                match x {
                    x if x < 0.0 => weight * f64::max(g, 0.0),
                    x if max.is_some_and(|max| x > max) => 0.0,
                    _ => g,
                }
            });
            for device in DEVICES {
                let options = GradientOptions {
                    device,
                    redirect: Some("weight".into()),
                };
                let found = gradients(&problem, &cotangents, &options).unwrap();
                assert_eq!(found[0], expected, "{op} {dims:?} {device:?}");
            }
        }
    }
}

#[test]
fn ties_keep_the_sum_of_the_gradient_and_give_it_to_maxima_alone() {
    type Pool = (&'static [usize], Vec<(&'static str, Attribute)>);
    let pools: [Pool; 4] = [
        (
            &[1, 2, 6, 6],
            vec![
                ("kernel_shape", vec![2i64, 3].into()),
                ("strides", vec![2i64, 3].into()),
            ],
        ),
        (
            &[1, 2, 7, 6],
            vec![
                ("kernel_shape", vec![3i64, 3].into()),
                ("strides", vec![2i64, 1].into()),
            ],
        ),
        (
            &[1, 2, 5, 5],
            vec![
                ("kernel_shape", vec![3i64, 3].into()),
                ("pads", vec![1i64; 4].into()),
            ],
        ),
        (
            &[1, 2, 9],
            vec![
                ("kernel_shape", vec![3i64].into()),
                ("strides", vec![3i64].into()),
            ],
        ),
    ];
    for (dims, attributes) in pools {
        let mut problem = Problem::new(ElementType::F32, 18, &[("x", dims, Fill::Uniform)], |b| {
            vec![b.emit("MaxPool", &["x"], &attributes)]
        });
        // Three values only, also below zero: ties in almost every window.
        problem.inputs[0]
            .1
            .mapv_inplace(|value| (value * 1.5).round() - 1.0);
        let output = &run(&problem, &problem.graph, &problem.outputs).unwrap()[0];
        // Each window alone: its gradient lies on its maxima, is nowhere negative, and sums to one.
        for window in 0..output.len() {
            let mut cotangent = ArrayD::zeros(output.raw_dim());
            cotangent.as_slice_mut().unwrap()[window] = 1.0;
            for device in DEVICES {
                let found = &gradients(&problem, &[cotangent.clone()], &on(device)).unwrap()[0];
                let maximum = output.as_slice().unwrap()[window];
                assert!((found.sum() - 1.0).abs() < 1e-6, "{attributes:?}: {found}");
                for (gradient, value) in found.iter().zip(&problem.inputs[0].1) {
                    assert!(*gradient == 0.0 || *gradient > 0.0 && *value == maximum);
                }
            }
        }
    }
    // Where positions are asked for, the first maximum takes it all, as in PyTorch.
    let mut flat = Problem::new(
        ElementType::F32,
        18,
        &[("x", &[1, 1, 3, 3], Fill::Uniform)],
        |b| vec![b.emit("GlobalMaxPool", &["x"], &[])],
    );
    flat.inputs[0].1.fill(-2.0);
    let found = &gradients_of_sum(&flat, &on(Device::FULL))[0];
    assert_eq!(
        found.iter().copied().collect::<Vec<_>>(),
        [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    );
}

#[test]
fn rectifiers_pass_nothing_at_their_kinks() {
    for (op, at) in [("Relu", vec![0.0]), ("Clip", vec![0.0, 6.0])] {
        let mut problem = Problem::new(ElementType::F32, 18, &[("x", &[3], Fill::Uniform)], |b| {
            let bounds: Vec<String> = at
                .iter()
                .map(|&at| b.scalar(ElementType::F32, at).unwrap())
                .collect();
            let inputs: Vec<&str> = std::iter::once("x")
                .chain(bounds.iter().map(String::as_str))
                .collect();
            let inputs = if op == "Relu" {
                &inputs[..1]
            } else {
                &inputs[..]
            };
            vec![b.emit(op, inputs, &[])]
        });
        let last = *at.last().unwrap();
        problem.inputs[0].1 = ArrayD::from_shape_vec(IxDyn(&[3]), vec![0.0, 1e-30, last]).unwrap();
        for device in DEVICES {
            let found = &gradients_of_sum(&problem, &on(device))[0];
            assert_eq!(
                found.iter().copied().collect::<Vec<_>>(),
                [0.0, 1.0, 0.0],
                "{op}"
            );
        }
    }
}

/// As Keras normalises vectors, once TensorFlow has exchanged root and limit: `x · min(1/|x|, limit)`.
#[test]
fn a_limit_behind_the_reciprocal_of_a_root_keeps_zero_from_becoming_no_number() {
    let mut problem = Problem::new(
        ElementType::F32,
        18,
        &[("x", &[2, 3], Fill::Uniform)],
        |b| {
            let square = b.emit("Mul", &["x", "x"], &[]);
            let axes = b.ints(&[1]);
            let sum = b.emit("ReduceSum", &[&square, &axes], &[]);
            let root = b.emit("Sqrt", &[&sum], &[]);
            let inverse = b.emit("Reciprocal", &[&root], &[]);
            let limit = b.scalar(ElementType::F32, 10.0).unwrap();
            let factor = b.emit("Min", &[&inverse, &limit], &[]);
            vec![b.emit("Mul", &["x", &factor], &[])]
        },
    );
    let vectors = vec![0.0, 0.0, 0.0, 3.0, 0.0, 4.0];
    problem.inputs[0].1 = ArrayD::from_shape_vec(IxDyn(&[2, 3]), vectors).unwrap();
    for device in DEVICES {
        let found = &gradients_of_sum(&problem, &on(device))[0];
        for (found, expected) in found.iter().zip([10.0, 10.0, 10.0, 0.032, 0.2, -0.024]) {
            assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
        }
    }
}

#[test]
fn dropout_in_training_passes_what_it_keeps() {
    let problem = Problem::new(ElementType::F32, 18, &[("x", &[40], Fill::Positive)], |b| {
        let ratio = b.floats(&[], &[0.75]);
        let training = b.constant(TensorProto::from_bool("", true));
        let inputs = ["x", ratio.as_str(), &training];
        vec![b.emit_many("Dropout", &inputs, &[], 2).remove(0)]
    });
    let ones = ArrayD::ones(IxDyn(&[40]));
    let found = gradients(&problem, &[ones], &GradientOptions::default()).unwrap();
    // A quarter is kept, and is four times as large.
    let kept = found[0].iter().filter(|&&value| value == 4.0).count();
    let dropped = found[0].iter().filter(|&&value| value == 0.0).count();
    assert!(
        kept > 0 && dropped > kept && kept + dropped == 40,
        "{found:?}"
    );
}
