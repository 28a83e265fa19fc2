//! Sequences and optional values: what comes out is the same before and after they are resolved, and can be
//! differentiated.

use crate::control_flow::{DIMS, decomposed, model, node, ops, subgraph};
use ziggurat::onnx::proto::{GraphProto, NodeProto, TensorProto, ValueInfoProto};
use ziggurat::onnx::types::{fixed_dims, untyped_value, value_info};
use ziggurat::onnx::{Attribute, ElementType, Graph, proto};

fn int(name: &str, value: i64) -> TensorProto {
    TensorProto::from_i64(name, &[], &[value])
}

fn along(axis: i64, further: &[(&str, i64)]) -> Vec<proto::AttributeProto> {
    let named = |(name, value): &(&str, i64)| Attribute::Int(*value).named(name);
    [("axis", axis)].iter().chain(further).map(named).collect()
}

/// Whether nothing is left of sequences and optional values.
fn is_plain(graph: &Graph) -> bool {
    let is_list = |op: &&str| op.contains("Sequence") || op.contains("Optional");
    !ops(graph).iter().any(is_list)
}

#[test]
fn elements_are_read_by_name() {
    let x = "x";
    let nodes = vec![
        node("Sin", &[x], &["wave"], vec![]),
        node("Exp", &[x], &["grown"], vec![]),
        node(
            "SequenceConstruct",
            &["wave", "grown", x],
            &["three"],
            vec![],
        ),
        node(
            "SequenceInsert",
            &["three", "grown", "one"],
            &["four"],
            vec![],
        ),
        node("SequenceInsert", &["four", "wave"], &["five"], vec![]),
        node(
            "SequenceErase",
            &["five", "last but one"],
            &["rest"],
            vec![],
        ),
        node("Identity", &["rest"], &["same"], vec![]),
        node(
            "SequenceAt",
            &["same", "last but one"],
            &["grown again"],
            vec![],
        ),
        node("SequenceLength", &["same"], &["length"], vec![]),
        node(
            "Cast",
            &["length"],
            &["number"],
            vec![Attribute::Int(11).named("to")],
        ),
        node("ConcatFromSequence", &["same"], &["wide"], along(-1, &[])),
        node(
            "ConcatFromSequence",
            &["same"],
            &["deep"],
            along(1, &[("new_axis", 1)]),
        ),
        node("Mul", &["grown again", "number"], &["y"], vec![]),
    ];
    let constants = vec![int("one", 1), int("last but one", -2)];
    let outputs = ["y", "wide", "deep"];
    assert!(is_plain(&decomposed(
        model(18, nodes, constants, &outputs),
        &outputs
    )));
}

#[test]
fn values_are_split_into_sequences() {
    for (axis, sizes, keeps) in [
        (1, None, 1),
        (-1, None, 0),
        (1, Some(int("sizes", 2)), 1),
        (1, Some(int("sizes", 1)), 0),
        (0, Some(TensorProto::from_i64("sizes", &[2], &[1, 1])), 1),
    ] {
        let given = if sizes.is_some() {
            vec!["wave", "sizes"]
        } else {
            vec!["wave"]
        };
        let nodes = vec![
            node("Sin", &["x"], &["wave"], vec![]),
            node(
                "SplitToSequence",
                &given,
                &["parts"],
                along(axis, &[("keepdims", keeps)]),
            ),
            node("SequenceAt", &["parts", "one"], &["y"], vec![]),
            node("SequenceErase", &["parts", "one"], &["others"], vec![]),
            node("SequenceAt", &["others", "zero"], &["z"], vec![]),
        ];
        let mut constants = vec![int("one", 1), int("zero", 0)];
        constants.extend(sizes);
        let graph = decomposed(model(18, nodes, constants, &["y", "z"]), &["y", "z"]);
        assert!(is_plain(&graph), "{axis} {keeps}");
    }
}

#[test]
fn optional_values_are_there_or_not() {
    let branch = |op: &str| GraphProto {
        name: "branch".into(),
        node: vec![node(op, &["x"], &["out"], vec![])],
        output: vec![untyped_value("out")],
        ..Default::default()
    };
    let nodes = vec![
        node("Sin", &["x"], &["wave"], vec![]),
        node("Optional", &["wave"], &["maybe"], vec![]),
        node("OptionalHasElement", &["maybe"], &["there"], vec![]),
        node("OptionalGetElement", &["maybe"], &["got"], vec![]),
        node(
            "If",
            &["there"],
            &["chosen"],
            vec![
                subgraph("then_branch", branch("Exp")),
                subgraph("else_branch", branch("Neg")),
            ],
        ),
        node("Mul", &["got", "chosen"], &["y"], vec![]),
    ];
    let graph = decomposed(model(18, nodes, vec![], &["y"]), &["y"]);
    assert!(is_plain(&graph) && ops(&graph).contains(&"Exp"));
}

/// A value that is a sequence of float64 tensors.
fn sequence(name: &str) -> ValueInfoProto {
    let element = value_info("", ElementType::F64, &fixed_dims(&DIMS))
        .r#type
        .unwrap();
    let held = proto::TypeValue::SequenceType(Box::new(proto::SequenceType {
        elem_type: Some(Box::new(element)),
    }));
    ValueInfoProto {
        name: name.into(),
        r#type: Some(proto::TypeProto {
            value: Some(held),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[test]
fn a_loop_may_carry_a_sequence() {
    let step: Vec<NodeProto> = vec![
        node("Identity", &["going"], &["go on"], vec![]),
        node("Sin", &["v"], &["next"], vec![]),
        node(
            "SequenceInsert",
            &["list", "next", "turn"],
            &["longer"],
            vec![],
        ),
    ];
    let body = GraphProto {
        name: "body".into(),
        node: step,
        input: vec![
            value_info("turn", ElementType::I64, &[]),
            value_info("going", ElementType::Bool, &[]),
            value_info("v", ElementType::F64, &fixed_dims(&DIMS)),
            sequence("list"),
        ],
        output: vec![
            untyped_value("go on"),
            untyped_value("next"),
            sequence("longer"),
        ],
        ..Default::default()
    };
    let double = vec![Attribute::Int(ElementType::F64.code().into()).named("dtype")];
    let nodes = vec![
        node("SequenceEmpty", &[], &["none"], double),
        node("SequenceInsert", &["none", "x"], &["first"], vec![]),
        node(
            "Loop",
            &["turns", "", "x", "first"],
            &["last", "all"],
            vec![subgraph("body", body)],
        ),
        node(
            "ConcatFromSequence",
            &["all"],
            &["y"],
            along(0, &[("new_axis", 1)]),
        ),
    ];
    let graph = decomposed(model(18, nodes, vec![int("turns", 3)], &["y"]), &["y"]);
    assert!(is_plain(&graph) && !ops(&graph).contains(&"Loop"));
}
