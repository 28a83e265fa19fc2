//! Models made of more than one list of nodes: functions, branches and loops. What comes out of them is the same before
//! and after they are decomposed, and can be differentiated.

use crate::central_differences::{Fill, Numeric, Problem, random};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use ziggurat::autodiff::GradientOptions;
use ziggurat::onnx::passes::{self, Pass, Passes, constant_folding};
use ziggurat::onnx::proto::{
    AttributeProto, AttributeType, FunctionProto, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, TensorProto,
};
use ziggurat::onnx::types::{fixed_dims, untyped_value, value_info};
use ziggurat::onnx::{Attribute, ElementType, Graph};
use ziggurat::runtime::{OnnxRuntime, testing};

pub const DIMS: [usize; 2] = [2, 3];

pub fn node(
    op: &str,
    inputs: &[&str],
    outputs: &[&str],
    attributes: Vec<AttributeProto>,
) -> NodeProto {
    NodeProto {
        name: format!("node of {}", outputs[0]),
        attribute: attributes,
        ..NodeProto::new(op, inputs, outputs)
    }
}

/// A call of a function of the domain `local`.
fn call(
    function: &str,
    inputs: &[&str],
    outputs: &[&str],
    attributes: Vec<AttributeProto>,
) -> NodeProto {
    NodeProto {
        domain: "local".into(),
        ..node(function, inputs, outputs, attributes)
    }
}

pub fn subgraph(name: &str, graph: GraphProto) -> AttributeProto {
    Attribute::from(graph).named(name)
}

/// An attribute whose value is the attribute `of` of the function.
fn reference(name: &str, of: &str) -> AttributeProto {
    let mut attribute = AttributeProto {
        name: name.into(),
        ref_attr_name: of.into(),
        ..Default::default()
    };
    attribute.set_type(AttributeType::Int);
    attribute
}

fn opsets(opset: i64) -> Vec<OperatorSetIdProto> {
    let import = |(domain, version): (&str, i64)| OperatorSetIdProto {
        domain: domain.into(),
        version,
    };
    [("", opset), ("local", 1)].map(import).into()
}

/// A model from x (2, 3) in float64 to `outputs`.
pub fn model(
    opset: i64,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    outputs: &[&str],
) -> ModelProto {
    ModelProto {
        ir_version: 10,
        opset_import: opsets(opset),
        graph: Some(GraphProto {
            name: "g".into(),
            node: nodes,
            initializer: constants,
            input: vec![value_info("x", ElementType::F64, &fixed_dims(&DIMS))],
            output: outputs.iter().map(|name| untyped_value(name)).collect(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// The model without control flow, if it still computes the same: differences of the model as it
/// was against the gradient of what became of it.
pub fn decomposed(model: ModelProto, outputs: &[&str]) -> Graph {
    testing::library();
    let problem = |graph: Graph| Problem {
        graph,
        elem: ElementType::F64,
        inputs: vec![(
            "x".into(),
            random(&DIMS, Fill::Uniform, &mut ChaCha8Rng::seed_from_u64(7)),
        )],
        outputs: outputs.iter().map(|name| name.to_string()).collect(),
        kinks: Vec::new(),
    };
    let before = Numeric::new(&problem(Graph::new(model.clone()).unwrap()), 3).unwrap();
    let normalized = Passes::without(&[Pass::Precision])
        .normalize(model)
        .unwrap();
    let dims: &[usize] = &DIMS;
    let graph = constant_folding::fold(&OnnxRuntime, &normalized, &[&[("x", dims)]]).unwrap();
    before
        .compare(&problem(graph.clone()), &GradientOptions::default())
        .unwrap();
    graph
}

pub fn ops(graph: &Graph) -> Vec<&str> {
    graph
        .nodes()
        .iter()
        .map(|node| node.op_type.as_str())
        .collect()
}

fn made(graph: &Graph) -> Vec<&str> {
    graph
        .nodes()
        .iter()
        .map(|node| node.output[0].as_str())
        .collect()
}

fn function(
    name: &str,
    inputs: &[&str],
    outputs: &[&str],
    opset: i64,
    nodes: Vec<NodeProto>,
) -> FunctionProto {
    let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
    FunctionProto {
        name: name.into(),
        domain: "local".into(),
        input: names(inputs),
        output: names(outputs),
        opset_import: opsets(opset),
        node: nodes,
        ..Default::default()
    }
}

#[test]
fn functions_are_inlined_with_their_attributes_and_those_they_call() {
    let mut share = function(
        "share",
        &["v", "high"],
        &["w"],
        18,
        vec![
            node("Clip", &["v", "", "high"], &["kept"], vec![]),
            node(
                "Softmax",
                &["kept"],
                &["w"],
                vec![reference("axis", "along")],
            ),
        ],
    );
    share.attribute_proto = vec![Attribute::Int(0).named("along")];
    let mut block = function(
        "block",
        &["a"],
        &["b", "same", "kept"],
        18,
        vec![
            node(
                "Constant",
                &[],
                &["one"],
                vec![Attribute::Float(1.0).named("value_float")],
            ),
            node("Tanh", &["a"], &["squashed"], vec![]),
            call(
                "share",
                &["squashed"],
                &["shares"],
                vec![reference("along", "axis")],
            ),
            node("CastLike", &["one", "a"], &["unit"], vec![]),
            call("share", &["shares", "unit"], &["again"], vec![]),
            node("Mul", &["again", "squashed"], &["b"], vec![]),
            node("Identity", &["b"], &["same"], vec![]),
            node("Identity", &["a"], &["kept"], vec![]),
        ],
    );
    block.attribute = vec!["axis".into()];
    let mut model = model(
        18,
        vec![
            node("Sin", &["x"], &["wave"], vec![]),
            call(
                "block",
                &["wave"],
                &["first", "", "passed"],
                vec![Attribute::Int(1).named("axis")],
            ),
            call("block", &["first"], &["second", "copied", "unread"], vec![]),
            node("Sum", &["second", "copied", "passed"], &["y"], vec![]),
        ],
        vec![],
        &["y"],
    );
    model.functions = vec![block, share];
    let graph = decomposed(model, &["y"]);
    assert!(graph.nodes().iter().all(|node| node.domain.is_empty()));
    for value in ["wave", "first", "second", "copied", "passed", "y"] {
        assert!(graph.contains(value), "{value}");
    }
    assert!(
        made(&graph).contains(&"node of first/squashed"),
        "{:?}",
        made(&graph)
    );
    let axes = graph.nodes().iter().filter(|node| node.is_op("Softmax"));
    let axes: Vec<Option<i64>> = axes.map(|node| node.int("axis")).collect();
    // Along the call's axis, then the default; the second call tells none, and neither does the operator.
    assert_eq!(axes, [Some(1), Some(0), Some(0), Some(0)]);
}

#[test]
fn functions_of_an_older_opset_are_upgraded_separately() {
    let old = function(
        "old",
        &["v"],
        &["w"],
        12,
        vec![
            node(
                "Unsqueeze",
                &["v"],
                &["cube"],
                vec![Attribute::Ints(vec![0]).named("axes")],
            ),
            // Before opset 13 along everything from the axis on.
            node("Softmax", &["cube"], &["w"], vec![]),
        ],
    );
    let mut model = model(
        18,
        vec![call("old", &["x"], &["y"], vec![])],
        vec![],
        &["y"],
    );
    model.functions = vec![old];
    let graph = passes::normalize(model).unwrap();
    let upgraded = ["Unsqueeze", "Shape", "Flatten", "Softmax", "Reshape"];
    assert_eq!((ops(&graph).as_slice(), graph.opset()), (&upgraded[..], 18));
}

/// A branch that reads values around it.
fn branch(output: &str, nodes: Vec<NodeProto>, constants: Vec<TensorProto>) -> GraphProto {
    GraphProto {
        name: "branch".into(),
        node: nodes,
        initializer: constants,
        output: vec![untyped_value(output)],
        ..Default::default()
    }
}

#[test]
fn branches_that_dimensions_decide_are_taken_also_within_branches() {
    let scale = || TensorProto::from_floats("scale", &[], ElementType::F64, &[0.5]).unwrap();
    let inner_then = branch(
        "out",
        vec![node("Mul", &["waved", "scale"], &["out"], vec![])],
        vec![scale()],
    );
    let inner_else = branch(
        "copied",
        vec![node("Identity", &["waved"], &["copied"], vec![])],
        vec![],
    );
    let outer_then = branch(
        "chosen",
        vec![
            node("Sin", &["x"], &["waved"], vec![]),
            node(
                "If",
                &["is two"],
                &["chosen"],
                vec![
                    subgraph("then_branch", inner_then),
                    subgraph("else_branch", inner_else),
                ],
            ),
        ],
        vec![],
    );
    let outer_else = branch("out", vec![node("Sqrt", &["x"], &["out"], vec![])], vec![]);
    let held = vec![
        subgraph("then_branch", outer_then),
        subgraph("else_branch", outer_else),
    ];
    let two = TensorProto::from_i64("two", &[1], &[2]);
    let model = model(
        18,
        vec![
            node(
                "Shape",
                &["x"],
                &["rows"],
                vec![Attribute::Int(1).named("end")],
            ),
            node("Equal", &["rows", "two"], &["is two"], vec![]),
            node("If", &["is two"], &["y"], held),
            node("Not", &["is two"], &["is not"], vec![]),
            node(
                "If",
                &["is not"],
                &["z"],
                vec![
                    subgraph(
                        "then_branch",
                        branch("out", vec![node("Sqrt", &["x"], &["out"], vec![])], vec![]),
                    ),
                    subgraph(
                        "else_branch",
                        branch(
                            "same",
                            vec![node("Identity", &["x"], &["same"], vec![])],
                            vec![],
                        ),
                    ),
                ],
            ),
        ],
        vec![two],
        &["y", "z"],
    );
    let graph = decomposed(model, &["y", "z"]);
    assert_eq!(ops(&graph), ["Sin", "Mul", "Identity"]);
    assert_eq!(made(&graph), ["waved", "y", "z"]);
}

/// A loop body that carries v and stacks what it makes of it.
fn body() -> GraphProto {
    let double = || vec![Attribute::Int(ElementType::F64.code().into()).named("to")];
    GraphProto {
        name: "body".into(),
        node: vec![
            node("Identity", &["go on"], &["going on"], vec![]),
            node(
                "Constant",
                &[],
                &["half"],
                vec![Attribute::Float(0.5).named("value_float")],
            ),
            node("Cast", &["turn"], &["number"], double()),
            node("Cast", &["half"], &["factor"], double()),
            node("Mul", &["v", "factor"], &["scaled"], vec![]),
            node("Add", &["scaled", "number"], &["moved"], vec![]),
            node("Sin", &["moved"], &["next"], vec![]),
        ],
        input: vec![
            value_info("turn", ElementType::I64, &[]),
            value_info("go on", ElementType::Bool, &[]),
            value_info("v", ElementType::F64, &fixed_dims(&DIMS)),
        ],
        output: ["going on", "next", "moved"].map(untyped_value).into(),
        ..Default::default()
    }
}

fn looping(count: i64, outputs: &[&str]) -> ModelProto {
    let turns = TensorProto::from_i64("turns", &[], &[count]);
    let start = TensorProto::from_bool("start", true);
    model(
        18,
        vec![
            node("Tanh", &["x"], &["first"], vec![]),
            node(
                "Loop",
                &["turns", "start", "first"],
                &["last", "all"],
                vec![subgraph("body", body())],
            ),
        ],
        vec![turns, start],
        outputs,
    )
}

#[test]
fn loops_of_a_constant_number_of_turns_are_unrolled() {
    let outputs = ["last", "all"];
    let graph = decomposed(looping(3, &outputs), &outputs);
    let mut expected = vec!["Tanh"];
    expected.extend(["Mul", "Add", "Sin"].repeat(3));
    expected.extend(["Unsqueeze"; 3]);
    expected.push("Concat");
    assert_eq!(ops(&graph), expected);
    assert!(graph.contains("node of last/1/moved"), "{:?}", made(&graph));
}

#[test]
fn loops_of_too_many_turns_stay_loops() {
    testing::library();
    let graph = Graph::new(looping(1 << 20, &["last"])).unwrap();
    let dims: &[usize] = &DIMS;
    let folded = constant_folding::fold(&OnnxRuntime, &graph, &[&[("x", dims)]]).unwrap();
    assert_eq!(ops(&folded), ["Tanh", "Loop"]);
}

#[test]
fn a_loop_of_no_turns_passes_on_what_it_was_given() {
    let mut body = body();
    body.output.pop();
    let turns = TensorProto::from_i64("turns", &[], &[0]);
    let start = TensorProto::from_bool("start", true);
    let nodes = vec![
        node("Tanh", &["x"], &["first"], vec![]),
        node(
            "Loop",
            &["turns", "start", "first"],
            &["last"],
            vec![subgraph("body", body)],
        ),
    ];
    let graph = decomposed(model(18, nodes, vec![turns, start], &["last"]), &["last"]);
    assert_eq!(ops(&graph), ["Tanh", "Identity"]);
}
