//! Transposed convolutions of stride 2 in phases beside those of ONNX Runtime.

use super::layout::fused;
use super::{array, assert_close, computed, count, model, noise, result_of};
use crate::onnx::own_operators::INTERLEAVE_PHASES;
use crate::onnx::{Attribute, Builder};
use crate::runtime::Tensor;
use crate::runtime::operators::blocked::block_size;
use std::collections::HashMap;

/// A transposed convolution between others, which block the channels around it.
#[derive(Debug, Clone, Copy)]
struct Case {
    sizes: [usize; 4],
    channels: usize,
    taps: [usize; 2],
    pads: [i64; 4],
    output_padding: [i64; 2],
}

impl Case {
    fn emit(&self, builder: &mut Builder, others: &[(&'static str, Attribute)]) -> String {
        let weights = |builder: &mut Builder, dims: [usize; 4], seed| {
            let count = dims.iter().product();
            let weights: Vec<f32> = (0..count).map(|index| noise(index + seed) / 8.0).collect();
            builder.floats(&dims.map(|size| size as i64), &weights)
        };
        let (inputs, outputs) = (self.sizes[1], self.channels);
        let first = weights(builder, [inputs, inputs, 1, 1], 1);
        let before = builder.emit("Conv", &["x", &first], &[]);
        let dims = [inputs, outputs, self.taps[0], self.taps[1]];
        let transposed = weights(builder, dims, 2);
        let mut attributes: HashMap<&str, Attribute> = HashMap::from([
            ("strides", [2i64, 2].as_slice().into()),
            ("pads", self.pads.as_slice().into()),
            ("output_padding", self.output_padding.as_slice().into()),
        ]);
        attributes.extend(others.iter().cloned());
        let attributes: Vec<_> = attributes.into_iter().collect();
        let value = builder.emit("ConvTranspose", &[&before, &transposed], &attributes);
        let last = weights(builder, [outputs, outputs, 1, 1], 3);
        builder.emit("Conv", &[&value, &last], &[])
    }
}

const CASE: Case = Case {
    sizes: [1, 32, 9, 11],
    channels: 16,
    taps: [3, 3],
    pads: [1; 4],
    output_padding: [1, 1],
};

#[test]
fn transposed_convolutions_in_phases_equal_others() {
    let cases = [
        CASE,
        // Fewer odd rows or columns than even ones.
        Case {
            output_padding: [0, 1],
            ..CASE
        },
        Case {
            output_padding: [1, 0],
            sizes: [3, 16, 40, 33],
            channels: 48,
            ..CASE
        },
        // As ResNets project their shortcuts: three phases are 0.
        Case {
            taps: [1, 1],
            pads: [0; 4],
            ..CASE
        },
        Case {
            taps: [1, 1],
            pads: [0; 4],
            output_padding: [0, 0],
            ..CASE
        },
        Case {
            taps: [2, 2],
            pads: [0; 4],
            output_padding: [0, 0],
            ..CASE
        },
        Case {
            taps: [1, 2],
            pads: [0; 4],
            output_padding: [1, 0],
            ..CASE
        },
        Case {
            taps: [7, 5],
            pads: [3, 2, 3, 2],
            ..CASE
        },
        Case {
            taps: [4, 4],
            pads: [1; 4],
            output_padding: [0, 0],
            ..CASE
        },
        // As TensorFlow pads.
        Case {
            pads: [0, 0, 1, 1],
            output_padding: [0, 0],
            ..CASE
        },
        Case {
            sizes: [2, 16, 1, 1],
            ..CASE
        },
    ];
    for case in cases {
        let x = array(case.sizes, 1);
        let inputs = [("x", &x)];
        let network = |builder: &mut Builder| case.emit(builder, &[]);
        let expected = computed(&inputs, network).unwrap();
        let fused = fused(model(&inputs, network), &[("x", x.shape())]);
        if block_size().is_some() {
            let counts =
                ["ReorderInput", "ReorderOutput", INTERLEAVE_PHASES].map(|op| count(&fused, op));
            assert_eq!(counts, [1, 1, 1], "{case:?}");
        }
        assert_close(&result_of(&fused, &inputs), &expected, &format!("{case:?}"));
    }
}

#[test]
fn other_transposed_convolutions_stay() {
    let cases: [(Case, &[(&'static str, Attribute)]); 7] = [
        (
            Case {
                channels: 20,
                ..CASE
            },
            &[],
        ),
        // Part of the input is not read.
        (
            Case {
                pads: [3, 1, 1, 1],
                ..CASE
            },
            &[],
        ),
        // There are no odd rows.
        (
            Case {
                sizes: [2, 16, 1, 3],
                output_padding: [0, 1],
                ..CASE
            },
            &[],
        ),
        // Even rows are zeros.
        (
            Case {
                taps: [1, 1],
                pads: [1, 0, 0, 0],
                ..CASE
            },
            &[],
        ),
        (
            CASE,
            &[
                ("strides", [2i64, 1].as_slice().into()),
                ("output_padding", [1i64, 0].as_slice().into()),
            ],
        ),
        (CASE, &[("dilations", [2i64, 2].as_slice().into())]),
        (
            Case {
                channels: 32,
                ..CASE
            },
            &[("group", 2i64.into())],
        ),
    ];
    for (case, others) in cases {
        let x = array(case.sizes, 1);
        let inputs = [("x", &x)];
        let fused = fused(
            model(&inputs, |builder| case.emit(builder, others)),
            &[("x", x.shape())],
        );
        assert_eq!(count(&fused, "ConvTranspose"), 1, "{case:?} {others:?}");
    }
}

#[test]
fn phases_that_do_not_fit_are_an_error() {
    let even = array([1, 16, 4, 5], 0);
    let result = |second: &Tensor, block: i64, missing: &[i64]| {
        let inputs = [("a", &even), ("b", second)];
        let attributes = [("block", block.into()), ("missing", missing.into())];
        computed(&inputs, |builder| {
            builder.emit_own(INTERLEAVE_PHASES, &["a", "b"], &attributes)
        })
    };
    assert_eq!(result(&even, 16, &[0, 0]).unwrap().shape(), [1, 16, 8, 10]);
    let narrow = array([1, 16, 4, 4], 0);
    assert_eq!(result(&narrow, 8, &[1, 1]).unwrap().shape(), [1, 16, 7, 9]);
    for (second, block, missing) in [
        (&narrow, 16, &[0, 0][..]),
        (&even, 16, &[0, 1]),
        (&even, 4, &[0, 0]),
        (&even, 16, &[0]),
        (&even, 16, &[0, 2]),
        (&array([16, 5], 0), 16, &[0, 0]),
    ] {
        let error = result(second, block, missing).unwrap_err();
        assert!(error.contains("InterleavePhases needs"), "{error}");
    }
}
