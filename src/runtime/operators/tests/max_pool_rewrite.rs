//! Gradients of maximum pools in networks become operators.

use super::layout::fused;
use super::max_pool::{CASE, Case, bits, scattered};
use super::{Input, array, computed, model, noise, result_of};
use crate::onnx::Builder;
use crate::onnx::own_operators::MAX_POOL_GRADIENT;
use crate::onnx::proto::ModelProto;

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
