//! Every gradient rule against central differences, through ONNX Runtime.

mod cases;
mod finite;
mod graphs;
mod kinks;
mod random;
mod refusals;

use finite::{DEVICES, Numeric};
use std::collections::BTreeSet;
use ziggurat::autodiff::{Options, rules::RULES};

/// Emitted nodes must be valid in the oldest opset that the sweep takes and in new ones.
const OPSETS: [i64; 2] = [18, 22];

#[test]
fn every_rule_agrees_with_central_differences() {
    let mut failures = Vec::new();
    for case in cases::all() {
        for &elem in case.elems() {
            let oldest = OPSETS[0].max(case.since);
            let problem = case.problem(elem, oldest);
            let numeric = match Numeric::of(&problem, 1) {
                Ok(numeric) => numeric,
                Err(problem) => {
                    failures.push(format!("{elem:?}, {case:?}: {problem}"));
                    continue;
                }
            };
            for opset in [oldest, OPSETS[1]] {
                let problem = case.problem(elem, opset);
                for device in DEVICES {
                    let options = Options {
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
    let tested: BTreeSet<&str> = cases::all().iter().map(|case| case.op).collect();
    let rules: BTreeSet<&str> = RULES.iter().map(|(op, _)| *op).collect();
    assert_eq!(tested, rules);
}
