//! Models made of more than one list of nodes.

use super::{ints, model, node, subgraph};
use ziggurat::onnx::proto::{
    AttributeProto, AttributeType, FunctionProto, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, TensorProto,
};
use ziggurat::onnx::types::{fixed_dims, untyped_value, value_info};
use ziggurat::onnx::{Attribute, ElementType};

pub(super) fn functions() -> ModelProto {
    let import = |domain: &str, version| OperatorSetIdProto {
        domain: domain.into(),
        version,
    };
    let function = |name: &str, output: &str, nodes| FunctionProto {
        name: name.into(),
        domain: "local".into(),
        input: vec!["a".into()],
        output: vec![output.into()],
        attribute: vec!["axis".into()],
        opset_import: vec![import("", 18), import("local", 1)],
        node: nodes,
        ..Default::default()
    };
    let mut axis = AttributeProto {
        name: "axis".into(),
        ref_attr_name: "axis".into(),
        ..Default::default()
    };
    axis.set_type(AttributeType::Int);
    let call = |inputs: &[&str], outputs: &[&str], name: &str, attribute| NodeProto {
        domain: "local".into(),
        ..node(name, inputs, outputs, vec![attribute])
    };
    let along = Attribute::Int(1).named("axis");
    let inner = vec![node("Softmax", &["a"], &["b"], vec![axis.clone()])];
    let outer = vec![
        node("Tanh", &["a"], &["t"], vec![]),
        call(&["t"], &["s"], "share", axis),
        node("Mul", &["s", "t"], &["c"], vec![]),
    ];
    let nodes = vec![
        call(&["image"], &["first"], "block", along.clone()),
        call(&["first"], &["second"], "block", along),
        node("Flatten", &["second"], &["logits"], vec![]),
    ];
    let mut model = model(18, nodes, vec![]);
    model.functions = vec![function("share", "b", inner), function("block", "c", outer)];
    model
}

/// A loop's body over `carried`: `nodes` make `next` of `turn` and `value`, and `layer` is stacked.
fn body(nodes: Vec<NodeProto>, layer: &str) -> GraphProto {
    GraphProto {
        name: "body".into(),
        node: nodes,
        input: vec![
            value_info("turn", ElementType::I64, &[]),
            value_info("going", ElementType::Bool, &[]),
            value_info("value", ElementType::F32, &fixed_dims(&[1, 3, 4, 4])),
        ],
        output: ["going", "next", layer].map(untyped_value).into(),
        ..Default::default()
    }
}

pub(super) fn control_flow() -> ModelProto {
    let branch = |op: &str| GraphProto {
        name: op.into(),
        node: vec![node(op, &["image"], &["made"], vec![])],
        output: vec![untyped_value("made")],
        ..Default::default()
    };
    let turns = body(
        vec![
            node(
                "Cast",
                &["turn"],
                &["number"],
                vec![Attribute::Int(1).named("to")],
            ),
            node("Add", &["value", "number"], &["next"], vec![]),
            node("Sigmoid", &["next"], &["layer"], vec![]),
        ],
        "layer",
    );
    let branches = vec![
        subgraph("then_branch", branch("Tanh")),
        subgraph("else_branch", branch("Relu")),
    ];
    model(
        18,
        vec![
            node("If", &["yes"], &["chosen"], branches),
            node(
                "Loop",
                &["three", "yes", "chosen"],
                &["end", "stack"],
                vec![subgraph("body", turns)],
            ),
            node(
                "ReduceMean",
                &["stack", "first"],
                &["mean"],
                vec![Attribute::Int(0).named("keepdims")],
            ),
            node("Add", &["end", "mean"], &["both"], vec![]),
            node("Flatten", &["both"], &["logits"], vec![]),
        ],
        vec![
            TensorProto::from_bool("yes", true),
            TensorProto::from_i64("three", &[], &[3]),
            ints("first", &[0]),
        ],
    )
}

/// A loop of three turns around one of `turns`.
pub fn nested_loops(turns: i64) -> ModelProto {
    // Values of a subgraph are called otherwise than those around it.
    let mut inner = body(
        vec![
            node("Tanh", &["v"], &["n"], vec![]),
            node("Exp", &["n"], &["l"], vec![]),
        ],
        "l",
    );
    for (value, name) in inner.input.iter_mut().zip(["t", "g", "v"]) {
        value.name = name.into();
    }
    inner.output = ["g", "n", "l"].map(untyped_value).into();
    let mut outer = body(
        vec![
            node(
                "Loop",
                &["two", "going", "value"],
                &["next", "layers"],
                vec![subgraph("body", inner)],
            ),
            node("ReduceMax", &["layers"], &["layer"], vec![]),
        ],
        "layer",
    );
    outer.initializer = vec![TensorProto::from_i64("two", &[], &[turns])];
    model(
        18,
        vec![
            node(
                "Loop",
                &["three", "", "image"],
                &["end", ""],
                vec![subgraph("body", outer)],
            ),
            node("Flatten", &["end"], &["logits"], vec![]),
        ],
        vec![TensorProto::from_i64("three", &[], &[3])],
    )
}
