//! Gradients with respect to pictures beside transposed convolutions.

use super::layout::fused;
use super::{array, assert_close, computed, count, model, noise, result_of};
use crate::onnx::own_operators::STEM_GRADIENT;
use crate::onnx::{Attribute, Builder};
use crate::runtime::Tensor;
use ndarray::{ArrayD, Axis};

/// A transposed convolution of a gradient of sizes (N, C, H, W).
#[derive(Debug, Clone, Copy)]
struct Case {
    sizes: [usize; 4],
    channels: usize,
    taps: [usize; 2],
    strides: [i64; 2],
    pads: [i64; 4],
    output_padding: [i64; 2],
}

impl Case {
    fn emit(&self, builder: &mut Builder, others: &[(&'static str, Attribute)]) -> String {
        let Self {
            sizes,
            channels,
            taps,
            ..
        } = *self;
        let dims = [sizes[1], channels, taps[0], taps[1]].map(|size| size as i64);
        let count = dims.iter().product::<i64>() as usize;
        let weights: Vec<f32> = (0..count).map(|index| noise(index + 7) / 4.0).collect();
        let weights = builder.floats(&dims, &weights);
        let mut attributes = vec![
            ("strides", self.strides.as_slice().into()),
            ("pads", self.pads.as_slice().into()),
            ("output_padding", self.output_padding.as_slice().into()),
        ];
        attributes.extend(others.iter().cloned());
        builder.emit("ConvTranspose", &["x", &weights], &attributes)
    }
}

const CASE: Case = Case {
    sizes: [1, 16, 9, 11],
    channels: 3,
    taps: [3, 3],
    strides: [2, 2],
    pads: [1; 4],
    output_padding: [1, 1],
};

#[test]
fn gradients_of_first_convolutions_equal_transposed_convolutions() {
    let cases = [
        CASE,
        // As ResNets begin, in several bands of rows and vectors of columns.
        Case {
            sizes: [2, 24, 40, 75],
            taps: [7, 7],
            pads: [3; 4],
            ..CASE
        },
        // As EfficientNets of TensorFlow begin.
        Case {
            sizes: [1, 8, 30, 33],
            pads: [0, 0, 1, 1],
            ..CASE
        },
        // As Vision Transformers begin.
        Case {
            sizes: [1, 8, 7, 5],
            taps: [4, 4],
            strides: [4, 4],
            pads: [0; 4],
            output_padding: [0, 0],
            ..CASE
        },
        Case {
            channels: 1,
            strides: [1, 3],
            output_padding: [0, 2],
            taps: [2, 5],
            pads: [0, 1, 1, 2],
            ..CASE
        },
        Case {
            channels: 2,
            strides: [3, 1],
            output_padding: [2, 0],
            taps: [1, 4],
            pads: [0, 0, 0, 3],
            ..CASE
        },
        // Strides that are greater than the weights.
        Case {
            channels: 4,
            strides: [5, 4],
            output_padding: [4, 0],
            taps: [2, 1],
            pads: [0; 4],
            ..CASE
        },
        Case {
            sizes: [1, 3, 1, 1],
            taps: [7, 7],
            pads: [3; 4],
            ..CASE
        },
        Case {
            sizes: [1, 3, 1, 70],
            taps: [1, 9],
            strides: [1, 1],
            pads: [0, 8, 0, 0],
            output_padding: [0, 0],
            ..CASE
        },
        // Strides far beyond the result.
        Case {
            sizes: [1, 2, 1, 1],
            taps: [2, 3],
            strides: [1 << 20, 1 << 29],
            pads: [0; 4],
            output_padding: [0, 0],
            ..CASE
        },
        // Most of the gradient is cut off.
        Case {
            sizes: [1, 2, 12, 12],
            pads: [9, 2, 11, 18],
            ..CASE
        },
        Case {
            sizes: [0, 2, 12, 12],
            ..CASE
        },
    ];
    for case in cases {
        let x = array(case.sizes, 1);
        let inputs = [("x", &x)];
        let network = |builder: &mut Builder| case.emit(builder, &[]);
        let expected = computed(&inputs, network).unwrap();
        let fused = fused(model(&inputs, network), &[("x", x.shape())]);
        assert_eq!(count(&fused, STEM_GRADIENT), 1, "{case:?}");
        assert_close(&result_of(&fused, &inputs), &expected, &format!("{case:?}"));
    }
}

#[test]
fn other_transposed_convolutions_stay() {
    let x = array(CASE.sizes, 1);
    let inputs = [("x", &x)];
    let cases: [(Case, &[(&'static str, Attribute)]); 3] = [
        (
            Case {
                channels: 5,
                ..CASE
            },
            &[],
        ),
        (CASE, &[("group", 2i64.into())]),
        (CASE, &[("dilations", [2i64, 2].as_slice().into())]),
    ];
    for (case, others) in cases {
        let model = model(&inputs, |builder| case.emit(builder, others));
        let fused = fused(model, &[("x", x.shape())]);
        assert_eq!(count(&fused, "ConvTranspose"), 1, "{case:?} {others:?}");
    }
}

fn gradient(
    gradient: &Tensor,
    weights: &Tensor,
    [strides, pads, padding]: [&[i64]; 3],
) -> Result<ArrayD<f32>, String> {
    let attributes = [
        ("strides", strides.into()),
        ("pads", pads.into()),
        ("output_padding", padding.into()),
    ];
    computed(&[("g", gradient), ("w", weights)], |builder| {
        builder.emit_own(STEM_GRADIENT, &["g", "w"], &attributes)
    })
}

#[test]
fn a_gradient_is_the_same_alone_and_in_a_batch() {
    let weights = array([16, 3, 3, 3], 2);
    let computed = |value: &Tensor| gradient(value, &weights, [&[2; 2], &[1; 4], &[1; 2]]).unwrap();
    let batch = array([3, 16, 21, 20], 1);
    let together = computed(&batch);
    let Tensor::F32(batch) = batch else {
        panic!("float32")
    };
    for (index, of_batch) in together.outer_iter().enumerate() {
        let alone = batch.index_axis(Axis(0), index).insert_axis(Axis(0));
        assert_eq!(
            computed(&alone.to_owned().into()).index_axis(Axis(0), 0),
            of_batch
        );
    }
}

#[test]
fn gradients_that_do_not_fit_are_an_error() {
    let (fitting, weights) = (array([1, 16, 4, 4], 0), array([16, 3, 3, 3], 1));
    assert!(gradient(&fitting, &weights, [&[2; 2], &[1; 4], &[1; 2]]).is_ok());
    for attributes in [
        [&[2][..], &[1; 4], &[1; 2]],
        [&[0, 2], &[1; 4], &[0; 2]],
        [&[2; 2], &[1; 3], &[1; 2]],
        [&[2; 2], &[1, 1, 1, -1], &[1; 2]],
        [&[2; 2], &[1, 9, 1, 9], &[1; 2]],
        [&[2; 2], &[1; 4], &[2; 2]],
        [&[1 << 40, 2], &[1; 4], &[1; 2]],
    ] {
        let error = gradient(&fitting, &weights, attributes).unwrap_err();
        assert!(
            error.contains("StemGradient needs"),
            "{attributes:?}: {error}"
        );
    }
    for (value, weights) in [
        (array([16, 4], 0), weights),
        (fitting.clone(), array([16, 3, 3, 5], 0)),
        (fitting.clone(), array([16, 0, 3, 3], 0)),
        (fitting.clone(), array([16, 3, 3, 0], 0)),
        (fitting.clone(), array([8, 3, 3, 3], 0)),
        (array([1, 16, 0, 4], 0), array([16, 3, 3, 3], 0)),
    ] {
        let error = gradient(&value, &weights, [&[2; 2], &[1; 4], &[1; 2]]).unwrap_err();
        assert!(error.contains("StemGradient needs"), "{error}");
    }
}
