//! Gradients of depthwise convolutions, and of the activations around them, beside their standard form.

use super::layout::fused;
use super::{array, computed, model, noise, result_of};
use crate::onnx::own_operators::{DEPTHWISE_GRADIENT, ELEMENTWISE};
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
    stride: usize,
    /// Whether the gradient is masked, and the result.
    masks: [bool; 2],
}

impl Case {
    /// The shape of the gradient.
    fn gradient(&self) -> [usize; 4] {
        [self.batch, self.channels, self.height, self.width]
    }

    /// The shape of the result.
    fn result(&self) -> [usize; 4] {
        let size = |size: usize, axis: usize| {
            let pads = (self.pads[axis] + self.pads[axis + 2]) as usize;
            self.stride * size + pads + 1 - self.taps
        };
        let sizes = [size(self.height, 0), size(self.width, 1)];
        [self.batch, self.channels, sizes[0], sizes[1]]
    }
}

/// `value`, a gradient, where an activation of a convolution of `other` passes it.
fn masked(builder: &mut Builder, value: &str, other: &str, channels: i64, seed: usize) -> String {
    let weights = weights(builder, [channels, channels, 1, 1], seed);
    let bounded = builder.emit("Conv", &[other, &weights], &[]);
    let mut value = value.to_owned();
    for (alpha, beta) in [(1e30f32, 0f32), (-1e30, 1e30)] {
        let slope = [("alpha", alpha.into()), ("beta", beta.into())];
        let mask = builder.emit("HardSigmoid", &[&bounded], &slope);
        value = builder.emit("Mul", &[&value, &mask], &[]);
    }
    value
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

/// A gradient between convolutions, which block the channels around it. `x` is the gradient; `before` and `after` are
/// the inputs of the activations.
fn network(builder: &mut Builder, case: Case) -> String {
    let channels = case.channels as i64;
    let first = weights(builder, [channels, channels, 1, 1], 1);
    let mut value = builder.emit("Conv", &["x", &first], &[]);
    if case.masks[0] {
        value = masked(builder, &value, "before", channels, 5);
    }
    if case.stride == 2 {
        value = spaced(builder, &value, case);
    }
    let taps = case.taps as i64;
    let depthwise = weights(builder, [channels, 1, taps, taps], 2);
    let attributes: [(&str, Attribute); 2] = [
        ("group", channels.into()),
        ("pads", case.pads.as_slice().into()),
    ];
    value = builder.emit("Conv", &[&value, &depthwise], &attributes);
    if case.masks[1] {
        value = masked(builder, &value, "after", channels, 3);
    }
    let last = weights(builder, [channels, channels, 1, 1], 4);
    builder.emit("Conv", &[&value, &last], &[])
}

/// Computes a gradient with and without the operator, which must be in the graph or not.
fn check(case: Case, is_own: bool) {
    let shapes = [
        ("x", case.gradient()),
        ("before", case.gradient()),
        ("after", case.result()),
    ];
    let tensors = [(0, true), (1, case.masks[0]), (2, case.masks[1])];
    let tensors = tensors.into_iter().filter(|(_, is_there)| *is_there);
    let tensors: Vec<(&str, Tensor)> = tensors
        .map(|(index, _)| (shapes[index].0, array(shapes[index].1, index + 1)))
        .collect();
    let inputs: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, value)| (*name, value)).collect();
    let expected = computed(&inputs, |builder| network(builder, case)).unwrap();
    let shapes: Vec<_> = (inputs.iter())
        .map(|(name, value)| (*name, value.shape()))
        .collect();
    let fused = fused(model(&inputs, |builder| network(builder, case)), &shapes);
    let nodes = &fused.graph.as_ref().unwrap().node;
    let count = |op: &str| nodes.iter().filter(|node| node.op_type == op).count();
    // Without AVX2 there is no blocked layout.
    if nodes.iter().any(|node| node.domain.ends_with("nchwc")) {
        let counts = [DEPTHWISE_GRADIENT, ELEMENTWISE, "Upsample"].map(count);
        let masks = case.masks.iter().filter(|is_masked| **is_masked).count();
        let expected = if is_own { [1, 0, 0] } else { [0, masks, 0] };
        assert_eq!(counts, expected, "{case:?}");
    }
    assert_eq!(result_of(&fused, &inputs), expected, "{case:?}");
}

#[test]
fn depthwise_gradients_equal_convolutions_between_masks() {
    let case = Case {
        batch: 1,
        channels: 32,
        height: 5,
        width: 7,
        taps: 3,
        pads: [1; 4],
        stride: 2,
        masks: [false, true],
    };
    let cases = [
        case,
        Case {
            batch: 3,
            masks: [false, false],
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
            masks: [false, false],
            ..case
        },
        // Several parts of rows, which several threads compute.
        Case {
            batch: 2,
            height: 45,
            width: 67,
            ..case
        },
    ];
    for case in cases {
        check(case, true);
        check(
            Case {
                masks: [true, case.masks[1]],
                ..case
            },
            true,
        );
        for masks in [[true, false], [false, true], [true, true]] {
            check(
                Case {
                    stride: 1,
                    height: case.height + 4,
                    masks,
                    ..case
                },
                true,
            );
        }
    }
}

#[test]
fn convolutions_that_nothing_masks_or_with_many_zeros_around_them_stay() {
    let case = Case {
        batch: 1,
        channels: 32,
        height: 6,
        width: 6,
        taps: 3,
        pads: [1; 4],
        stride: 1,
        masks: [false, false],
    };
    check(case, false);
    check(
        Case {
            pads: [3, 1, 1, 1],
            masks: [true, true],
            ..case
        },
        false,
    );
}

#[test]
fn gradients_that_do_not_fit_are_an_error() {
    let (gradient, weights) = (array([1, 16, 4, 4], 0), array([16, 1, 3, 3], 1));
    let value = array([1, 16, 8, 8], 2);
    let result = |inputs: [&Tensor; 4], block: i64, stride: i64, pads: &[i64], bounds: &[f32]| {
        let names = ["g", "w", "b", "a"];
        let inputs: Vec<(&str, &Tensor)> = names.into_iter().zip(inputs).collect();
        let attributes = [
            ("block", block.into()),
            ("stride", stride.into()),
            ("pads", pads.into()),
            ("gradient_bounds", bounds.to_vec().into()),
            ("result_bounds", bounds.to_vec().into()),
        ];
        computed(&inputs, |builder| {
            builder.emit_own(DEPTHWISE_GRADIENT, &names, &attributes)
        })
    };
    let fitting = [&gradient, &weights, &gradient, &value];
    let bounds = [0.0, 6.0];
    assert!(result(fitting, 16, 2, &[1; 4], &bounds).is_ok());
    let with = |place: usize, tensor| {
        let mut inputs = fitting;
        inputs[place] = tensor;
        inputs
    };
    let narrow = array([1, 8, 4, 4], 0);
    let flat = array([16, 4], 0);
    let tall = array([16, 1, 30, 3], 0);
    for (inputs, block, stride, pads, bounds) in [
        (fitting, 4, 2, &[1; 4][..], &bounds[..]),
        (fitting, 16, 3, &[1; 4], &bounds),
        (fitting, 16, 1, &[1; 4], &bounds),
        (fitting, 16, 2, &[1; 3], &bounds),
        (fitting, 16, 2, &[1, 1, 1, -1], &bounds),
        (fitting, 16, 2, &[3, 1, 1, 1], &bounds),
        (fitting, 16, 2, &[1; 4], &bounds[..1]),
        (with(2, &value), 16, 2, &[1; 4], &bounds),
        (with(3, &gradient), 16, 2, &[1; 4], &bounds),
        (with(0, &narrow), 8, 2, &[1; 4], &bounds),
        (with(0, &flat), 16, 2, &[1; 4], &bounds),
        (with(1, &tall), 16, 2, &[1; 4], &bounds),
    ] {
        let error = result(inputs, block, stride, pads, bounds).unwrap_err();
        assert!(error.contains("DepthwiseGradient needs"), "{error}");
    }
}
