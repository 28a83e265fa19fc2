//! Rounding to levels and back: differences see steps, so what is checked is the gradient of the same network
//! unrounded.

use crate::central_differences::{DEVICES, Fill, Problem, gradients};
use ndarray::{ArrayD, IxDyn};
use ziggurat::autodiff::GradientOptions;
use ziggurat::onnx::proto::TensorProto;
use ziggurat::onnx::{Builder, ElementType};

const DIMS: [usize; 3] = [2, 3, 4];

pub fn levels(b: &mut Builder, elem: ElementType, values: &[i8]) -> String {
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
    let problem = Problem::new(ElementType::F32, 18, &[("x", &DIMS, Fill::Spaced)], |b| {
        vec![build(b)]
    });
    let cotangents =
        [ArrayD::from_shape_vec(IxDyn(&DIMS), (1..25).map(f64::from).collect()).unwrap()];
    let found = DEVICES.map(|device| {
        let options = GradientOptions {
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
        (ElementType::I8, [0i8, 10, -100], (-128.0, 127.0)),
        (ElementType::U8, [0, 100, 1], (0.0, 255.0)),
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
        let problem = Problem::new(ElementType::F32, 18, &[("x", &DIMS, Fill::Spaced)], |b| {
            let scale = b.floats(&[], &[0.02]);
            let zero_point = levels(b, ElementType::U8, &[-128]);
            let rounded = b.emit("QuantizeLinear", &["x", &scale, &zero_point], &[]);
            let step = step(b, &rounded);
            vec![b.emit("DequantizeLinear", &[&step, &scale, &zero_point], &[])]
        });
        let ones = [ArrayD::ones(IxDyn(&[2, 3, 2]))];
        for device in DEVICES {
            let options = GradientOptions {
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
