//! Rounding to levels and back: differences see steps, so what is checked is the gradient of the same network unrounded.

use crate::finite::{DEVICES, Fill, Problem, differentiable, gradients, run};
use ndarray::{ArrayD, IxDyn};
use ziggurat::autodiff::Options;
use ziggurat::onnx::proto::TensorProto;
use ziggurat::onnx::{Builder, Elem};

const DIMS: [usize; 3] = [2, 3, 4];

pub fn levels(b: &mut Builder, elem: Elem, values: &[i8]) -> String {
    b.constant(TensorProto {
        dims: if values.len() == 1 {
            vec![]
        } else {
            vec![values.len() as i64]
        },
        data_type: elem.code(),
        raw_data: Some(
            values
                .iter()
                .map(|&value| value as u8)
                .collect::<Vec<_>>()
                .into(),
        ),
        ..Default::default()
    })
}

/// What comes back to x for cotangents of 1, 2, 3, …
fn back(build: impl Fn(&mut Builder) -> String) -> (Problem, Vec<ArrayD<f64>>) {
    let problem = Problem::of(Elem::F32, 18, &[("x", &DIMS, Fill::Spaced)], |b| {
        vec![build(b)]
    });
    let cotangents =
        [ArrayD::from_shape_vec(IxDyn(&DIMS), (1..25).map(f64::from).collect()).unwrap()];
    let found = DEVICES.map(|device| {
        let options = Options {
            device,
            ..Default::default()
        };
        gradients(&problem, &cotangents, &options)
            .unwrap()
            .remove(0)
    });
    (problem, found.to_vec())
}

#[test]
fn gradients_pass_straight_through_levels_within_range() {
    // Levels reach from (low) to (high) on each position of the axis, whose elements lie between -1.5 and 1.5.
    let scales = [0.002f32, 0.02, 0.005];
    for (elem, zero_points, range) in [
        (Elem::I8, [0i8, 10, -100], (-128.0, 127.0)),
        (Elem::U8, [0, 100, 1], (0.0, 255.0)),
    ] {
        let (problem, found) = back(|b| {
            let scale = b.floats(&[3], &scales);
            let zero_point = levels(b, elem, &zero_points);
            let axis = [("axis", 1i64.into())];
            let rounded = b.emit("QuantizeLinear", &["x", &scale, &zero_point], &axis);
            b.emit("DequantizeLinear", &[&rounded, &scale, &zero_point], &axis)
        });
        let x = &problem.inputs[0].1;
        for found in found {
            let mut passed = 0;
            for (place, (gradient, value)) in found.iter().zip(x).enumerate() {
                let channel = place / 4 % 3;
                let level = value / f64::from(scales[channel]) + f64::from(zero_points[channel]);
                let within = level > range.0 - 0.5 && level < range.1 + 0.5;
                let expected = if within { (place + 1) as f64 } else { 0.0 };
                assert!(
                    (gradient - expected).abs() < 1e-3,
                    "{elem:?} {place}: {gradient}, not {expected}"
                );
                passed += usize::from(within);
            }
            assert!(passed > 4 && passed < 24, "{passed} of 24 lie within range");
        }
    }
}

#[test]
fn quantized_values_may_be_rearranged_on_the_way() {
    let (_, found) = back(|b| {
        let scale = b.floats(&[], &[0.05]);
        let rounded = b.emit("QuantizeLinear", &["x", &scale], &[]);
        let turned = b.emit(
            "Transpose",
            &[&rounded],
            &[("perm", vec![0i64, 2, 1].into())],
        );
        let dims = b.ints(&[2, 3, 4]);
        let flat = b.emit("Reshape", &[&turned, &dims], &[]);
        b.emit("DequantizeLinear", &[&flat, &scale], &[])
    });
    // Element (n, i, j) of x lies at place 12 n + 3 j + i; without a zero point, levels of uint8 begin at zero.
    for found in found {
        let kept = found
            .indexed_iter()
            .filter(|(_, gradient)| **gradient != 0.0);
        let mut count = 0;
        for (place, gradient) in kept {
            let expected = (12 * place[0] + 3 * place[2] + place[1] + 1) as f64;
            assert!((gradient - expected).abs() < 1e-3, "{place:?}: {gradient}");
            count += 1;
        }
        assert_eq!(count, 12);
    }
}

#[test]
fn levels_may_be_pooled_split_and_sliced_on_the_way() {
    type Step = fn(&mut Builder, &str) -> String;
    let steps: [(&str, Step, usize); 4] = [
        (
            "MaxPool",
            |b, x| {
                b.emit(
                    "MaxPool",
                    &[x],
                    &[
                        ("kernel_shape", vec![2i64].into()),
                        ("strides", vec![2i64].into()),
                    ],
                )
            },
            12,
        ),
        (
            "Split",
            |b, x| {
                b.emit_many(
                    "Split",
                    &[x],
                    &[("axis", 2i64.into()), ("num_outputs", 2i64.into())],
                    2,
                )
                .remove(1)
            },
            12,
        ),
        (
            "Slice",
            |b, x| {
                let [from, to, axis] = [1, 3, 2].map(|number| b.ints(&[number]));
                b.emit("Slice", &[x, &from, &to, &axis], &[])
            },
            12,
        ),
        (
            "Gather",
            |b, x| {
                let places = b.ints(&[3, 0]);
                b.emit("Gather", &[x, &places], &[("axis", 2i64.into())])
            },
            12,
        ),
    ];
    for (op, step, taken) in steps {
        let problem = Problem::of(Elem::F32, 18, &[("x", &DIMS, Fill::Spaced)], |b| {
            let scale = b.floats(&[], &[0.02]);
            let zero_point = levels(b, Elem::U8, &[-128]);
            let rounded = b.emit("QuantizeLinear", &["x", &scale, &zero_point], &[]);
            let step = step(b, &rounded);
            vec![b.emit("DequantizeLinear", &[&step, &scale, &zero_point], &[])]
        });
        let ones = [ArrayD::ones(IxDyn(&[2, 3, 2]))];
        for device in DEVICES {
            let options = Options {
                device,
                ..Default::default()
            };
            let found = gradients(&problem, &ones, &options).unwrap().remove(0);
            let passed = found
                .iter()
                .filter(|gradient| (**gradient - 1.0).abs() < 1e-5)
                .count();
            assert_eq!(passed, taken, "{op}: {found}");
        }
    }
}

/// The scale of the picture's levels, and that of results; their zero points are 128 and 100.
const SCALES: [f32; 2] = [0.01, 0.04];

/// A step of a network: x's levels, their scale and zero point, and those of the result go in, its levels come out.
type Levels = fn(&mut Builder, &[&str; 3], &[&str; 2]) -> String;
/// The same step on numbers.
type Numbers = fn(&mut Builder) -> String;

/// Small enough for the sums of two products of 16 bits, which some processors form.
const WEIGHTS: [i8; 12] = [50, -20, 10, 60, -55, 30, -60, 0, 20, 40, -10, 45];

fn weights(b: &mut Builder, dims: &[i64]) -> String {
    let count = dims.iter().product::<i64>() as usize;
    let name = levels(b, Elem::I8, &WEIGHTS[..count]);
    let dims = b.ints(dims);
    b.emit("Reshape", &[&name, &dims], &[])
}

/// The numbers of [`weights`], `scales` by turns along the last axis or in blocks along the first.
fn plain_weights(b: &mut Builder, dims: &[i64], scale: impl Fn(usize) -> f32) -> String {
    let count = dims.iter().product::<i64>() as usize;
    let values = WEIGHTS[..count].iter().enumerate();
    let values: Vec<f32> = values
        .map(|(place, &level)| f32::from(level) * scale(place))
        .collect();
    b.floats(dims, &values)
}

fn whole_numbers(b: &mut Builder, values: &[i32]) -> String {
    b.constant(TensorProto {
        dims: vec![values.len() as i64],
        data_type: Elem::I32.code(),
        int32_data: values.to_vec(),
        ..Default::default()
    })
}

/// One line a quantised operator: its name, the dimensions of x, the operator on levels and on numbers.
fn steps() -> Vec<(&'static str, Vec<usize>, Levels, Numbers)> {
    vec![
        (
            "QLinearConv",
            vec![1, 4, 3, 2],
            |b, [x, xs, xz], [ys, yz]| {
                let (w, ws) = (
                    weights(b, &[3, 4, 1, 1]),
                    b.floats(&[3], &[0.01, 0.002, 0.005]),
                );
                let (wz, bias) = (
                    levels(b, Elem::I8, &[0, 0, 0]),
                    whole_numbers(b, &[900, -500, 0]),
                );
                b.emit(
                    "QLinearConv",
                    &[x, xs, xz, &w, &ws, &wz, ys, yz, &bias],
                    &[],
                )
            },
            |b| {
                let w = plain_weights(b, &[3, 4, 1, 1], |place| [0.01, 0.002, 0.005][place / 4]);
                let bias = b.floats(&[3], &[900.0 * 1e-4, -500.0 * 2e-5, 0.0]);
                b.emit("Conv", &["x", &w, &bias], &[])
            },
        ),
        (
            "QLinearMatMul",
            vec![2, 3, 4],
            |b, [x, xs, xz], [ys, yz]| {
                let (w, ws) = (weights(b, &[4, 2]), b.floats(&[2], &[0.01, 0.02]));
                let wz = levels(b, Elem::I8, &[0, 0]);
                b.emit("QLinearMatMul", &[x, xs, xz, &w, &ws, &wz, ys, yz], &[])
            },
            |b| {
                let w = plain_weights(b, &[4, 2], |place| [0.01, 0.02][place % 2]);
                b.emit("MatMul", &["x", &w], &[])
            },
        ),
        (
            "QGemm",
            vec![3, 4],
            |b, [x, xs, xz], [ys, yz]| {
                let (w, ws) = (weights(b, &[2, 4]), b.floats(&[2], &[0.01, 0.005]));
                let (wz, bias) = (levels(b, Elem::I8, &[0, 0]), whole_numbers(b, &[900, -500]));
                let transposed = [("transB", 1i64.into())];
                b.emit(
                    "QGemm",
                    &[x, xs, xz, &w, &ws, &wz, &bias, ys, yz],
                    &transposed,
                )
            },
            |b| {
                let w = plain_weights(b, &[2, 4], |place| [0.01, 0.005][place / 4]);
                let bias = b.floats(&[2], &[900.0 * 1e-4, -500.0 * 5e-5]);
                b.emit("Gemm", &["x", &w, &bias], &[("transB", 1i64.into())])
            },
        ),
        (
            "QLinearAdd",
            vec![2, 3, 4],
            |b, [x, xs, xz], [ys, yz]| b.emit("QLinearAdd", &[x, xs, xz, x, xs, xz, ys, yz], &[]),
            |b| b.emit("Add", &["x", "x"], &[]),
        ),
        (
            "QLinearMul",
            vec![2, 3, 4],
            |b, [x, xs, xz], [ys, yz]| b.emit("QLinearMul", &[x, xs, xz, x, xs, xz, ys, yz], &[]),
            |b| b.emit("Mul", &["x", "x"], &[]),
        ),
        (
            "QLinearSigmoid",
            vec![2, 3, 4],
            |b, [x, xs, xz], [ys, yz]| b.emit("QLinearSigmoid", &[x, xs, xz, ys, yz], &[]),
            |b| b.emit("Sigmoid", &["x"], &[]),
        ),
        (
            "QLinearLeakyRelu",
            vec![2, 3, 4],
            |b, [x, xs, xz], [ys, yz]| {
                b.emit(
                    "QLinearLeakyRelu",
                    &[x, xs, xz, ys, yz],
                    &[("alpha", 0.5f32.into())],
                )
            },
            |b| b.emit("LeakyRelu", &["x"], &[("alpha", 0.5f32.into())]),
        ),
        (
            "QLinearAveragePool",
            vec![1, 2, 4, 4],
            |b, [x, xs, xz], [ys, yz]| {
                let kernel = [("kernel_shape", vec![2i64, 3].into())];
                b.emit("QLinearAveragePool", &[x, xs, xz, ys, yz], &kernel)
            },
            |b| {
                b.emit(
                    "AveragePool",
                    &["x"],
                    &[("kernel_shape", vec![2i64, 3].into())],
                )
            },
        ),
        (
            "QLinearGlobalAveragePool",
            vec![1, 2, 4, 4],
            |b, [x, xs, xz], [ys, yz]| {
                b.emit("QLinearGlobalAveragePool", &[x, xs, xz, ys, yz], &[])
            },
            |b| b.emit("GlobalAveragePool", &["x"], &[]),
        ),
        (
            "QLinearConcat",
            vec![2, 3, 4],
            |b, [x, xs, xz], [ys, yz]| {
                b.emit(
                    "QLinearConcat",
                    &[ys, yz, x, xs, xz, x, xs, xz],
                    &[("axis", 1i64.into())],
                )
            },
            |b| b.emit("Concat", &["x", "x"], &[("axis", 1i64.into())]),
        ),
    ]
}

#[test]
fn operators_on_levels_have_the_gradients_of_those_on_numbers() {
    for (op, dims, on_levels, on_numbers) in steps() {
        let inputs = [("x", dims.as_slice(), Fill::Uniform)];
        let plain = Problem::of(Elem::F32, 18, &inputs, |b| vec![on_numbers(b)]);
        let quantised = |domain: &'static str| {
            let problem = Problem::of(Elem::F32, 18, &inputs, |b| {
                let [xs, ys] = SCALES.map(|scale| b.floats(&[], &[scale]));
                let [xz, yz] = [-128, 100].map(|zero_point| levels(b, Elem::U8, &[zero_point]));
                let x = b.emit("QuantizeLinear", &["x", &xs, &xz], &[]);
                let y = on_levels(b, &[&x, &xs, &xz], &[&ys, &yz]);
                vec![b.emit("DequantizeLinear", &[&y, &ys, &yz], &[])]
            });
            match domain {
                "" => problem,
                domain => problem.with_ops_of(domain, &[op, "QuantizeLinear", "DequantizeLinear"]),
            }
        };
        let own = matches!(op, "QLinearConv" | "QLinearMatMul");
        let quantised = quantised(if own { "" } else { "com.microsoft" });
        let values = run(&plain, &plain.graph, &plain.outputs).unwrap();
        let rounded = run(&quantised, &quantised.graph, &quantised.outputs).unwrap();
        let (apart, _) = differentiable(&quantised).unwrap();
        let parts = run(&quantised, apart.graph(), &quantised.outputs).unwrap();
        let furthest = |a: &ArrayD<f64>, b: &ArrayD<f64>| {
            let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs());
            apart.fold(0.0, f64::max)
        };
        let level = f64::from(SCALES[1]);
        assert!(furthest(&rounded[0], &parts[0]) < 1.01 * level, "{op}");
        assert!(furthest(&rounded[0], &values[0]) < 1.51 * level, "{op}");
        let wanted = gradients(&plain, &values, &Options::default())
            .unwrap()
            .remove(0);
        let found = gradients(&quantised, &values, &Options::default())
            .unwrap()
            .remove(0);
        let largest = wanted
            .iter()
            .fold(0.0f64, |most, value| most.max(value.abs()));
        assert!(
            furthest(&wanted, &found) < 0.01 * largest,
            "{op}: {wanted} {found}"
        );
    }
}
