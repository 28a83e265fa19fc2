//! Regression tests of findings of the fuzz campaigns. Each of these models once ended the process.

mod windows;

use crate::campaign::{Verdict, judged};
use crate::models::{self, node};
use crate::pipeline::Pipeline;
use ziggurat::onnx::proto::{GraphProto, ModelProto, NodeProto, TensorProto};
use ziggurat::onnx::types::untyped_value;
use ziggurat::onnx::{Attribute, ElementType, Types, ValueType};

/// The error message of the passes for a model whose values have these dimensions.
fn pass_message(
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    values: &[(&str, &[usize])],
) -> String {
    let of = |&(name, dims): &(&str, &[usize])| {
        let (elem, dims) = (ElementType::F32, dims.to_vec());
        (name.to_owned(), ValueType { elem, dims })
    };
    let shapes: Types = values.iter().map(of).collect();
    message(
        Pipeline::Passes,
        &models::model(18, nodes, constants),
        &shapes,
    )
}

fn message(pipeline: Pipeline, model: &ModelProto, shapes: &Types) -> String {
    match judged(pipeline, &prost::Message::encode_to_vec(model), shapes) {
        Verdict::Fine(Err(message)) => message,
        other => panic!("{other:?}"),
    }
}

fn ints(name: &str, values: &[i64]) -> TensorProto {
    TensorProto::int_list(name, values)
}

const IMAGE: (&str, &[usize]) = ("image", &[1, 3, 4, 4]);

#[test]
fn parts_of_fewer_axes_than_the_whole() {
    let join = node(
        "Concat",
        &["image", "image"],
        &["logits"],
        vec![Attribute::Int(1).named("axis")],
    );
    let message = pass_message(
        vec![join],
        vec![],
        &[("image", &[48]), ("logits", &[1, 6, 4, 4])],
    );
    assert!(
        message.contains("(Concat) cannot be differentiated: its input 0 has 1 axes"),
        "{message}"
    );
}

#[test]
fn a_slice_of_fewer_axes_than_it_is_of() {
    let slice = node("Slice", &["image", "from", "to"], &["logits"], vec![]);
    let places = vec![ints("from", &[0]), ints("to", &[1])];
    let message = pass_message(vec![slice], places, &[IMAGE, ("logits", &[1, 3])]);
    assert!(
        message.contains("(Slice) cannot be differentiated"),
        "{message}"
    );
}

#[test]
fn products_of_what_is_no_matrix() {
    let product = |a: &str| vec![node("MatMul", &[a, "image"], &["logits"], vec![])];
    for values in [
        &[IMAGE, ("logits", &[])][..],
        &[("image", &[]), ("logits", &[])],
        &[("image", &[2, 2]), ("logits", &[2])],
    ] {
        let message = pass_message(product("image"), vec![], values);
        assert!(
            message.contains("(MatMul) cannot be differentiated"),
            "{message}"
        );
    }
}

/// Scores of a picture whose pixels are repeated as often as `dims` say.
fn repeated(dims: &[i64]) -> ModelProto {
    models::model(
        18,
        vec![node("Reshape", &["image", "dims"], &["logits"], vec![])],
        vec![ints("dims", dims)],
    )
}

#[test]
fn more_classes_than_anyone_can_list() {
    ziggurat::runtime::testing::library();
    // ONNX Runtime believes the dimensions until it runs the node.
    let model = repeated(&[1, (1 << 20) + 1]);
    let problem = message(Pipeline::EndToEnd, &model, &Types::default());
    assert!(problem.contains("no class scores"), "{problem}");
    // Dimensions that are not known are no classes: such a model has layers alone.
    for count in [9_205_357_642_640_261_119, i64::MAX] {
        let bytes = prost::Message::encode_to_vec(&repeated(&[1, count]));
        let verdict = judged(Pipeline::EndToEnd, &bytes, &Types::default());
        assert!(matches!(verdict, Verdict::Fine(_)), "{verdict:?}");
    }
}

#[test]
fn padding_and_steps_beyond_all_numbers() {
    let mode = |mode: &str| vec![Attribute::from(mode).named("mode")];
    for amount in [i64::MIN, i64::MAX, 1 << 60] {
        for way in ["constant", "edge", "reflect", "wrap"] {
            let pad = node("Pad", &["image", "amounts"], &["logits"], mode(way));
            let amounts = ints("amounts", &[0, 0, 0, amount, 0, 0, 0, 0]);
            let message = pass_message(
                vec![pad],
                vec![amounts],
                &[IMAGE, ("logits", &[1, 3, 4, 4])],
            );
            assert!(
                message.contains("(Pad) cannot be differentiated"),
                "{message}"
            );
        }
    }
    for step in [i64::MIN, i64::MAX, 1 << 40] {
        let slice = node(
            "Slice",
            &["image", "from", "to", "axis", "step"],
            &["logits"],
            vec![],
        );
        let numbers = [("from", 0), ("to", i64::MAX), ("axis", 3), ("step", step)];
        let constants = numbers.map(|(name, number)| ints(name, &[number])).into();
        let message = pass_message(vec![slice], constants, &[IMAGE, ("logits", &[1, 3, 4, 4])]);
        assert!(
            message.contains("(Slice) cannot be differentiated"),
            "{message}"
        );
    }
}

/// ONNX Runtime's shape inference ended the process over them.
#[test]
fn parts_of_what_is_smaller_than_nothing() {
    ziggurat::runtime::testing::library();
    let window = || vec![Attribute::from(vec![9i64, 9]).named("kernel_shape")];
    let pads = || vec![Attribute::from(vec![9i64, 0, 9, 0]).named("pads")];
    let factors = TensorProto::from_floats("b", &[4], ElementType::F32, &[1.0, 1.0, -2.0, 1.0]);
    let ones = |dims: &[i64]| {
        let count = dims.iter().product::<i64>() as usize;
        TensorProto::from_floats("a", dims, ElementType::F32, &vec![1.0; count]).unwrap()
    };
    for (shrunk, constant) in [
        (node("MaxPool", &["image"], &["less"], window()), ones(&[1])),
        (
            node("Conv", &["image", "a"], &["less"], vec![]),
            ones(&[1, 3, 9, 9]),
        ),
        (
            node("ConvTranspose", &["image", "a"], &["less"], pads()),
            ones(&[3, 1, 1, 1]),
        ),
        (
            node("Pad", &["image", "a"], &["less"], vec![]),
            ints("a", &[0, 0, -9, 0, 0, 0, 0, 0]),
        ),
        (
            node("Resize", &["image", "", "b"], &["less"], vec![]),
            factors.unwrap(),
        ),
    ] {
        let op = shrunk.op_type.clone();
        let places = [("from", 0), ("to", 1), ("axis", 2)].map(|(name, at)| ints(name, &[at]));
        let nodes = vec![
            shrunk,
            node("Slice", &["less", "from", "to", "axis"], &["part"], vec![]),
            node("Flatten", &["part"], &["logits"], vec![]),
        ];
        let constants = places.into_iter().chain([constant]).collect();
        let model = models::model(18, nodes, constants);
        let message = message(Pipeline::EndToEnd, &model, &Types::default());
        let expected = format!("({op}) has an output of negative size");
        assert!(message.contains(&expected), "{message}");
    }
}

/// As above, with the part taken within a branch that only the picture decides, and in one within that.
#[test]
fn parts_of_what_is_smaller_than_nothing_within_a_branch() {
    ziggurat::runtime::testing::library();
    let held = |nodes, output: &str| GraphProto {
        name: output.into(),
        node: nodes,
        output: vec![untyped_value(output)],
        ..Default::default()
    };
    for depth in 1..3 {
        let window = Attribute::from(vec![9i64, 9]).named("kernel_shape");
        let mut last = "part0".to_string();
        let mut nodes = vec![
            node("MaxPool", &["image"], &["less"], vec![window]),
            node("Slice", &["less", "from", "to", "axis"], &[&last], vec![]),
        ];
        for level in 1..=depth {
            let other = format!("other{level}");
            let otherwise = vec![node("Identity", &["image"], &[&other], vec![])];
            let branches = vec![
                models::subgraph("then_branch", held(nodes, &last)),
                models::subgraph("else_branch", held(otherwise, &other)),
            ];
            last = format!("part{level}");
            nodes = vec![node("If", &["is_bright"], &[&last], branches)];
        }
        let keep = Attribute::Int(0).named("keepdims");
        nodes.splice(
            0..0,
            [
                node("ReduceMax", &["image"], &["brightest"], vec![keep]),
                node(
                    "Cast",
                    &["brightest"],
                    &["is_bright"],
                    vec![Attribute::Int(9).named("to")],
                ),
            ],
        );
        nodes.push(node("Flatten", &[&last], &["logits"], vec![]));
        let constants = [("from", 0), ("to", 1), ("axis", 2)].map(|(name, at)| ints(name, &[at]));
        let model = models::model(18, nodes, constants.into());
        let message = message(Pipeline::EndToEnd, &model, &Types::default());
        let expected = "(If) has an output of negative size";
        assert!(message.contains(expected), "{message}");
    }
}

/// Branches within branches, each decided by the same constant. ONNX Runtime takes the longer to make sense of them the
/// deeper they lie, so it must not be asked once a level.
#[test]
fn a_deep_nest_of_branches_that_are_decided_already() {
    ziggurat::runtime::testing::library();
    let step = |index: usize| {
        let (from, to) = (format!("v{index}"), format!("v{}", index + 1));
        node("Relu", &[&from], &[&to], vec![])
    };
    let first = node("Flatten", &["image"], &["v0"], vec![]);
    let mut nodes: Vec<NodeProto> = std::iter::once(first).chain((0..4000).map(step)).collect();
    let mut last = "v4000".to_string();
    for level in 0..16 {
        let held = |nodes, output: &str| GraphProto {
            node: nodes,
            output: vec![untyped_value(output)],
            ..Default::default()
        };
        let other = node("Flatten", &["image"], &["other"], vec![]);
        let branches = vec![
            models::subgraph("then_branch", held(nodes, &last)),
            models::subgraph("else_branch", held(vec![other], "other")),
        ];
        last = match level {
            15 => "logits".into(),
            _ => format!("level{level}"),
        };
        nodes = vec![node("If", &["yes"], &[&last], branches)];
    }
    let model = models::model(18, nodes, vec![TensorProto::from_bool("yes", true)]);
    let bytes = prost::Message::encode_to_vec(&model);
    let verdict = judged(Pipeline::EndToEnd, &bytes, &Types::default());
    assert!(matches!(verdict, Verdict::Fine(Ok(()))), "{verdict:?}");
}

/// ONNX Runtime's shape inference ended the process over the third part.
#[test]
fn fewer_parts_than_are_split_off() {
    let parts = vec![
        Attribute::Int(2).named("num_outputs"),
        Attribute::Int(1).named("axis"),
    ];
    let nodes = vec![
        node("Split", &["image"], &["a", "b", "c"], parts),
        node("Flatten", &["c"], &["logits"], vec![]),
    ];
    let model = models::model(18, nodes, vec![]);
    let message = message(Pipeline::EndToEnd, &model, &Types::default());
    let expected = "node \"a\" (Split) has num_outputs = 2 and 3 outputs";
    assert!(message.contains(expected), "{message}");
}

/// ONNX Runtime read an axis of a Fourier transform that was not given, and a bias where it fuses a sum with its
/// normalisation: one that the file has, or that a fused operator becomes.
#[test]
fn a_last_input_that_is_not_given() {
    ziggurat::runtime::testing::library();
    let waves = vec![
        node("Unsqueeze", &["image", "last"], &["real"], vec![]),
        node("DFT", &["real", "length", ""], &["made"], vec![]),
    ];
    let normal = vec![
        node("Add", &["image", "image"], &["sum"], vec![]),
        node(
            "LayerNormalization",
            &["sum", "four", ""],
            &["made"],
            vec![],
        ),
    ];
    let fused = vec![NodeProto {
        domain: "com.microsoft".into(),
        ..node(
            "SkipLayerNormalization",
            &["rows", "rows", "four"],
            &["made"],
            vec![],
        )
    }];
    let rows = vec![node("Reshape", &["image", "dims"], &["rows"], vec![])];
    for nodes in [waves, normal, [rows, fused].concat()] {
        let scores = node("Flatten", &["made"], &["logits"], vec![]);
        let constants = vec![
            ints("last", &[-1]),
            TensorProto::from_i64("length", &[], &[4]),
            TensorProto::from_floats("four", &[4], ElementType::F32, &[1.0, 2.0, 3.0, 4.0])
                .unwrap(),
            ints("dims", &[1, 12, 4]),
        ];
        let mut model = models::model(20, [nodes, vec![scores]].concat(), constants);
        model.opset_import.retain(|import| import.domain != "local");
        let bytes = prost::Message::encode_to_vec(&model);
        let verdict = judged(Pipeline::EndToEnd, &bytes, &Types::default());
        assert!(matches!(verdict, Verdict::Fine(Ok(()))), "{verdict:?}");
    }
}

/// Each place of a batch got a number.
#[test]
fn a_batch_that_no_memory_holds() {
    let take = node(
        "GatherND",
        &["image", "places"],
        &["logits"],
        vec![Attribute::Int(2).named("batch_dims")],
    );
    let message = pass_message(
        vec![take],
        vec![TensorProto::from_i64("places", &[2, 2, 2, 1], &[0; 8])],
        &[
            ("image", &[2, 1 << 30, 3, 2]),
            ("logits", &[2, 1 << 30, 2, 2]),
        ],
    );
    let expected = "it needs a constant of dimensions [2, 1073741824], which is too large";
    assert!(message.contains(expected), "{message}");
}

/// As many numbers as places were multiplied, squared.
#[test]
fn products_over_what_is_too_long_of_nothing() {
    let attributes = vec![Attribute::Int(0).named("keepdims")];
    let product = node("ReduceProd", &["image", "axes"], &["logits"], attributes);
    let message = pass_message(
        vec![product],
        vec![ints("axes", &[1])],
        &[("image", &[0, 1 << 30]), ("logits", &[0])],
    );
    assert!(
        message.contains("the product of 1073741824 elements is too large"),
        "{message}"
    );
}

/// Nested loops took a thousand times the file's memory.
#[test]
fn loops_that_become_too_many_nodes() {
    let bytes = prost::Message::encode_to_vec(&models::nested_loops(1 << 16));
    let verdict = judged(Pipeline::Passes, &bytes, &Types::default());
    assert!(matches!(verdict, Verdict::Fine(_)), "{verdict:?}");
}

/// ONNX Runtime's shape inference read axes before the first.
#[test]
fn fewer_than_no_batch_axes() {
    let attributes = vec![Attribute::Int(-2).named("batch_dims")];
    let nodes = vec![
        node("GatherND", &["image", "places"], &["some"], attributes),
        node("Flatten", &["some"], &["logits"], vec![]),
    ];
    let places = TensorProto::from_i64("places", &[1, 2], &[0, 1]);
    let model = models::model(18, nodes, vec![places]);
    let message = message(Pipeline::EndToEnd, &model, &Types::default());
    let expected = "node \"some\" (GatherND) has batch_dims = -2";
    assert!(message.contains(expected), "{message}");
}

/// Attributes at the ends of their range, which overflow in sums and differences.
#[test]
fn attributes_as_large_as_can_be() {
    let of = |name: &str, dims: &[usize]| {
        let (elem, dims) = (ElementType::F32, dims.to_vec());
        (name.to_owned(), ValueType { elem, dims })
    };
    let is_fine = |nodes, constants, values: &[(&str, &[usize])]| {
        let shapes: Types = values.iter().map(|(name, dims)| of(name, dims)).collect();
        let model = models::model(18, nodes, constants);
        let bytes = prost::Message::encode_to_vec(&model);
        let verdict = judged(Pipeline::Passes, &bytes, &shapes);
        assert!(matches!(verdict, Verdict::Fine(_)), "{verdict:?}");
    };
    for reverse in [i64::MIN, i64::MAX] {
        let attributes = vec![Attribute::Int(reverse).named("reverse")];
        let sum = node("CumSum", &["image", "axis"], &["logits"], attributes);
        let values = [IMAGE, ("logits", &[1, 3, 4, 4][..])];
        is_fine(vec![sum], vec![ints("axis", &[1])], &values);
    }
    for padding in [i64::MIN, i64::MAX] {
        let attributes = vec![
            Attribute::Ints(vec![padding, 0]).named("output_padding"),
            Attribute::Ints(vec![1, 1, 1, 1]).named("pads"),
        ];
        let kernel =
            TensorProto::from_floats("kernel", &[3, 2, 3, 3], ElementType::F32, &[0.0; 54]);
        let up = node(
            "ConvTranspose",
            &["image", "kernel"],
            &["logits"],
            attributes,
        );
        let values = [
            IMAGE,
            ("logits", &[1, 2, 4, 4][..]),
            ("kernel", &[3, 2, 3, 3][..]),
        ];
        is_fine(vec![up], vec![kernel.unwrap()], &values);
    }
}
