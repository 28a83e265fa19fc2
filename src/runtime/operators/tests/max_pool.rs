//! Gradients of maximum pools beside their standard form.

use super::{Input, array, computed};
use crate::onnx::own_operators::MAX_POOL_GRADIENT;
use crate::onnx::{Attribute, Builder};
use crate::runtime::Tensor;
use ndarray::{ArrayD, IxDyn};

/// A pool and the dimensions of its input.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    pub dims: [usize; 4],
    pub kernel: [i64; 2],
    pub strides: [i64; 2],
    pub pads: [i64; 4],
    pub dilations: [i64; 2],
    pub ceil_mode: i64,
}

/// The pool of ResNets, on a small picture.
pub(super) const CASE: Case = Case {
    dims: [1, 32, 9, 11],
    kernel: [3, 3],
    strides: [2, 2],
    pads: [1; 4],
    dilations: [1, 1],
    ceil_mode: 0,
};

const CASES: [Case; 15] = [
    CASE,
    Case {
        dims: [3, 16, 8, 8],
        ..CASE
    },
    Case {
        kernel: [2, 2],
        pads: [0; 4],
        ..CASE
    },
    Case {
        strides: [1, 1],
        ..CASE
    },
    // Elements between windows.
    Case {
        kernel: [2, 2],
        strides: [3, 3],
        pads: [0, 1, 1, 0],
        ..CASE
    },
    Case {
        kernel: [3, 2],
        strides: [2, 1],
        pads: [2, 0, 1, 1],
        ..CASE
    },
    Case {
        dilations: [2, 3],
        ..CASE
    },
    Case {
        dilations: [2, 1],
        strides: [1, 2],
        ..CASE
    },
    Case {
        ceil_mode: 1,
        dims: [2, 16, 10, 12],
        pads: [0; 4],
        ..CASE
    },
    Case {
        ceil_mode: 1,
        kernel: [2, 3],
        strides: [3, 2],
        pads: [1, 1, 0, 2],
        dims: [1, 16, 7, 10],
        ..CASE
    },
    // More elements in a window than channels in a block.
    Case {
        kernel: [5, 7],
        pads: [2, 3, 2, 3],
        strides: [1, 2],
        ..CASE
    },
    // One window.
    Case {
        kernel: [9, 11],
        pads: [0; 4],
        ..CASE
    },
    // A picture of several parts, which are computed by several threads.
    Case {
        dims: [1, 32, 90, 100],
        ..CASE
    },
    Case {
        dims: [1, 16, 200, 40],
        kernel: [4, 2],
        dilations: [5, 1],
        strides: [1, 3],
        ..CASE
    },
    Case {
        dims: [1, 16, 1, 1],
        ..CASE
    },
];

impl Case {
    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        vec![
            ("kernel_shape", self.kernel.as_slice().into()),
            ("strides", self.strides.as_slice().into()),
            ("pads", self.pads.as_slice().into()),
            ("dilations", self.dilations.as_slice().into()),
        ]
    }

    pub fn of_standard_pool(&self) -> Vec<(&'static str, Attribute)> {
        let mut attributes = self.attributes();
        attributes.push(("ceil_mode", self.ceil_mode.into()));
        attributes
    }

    /// The dimensions of the pool's output.
    fn pooled(&self) -> [usize; 4] {
        let x = array(self.dims, 0);
        let pooled = computed(&[("x", &x)], |builder| {
            builder.emit("MaxPool", &["x"], &self.of_standard_pool())
        });
        pooled.unwrap().shape().try_into().unwrap()
    }

    pub fn standard(&self, builder: &mut Builder, x: &str, g: &str) -> String {
        let pooled = builder.emit_many("MaxPool", &[x], &self.of_standard_pool(), 2);
        scattered(builder, &pooled[1], g, &self.dims)
    }
}

/// `g`, added to zeros at `indices`, in a tensor of dimensions `dims`.
pub(super) fn scattered(builder: &mut Builder, indices: &str, g: &str, dims: &[usize]) -> String {
    let dims: Vec<i64> = dims.iter().map(|size| *size as i64).collect();
    let (flat, zero) = (builder.ints(&[-1]), builder.floats(&[], &[0.0]));
    let (count, dims) = (builder.ints(&[dims.iter().product()]), builder.ints(&dims));
    let zeros = builder.emit("Expand", &[&zero, &count], &[]);
    let indices = builder.emit("Reshape", &[indices, &flat], &[]);
    let updates = builder.emit("Reshape", &[g, &flat], &[]);
    let inputs = [zeros.as_str(), &indices, &updates];
    let added = [("axis", 0i64.into()), ("reduction", "add".into())];
    let scattered = builder.emit("ScatterElements", &inputs, &added);
    builder.emit("Reshape", &[&scattered, &dims], &[])
}

/// The tensor whose memory is that of `tensor` in blocks of `block` channels.
fn blocked(tensor: &Tensor, block: usize) -> Tensor {
    let Tensor::F32(array) = tensor else {
        panic!("float32")
    };
    let [n, c, h, w] = array.shape().try_into().unwrap();
    let split = array.to_shape([n, c / block, block, h, w]).unwrap();
    let blocks = split.permuted_axes([0, 1, 3, 4, 2]);
    let elements: Vec<f32> = blocks.iter().copied().collect();
    ArrayD::from_shape_vec(IxDyn(&[n, c, h, w]), elements)
        .unwrap()
        .into()
}

/// The elements as bits. All NaN are alike.
pub(super) fn bits(array: &ArrayD<f32>) -> Vec<u32> {
    let of_element = |value: &f32| if value.is_nan() { f32::NAN } else { *value }.to_bits();
    array.iter().map(of_element).collect()
}

/// Noise, with many equal elements or unusual ones.
fn fillings(dims: [usize; 4], seed: usize) -> Vec<Tensor> {
    let filled = |value: fn(usize, f32) -> f32| {
        let Tensor::F32(noise) = array(dims, seed) else {
            panic!("float32")
        };
        let elements = noise.iter().enumerate();
        let elements: Vec<f32> = elements.map(|(index, x)| value(index, *x)).collect();
        let array = ArrayD::from_shape_vec(IxDyn(&dims), elements);
        Tensor::from(array.unwrap())
    };
    vec![
        filled(|_, x| x),
        // Rectified.
        filled(|_, x| x.max(0.0)),
        filled(|_, x| (2.0 * x).round()),
        filled(|_, _| f32::NEG_INFINITY),
        filled(|index, x| match index % 7 {
            0 => f32::NAN,
            1 if x > 0.0 => f32::INFINITY,
            2 | 3 => f32::NEG_INFINITY,
            4 => -0.0,
            _ => x,
        }),
    ]
}

#[test]
fn gradients_equal_scattered_ones_in_every_layout() {
    for (number, case) in CASES.into_iter().enumerate() {
        let pooled = case.pooled();
        let values = fillings(case.dims, number);
        let gradients = fillings(pooled, number + 1);
        let last = gradients.len() - 1;
        for (filling, x) in values.iter().enumerate() {
            for g in [&gradients[0], &gradients[last]] {
                let inputs = [("x", x), ("g", g)];
                let expected = computed(&inputs, |builder| case.standard(builder, "x", "g"));
                let expected = expected.unwrap();
                for block in [1, 8, 16] {
                    let inputs = [("x", &blocked(x, block)), ("g", &blocked(g, block))];
                    let mut attributes = case.attributes();
                    attributes.push(("block", (block as i64).into()));
                    let result = computed(&inputs, |builder| {
                        builder.emit_own(MAX_POOL_GRADIENT, &["x", "g"], &attributes)
                    });
                    let expected = blocked(&expected.clone().into(), block);
                    let Tensor::F32(expected) = expected else {
                        panic!("float32")
                    };
                    let result = result.unwrap();
                    assert_eq!(result.shape(), case.dims);
                    assert!(
                        bits(&result) == bits(&expected),
                        "{case:?}, filling {filling}, blocks of {block}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_window_outside_the_picture_has_no_element() {
    // With padding on both sides, the elements of the only window are before and behind the picture.
    let (x, g) = (array([1, 1, 1, 1], 0), array([1, 1, 1, 1], 1));
    let inputs = [("x", &x), ("g", &g)];
    let attributes = [
        ("kernel_shape", [2i64, 2].as_slice().into()),
        ("strides", [1i64, 1].as_slice().into()),
        ("pads", [1i64; 4].as_slice().into()),
        ("dilations", [2i64, 2].as_slice().into()),
        ("block", 1i64.into()),
    ];
    let result = computed(&inputs, |builder| {
        builder.emit_own(MAX_POOL_GRADIENT, &["x", "g"], &attributes)
    });
    assert_eq!(result.unwrap().first(), Some(&0.0));
}

#[test]
fn gradients_that_do_not_fit_are_an_error() {
    let (x, g) = (array([1, 16, 9, 11], 0), array([1, 16, 5, 6], 1));
    let result = |inputs: [&Tensor; 2], changed: &str, value: Attribute| {
        let names = ["x", "g"];
        let inputs: Vec<Input> = names.into_iter().zip(inputs).collect();
        let mut attributes = CASE.attributes();
        attributes.push(("block", 16i64.into()));
        let mut attributes = attributes.into_iter();
        let attributes: Vec<_> = (attributes.by_ref())
            .map(|(name, known)| {
                (
                    name,
                    if name == changed {
                        value.clone()
                    } else {
                        known
                    },
                )
            })
            .collect();
        computed(&inputs, |builder| {
            builder.emit_own(MAX_POOL_GRADIENT, &names, &attributes)
        })
    };
    let fits = || Attribute::Int(16);
    assert!(result([&x, &g], "block", fits()).is_ok());
    let ints = |values: &[i64]| Attribute::from(values);
    for (changed, value) in [
        ("block", 0i64.into()),
        ("block", 4i64.into()),
        ("block", (-8i64).into()),
        ("block", ints(&[16])),
        ("kernel_shape", ints(&[3])),
        ("kernel_shape", ints(&[3, 3, 3])),
        ("kernel_shape", ints(&[0, 3])),
        ("kernel_shape", ints(&[i64::MAX, 3])),
        ("kernel_shape", 3i64.into()),
        ("strides", ints(&[0, 2])),
        ("strides", ints(&[2, -2])),
        ("strides", ints(&[1, 1])),
        ("pads", ints(&[1, 1])),
        ("pads", ints(&[1, 1, 1, -1])),
        ("pads", ints(&[1 << 40, 1, 1, 1])),
        ("dilations", ints(&[0, 1])),
        ("dilations", ints(&[1 << 29, 1])),
    ] {
        let text = format!("{changed}: {value:?}");
        let error = result([&x, &g], changed, value).expect_err(&text);
        assert!(error.contains("MaxPoolGradient needs"), "{text}: {error}");
    }
    for (x_dims, g_dims) in [
        (&[1, 8, 9, 11][..], &[1, 8, 5, 6][..]),
        (&[16, 9, 11], &[16, 5, 6]),
        (&[1, 16, 9, 11, 1], &[1, 16, 5, 6, 1]),
        (&[1, 16, 9, 11], &[1, 16, 5, 7]),
        (&[1, 16, 9, 11], &[1, 16, 0, 6]),
        (&[1, 16, 9, 11], &[1, 32, 5, 6]),
        (&[2, 16, 9, 11], &[1, 16, 5, 6]),
    ] {
        let [x, g] = [x_dims, g_dims].map(|dims| Tensor::from(ArrayD::<f32>::zeros(dims)));
        let error = result([&x, &g], "block", fits()).expect_err("they do not fit");
        assert!(error.contains("MaxPoolGradient needs"), "{error}");
    }
    let [x, g] = [[0, 16, 9, 11], [0, 16, 5, 6]].map(|dims| array(dims, 0));
    let empty = result([&x, &g], "block", fits()).unwrap();
    assert_eq!(empty.shape(), [0, 16, 9, 11]);
}
