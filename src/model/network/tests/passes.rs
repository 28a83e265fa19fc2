//! Models that ONNX Runtime runs, and of which a pass makes what it refuses.

use super::*;
use crate::onnx::proto::{GraphProto, TensorType, TypeProto, TypeValue, ValueInfoProto};
use crate::onnx::types::value_info;

/// A node that holds a graph.
fn looping(inputs: &[&str], output: &str, body: GraphProto) -> NodeProto {
    NodeProto::new("Loop", inputs, &[output]).attr("body", body)
}

/// A loop's body that hands its condition on, and carries one value of the type `elem` from `carried` to `made`.
fn body(elem: ElementType, nodes: Vec<NodeProto>, constants: Vec<TensorProto>) -> GraphProto {
    let number = |name: &str, elem| value_info(name, elem, &[]);
    GraphProto {
        name: "body".into(),
        node: [vec![node("Identity", &["going"], "on")], nodes].concat(),
        initializer: constants,
        input: vec![
            number("turn", ElementType::I64),
            number("going", ElementType::Bool),
            value_without_rank("carried", elem),
        ],
        output: vec![
            value_info("on", ElementType::Bool, &[]),
            value_without_rank("made", elem),
        ],
        ..Default::default()
    }
}

/// The declaration of a tensor of which not even the number of axes is known.
fn value_without_rank(name: &str, elem: ElementType) -> ValueInfoProto {
    let tensor = TensorType {
        elem_type: elem.code(),
        shape: None,
    };
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto {
            value: Some(TypeValue::TensorType(tensor)),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto::new(op, inputs, &[output])
}

/// Planes of the picture in the middle of a network.
fn planes(b: &mut Builder) -> String {
    b.input("x", ElementType::F32, &fixed_dims(&[1, 3, 4, 4]))
        .unwrap();
    small(b, "x", ElementType::F32)
}

/// Checks that a network's scores are these.
fn alike(network: &Network, expected: &[f32]) {
    for (one, other) in scores(network).iter().zip(expected) {
        assert!((one - other).abs() < 1e-5, "{one} {other}");
    }
}

#[test]
fn a_loop_may_count_to_a_list_of_one_number() {
    for in_loop in [false, true] {
        let network = opened(18, |b| {
            let pool = planes(b);
            let flat = b.emit("Flatten", &[&pool], &[]);
            let (zero, one) = (b.int(0), b.int(1));
            let limits = b.ints(&[4, 4]);
            let first = b.ints(&[0]);
            let order = if in_loop {
                let turns = b.int(1);
                let nodes = vec![
                    node("Reshape", &["turn", "list"], "turns"),
                    node("Gather", &[&limits, "turns"], "limit"),
                    node("Range", &[&zero, "limit", &one], "range"),
                    node("Add", &["carried", "range"], "made"),
                ];
                let list = TensorProto::from_i64("list", &[1], &[1]);
                let body = body(ElementType::I64, nodes, vec![list]);
                b.append(looping(&[&turns, "", &zero], "order", body))
                    .unwrap();
                "order".to_owned()
            } else {
                let limit = b.emit("Gather", &[&limits, &first], &[]);
                b.emit("Range", &[&zero, &limit, &one], &[])
            };
            let axis = [("axis", 1i64.into())];
            vec![
                b.emit_named("y", "Gather", &[&flat, &order], &axis)
                    .unwrap(),
            ]
        });
        let network = network.unwrap();
        assert_eq!(network.left_out, []);
        assert_eq!(network.classes.len(), 4);
        assert!(differentiable(&network), "in a loop: {in_loop}");
        assert!(
            !network
                .graph
                .nodes()
                .iter()
                .any(|node| node.is_op("Loop") || node.is_op("Range"))
        );
    }
}

/// ONNX Runtime does not know within a loop how many axes the ratio has. Outside, it refuses a list.
#[test]
fn a_loop_whose_unrolling_is_rejected_stays_a_loop_and_doctor_names_the_pass() {
    let network = opened(18, |b| {
        let pool = planes(b);
        let flat = b.emit_named("flat", "Flatten", &[&pool], &[]).unwrap();
        let (turns, ratio) = (b.int(2), b.floats(&[1], &[0.25]));
        let half = TensorProto::from_f32("half", &[1], &[0.5]);
        let nodes = vec![
            node("Dropout", &[&flat, "carried"], "same"),
            node("ReduceMax", &["same"], "most"),
            node("Mul", &["carried", "half"], "made"),
        ];
        let body = body(ElementType::F32, nodes, vec![half]);
        b.append(looping(&[&turns, "", &ratio], "last", body))
            .unwrap();
        let scale = b.ints(&[1, 1]);
        let scale = b.emit("Reshape", &["last", &scale], &[]);
        vec![b.emit_named("y", "Mul", &[&flat, &scale], &[]).unwrap()]
    });
    let network = network.unwrap();
    let names: Vec<&str> = network.left_out.iter().map(|pass| pass.name).collect();
    assert_eq!(names, ["control flow"], "{:?}", network.left_out);
    assert!(network.left_out[0].why.contains("Ratio of Dropout"));
    assert!(network.graph.nodes().iter().any(|node| node.is_op("Loop")));
    assert_eq!(network.classes.len(), 4);
    // A quarter, halved twice, is left.
    let whole = opened(18, |b| {
        let pool = planes(b);
        let flat = b.emit("Flatten", &[&pool], &[]);
        let scale = b.floats(&[], &[0.0625]);
        vec![b.emit_named("y", "Mul", &[&flat, &scale], &[]).unwrap()]
    });
    alike(&network, &scores(&whole.unwrap()));
}

#[test]
fn a_model_that_onnx_runtime_rejects_unchanged_is_itself_the_cause() {
    let problem = opened(18, |b| {
        let pool = planes(b);
        let flat = b.emit("Flatten", &[&pool], &[]);
        let weight = rising(b, &[5, 2], ElementType::F32, 0.0);
        vec![b.emit_named("y", "MatMul", &[&flat, &weight], &[]).unwrap()]
    });
    let problem = problem.unwrap_err().to_string();
    assert!(problem.contains("refuses the model"), "{problem}");
    assert!(!problem.contains("pass "), "{problem}");
}
