use crate::onnx::Graph;
use crate::onnx::passes::upgrade_opset::*;
use crate::onnx::proto::{OperatorSetIdProto, ValueInfoProto};

fn model(opset: i64, op: &str, attributes: Vec<AttributeProto>) -> ModelProto {
    ModelProto {
        opset_import: vec![OperatorSetIdProto {
            domain: String::new(),
            version: opset,
        }],
        graph: Some(GraphProto {
            input: vec![ValueInfoProto {
                name: "x".into(),
                ..Default::default()
            }],
            output: vec![ValueInfoProto {
                name: "y".into(),
                ..Default::default()
            }],
            node: vec![NodeProto {
                attribute: attributes,
                ..NodeProto::new(op, &["x"], &["y"])
            }],
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    let mut attribute = AttributeProto {
        name: name.into(),
        ints: values.into(),
        ..Default::default()
    };
    attribute.set_type(AttributeType::Ints);
    attribute
}

#[test]
fn axes_move_from_attributes_to_inputs() {
    let old = model(13, "ReduceMean", vec![ints("axes", &[2, 3])]);
    let graph = Graph::new(upgrade(old).unwrap()).unwrap();
    assert_eq!(graph.opset(), OPSET);
    let [node] = graph.nodes() else {
        panic!("expected one node")
    };
    let axes = graph.constant(node.input_at(1).unwrap()).unwrap();
    assert_eq!(axes.to_i64().unwrap(), [2, 3]);
    assert!(node.attribute.is_empty());
}

#[test]
fn old_softmax_is_flattened_and_keeps_its_output_name() {
    let graph = Graph::new(upgrade(model(9, "Softmax", vec![])).unwrap()).unwrap();
    let ops: Vec<&str> = graph
        .nodes()
        .iter()
        .map(|node| node.op_type.as_str())
        .collect();
    assert_eq!(ops, ["Shape", "Flatten", "Softmax", "Reshape"]);
    assert_eq!(graph.nodes()[3].output, ["y"]);
}

#[test]
fn newer_models_are_unchanged() {
    let new = model(21, "Relu", vec![]);
    assert_eq!(upgrade(new.clone()).unwrap(), new);
}

#[test]
fn errors_name_the_operator_and_the_opset() {
    let problem = upgrade(model(8, "Scan", vec![])).unwrap_err().to_string();
    assert!(
        problem.contains("\"y\"") && problem.contains("Scan"),
        "{problem}"
    );
    let problem = upgrade(model(6, "Relu", vec![])).unwrap_err().to_string();
    assert!(problem.contains("opset 6"), "{problem}");
}

#[test]
fn attributes_default_to_the_behaviour_of_the_original_opset() {
    let op = |model| {
        let graph = Graph::new(upgrade(model).unwrap()).unwrap();
        graph.nodes()[0].clone()
    };
    let mode = "coordinate_transformation_mode";
    let roi_align = op(model(10, "RoiAlign", vec![]));
    assert_eq!(roi_align.string(mode), Some("output_half_pixel"));
    assert_eq!(op(model(16, "RoiAlign", vec![])).string(mode), None);
    assert!(op(model(9, "Scatter", vec![])).is_op("ScatterElements"));
}
