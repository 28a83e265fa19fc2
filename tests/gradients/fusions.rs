//! Taking fused operators apart changes no value, and says why where it cannot be done.

use crate::cases;
use crate::finite::{differentiable, gradients, run};
use ziggurat::autodiff::Options;
use ziggurat::onnx::Elem;

#[test]
fn the_parts_make_what_the_fused_operator_makes() {
    let mut fused = 0;
    for case in cases::all() {
        let problem = case.problem(Elem::F32, case.opsets([18, 22])[0]);
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
fn a_fused_form_that_cannot_be_taken_apart_runs_but_is_refused_with_its_reason() {
    let case = cases::masked_attention();
    let problem = case.problem(Elem::F32, 18);
    let outputs = run(&problem, &problem.graph, &problem.outputs).unwrap();
    let refused = gradients(&problem, &outputs, &Options::default()).unwrap_err();
    assert_eq!(
        refused,
        "node \"node/MultiHeadAttention_2\" (MultiHeadAttention) cannot be differentiated: it is given a mask"
    );
}
