//! Gradients of depthwise convolutions of stride 2 beside their standard form.

use super::layout::fused;
use super::{array, computed, model, noise, result_of};
use crate::onnx::own_operators::STRIDED_GRADIENT;
use crate::onnx::proto::TensorProto;
use crate::onnx::{Attribute, Builder, ElementType};
use crate::runtime::Tensor;

/// The sizes of a gradient.
#[derive(Debug, Clone, Copy)]
struct Case {
    batch: usize,
    channels: usize,
    height: usize,
    width: usize,
    taps: usize,
    pads: [i64; 4],
    is_masked: bool,
}

fn weights(builder: &mut Builder, dims: [i64; 4], seed: usize) -> String {
    let count = dims.iter().product::<i64>() as usize;
    let weights: Vec<f32> = (0..count).map(|index| noise(index + seed) / 4.0).collect();
    builder.floats(&dims, &weights)
}

/// A zero after each row and column of `value`, as the gradient of a convolution inserts them.
fn spaced(builder: &mut Builder, value: &str, case: Case) -> String {
    let scales = builder.floats(&[4], &[1.0, 1.0, 2.0, 2.0]);
    let nearest = [
        ("mode", "nearest".into()),
        ("coordinate_transformation_mode", "asymmetric".into()),
        ("nearest_mode", "floor".into()),
    ];
    let repeated = builder.emit("Resize", &[value, "", &scales], &nearest);
    let levels = [1u8, 0].repeat(case.height);
    let levels = builder.constant(TensorProto {
        dims: vec![1, 1, levels.len() as i64, 1],
        data_type: ElementType::U8.code(),
        raw_data: Some(levels.into()),
        ..Default::default()
    });
    let scale = builder.floats(&[], &[1.0]);
    let rows = builder.emit("DequantizeLinear", &[&levels, &scale], &[]);
    let plane = builder.ints(&[case.batch as i64, 1, 2 * case.height as i64, 1]);
    let rows = builder.emit("Expand", &[&rows, &plane], &[]);
    let columns = [1.0, 0.0].repeat(case.width);
    let columns = builder.floats(&[1, 1, 1, columns.len() as i64], &columns);
    let places = builder.emit("Mul", &[&rows, &columns], &[]);
    let channels = case.channels as i64;
    let ones = builder.floats(&[channels, 1, 1, 1], &vec![1.0; case.channels]);
    let places = builder.emit("Conv", &[&places, &ones], &[]);
    builder.emit("Mul", &[&repeated, &places], &[])
}

/// A strided gradient between convolutions, which block the channels around it.
fn network(builder: &mut Builder, case: Case) -> String {
    let channels = case.channels as i64;
    let first = weights(builder, [channels, channels, 1, 1], 1);
    let gradient = builder.emit("Conv", &["x", &first], &[]);
    let spaced = spaced(builder, &gradient, case);
    let taps = case.taps as i64;
    let depthwise = weights(builder, [channels, 1, taps, taps], 2);
    let attributes: [(&str, Attribute); 2] = [
        ("group", channels.into()),
        ("pads", case.pads.as_slice().into()),
    ];
    let mut value = builder.emit("Conv", &[&spaced, &depthwise], &attributes);
    if case.is_masked {
        let other = weights(builder, [channels, channels, 1, 1], 3);
        let bounded = builder.emit("Conv", &["v", &other], &[]);
        for (alpha, beta) in [(1e30f32, 0f32), (-1e30, 1e30)] {
            let slope = [("alpha", alpha.into()), ("beta", beta.into())];
            let mask = builder.emit("HardSigmoid", &[&bounded], &slope);
            value = builder.emit("Mul", &[&value, &mask], &[]);
        }
    }
    let last = weights(builder, [channels, channels, 1, 1], 4);
    builder.emit("Conv", &[&value, &last], &[])
}

#[test]
fn strided_gradients_equal_convolutions_of_gradients_with_zeros() {
    let case = Case {
        batch: 1,
        channels: 32,
        height: 5,
        width: 7,
        taps: 3,
        pads: [1; 4],
        is_masked: true,
    };
    let cases = [
        case,
        Case {
            batch: 3,
            is_masked: false,
            ..case
        },
        Case {
            taps: 5,
            pads: [2; 4],
            channels: 48,
            ..case
        },
        Case {
            pads: [1, 1, 0, 0],
            height: 40,
            width: 50,
            ..case
        },
        Case {
            pads: [2, 0, 1, 2],
            taps: 4,
            ..case
        },
        Case {
            height: 1,
            width: 1,
            ..case
        },
        // Does not fill the last block of 16.
        Case {
            channels: 24,
            ..case
        },
        Case {
            taps: 7,
            pads: [3; 4],
            height: 2,
            width: 9,
            is_masked: false,
            ..case
        },
    ];
    for case in cases {
        let Case {
            batch,
            channels,
            height,
            width,
            taps,
            pads,
            ..
        } = case;
        let sides =
            |size: usize, before: i64, after: i64| 2 * size + (before + after) as usize + 1 - taps;
        let [new_height, new_width] = [
            sides(height, pads[0], pads[2]),
            sides(width, pads[1], pads[3]),
        ];
        let x = array([batch, channels, height, width], 1);
        let y = array([batch, channels, new_height, new_width], 2);
        let inputs = [("x", &x), ("v", &y)];
        let inputs = &inputs[..if case.is_masked { 2 } else { 1 }];
        let expected = computed(inputs, |builder| network(builder, case)).unwrap();
        let fused = fused(
            model(inputs, |builder| network(builder, case)),
            &[("x", x.shape()), ("v", y.shape())][..inputs.len()],
        );
        let nodes = &fused.graph.as_ref().unwrap().node;
        let count = |op: &str| nodes.iter().filter(|node| node.op_type == op).count();
        // Without AVX2 there is no blocked layout.
        if nodes.iter().any(|node| node.domain.ends_with("nchwc")) {
            assert_eq!(
                (count(STRIDED_GRADIENT), count("Upsample")),
                (1, 0),
                "{case:?}"
            );
        }
        assert_eq!(result_of(&fused, inputs), expected, "{case:?}");
    }
}

#[test]
fn gradients_that_do_not_fit_are_an_error() {
    let (gradient, weights) = (array([1, 16, 4, 4], 0), array([16, 1, 3, 3], 1));
    let value = array([1, 16, 8, 8], 2);
    let result = |inputs: [&Tensor; 3], block: i64, pads: &[i64]| {
        let names = ["g", "w", "v"];
        let inputs: Vec<(&str, &Tensor)> = names.into_iter().zip(inputs).collect();
        let attributes = [("block", block.into()), ("pads", pads.into())];
        computed(&inputs, |builder| {
            builder.emit_own(STRIDED_GRADIENT, &names, &attributes)
        })
    };
    assert!(result([&gradient, &weights, &value], 16, &[1; 4]).is_ok());
    let narrow = array([1, 8, 4, 4], 0);
    let flat = array([16, 4], 0);
    let wide = array([16, 1, 30, 3], 0);
    for (inputs, block, pads) in [
        ([&gradient, &weights, &value], 4, &[1; 4][..]),
        ([&gradient, &weights, &value], 16, &[1; 3]),
        ([&gradient, &weights, &value], 16, &[1, 1, 1, -1]),
        ([&gradient, &weights, &gradient], 16, &[1; 4]),
        ([&narrow, &weights, &value], 8, &[1; 4]),
        ([&flat, &weights, &value], 16, &[1; 4]),
        ([&gradient, &wide, &value], 16, &[1; 4]),
    ] {
        let error = result(inputs, block, pads).unwrap_err();
        assert!(error.contains("StridedGradient needs"), "{error}");
    }
}
