use crate::onnx::passes::inline_functions::*;
use crate::onnx::proto::{OperatorSetIdProto, ValueInfoProto};

fn call(function: &str, input: &str, output: &str) -> NodeProto {
    NodeProto::new(function, &[input], &[output]).in_domain("local")
}

fn function(name: &str, nodes: Vec<NodeProto>) -> FunctionProto {
    FunctionProto {
        name: name.into(),
        domain: "local".into(),
        input: vec!["x".into()],
        output: vec!["y".into()],
        node: nodes,
        ..Default::default()
    }
}

/// The error of inlining a call of `f`.
fn error(functions: Vec<FunctionProto>) -> String {
    let value = |name: &str| ValueInfoProto {
        name: name.into(),
        ..Default::default()
    };
    let opset = OperatorSetIdProto {
        domain: String::new(),
        version: OPSET,
    };
    let model = ModelProto {
        opset_import: vec![opset],
        functions,
        graph: Some(GraphProto {
            input: vec![value("x")],
            output: vec![value("y")],
            node: vec![call("f", "x", "y")],
            ..Default::default()
        }),
        ..Default::default()
    };
    inline(model).unwrap_err().to_string()
}

#[test]
fn recursive_functions_are_an_error() {
    let direct = error(vec![function("f", vec![call("f", "x", "y")])]);
    assert!(
        direct.contains("\"f\"") && direct.contains("call depth"),
        "{direct}"
    );
    let mut branching = call("If", "x", "y");
    branching.domain = String::new();
    branching.attribute.push(AttributeProto {
        name: "then_branch".into(),
        g: Some(Box::new(GraphProto {
            node: vec![call("f", "x", "z")],
            ..Default::default()
        })),
        ..Default::default()
    });
    let in_branch = error(vec![function("f", vec![branching])]);
    assert!(in_branch.contains("call depth"), "{in_branch}");
}

#[test]
fn exponential_growth_is_an_error() {
    let doubling = (0..60).map(|level| {
        let name = if level == 0 {
            "f".into()
        } else {
            format!("f{level}")
        };
        let next = format!("f{}", level + 1);
        function(&name, vec![call(&next, "x", "z"), call(&next, "z", "y")])
    });
    let problem = error(doubling.collect());
    assert!(problem.contains("too often"), "{problem}");
}

#[test]
fn self_referring_defaults_terminate() {
    let mut reference = AttributeProto {
        name: "body".into(),
        ref_attr_name: "trap".into(),
        ..Default::default()
    };
    let mut looping = call("Loop", "x", "y");
    looping.attribute.push(reference.clone());
    reference.name = "trap".into();
    reference.ref_attr_name = String::new();
    reference.g = Some(Box::new(GraphProto {
        node: vec![looping.clone()],
        ..Default::default()
    }));
    let mut node = looping;
    resolve_attributes(&mut node, &call("f", "x", "y"), &[reference]);
    assert_eq!(node.attribute[0].name, "body");
}
