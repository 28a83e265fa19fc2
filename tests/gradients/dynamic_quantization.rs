//! Rounding to levels whose scale is found as the picture comes: the gradient is that of the same network unrounded.

use crate::central_differences::{DEVICES, Fill, Problem, differentiable, gradients, run};
use crate::quantization::levels;
use ndarray::ArrayD;
use ziggurat::autodiff::GradientOptions;
use ziggurat::onnx::{Builder, ElementType};

const WEIGHTS: [i8; 24] = [
    50, -20, 10, 60, -55, 30, -60, 0, 20, 40, -10, 45, 33, -7, 12, -48, 5, 61, -29, 14, -36, 27, 8,
    -3,
];

/// Levels of the dimensions given.
fn weights(b: &mut Builder, dims: &[i64]) -> String {
    let count = dims.iter().product::<i64>() as usize;
    let name = levels(b, ElementType::I8, &WEIGHTS[..count]);
    let dims = b.ints(dims);
    b.emit("Reshape", &[&name, &dims], &[])
}

/// The numbers of [`weights`]; scales and zero points alternate along the last axis.
fn numbers(b: &mut Builder, dims: &[i64], scales: &[f32], zero_points: &[i8]) -> String {
    let count = dims.iter().product::<i64>() as usize;
    let number = |place: usize| {
        let above = f32::from(WEIGHTS[place]) - f32::from(zero_points[place % zero_points.len()]);
        above * scales[place % scales.len()]
    };
    let values: Vec<f32> = (0..count).map(number).collect();
    b.floats(dims, &values)
}

/// Levels of x, their scale and their zero point.
fn rounded(b: &mut Builder) -> Vec<String> {
    b.emit_many("DynamicQuantizeLinear", &["x"], &[], 3)
}

/// Whole numbers as numbers, times both scales.
fn scaled(b: &mut Builder, whole: &str, scale: &str, scales: &[f32]) -> String {
    let number = b.emit("Cast", &[whole], &[("to", 1i64.into())]);
    let scales = b.floats(&[scales.len() as i64], scales);
    let both = b.emit("Mul", &[scale, &scales], &[]);
    b.emit("Mul", &[&number, &both], &[])
}

type Build = fn(&mut Builder) -> String;

/// One line a form: the operator, the dimensions of x, the network rounded and not rounded.
fn networks() -> Vec<(&'static str, Vec<usize>, Build, Build)> {
    vec![
        (
            "MatMulInteger",
            vec![2, 3, 4],
            |b| {
                let x = rounded(b);
                let (w, wz) = (weights(b, &[4, 2]), levels(b, ElementType::I8, &[3, -9]));
                let product = b.emit("MatMulInteger", &[&x[0], &w, &x[2], &wz], &[]);
                scaled(b, &product, &x[1], &[0.01, 0.02])
            },
            |b| {
                let w = numbers(b, &[4, 2], &[0.01, 0.02], &[3, -9]);
                b.emit("MatMul", &["x", &w], &[])
            },
        ),
        (
            // Both factors are rounded as the picture comes, as those of attention are.
            "MatMulInteger",
            vec![2, 3, 3],
            |b| {
                let x = rounded(b);
                let product = b.emit("MatMulInteger", &[&x[0], &x[0], &x[2], &x[2]], &[]);
                let square = b.emit("Mul", &[&x[1], &x[1]], &[]);
                let number = b.emit("Cast", &[&product], &[("to", 1i64.into())]);
                b.emit("Mul", &[&number, &square], &[])
            },
            |b| b.emit("MatMul", &["x", "x"], &[]),
        ),
        (
            "ConvInteger",
            vec![1, 2, 5, 4],
            |b| {
                let x = rounded(b);
                let (w, wz) = (weights(b, &[2, 1, 3, 2]), levels(b, ElementType::I8, &[7]));
                let attributes = [
                    ("group", 2i64.into()),
                    ("pads", vec![1i64, 0, 1, 1].into()),
                    ("strides", vec![2i64, 1].into()),
                ];
                let whole = b.emit("ConvInteger", &[&x[0], &w, &x[2], &wz], &attributes);
                scaled(b, &whole, &x[1], &[0.01])
            },
            |b| {
                let w = numbers(b, &[2, 1, 3, 2], &[0.01], &[7]);
                let attributes = [
                    ("group", 2i64.into()),
                    ("pads", vec![1i64, 0, 1, 1].into()),
                    ("strides", vec![2i64, 1].into()),
                ];
                b.emit("Conv", &["x", &w], &attributes)
            },
        ),
        (
            "MatMulIntegerToFloat",
            vec![2, 3, 4],
            |b| {
                let x = rounded(b);
                let (w, wz) = (weights(b, &[4, 2]), levels(b, ElementType::I8, &[3, -9]));
                let (ws, bias) = (b.floats(&[2], &[0.01, 0.02]), b.floats(&[2], &[0.5, -0.5]));
                let inputs = [&x[0], &w, &x[1], &ws, &x[2], &wz, &bias].map(String::as_str);
                b.emit("MatMulIntegerToFloat", &inputs, &[])
            },
            |b| {
                let w = numbers(b, &[4, 2], &[0.01, 0.02], &[3, -9]);
                let product = b.emit("MatMul", &["x", &w], &[]);
                let bias = b.floats(&[2], &[0.5, -0.5]);
                b.emit("Add", &[&product, &bias], &[])
            },
        ),
        (
            "DynamicQuantizeMatMul",
            vec![2, 3, 4],
            |b| {
                let (w, wz) = (weights(b, &[4, 2]), levels(b, ElementType::I8, &[3, -9]));
                let ws = b.floats(&[2], &[0.01, 0.02]);
                b.emit("DynamicQuantizeMatMul", &["x", &w, &ws, &wz], &[])
            },
            |b| {
                let w = numbers(b, &[4, 2], &[0.01, 0.02], &[3, -9]);
                b.emit("MatMul", &["x", &w], &[])
            },
        ),
        (
            "QAttention",
            vec![2, 3, 4],
            |b| {
                let x = rounded(b);
                let (w, wz) = (weights(b, &[4, 6]), levels(b, ElementType::I8, &[0]));
                let (ws, bias) = (b.floats(&[], &[0.02]), b.floats(&[6], &[0.25; 6]));
                let inputs = [&x[0], &w, &bias, &x[1], &ws, "", &x[2], &wz];
                let attributes = [("num_heads", 2i64.into()), ("unidirectional", 1i64.into())];
                b.emit("QAttention", &inputs, &attributes)
            },
            |b| {
                let w = numbers(b, &[4, 6], &[0.02], &[0]);
                let bias = b.floats(&[6], &[0.25; 6]);
                let attributes = [("num_heads", 2i64.into()), ("unidirectional", 1i64.into())];
                b.emit("Attention", &["x", &w, &bias], &attributes)
            },
        ),
    ]
}

const CONTRIBUTED: &[&str] = &[
    "Attention",
    "DynamicQuantizeMatMul",
    "MatMulIntegerToFloat",
    "QAttention",
];

#[test]
fn gradients_pass_quantized_values_whose_scale_depends_on_the_picture() {
    for (op, dims, rounded, plain) in networks() {
        let of = |build: Build| {
            let inputs = [("x", dims.as_slice(), Fill::Uniform)];
            let problem = Problem::new(ElementType::F32, 18, &inputs, |b| vec![build(b)]);
            problem.with_ops_of("com.microsoft", CONTRIBUTED)
        };
        let [rounded, plain] = [of(rounded), of(plain)];
        let value = |problem: &Problem| run(problem, &problem.graph, &problem.outputs).unwrap();
        let (whole, unrounded) = (value(&rounded), value(&plain));
        let (apart, _) = differentiable(&rounded).unwrap();
        let parts = run(&rounded, apart.graph(), &rounded.outputs).unwrap();
        let furthest = |a: &ArrayD<f64>, b: &ArrayD<f64>| {
            let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs());
            apart.fold(0.0, f64::max)
        };
        assert!(furthest(&whole[0], &parts[0]) < 1e-5, "{op}");
        assert!(furthest(&whole[0], &unrounded[0]) < 0.05, "{op}");
        for device in DEVICES {
            let options = GradientOptions {
                device,
                ..Default::default()
            };
            let wanted = gradients(&plain, &unrounded, &options).unwrap().remove(0);
            let found = gradients(&rounded, &unrounded, &options).unwrap().remove(0);
            let largest = wanted
                .iter()
                .fold(0.0f64, |most, slope| most.max(slope.abs()));
            let missed = furthest(&wanted, &found) / largest;
            assert!(missed < 0.02, "{op}, {device:?}: {wanted} {found}");
        }
    }
}
