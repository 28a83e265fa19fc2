//! Element-wise nodes in blocked channels beside the same nodes in NCHW.

use super::layout::fused;
use super::{array, computed, model, noise, options, run};
use crate::onnx::own_operators::{BLOCK, ELEMENTWISE};
use crate::onnx::proto::ModelProto;
use crate::onnx::{Builder, Graph};
use crate::runtime::shape_inference::infer_types_with_operators;
use crate::runtime::{Session, Tensor};

fn convolution(builder: &mut Builder, value: &str, [outputs, inputs]: [usize; 2]) -> String {
    let weights: Vec<f32> = (0..outputs * inputs)
        .map(|index| noise(index) / 4.0)
        .collect();
    let weights = builder.floats(&[outputs as i64, inputs as i64, 1, 1], &weights);
    builder.emit("Conv", &[value, &weights], &[])
}

/// Squeeze and excitation of `channels`, a gate per sample, and a residual sum.
fn excited(builder: &mut Builder, channels: usize) -> String {
    let value = convolution(builder, "x", [channels; 2]);
    let value = builder.emit("Relu", &[&value], &[]);
    let mean = builder.emit("GlobalAveragePool", &[&value], &[]);
    let scale = convolution(builder, &mean, [channels; 2]);
    let scale = builder.emit("HardSigmoid", &[&scale], &[]);
    let excited = builder.emit("Mul", &[&scale, &value], &[]);
    let branch = convolution(builder, &excited, [channels; 2]);
    let gated = builder.emit("Mul", &[&branch, "gate"], &[]);
    let sum = builder.emit("Add", &[&gated, &value], &[]);
    convolution(builder, &sum, [channels; 2])
}

fn inputs(channels: usize) -> [(&'static str, Tensor); 2] {
    [
        ("x", array([2, channels, 5, 7], 1)),
        ("gate", array([2, 1, 1, 1], 9)),
    ]
}

/// Number of nodes of an operator.
fn count(model: &ModelProto, op: &str) -> usize {
    let nodes = model.graph.iter().flat_map(|graph| &graph.node);
    nodes.filter(|node| node.op_type == op).count()
}

/// The fused model, if ONNX Runtime has blocked channels on this processor, after comparing its results with those of
/// the standard form.
fn compared(
    inputs: &[(&str, Tensor)],
    build: impl Fn(&mut Builder) -> String,
) -> Option<ModelProto> {
    let inputs: Vec<(&str, &Tensor)> = inputs.iter().map(|(name, value)| (*name, value)).collect();
    let expected = computed(&inputs, &build).unwrap();
    let dims: Vec<(&str, &[usize])> = inputs
        .iter()
        .map(|(n, value)| (*n, value.shape()))
        .collect();
    let model = model(&inputs, &build);
    let types = infer_types_with_operators(&Graph::new(model.clone()).unwrap(), &dims).unwrap();
    let session = Session::open_fused(model.clone(), &types, &options()).unwrap();
    assert_eq!(run(&mut session.unwrap(), &inputs).unwrap(), expected);
    let fused = fused(model, &dims);
    let mut nodes = fused.graph.iter().flat_map(|graph| &graph.node);
    let is_blocked = nodes.any(|node| node.domain.ends_with("nchwc"));
    is_blocked.then_some(fused)
}

#[test]
fn squeeze_and_excitation_and_gates_need_no_reordering() {
    if let Some(fused) = compared(&inputs(32), |builder| excited(builder, 32)) {
        let reorders = ["ReorderInput", "ReorderOutput"].map(|op| count(&fused, op));
        assert_eq!(reorders, [1, 1]);
        assert_eq!(count(&fused, ELEMENTWISE), 2);
    }
}

#[test]
fn channels_that_do_not_fill_blocks_are_reordered_as_before() {
    if let Some(fused) = compared(&inputs(20), |builder| excited(builder, 20)) {
        assert!(count(&fused, "ReorderOutput") > 1);
        let mut nodes = fused.graph.iter().flat_map(|graph| &graph.node);
        assert!(nodes.all(|node| node.attribute_named(BLOCK).is_none()));
    }
}

/// A value per channel, repeated over positions, and one per sample, repeated over channels and positions, as
/// `autodiff::lowering` has them repeated for blocked channels.
fn repeated(builder: &mut Builder) -> String {
    let value = convolution(builder, "x", [32; 2]);
    let mean = builder.emit("GlobalAveragePool", &[&value], &[]);
    let scales = builder.floats(&[4], &[1.0, 1.0, 5.0, 7.0]);
    let nearest = [
        ("mode", "nearest".into()),
        ("coordinate_transformation_mode", "asymmetric".into()),
        ("nearest_mode", "floor".into()),
    ];
    let per_channel = builder.emit("Resize", &[&mean, "", &scales], &nearest);
    let plane = builder.ints(&[2, 1, 5, 7]);
    let plane = builder.emit("Expand", &["gate", &plane], &[]);
    let ones = builder.floats(&[32, 1, 1, 1], &[1.0; 32]);
    let per_sample = builder.emit("Conv", &[&plane, &ones], &[]);
    let product = builder.emit("Mul", &[&value, &per_channel], &[]);
    let product = builder.emit("Mul", &[&product, &per_sample], &[]);
    convolution(builder, &product, [32; 2])
}

#[test]
fn values_that_were_repeated_only_to_be_blocked_are_broadcast() {
    if let Some(fused) = compared(&inputs(32), repeated) {
        assert_eq!(["Upsample", "Expand"].map(|op| count(&fused, op)), [0, 0]);
        assert_eq!(count(&fused, ELEMENTWISE), 1);
    }
}

#[test]
fn only_repeated_values_keep_their_full_size() {
    // Without a tensor of all elements, the product would be one per channel.
    compared(&inputs(32), |builder| {
        let value = convolution(builder, "x", [32; 2]);
        let mean = builder.emit("GlobalAveragePool", &[&value], &[]);
        let scales = builder.floats(&[4], &[1.0, 1.0, 5.0, 7.0]);
        let repeated = builder.emit(
            "Resize",
            &[&mean, "", &scales],
            &[("mode", "nearest".into())],
        );
        let square = builder.emit("Mul", &[&repeated, &repeated], &[]);
        let one = convolution(builder, &square, [32; 2]);
        builder.emit("Mul", &[&one, "gate"], &[])
    });
}

#[test]
fn operands_and_results_in_nchw_are_reordered() {
    let [x, gate] = inputs(32);
    let inputs = [x, gate, ("v", array([2, 32, 5, 7], 3))];
    let fused = compared(&inputs, |builder| {
        let value = convolution(builder, "x", [32; 2]);
        let biases: Vec<f32> = (0..32).map(noise).collect();
        let biases = builder.floats(&[32, 1, 1], &biases);
        let sum = builder.emit("Add", &[&value, &biases], &[]);
        let masked = builder.emit("Max", &[&sum, "v"], &[]);
        let next = convolution(builder, &masked, [32; 2]);
        // The sum is read in NCHW, too.
        let axes = builder.ints(&[1, 2, 3]);
        let mean = builder.emit("ReduceMean", &[&masked, &axes], &[]);
        let difference = builder.emit("Sub", &[&next, &mean], &[]);
        builder.emit("Mul", &[&difference, "gate"], &[])
    });
    if let Some(fused) = fused {
        let mut nodes = fused.graph.iter().flat_map(|graph| &graph.node);
        assert!(nodes.any(|node| node.attribute_named(BLOCK).is_some()));
    }
}

#[test]
fn operands_with_fewer_axes_are_not_reordered() {
    let inputs = [
        ("x", array([1, 32, 5, 7], 1)),
        ("plane", array([32, 5, 7], 3)),
        ("row", array([7], 5)),
    ];
    compared(&inputs, |builder| {
        let value = convolution(builder, "x", [32; 2]);
        let sum = builder.emit("Add", &[&value, "plane"], &[]);
        let product = builder.emit("Mul", &[&sum, "row"], &[]);
        convolution(builder, &product, [32; 2])
    });
}

#[test]
fn names_of_values_in_blocked_channels_are_new() {
    compared(&inputs(32), |builder| {
        let value = convolution(builder, "x", [32; 2]);
        let gated = builder.emit_named("gated", "Mul", &[&value, "gate"], &[]);
        let sum = builder.emit("Add", &[&gated.unwrap(), &value], &[]);
        let one = builder.floats(&[], &[1.0]);
        let taken = builder.emit_named("gated/blocked", "Mul", &[&sum, &one], &[]);
        convolution(builder, &taken.unwrap(), [32; 2])
    });
}

#[test]
fn transposes_that_onnx_runtime_moves_are_no_obstacle() {
    for (perm, side) in [([0i64, 1, 3, 2], 8), ([0, 2, 1, 3], 32), ([0, 3, 2, 1], 32)] {
        let inputs = [
            ("x", array([1, 32, side, side], 1)),
            ("v", array([1, 32, side, side], 3)),
        ];
        let perm = [("perm", perm.to_vec().into())];
        compared(&inputs, |builder| {
            let value = convolution(builder, "x", [32; 2]);
            let transposed = builder.emit("Transpose", &[&value], &perm);
            let largest = builder.emit("Max", &[&transposed, "v"], &[]);
            let halved = builder.floats(&[], &[0.5]);
            let product = builder.emit("Mul", &[&largest, &halved], &[]);
            let back = builder.emit("Transpose", &[&product], &perm);
            convolution(builder, &back, [32; 2])
        });
    }
}

/// A network of convolutions and element-wise nodes whose operands broadcast in various ways.
fn random_network(builder: &mut Builder, seed: usize) -> String {
    let draw = |step: usize, choices: usize| {
        let bytes = blake3::hash(&(seed * 1000 + step).to_le_bytes());
        usize::from(bytes.as_bytes()[0]) % choices
    };
    let mut values = vec![convolution(builder, "x", [32; 2])];
    let mut others: Vec<String> = vec!["gate".into(), "v".into()];
    for step in 0..14 {
        let value = values[draw(4 * step, values.len())].clone();
        let other = match draw(4 * step + 1, 3) {
            0 => others[draw(4 * step + 2, others.len())].clone(),
            _ => values[draw(4 * step + 2, values.len())].clone(),
        };
        let result = match draw(4 * step + 3, 12) {
            0 | 1 => convolution(builder, &value, [32; 2]),
            2 => {
                let mean = builder.emit("GlobalAveragePool", &[&value], &[]);
                let scale = convolution(builder, &mean, [32; 2]);
                others.push(builder.emit("HardSigmoid", &[&scale], &[]));
                others.push(mean);
                continue;
            }
            3 => {
                let axes = builder.ints(&[1, 2, 3]);
                others.push(builder.emit("ReduceMax", &[&value, &axes], &[]));
                continue;
            }
            4 => builder.emit("Relu", &[&value], &[]),
            5 => builder.emit("Sub", &[&other, &value], &[]),
            6 => builder.emit("Max", &[&value, &other], &[]),
            7 => {
                let small = builder.floats(&[], &[0.125]);
                builder.emit("Mul", &[&value, &small], &[])
            }
            8 => builder.emit("HardSwish", &[&value], &[]),
            9 => builder.emit("Add", &[&value, &other], &[]),
            _ => builder.emit("Mul", &[&value, &other], &[]),
        };
        values.push(result);
    }
    let product = builder.emit("Mul", &["gate", "v"], &[]);
    builder.emit("Add", &[&values[values.len() - 1], &product], &[])
}

#[test]
fn networks_of_any_form_equal_their_standard_form() {
    let [x, gate] = inputs(32);
    let inputs = [x, gate, ("v", array([2, 32, 5, 7], 3))];
    let (mut supported, mut blocked) = (false, 0);
    for seed in 0..40 {
        let fused = compared(&inputs, |builder| random_network(builder, seed));
        supported |= fused.is_some();
        let mut nodes = (fused.iter().flat_map(|model| &model.graph)).flat_map(|graph| &graph.node);
        blocked += usize::from(nodes.any(|node| node.attribute_named(BLOCK).is_some()));
    }
    assert!(!supported || blocked > 20, "{blocked}");
}
