//! Gradients of maximum pools beside their standard form.

use super::layout::fused;
use super::{Input, array, computed, model, noise, options, run};
use crate::onnx::own_operators::MAX_POOL_GRADIENT;
use crate::onnx::proto::ModelProto;
use crate::onnx::{Attribute, Builder};
use crate::runtime::{Optimisation, Provider, Session, SessionOptions, Tensor};
use ndarray::{ArrayD, IxDyn};

/// A pool and the dimensions of its input.
#[derive(Debug, Clone, Copy)]
struct Case {
    dims: [usize; 4],
    kernel: [i64; 2],
    strides: [i64; 2],
    pads: [i64; 4],
    dilations: [i64; 2],
    ceil_mode: i64,
}

/// The pool of ResNets, on a small picture.
const CASE: Case = Case {
    dims: [1, 32, 9, 11],
    kernel: [3, 3],
    strides: [2, 2],
    pads: [1; 4],
    dilations: [1, 1],
    ceil_mode: 0,
};

const CASES: [Case; 14] = [
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

    fn of_standard_pool(&self) -> Vec<(&'static str, Attribute)> {
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

    fn standard(&self, builder: &mut Builder, x: &str, g: &str) -> String {
        let pooled = builder.emit_many("MaxPool", &[x], &self.of_standard_pool(), 2);
        scattered(builder, &pooled[1], g, &self.dims)
    }
}

/// `g`, added to zeros at `indices`, in a tensor of dimensions `dims`.
fn scattered(builder: &mut Builder, indices: &str, g: &str, dims: &[usize]) -> String {
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
fn bits(array: &ArrayD<f32>) -> Vec<u32> {
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

fn convolution(builder: &mut Builder, value: &str, channels: usize, seed: usize) -> String {
    let count = channels * channels;
    let weights: Vec<f32> = (0..count).map(|index| noise(index + seed) / 4.0).collect();
    let weights = builder.floats(&[channels as i64, channels as i64, 1, 1], &weights);
    builder.emit("Conv", &[value, &weights], &[])
}

/// The model, optimized and fused, and the number of nodes of an operator in it.
fn rewritten(
    inputs: &[Input],
    build: impl FnOnce(&mut Builder) -> String,
) -> (ModelProto, impl Fn(&str) -> usize) {
    let dims: Vec<(&str, &[usize])> = (inputs.iter())
        .map(|(name, tensor)| (*name, tensor.shape()))
        .collect();
    let model = fused(model(inputs, build), &dims);
    let nodes = model.graph.as_ref().unwrap().node.iter();
    let ops: Vec<String> = nodes.map(|node| node.op_type.clone()).collect();
    let count = move |op: &str| ops.iter().filter(|other| *other == op).count();
    (model, count)
}

fn result_of(model: &ModelProto, inputs: &[Input]) -> ArrayD<f32> {
    let unoptimized = SessionOptions {
        optimisation: Optimisation::None,
        ..options()
    };
    let mut session = Session::open_model(model, Provider::Cpu, &unoptimized).unwrap();
    run(&mut session, inputs).unwrap()
}

/// A convolution, a rectifier and a pool, and the gradient of the pool between further convolutions.
#[derive(Debug, Clone, Copy)]
struct Network {
    case: Case,
    /// Whether ONNX Runtime computes the gradient of the pool's output in blocked channels.
    blocked_gradient: bool,
    /// Whether the gradient is that of the rectifier, too.
    is_masked: bool,
}

impl Network {
    fn build(&self, builder: &mut Builder) -> String {
        let channels = self.case.dims[1];
        let sum = convolution(builder, "x", channels, 1);
        let value = builder.emit("Relu", &[&sum], &[]);
        let pooled = builder.emit("MaxPool", &[&value], &self.case.of_standard_pool());
        let mut gradient = convolution(builder, &pooled, channels, 2);
        if !self.blocked_gradient {
            gradient = builder.emit("Softplus", &[&gradient], &[]);
        }
        let mut gradient = self.case.standard(builder, &value, &gradient);
        if self.is_masked {
            let slope = [("alpha", 1e30f32.into()), ("beta", 0f32.into())];
            let mask = builder.emit("HardSigmoid", &[&value], &slope);
            gradient = builder.emit("Mul", &[&gradient, &mask], &[]);
        }
        convolution(builder, &gradient, channels, 3)
    }
}

#[test]
fn gradients_in_networks_become_operators_in_the_layout_of_the_network() {
    let of_channels = |channels| Case {
        dims: [2, channels, 9, 11],
        ..CASE
    };
    // 24 channels do not fill blocks of 16.
    for channels in [32, 24] {
        for flags in 0..4 {
            let [blocked_gradient, is_masked] = [1, 2].map(|bit| flags & bit != 0);
            let network = Network {
                case: of_channels(channels),
                blocked_gradient,
                is_masked,
            };
            let x = array(network.case.dims, 3);
            let inputs = [("x", &x)];
            let build = |builder: &mut Builder| network.build(builder);
            let expected = computed(&inputs, build).unwrap();
            let (model, count) = rewritten(&inputs, build);
            let counts = [MAX_POOL_GRADIENT, "ScatterElements", "Expand"].map(&count);
            // The other pool has no indices.
            assert_eq!((counts, count("MaxPool")), ([1, 0, 0], 1), "{network:?}");
            assert_eq!(
                bits(&result_of(&model, &inputs)),
                bits(&expected),
                "{network:?}"
            );
            let nodes = &model.graph.as_ref().unwrap().node;
            let mut nodes = nodes.iter();
            let node = nodes.find(|node| node.op_type == MAX_POOL_GRADIENT);
            let block = node.unwrap().int("block").unwrap();
            // Without AVX2 there is no blocked layout.
            if channels == 32 && count("ReorderInput") > 0 {
                assert!([8, 16].contains(&block), "{network:?}");
                let reorders = [count("ReorderInput"), count("ReorderOutput")];
                let expected = match (blocked_gradient, is_masked) {
                    (true, false) => Some([1, 1]),
                    (false, false) => Some([2, 2]),
                    // The mask is in NCHW or in blocked channels.
                    (_, true) => None,
                };
                assert!(
                    expected.is_none_or(|expected| expected == reorders),
                    "{network:?}: {reorders:?}"
                );
            } else {
                assert!(channels == 24 || block == 1, "{network:?}");
            }
        }
    }
}

#[test]
fn other_forms_are_kept() {
    let x = array([1, 32, 8, 8], 1);
    let g = array([1, 32, 4, 4], 2);
    let inputs = [("x", &x), ("g", &g)];
    let kernel = [
        ("kernel_shape", vec![2i64, 2].into()),
        ("strides", vec![2i64, 2].into()),
    ];
    let check = |text: &str, build: &dyn Fn(&mut Builder) -> String| {
        let expected = computed(&inputs, build).unwrap();
        let (model, count) = rewritten(&inputs, build);
        let counts = [MAX_POOL_GRADIENT, "ScatterElements"].map(count);
        let expected_counts = if text.is_empty() { [1, 0] } else { [0, 1] };
        assert_eq!(counts, expected_counts, "{text}");
        assert_eq!(bits(&result_of(&model, &inputs)), bits(&expected), "{text}");
    };
    let pooled = |b: &mut Builder| b.emit_many("MaxPool", &["x"], &kernel, 2).remove(1);
    let dims = [1, 32, 8, 8];
    let gradient = |b: &mut Builder| b.emit("Softplus", &["g"], &[]);
    check("", &|b| {
        let (indices, g) = (pooled(b), gradient(b));
        scattered(b, &indices, &g, &dims)
    });
    check("indices read by another node", &|b| {
        let (indices, g) = (pooled(b), gradient(b));
        let gradient = scattered(b, &indices, &g, &dims);
        let indices = b.emit("Cast", &[&indices], &[("to", 1i64.into())]);
        let sum = b.emit("ReduceSum", &[&indices], &[]);
        b.emit("Add", &[&gradient, &sum], &[])
    });
    check("another shape", &|b| {
        let (indices, g) = (pooled(b), gradient(b));
        scattered(b, &indices, &g, &[1, 8, 16, 16])
    });
    check("a gradient of another shape", &|b| {
        let indices = pooled(b);
        let shape = b.ints(&[1, 32, 2, 8]);
        let g = b.emit("Reshape", &["g", &shape], &[]);
        let g = b.emit("Softplus", &[&g], &[]);
        scattered(b, &indices, &g, &dims)
    });
    check("columns before rows", &|b| {
        let mut attributes = kernel.to_vec();
        attributes.push(("storage_order", 1i64.into()));
        let indices = b.emit_many("MaxPool", &["x"], &attributes, 2).remove(1);
        let g = gradient(b);
        scattered(b, &indices, &g, &dims)
    });
    check("padding of a size that is chosen by ONNX Runtime", &|b| {
        let mut attributes = kernel.to_vec();
        attributes.push(("auto_pad", "SAME_UPPER".into()));
        let indices = b.emit_many("MaxPool", &["x"], &attributes, 2).remove(1);
        let g = gradient(b);
        scattered(b, &indices, &g, &dims)
    });
    check("three spatial axes", &|b| {
        let shape = b.ints(&[1, 16, 2, 8, 8]);
        let x = b.emit("Reshape", &["x", &shape], &[]);
        let sizes = vec![1i64, 2, 2];
        let attributes = [
            ("kernel_shape", sizes.clone().into()),
            ("strides", sizes.into()),
        ];
        let indices = b.emit_many("MaxPool", &[&x], &attributes, 2).remove(1);
        let g = gradient(b);
        scattered(b, &indices, &g, &[1, 16, 2, 8, 8])
    });
    for (start, reduction) in [(1.0, "add"), (-0.0, "add"), (0.0, "max")] {
        check(&format!("{reduction} to {start}"), &|b| {
            let (indices, g) = (pooled(b), gradient(b));
            let flat = b.ints(&[-1]);
            let zeros = b.floats(&[32 * 64], &[start; 32 * 64]);
            let indices = b.emit("Reshape", &[&indices, &flat], &[]);
            let updates = b.emit("Reshape", &[&g, &flat], &[]);
            let attributes = [("axis", 0i64.into()), ("reduction", reduction.into())];
            let scattered = b.emit(
                "ScatterElements",
                &[&zeros, &indices, &updates],
                &attributes,
            );
            let shape = b.ints(&[1, 32, 8, 8]);
            b.emit("Reshape", &[&scattered, &shape], &[])
        });
    }
}

#[test]
fn two_gradients_of_one_value_are_both_operators() {
    let x = array(CASE.dims, 1);
    let inputs = [("x", &x)];
    let build = |builder: &mut Builder| {
        let value = convolution(builder, "x", 32, 1);
        let pooled = builder.emit("MaxPool", &[&value], &CASE.of_standard_pool());
        let gradient = builder.emit("Softplus", &[&pooled], &[]);
        let first = CASE.standard(builder, &value, &gradient);
        let other = builder.emit("Softplus", &[&value], &[]);
        let second = CASE.standard(builder, &other, &gradient);
        builder.emit("Add", &[&first, &second], &[])
    };
    let expected = computed(&inputs, build).unwrap();
    let (model, count) = rewritten(&inputs, build);
    assert_eq!([MAX_POOL_GRADIENT, "ScatterElements"].map(count), [2, 0]);
    assert_eq!(bits(&result_of(&model, &inputs)), bits(&expected));
}
