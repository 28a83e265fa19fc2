//! Sums, means, extremes, norms and products over axes, and softmax.

use super::*;

pub fn reductions() -> Vec<Case> {
    let mut cases = Vec::new();
    for op in ["ReduceMean", "ReduceSum"] {
        for axes in [
            Missing,
            ints(&[]),
            ints(&[1]),
            ints(&[-1, 0]),
            ints(&[2, 1]),
        ] {
            for (keep, noop) in [(1i64, 0i64), (0, 0), (1, 1)] {
                let reduce = case(op, &[x(&[2, 3, 4]), axes.clone()]);
                cases.push(
                    reduce
                        .with("keepdims", keep)
                        .with("noop_with_empty_axes", noop),
                );
            }
        }
        cases.push(case(op, &[x(&[2, 3])]));
        for keep in [1i64, 0] {
            let positions = case(op, &[x(&[2, 4, 3, 5]), ints(&[2, 3])]);
            cases.push(positions.with("keepdims", keep));
        }
    }
    for op in ["Softmax", "LogSoftmax"] {
        cases.push(case(op, &[x(&[2, 5])]));
        cases
            .extend([0i64, 1, 2, -1, -2].map(|axis| case(op, &[x(&[2, 3, 4])]).with("axis", axis)));
    }
    cases
}

/// Reductions other than sums and means: any axes, kept or not.
pub fn other_reductions() -> Vec<Case> {
    let mut cases = Vec::new();
    let d = [2, 3, 4];
    let input = |op: &str| match op {
        "ReduceMax" | "ReduceMin" | "ReduceL1" => spaced(&d),
        "ReduceLogSum" | "ReduceProd" => positive(&d),
        _ => x(&d),
    };
    for op in [
        "ReduceL1",
        "ReduceL2",
        "ReduceLogSum",
        "ReduceLogSumExp",
        "ReduceMax",
        "ReduceMin",
        "ReduceProd",
        "ReduceSumSquare",
    ] {
        for (axes, keep) in [
            (Missing, 1i64),
            (ints(&[1]), 0),
            (ints(&[-1, 0]), 1),
            (ints(&[2, 1]), 0),
            (ints(&[0]), 1),
        ] {
            cases.push(case(op, &[input(op), axes]).with("keepdims", keep));
        }
    }
    cases
}
