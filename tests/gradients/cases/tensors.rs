//! Products, reductions, layout, slicing and normalisation.

use super::*;

pub fn linear() -> Vec<Case> {
    let mut cases = Vec::new();
    for (a, b) in [
        ([3, 4], [4, 5]),
        ([3, 4], [5, 4]),
        ([4, 3], [4, 5]),
        ([4, 3], [5, 4]),
    ] {
        let (transposed_a, transposed_b) = (i64::from(a[0] == 4), i64::from(b[1] == 4));
        for third in [Missing, x(&[3, 5]), x(&[5]), x(&[3, 1]), x(&[])] {
            let gemm = case("Gemm", &[x(&a), x(&b), third]);
            cases.push(
                gemm.with("transA", transposed_a)
                    .with("transB", transposed_b)
                    .with("alpha", 0.5f32)
                    .with("beta", -3f32),
            );
        }
    }
    cases.push(case(
        "Gemm",
        &[x(&[1, 6]), constant(&[6, 2]), constant(&[2])],
    ));
    cases.push(case("Gemm", &[constant(&[2, 6]), x(&[6, 3])]));
    let shapes: [(&[usize], &[usize]); 10] = [
        (&[3, 4], &[4, 5]),
        (&[4], &[4, 5]),
        (&[3, 4], &[4]),
        (&[4], &[4]),
        (&[2, 3, 4], &[4, 5]),
        (&[3, 4], &[2, 4, 5]),
        (&[2, 1, 3, 4], &[3, 4, 2]),
        (&[4], &[2, 3, 4, 5]),
        (&[2, 3, 4], &[4]),
        (&[2, 3, 4, 1], &[1, 3, 1, 2]),
    ];
    cases.extend(shapes.map(|(a, b)| case("MatMul", &[x(a), x(b)])));
    cases.push(case("MatMul", &[x(&[3, 3]), Again(0)]));
    cases
}

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
    }
    for op in ["Softmax", "LogSoftmax"] {
        cases.push(case(op, &[x(&[2, 5])]));
        cases
            .extend([0i64, 1, 2, -1, -2].map(|axis| case(op, &[x(&[2, 3, 4])]).with("axis", axis)));
    }
    cases
}

pub fn layout() -> Vec<Case> {
    vec![
        case("Cast", &[x(&[2, 3])]).with("to", i64::from(Elem::F64.code())),
        case("Cast", &[x(&[2, 3])]).with("to", i64::from(Elem::F32.code())),
        case("Dropout", &[x(&[2, 3])]),
        case("Dropout", &[x(&[2, 3]), Number(0.5), Flag(false)]).reads(&[0], 2),
        case("Flatten", &[x(&[2, 3, 4])]),
        case("Flatten", &[x(&[2, 3, 4])]).with("axis", 0i64),
        case("Flatten", &[x(&[2, 3, 4])]).with("axis", -1i64),
        case("Identity", &[x(&[2, 3])]),
        case("Reshape", &[x(&[2, 3, 4]), ints(&[4, -1])]),
        case("Reshape", &[x(&[2, 3, 4]), ints(&[0, 1, -1, 2])]).with("allowzero", 0i64),
        case("Reshape", &[x(&[1, 1]), ints(&[])]),
        case("Squeeze", &[x(&[1, 3, 1])]),
        case("Squeeze", &[x(&[1, 3, 1]), ints(&[-1])]),
        case("Transpose", &[x(&[2, 3, 4])]),
        case("Transpose", &[x(&[2, 3, 4])]).with("perm", vec![1i64, 2, 0]),
        case("Transpose", &[x(&[2, 3, 4, 2])]).with("perm", vec![0i64, 3, 1, 2]),
        case("Unsqueeze", &[x(&[2, 3]), ints(&[0, -1])]),
    ]
}

pub fn slicing() -> Vec<Case> {
    const HUGE: i64 = i64::MAX;
    let d = [4, 5, 6];
    let mut cases = vec![
        case(
            "Concat",
            &[x(&[2, 3]), x(&[2, 1]), constant(&[2, 2]), Again(0)],
        )
        .with("axis", 1i64),
        case("Concat", &[x(&[2, 3, 2]), x(&[1, 3, 2])]).with("axis", -3i64),
        case("Concat", &[x(&[3])]).with("axis", 0i64),
        case("Slice", &[x(&d), ints(&[1]), ints(&[3])]),
        case(
            "Slice",
            &[x(&d), ints(&[1, -4]), ints(&[HUGE, -1]), ints(&[-1, 1])],
        ),
        case(
            "Slice",
            &[
                x(&d),
                ints(&[-100, 2]),
                ints(&[2, HUGE]),
                ints(&[0, 2]),
                ints(&[1, 3]),
            ],
        ),
        case(
            "Slice",
            &[
                x(&d),
                ints(&[-1, HUGE]),
                ints(&[-HUGE, 0]),
                ints(&[2, 0]),
                ints(&[-1, -2]),
            ],
        ),
        case(
            "Slice",
            &[
                x(&d),
                ints(&[3, 4]),
                ints(&[0, -HUGE]),
                Missing,
                ints(&[-2, -3]),
            ],
        ),
        case(
            "Slice",
            &[x(&d), ints(&[0]), ints(&[HUGE]), ints(&[1]), ints(&[2])],
        ),
        case("Split", &[x(&[2, 6])])
            .with("axis", 1i64)
            .with("num_outputs", 3i64)
            .reads(&[0, 1, 2], 3),
        case("Split", &[x(&[2, 7])])
            .with("axis", -1i64)
            .with("num_outputs", 3i64)
            .reads(&[2], 3),
        case("Split", &[x(&[6, 2]), ints(&[1, 3, 2])]).reads(&[0, 2], 3),
        case("Split", &[x(&[6, 2]), ints(&[1, 0, 5])]).reads(&[2], 3),
    ];
    for mode in ["constant", "edge", "reflect", "wrap"] {
        let since = if mode == "wrap" { 19 } else { 0 };
        let pads: [(&[i64], Operand); 5] = [
            (&[0, 1, 2, 1, 0, 3], Missing),
            (&[2, 1], ints(&[1])),
            (&[2, 0, 1, 3], ints(&[-1, 0])),
            (&[-1, 1, 0, 2, -2, 0], Missing),
            (&[0, 0, 0, 0, 0, 0], Missing),
        ];
        for (pads, axes) in pads {
            let negative = pads.iter().any(|&pad| pad < 0);
            // ONNX Runtime refuses to cut and reflect (or wrap) along one node.
            if negative && !matches!(mode, "constant" | "edge") {
                continue;
            }
            let pad = case("Pad", &[x(&d), ints(pads), Missing, axes]);
            cases.push(pad.with("mode", mode).since(since));
        }
    }
    cases.push(case(
        "Pad",
        &[x(&d), ints(&[1, 1, 0, 0, 0, 1]), Number(0.5)],
    ));
    cases
}

pub fn normalization() -> Vec<Case> {
    let mut cases = Vec::new();
    for dims in [&[2, 3][..], &[2, 3, 4], &[2, 3, 4, 5], &[1, 3, 2, 2, 3]] {
        let channel = || constant(&[3]);
        let normalise = case(
            "BatchNormalization",
            &[
                x(dims),
                channel(),
                channel(),
                channel(),
                positive_constant(&[3]),
            ],
        );
        cases.push(normalise.clone());
        cases.push(normalise.with("epsilon", 0.3f32).with("momentum", 0.5f32));
    }
    // ONNX Runtime's CPU kernel takes odd sizes and four dimensions only.
    for size in [1i64, 3, 5, 9] {
        let lrn = case("LRN", &[x(&[2, 7, 2, 3])]).with("size", size);
        cases.push(lrn.clone());
        cases.push(
            lrn.with("alpha", 2f32)
                .with("beta", 1.5f32)
                .with("bias", 0.7f32),
        );
    }
    cases
}
