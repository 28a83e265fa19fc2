//! Every gradient rule against central differences, through ONNX Runtime.

mod blocked;
mod cases;
mod central_differences;
mod control_flow;
mod device;
mod dynamic_quantization;
mod experimental_ops;
mod exported;
mod fusions;
mod light_models;
mod loops;
mod multi_node;
mod non_smooth;
mod onnx_node_tests;
mod quantization;
mod quantized_ops;
mod random;
mod refusals;
mod scans;
mod sequences;

use cases::Case;
use central_differences::{DEVICES, Numeric};
use std::collections::BTreeSet;
use ziggurat::autodiff::{Device, GradientOptions, rules};
use ziggurat::onnx::passes::decompose::FUSIONS;

/// Emitted nodes must be valid in the oldest opset that the sweep takes and in new ones.
const OPSETS: [i64; 2] = [18, 22];

#[test]
fn every_rule_agrees_with_central_differences() {
    check(cases::all(), &DEVICES);
}

fn check(cases: Vec<Case>, devices: &[Device]) {
    assert!(!cases.is_empty());
    let mut failures = Vec::new();
    for case in cases {
        for &elem in case.elems() {
            let problem = case.problem(elem, case.opsets(OPSETS)[0]);
            let numeric = match Numeric::new(&problem, 1) {
                Ok(numeric) => numeric,
                Err(problem) => {
                    failures.push(format!("{elem:?}, {case:?}: {problem}"));
                    continue;
                }
            };
            for opset in case.opsets(OPSETS) {
                let problem = case.problem(elem, opset);
                for &device in devices {
                    let options = GradientOptions {
                        device,
                        ..Default::default()
                    };
                    if let Err(problem) = numeric.compare(&problem, &options) {
                        failures.push(format!(
                            "opset {opset}, {device:?}, {elem:?}, {case:?}: {problem}"
                        ));
                    }
                }
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn no_rule_lacks_a_case() {
    let tested = cases::all().into_iter().map(|case| (case.domain, case.op));
    let tested: BTreeSet<(&str, &str)> = tested.collect();
    let rules = rules::supported().iter().map(|entry| ("", entry.op));
    let fusions = FUSIONS.iter().map(|fusion| (fusion.domain, fusion.op));
    // Those of rounding, which differences do not see, have tests of their own.
    let rounds = |op: &str| {
        let parts = [
            "Dynamic",
            "Integer",
            "DequantizeLinear",
            "QLinear",
            "QuantizeLinear",
            "Nhwc",
        ];
        parts.iter().any(|part| op.contains(part)) || ["QAttention", "QGemm"].contains(&op)
    };
    let differentiated = rules.chain(fusions).filter(|(_, op)| !rounds(op));
    assert_eq!(tested, differentiated.collect());
}
