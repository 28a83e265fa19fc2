//! Decomposing fused operators changes no value; where it is impossible, there is a reason.

use crate::cases;
use crate::central_differences::{DEVICES, Fill, Numeric, Problem, differentiable, gradients, run};
use ziggurat::autodiff::GradientOptions;
use ziggurat::onnx::{Builder, ElementType};

#[test]
fn the_parts_make_what_the_fused_operator_makes() {
    let mut fused = 0;
    for case in cases::all() {
        let problem = case.problem(ElementType::F32, case.opsets([18, 22])[0]);
        let (apart, _) = differentiable(&problem).unwrap();
        if apart.graph().nodes().len() == problem.graph.nodes().len() {
            continue;
        }
        let of = |graph| {
            run(&problem, graph, &problem.outputs)
                .unwrap_or_else(|error| panic!("{case:?}: {error}"))
        };
        for (whole, parts) in of(&problem.graph).iter().zip(of(apart.graph())) {
            let furthest = whole.iter().zip(&parts).map(|(a, b)| (a - b).abs());
            let furthest = furthest.fold(0.0, f64::max);
            assert!(
                whole.shape() == parts.shape() && furthest < 2e-5,
                "{case:?}: {furthest}"
            );
        }
        fused += 1;
    }
    assert!(fused > 30, "{fused}");
}

#[test]
fn a_fused_form_that_cannot_be_decomposed_runs_but_is_refused_with_its_reason() {
    let case = cases::cumulated_attention();
    let problem = case.problem(ElementType::F32, 18);
    let outputs = run(&problem, &problem.graph, &problem.outputs).unwrap();
    let refused = gradients(&problem, &outputs, &GradientOptions::default()).unwrap_err();
    assert_eq!(
        refused,
        "node \"node/MultiHeadAttention_2\" (MultiHeadAttention) cannot be differentiated: its key_padding_mask has dimensions [8]"
    );
}

/// Attention of two heads to the queries, keys and values that `build` returns, with a bias.
fn attending(build: impl Fn(&mut Builder) -> [String; 3]) -> impl Fn(&mut Builder) -> Vec<String> {
    move |b| {
        let inputs = build(b);
        let bias: Vec<f32> = (0..18).map(|place| place as f32 / 9.0 - 1.0).collect();
        let bias = b.floats(&[18], &bias);
        let inputs = [&inputs[0], &inputs[1], &inputs[2], bias.as_str()];
        vec![b.emit("MultiHeadAttention", &inputs, &[("num_heads", 2i64.into())])]
    }
}

/// ONNX Runtime's CPU kernel takes no packed tensors, so the differences are those of the same tensors unpacked.
#[test]
fn packed_queries_keys_and_values_are_those_that_are_not() {
    let queries = ("q", &[2, 4, 6][..], Fill::Uniform);
    let all = [("x", &[2, 4, 2, 3, 3][..], Fill::Uniform)];
    let others = [queries, ("x", &[2, 4, 2, 2, 3], Fill::Uniform)];
    let unpack = |b: &mut Builder, index: i64| {
        let index = b.int(index);
        let part = b.emit("Gather", &["x", &index], &[("axis", 3i64.into())]);
        let dims = b.ints(&[0, 0, 6]);
        b.emit("Reshape", &[&part, &dims], &[])
    };
    let of = |inputs: &[(&str, &[usize], Fill)], build: &dyn Fn(&mut Builder) -> [String; 3]| {
        let problem = Problem::new(ElementType::F32, 18, inputs, attending(build));
        problem.with_ops_of("com.microsoft", &["MultiHeadAttention"])
    };
    let none = String::new;
    for (apart, packed) in [
        (
            of(&all, &|b| [0, 1, 2].map(|index| unpack(b, index))),
            of(&all, &|_| ["x".into(), none(), none()]),
        ),
        (
            of(&others, &|b| ["q".into(), unpack(b, 0), unpack(b, 1)]),
            of(&others, &|_| ["q".into(), "x".into(), none()]),
        ),
    ] {
        let numeric = Numeric::new(&apart, 1).unwrap();
        for device in DEVICES {
            let options = GradientOptions {
                device,
                ..Default::default()
            };
            numeric.compare(&packed, &options).unwrap();
        }
        let (builder, _) = differentiable(&packed).unwrap();
        let parts = run(&packed, builder.graph(), &packed.outputs).unwrap();
        let whole = run(&apart, &apart.graph, &apart.outputs).unwrap();
        assert!(
            (&parts[0] - &whole[0])
                .iter()
                .all(|error| error.abs() < 2e-6)
        );
    }
}
