//! Operators on levels: their gradients are those of the operators on numbers.

use crate::central_differences::{Fill, Problem, differentiable, gradients, run};
use crate::quantization::levels;
use ndarray::ArrayD;
use ziggurat::autodiff::GradientOptions;
use ziggurat::onnx::proto::TensorProto;
use ziggurat::onnx::{Builder, ElementType};

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
    let name = levels(b, ElementType::I8, &WEIGHTS[..count]);
    let dims = b.ints(dims);
    b.emit("Reshape", &[&name, &dims], &[])
}

/// The numbers of [`weights`], `scales` alternating along the last axis or in blocks along the first.
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
        data_type: ElementType::I32.code(),
        int32_data: values.to_vec(),
        ..Default::default()
    })
}

/// Truth values for each position of the last of x's axes.
fn chosen(b: &mut Builder) -> String {
    b.constant(TensorProto {
        dims: vec![4],
        data_type: ElementType::Bool.code(),
        raw_data: Some(vec![1, 0, 1, 1].into()),
        ..Default::default()
    })
}

/// x with its channels, the last axis, first, or the other way round.
fn turned(b: &mut Builder, value: &str, order: [i64; 4]) -> String {
    b.emit("Transpose", &[value], &[("perm", order.to_vec().into())])
}

const FIRST: [i64; 4] = [0, 3, 1, 2];
const LAST: [i64; 4] = [0, 2, 3, 1];

/// As [`steps`], for operators whose channels come last.
fn channels_last() -> Vec<(&'static str, Vec<usize>, Levels, Numbers)> {
    vec![
        (
            "QLinearConv",
            vec![1, 3, 2, 4],
            |b, [x, xs, xz], [ys, yz]| {
                let (w, ws) = (weights(b, &[3, 4, 1, 1]), b.floats(&[], &[0.01]));
                let wz = levels(b, ElementType::I8, &[0]);
                let inputs = [*x, xs, xz, &w, &ws, &wz, ys, yz];
                let attributes = [
                    ("channels_last", 1i64.into()),
                    ("pads", vec![1i64, 0, 0, 1].into()),
                ];
                b.emit("QLinearConv", &inputs, &attributes)
            },
            |b| {
                let w = plain_weights(b, &[3, 4, 1, 1], |_| 0.01);
                let first = turned(b, "x", FIRST);
                let made = b.emit(
                    "Conv",
                    &[&first, &w],
                    &[("pads", vec![1i64, 0, 0, 1].into())],
                );
                turned(b, &made, LAST)
            },
        ),
        (
            "QLinearAveragePool",
            vec![1, 4, 4, 2],
            |b, [x, xs, xz], [ys, yz]| {
                let attributes = [
                    ("channels_last", 1i64.into()),
                    ("kernel_shape", vec![2i64, 3].into()),
                ];
                b.emit("QLinearAveragePool", &[x, xs, xz, ys, yz], &attributes)
            },
            |b| {
                let first = turned(b, "x", FIRST);
                let made = b.emit(
                    "AveragePool",
                    &[&first],
                    &[("kernel_shape", vec![2i64, 3].into())],
                );
                turned(b, &made, LAST)
            },
        ),
        (
            "NhwcMaxPool",
            vec![1, 4, 4, 2],
            |b, [x, xs, xz], [ys, yz]| {
                let attributes = [
                    ("kernel_shape", vec![2i64, 3].into()),
                    ("strides", vec![2i64, 1].into()),
                ];
                let largest = b.emit("NhwcMaxPool", &[x], &attributes);
                let numbers = b.emit("DequantizeLinear", &[&largest, xs, xz], &[]);
                b.emit("QuantizeLinear", &[&numbers, ys, yz], &[])
            },
            |b| {
                let first = turned(b, "x", FIRST);
                let attributes = [
                    ("kernel_shape", vec![2i64, 3].into()),
                    ("strides", vec![2i64, 1].into()),
                ];
                let made = b.emit("MaxPool", &[&first], &attributes);
                turned(b, &made, LAST)
            },
        ),
        (
            "QLinearGlobalAveragePool",
            vec![1, 4, 4, 2],
            |b, [x, xs, xz], [ys, yz]| {
                let last = [("channels_last", 1i64.into())];
                b.emit("QLinearGlobalAveragePool", &[x, xs, xz, ys, yz], &last)
            },
            |b| {
                let first = turned(b, "x", FIRST);
                let made = b.emit("GlobalAveragePool", &[&first], &[]);
                turned(b, &made, LAST)
            },
        ),
    ]
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
                    levels(b, ElementType::I8, &[0, 0, 0]),
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
                let wz = levels(b, ElementType::I8, &[0, 0]);
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
                let (wz, bias) = (
                    levels(b, ElementType::I8, &[0, 0]),
                    whole_numbers(b, &[900, -500]),
                );
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
        (
            "QLinearSoftmax",
            vec![2, 3, 4],
            |b, [x, xs, xz], [ys, yz]| {
                let attributes = [("axis", (-1i64).into()), ("opset", 13i64.into())];
                b.emit("QLinearSoftmax", &[x, xs, xz, ys, yz], &attributes)
            },
            |b| b.emit("Softmax", &["x"], &[("axis", (-1i64).into())]),
        ),
        (
            "QLinearWhere",
            vec![2, 3, 4],
            |b, [x, xs, xz], [ys, yz]| {
                let (chosen, other) = (chosen(b), levels(b, ElementType::U8, &[100]));
                let inputs = [chosen.as_str(), x, xs, xz, &other, xs, xz, ys, yz];
                b.emit("QLinearWhere", &inputs, &[])
            },
            |b| {
                let (chosen, other) = (chosen(b), b.floats(&[], &[-0.28]));
                b.emit("Where", &[&chosen, "x", &other], &[])
            },
        ),
    ]
}

#[test]
fn operators_on_levels_have_the_gradients_of_those_on_numbers() {
    for step in steps() {
        let own = matches!(step.0, "QLinearConv" | "QLinearMatMul");
        compare(step, if own { "" } else { "com.microsoft" });
    }
    for step in channels_last() {
        compare(step, "com.microsoft");
    }
}

fn compare((op, dims, on_levels, on_numbers): (&str, Vec<usize>, Levels, Numbers), domain: &str) {
    let inputs = [("x", dims.as_slice(), Fill::Uniform)];
    let plain = Problem::new(ElementType::F32, 18, &inputs, |b| vec![on_numbers(b)]);
    let quantised = Problem::new(ElementType::F32, 18, &inputs, |b| {
        let [xs, ys] = SCALES.map(|scale| b.floats(&[], &[scale]));
        let [xz, yz] = [-128, 100].map(|zero_point| levels(b, ElementType::U8, &[zero_point]));
        let x = b.emit("QuantizeLinear", &["x", &xs, &xz], &[]);
        let y = on_levels(b, &[&x, &xs, &xz], &[&ys, &yz]);
        vec![b.emit("DequantizeLinear", &[&y, &ys, &yz], &[])]
    });
    let quantised = match domain {
        "" => quantised,
        domain => quantised.with_ops_of(domain, &[op, "QuantizeLinear", "DequantizeLinear"]),
    };
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
    let wanted = gradients(&plain, &values, &GradientOptions::default())
        .unwrap()
        .remove(0);
    let found = gradients(&quantised, &values, &GradientOptions::default())
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
