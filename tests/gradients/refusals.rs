//! What the sweep refuses, and what it says then.

use crate::central_differences::{Fill, Problem, differentiable, gradients, run};
use crate::control_flow::{node, subgraph};
use ziggurat::autodiff::differentiability::{Differentiability, analyze};
use ziggurat::autodiff::{GradientOptions, gradient};
use ziggurat::onnx::proto::{GraphProto, TensorProto};
use ziggurat::onnx::types::untyped_value;
use ziggurat::onnx::{Builder, ElementType, Types};

const X: (&str, &[usize], Fill) = ("x", &[2, 3, 4], Fill::Uniform);

/// Why the sweep refuses a problem.
fn refusal(problem: &Problem) -> String {
    let outputs = run(problem, &problem.graph, &problem.outputs).unwrap();
    gradients(problem, &outputs, &GradientOptions::default()).unwrap_err()
}

#[test]
fn an_operator_without_a_rule_is_named_with_what_can_be_done() {
    let problem = Problem::new(ElementType::F32, 18, &[X], |b| {
        let squashed = b.emit("Tanh", &["x"], &[]);
        let (start, end, axis) = (b.ints(&[0]), b.ints(&[3]), b.ints(&[2]));
        let square = b.emit("Slice", &[&squashed, &start, &end, &axis], &[]);
        let found = b.emit_named("odd one", "Det", &[&square], &[]).unwrap();
        vec![b.emit("Relu", &[&found], &[])]
    });
    assert_eq!(
        refusal(&problem),
        "node \"odd one\" (Det, opset 18) has no gradient rule; only values computed before it can be differentiated"
    );
    let shapes = Types::default();
    let reached = analyze(&problem.graph, &shapes, "x");
    let blocked = Differentiability::Blocked {
        node: "\"odd one\"".into(),
        op: "\"Det\"".into(),
        why: None,
    };
    assert_eq!(reached[problem.outputs[0].as_str()], blocked);
    assert_eq!(reached["graph/Tanh_1"], Differentiability::Differentiable);
}

/// Its branches read values that are none of its inputs: a gradient without them would be wrong.
#[test]
fn a_branch_that_the_data_decides_is_named() {
    let branch = |op: &str| GraphProto {
        name: "branch".into(),
        node: vec![node(op, &["squashed"], &["made"], vec![])],
        output: vec![untyped_value("made")],
        ..Default::default()
    };
    let problem = Problem::new(ElementType::F32, 18, &[X], |b| {
        let squashed = b.emit_named("squashed", "Tanh", &["x"], &[]).unwrap();
        let largest = b.emit("ReduceMax", &["x"], &[("keepdims", 0i64.into())]);
        let zero = b.floats(&[], &[0.0]);
        b.emit_named("positive", "Greater", &[&largest, &zero], &[])
            .unwrap();
        let held = vec![
            subgraph("then_branch", branch("Relu")),
            subgraph("else_branch", branch("Abs")),
        ];
        b.append(node("If", &["positive"], &["chosen"], held))
            .unwrap();
        vec![b.emit("Add", &[&squashed, "chosen"], &[])]
    });
    assert_eq!(
        refusal(&problem),
        "node \"node of chosen\" (If) cannot be differentiated: its condition \"positive\" depends on the input"
    );
    let shapes = Types::default();
    let reached = analyze(&problem.graph, &shapes, "x");
    let blocked = Differentiability::Blocked {
        node: "\"node of chosen\"".into(),
        op: "\"If\"".into(),
        why: Some("its condition \"positive\" depends on the input".into()),
    };
    assert_eq!(reached["chosen"], blocked);
}

#[test]
fn a_form_that_a_rule_does_not_cover_says_why() {
    let refused = |inputs: &[(&str, &[usize], Fill)], build: &dyn Fn(&mut Builder) -> String| {
        refusal(&Problem::new(ElementType::F32, 18, inputs, |b| {
            vec![build(b)]
        }))
    };
    let x: (&str, &[usize], Fill) = ("x", &[1, 2, 5, 5], Fill::Positive);
    let weight: (&str, &[usize], Fill) = ("w", &[5], Fill::Positive);
    let message = refused(&[x, weight], &|b| {
        b.emit_named("c", "Mod", &["x", "w"], &[("fmod", 1i64.into())])
            .unwrap()
    });
    assert_eq!(
        message,
        "node \"c\" (Mod) cannot be differentiated: the gradient of its input 1 is not implemented"
    );

    let message = refused(&[x], &|b| {
        let largest = b.emit("ArgMax", &["x"], &[("axis", 3i64.into())]);
        let (one, ends) = (b.ints(&[1]), b.ints(&[5]));
        let largest = b.emit("ReduceMax", &[&largest], &[("keepdims", 0i64.into())]);
        let start = b.emit("Reshape", &[&largest, &one], &[]);
        b.emit_named("s", "Slice", &["x", &start, &ends], &[])
            .unwrap()
    });
    assert!(
        message.contains("its dimensions are not known before the model runs"),
        "{message}"
    );

    let message = refused(&[x], &|b| {
        let ratio = b.floats(&[], &[0.5]);
        let training = TensorProto {
            data_type: ElementType::Bool.code(),
            raw_data: Some(vec![1].into()),
            ..Default::default()
        };
        let training = b.constant(training);
        b.emit_named("d", "Dropout", &["x", &ratio, &training], &[])
            .unwrap()
    });
    assert_eq!(
        message,
        "node \"d\" (Dropout) cannot be differentiated: it is in training mode and does not tell what it drops: export the model for inference"
    );

    let message = refused(&[x], &|b| {
        let high = b.emit("ReduceMax", &["x"], &[("keepdims", 0i64.into())]);
        b.emit_named("k", "Clip", &["x", "", &high], &[]).unwrap()
    });
    assert!(
        message.contains("(Clip) cannot be differentiated: the gradient of its input 2"),
        "{message}"
    );
}

#[test]
fn what_the_objective_does_not_depend_on_is_named() {
    let sign = Problem::new(ElementType::F32, 18, &[X], |b| {
        vec![b.emit_named("s", "Sign", &["x"], &[]).unwrap()]
    });
    assert_eq!(
        refusal(&sign),
        "\"s\" does not depend on \"x\": there is no gradient"
    );
    assert_eq!(
        analyze(&sign.graph, &Types::default(), "x")["s"],
        Differentiability::Independent
    );

    let rounded = Problem::new(ElementType::F32, 18, &[X], |b| {
        let whole = b.emit(
            "Cast",
            &["x"],
            &[("to", i64::from(ElementType::I64.code()).into())],
        );
        vec![
            b.emit_named("r", "Cast", &[&whole], &[("to", 1i64.into())])
                .unwrap(),
        ]
    });
    assert_eq!(
        refusal(&rounded),
        "\"r\" does not depend on \"x\": there is no gradient"
    );
    assert_eq!(
        analyze(&rounded.graph, &Types::default(), "x")["r"],
        Differentiability::Independent
    );

    let other = Problem::new(
        ElementType::F32,
        18,
        &[X, ("y", &[2], Fill::Uniform)],
        |b| vec![b.emit_named("e", "Exp", &["x"], &[]).unwrap()],
    );
    let (mut builder, shapes) = differentiable(&other).unwrap_or_else(|error| panic!("{error}"));
    let seeds = [("e".to_owned(), "x".to_owned())];
    let error = gradient(
        &mut builder,
        &shapes,
        &seeds,
        &["y".into()],
        &GradientOptions::default(),
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"e\" does not depend on \"y\": there is no gradient"
    );
}
