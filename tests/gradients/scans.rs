//! Scans: what comes out of them is the same before and after they are written out, and can be differentiated.

use crate::control_flow::{DIMS, decomposed, model, node, ops, subgraph};
use ziggurat::onnx::passes::constant_folding;
use ziggurat::onnx::proto::{AttributeProto, GraphProto, ModelProto, TensorProto};
use ziggurat::onnx::types::{fixed_dims, untyped_value, value_info};
use ziggurat::onnx::{Attribute, ElementType, Graph};
use ziggurat::runtime::{OnnxRuntime, testing};

/// A body that carries v, sees a and b, and shows what it makes of both and what it goes on with.
fn body(of_step: usize) -> GraphProto {
    let step = |name| value_info(name, ElementType::F64, &fixed_dims(&[of_step]));
    GraphProto {
        name: "body".into(),
        node: vec![
            node("Mul", &["a", "b"], &["product"], vec![]),
            node("Add", &["v", "product"], &["sum"], vec![]),
            node("Mul", &["sum", "half"], &["scaled"], vec![]),
            node("Sin", &["scaled"], &["next"], vec![]),
            // ONNX Runtime (1.32) mixes up what is two outputs of a body at once.
            node("Neg", &["next"], &["shown"], vec![]),
        ],
        initializer: vec![TensorProto::from_floats("half", &[], ElementType::F64, &[0.5]).unwrap()],
        input: ["v", "a", "b"].map(step).into(),
        output: ["next", "product", "shown"].map(untyped_value).into(),
        ..Default::default()
    }
}

/// A scan of x (2, 3) and its sine along `axis`.
fn scanning(opset: i64, axis: i64, further: Vec<AttributeProto>) -> ModelProto {
    let of_step = if axis == 0 { DIMS[1] } else { DIMS[0] };
    let first = TensorProto::from_i64("first", &[], &[0]);
    let mut held = vec![
        subgraph("body", body(of_step)),
        Attribute::Int(2).named("num_scan_inputs"),
    ];
    held.extend(further);
    let start = vec![Attribute::Int(axis).named("axis")];
    model(
        opset,
        vec![
            node("Gather", &["x", "first"], &["start"], start),
            node("Sin", &["x"], &["wave"], vec![]),
            node(
                "Scan",
                &["start", "x", "wave"],
                &["last", "products", "all"],
                held,
            ),
        ],
        vec![first],
        &["last", "products", "all"],
    )
}

fn list(name: &str, values: &[i64]) -> AttributeProto {
    Attribute::Ints(values.to_vec()).named(name)
}

#[test]
fn scans_are_written_out_along_any_axis_and_either_way() {
    let outputs = ["last", "products", "all"];
    for opset in [11, 18] {
        decomposed(scanning(opset, 0, vec![]), &outputs);
        let turned = vec![
            list("scan_input_axes", &[1, -1]),
            list("scan_input_directions", &[0, 1]),
            list("scan_output_axes", &[-1, 1]),
            list("scan_output_directions", &[1, 0]),
        ];
        let graph = decomposed(scanning(opset, 1, turned), &outputs);
        assert!(!ops(&graph).contains(&"Scan"));
        let turns = graph
            .nodes()
            .iter()
            .filter(|node| node.is_op("Sin"))
            .count();
        assert_eq!(turns, 1 + DIMS[1]);
    }
}

#[test]
fn a_scan_through_the_pictures_of_a_batch_stays_one() {
    testing::library();
    let mut model = scanning(18, 0, vec![]);
    let graph = model.graph.as_mut().unwrap();
    let open = ziggurat::onnx::proto::Dim::DimParam("N".into());
    let dims = [open, fixed_dims(&DIMS).remove(1)];
    graph.input = vec![value_info("x", ElementType::F64, &dims)];
    let graph = Graph::new(model).unwrap();
    let choices: [&[(&str, &[usize])]; 2] = [&[("x", &[1, 3])], &[("x", &[2, 3])]];
    let folded = constant_folding::fold(&OnnxRuntime, &graph, &choices).unwrap();
    assert_eq!(ops(&folded), ["Gather", "Sin", "Scan"]);
}
