//! Loops whose condition counts, and the messages about those whose trip count is unknown.

use crate::control_flow::{DIMS, decomposed, model, node, ops, subgraph};
use std::time::{Duration, Instant};
use ziggurat::autodiff::differentiability::analyze;
use ziggurat::onnx::passes::control_flow;
use ziggurat::onnx::proto::{GraphProto, ModelProto, NodeProto, TensorProto};
use ziggurat::onnx::types::{fixed_dims, untyped_value, value_info};
use ziggurat::onnx::{Attribute, ElementType, Graph, Types};

fn cast(input: &str, output: &str, to: ElementType) -> NodeProto {
    let to = Attribute::Int(to.code().into()).named("to");
    node("Cast", &[input], &[output], vec![to])
}

fn real(name: &str, elem: ElementType, value: f64) -> TensorProto {
    TensorProto::from_floats(name, &[], elem, &[value]).unwrap()
}

/// What TensorFlow's `while` becomes: a counter that it carries, a limit beside that of the loop, and both compared as
/// floating-point numbers. The counter goes up by two; `limit` is what it is compared with.
fn counting(most: i64, limit: &str) -> ModelProto {
    let body = GraphProto {
        name: "body".into(),
        node: vec![
            node("Add", &["counter", "two"], &["next count"], vec![]),
            cast("next count", "count", ElementType::F32),
            cast("turn", "turn number", ElementType::F32),
            node("Less", &["count", limit], &["below"], vec![]),
            node("Less", &["turn number", "hundred"], &["early"], vec![]),
            node("And", &["below", "early"], &["go on"], vec![]),
            node("Mul", &["v", "factor"], &["scaled"], vec![]),
            node("Sin", &["scaled"], &["next"], vec![]),
            node("Neg", &["next"], &["shown"], vec![]),
        ],
        initializer: vec![
            TensorProto::from_i64("two", &[], &[2]),
            real("hundred", ElementType::F32, 100.0),
            real("factor", ElementType::F64, 1.5),
        ],
        input: vec![
            value_info("turn", ElementType::I64, &[]),
            value_info("going", ElementType::Bool, &[]),
            value_info("counter", ElementType::I64, &[]),
            value_info("v", ElementType::F64, &fixed_dims(&DIMS)),
        ],
        output: ["go on", "next count", "next", "shown"]
            .map(untyped_value)
            .into(),
        ..Default::default()
    };
    model(
        18,
        vec![
            node(
                "ReduceMax",
                &["x"],
                &["largest"],
                vec![Attribute::Int(0).named("keepdims")],
            ),
            cast("largest", "from picture", ElementType::F32),
            node("Tanh", &["x"], &["first"], vec![]),
            node(
                "Loop",
                &["most", "start", "zero", "first"],
                &["end", "last", "all"],
                vec![subgraph("body", body)],
            ),
        ],
        vec![
            TensorProto::from_i64("most", &[], &[most]),
            TensorProto::from_bool("start", true),
            TensorProto::from_i64("zero", &[], &[0]),
            real("seven", ElementType::F32, 7.0),
        ],
        &["last", "all"],
    )
}

fn waves(graph: &Graph) -> usize {
    graph
        .nodes()
        .iter()
        .filter(|node| node.is_op("Sin"))
        .count()
}

#[test]
fn loops_are_unrolled_that_a_counter_ends() {
    let outputs = ["last", "all"];
    // 2, 4 and 6 are below 7; with 8 the loop ends.
    let graph = decomposed(counting(16, "seven"), &outputs);
    assert_eq!(waves(&graph), 4);
    assert!(!ops(&graph).contains(&"Loop"));
    // Its own limit comes first.
    assert_eq!(waves(&decomposed(counting(3, "seven"), &outputs)), 3);
}

fn refusal(model: ModelProto) -> String {
    let graph = Graph::new(model).unwrap();
    let node = graph
        .nodes()
        .iter()
        .find(|node| node.is_op("Loop"))
        .unwrap();
    let why = control_flow::SkipReasons::new(&graph, &Types::default())
        .find(node)
        .unwrap();
    let message = analyze(&graph, &Types::default(), "x")["last"].to_string();
    let title = "node \"node of end\" (\"Loop\") cannot be differentiated";
    assert_eq!(message, format!("{title}: {why}"));
    why
}

#[test]
fn a_loop_that_stays_and_reads_the_picture_directly_is_no_constant() {
    let mut model = counting(16, "from picture");
    let graph = model.graph.as_mut().unwrap();
    // Nothing that it is given depends on the picture, but for what its body reads.
    graph.node.last_mut().unwrap().input[3] = "still".into();
    let still = TensorProto::from_floats("still", &[2, 3], ElementType::F64, &[0.5; 6]).unwrap();
    graph.initializer.push(still);
    let message = analyze(&Graph::new(model).unwrap(), &Types::default(), "x")["last"].to_string();
    assert!(message.contains("its condition depends on"), "{message}");
}

#[test]
fn a_loop_that_cannot_be_counted_says_why() {
    assert_eq!(
        refusal(counting(16, "from picture")),
        "its condition depends on \"from picture\", which is not a constant scalar"
    );
    let mut endless = counting(i64::MAX, "seven");
    let graph = endless.graph.as_mut().unwrap();
    let held = graph.node.last_mut().unwrap().attribute[0]
        .g
        .as_mut()
        .unwrap();
    held.output[0] = untyped_value("going");
    assert!(refusal(endless.clone()).ends_with("iterations would make the graph too large"));
    let looping = endless.graph.as_mut().unwrap().node.last_mut().unwrap();
    looping.input[0].clear();
    assert_eq!(refusal(endless), "it never ends");
    let mut unlimited = counting(16, "seven");
    unlimited.graph.as_mut().unwrap().initializer.remove(0);
    let most = node("ReduceSum", &["zero"], &["most"], vec![]);
    unlimited.graph.as_mut().unwrap().node.insert(0, most);
    assert_eq!(
        refusal(unlimited),
        "its trip count (\"most\") is not a constant scalar"
    );
}

/// A file of many must not take as many times what counting one may take.
#[test]
fn many_loops_that_do_not_end_are_given_up_together() {
    let mut hostile = counting(i64::MAX, "seven");
    let graph = hostile.graph.as_mut().unwrap();
    let mut endless = graph.node.pop().unwrap();
    // It counts down, and is below seven for ever.
    let body = endless.attribute[0].g.as_mut().unwrap();
    body.initializer[0] = TensorProto::from_i64("two", &[], &[-2]);
    body.output[0] = untyped_value("below");
    for number in 0..2000 {
        let mut node = endless.clone();
        node.output = ["end", "last", "all"]
            .map(|name| format!("{name} {number}"))
            .into();
        graph.node.push(node);
    }
    graph.output = vec![untyped_value("last 0")];
    let graph = Graph::new(hostile).unwrap();
    let begin = Instant::now();
    assert!(control_flow::resolve(&graph, &[]).unwrap().is_none());
    assert!(begin.elapsed() < Duration::from_secs(20));
    let why = control_flow::SkipReasons::new(&graph, &Types::default())
        .find(graph.nodes().last().unwrap())
        .unwrap();
    assert!(why.starts_with("it runs for more than "), "{why}");
}
