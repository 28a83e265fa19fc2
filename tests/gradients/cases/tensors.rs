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

/// Axes of statistics that are taken from the input itself.
pub fn statistics() -> Vec<Case> {
    let d = [2, 3, 4];
    let mut cases = vec![
        case("LayerNormalization", &[spaced(&d), x(&[4]), x(&[4])]),
        case("LayerNormalization", &[x(&d), constant(&[4])]).with("epsilon", 0.1f32),
        case(
            "LayerNormalization",
            &[x(&d), constant(&[3, 4]), constant(&[3, 4])],
        )
        .with("axis", 1i64),
        case("LayerNormalization", &[x(&d), x(&[3, 4]), x(&[3, 4])]).with("axis", -2i64),
        case("LayerNormalization", &[x(&d), x(&d)]).with("axis", 0i64),
        case("RMSNormalization", &[spaced(&d), x(&[4])]).since(23),
        case("RMSNormalization", &[x(&d), constant(&[3, 4])])
            .with("axis", 1i64)
            .with("epsilon", 0.1f32)
            .since(23),
        case(
            "InstanceNormalization",
            &[spaced(&[2, 3, 5]), constant(&[3]), constant(&[3])],
        ),
        case(
            "InstanceNormalization",
            &[spaced(&[2, 3, 3, 2]), constant(&[3]), constant(&[3])],
        )
        .with("epsilon", 0.1f32),
        case(
            "GroupNormalization",
            &[x(&[2, 4, 3, 2]), constant(&[4]), constant(&[4])],
        )
        .with("num_groups", 2i64)
        .since(21),
        case(
            "GroupNormalization",
            &[x(&[1, 6, 5]), constant(&[6]), constant(&[6])],
        )
        .with("num_groups", 1i64)
        .with("epsilon", 0.1f32)
        .since(21),
        case("MeanVarianceNormalization", &[x(&[2, 3, 3, 2])]),
        case("MeanVarianceNormalization", &[x(&[2, 3, 3, 2])]).with("axes", vec![1i64, -1]),
    ];
    for axis in [0i64, 1, -1] {
        for p in [1i64, 2] {
            let normalise = case("LpNormalization", &[spaced(&d)]);
            cases.push(normalise.with("axis", axis).with("p", p));
        }
    }
    cases.push(case("LpNormalization", &[x(&[2, 5])]));
    cases
}

pub fn products() -> Vec<Case> {
    let einsum = |equation: &str, operands: &[&[usize]]| {
        let operands: Vec<Operand> = operands.iter().map(|dims| x(dims)).collect();
        case("Einsum", &operands).with("equation", equation)
    };
    vec![
        einsum("ij,jk->ik", &[&[2, 3], &[3, 4]]),
        einsum("ij , jk -> ki", &[&[2, 3], &[3, 4]]),
        einsum("bhid,bhjd->bhij", &[&[2, 2, 3, 2], &[2, 2, 2, 2]]),
        einsum("ba,ac", &[&[2, 3], &[3, 4]]),
        einsum("...ij,...jk->...ik", &[&[2, 2, 3], &[1, 3, 2]]),
        einsum("i...,i...->...i", &[&[2, 3], &[2, 3]]),
        einsum("i,j->ij", &[&[3], &[4]]),
        einsum("ijk->j", &[&[2, 3, 2]]),
        einsum("ijk->kij", &[&[2, 3, 2]]),
        einsum("ij,j->", &[&[2, 3], &[3]]),
        einsum("ij,k->i", &[&[2, 3], &[4]]),
        einsum("nchw,nvw,vk->nkch", &[&[1, 2, 3, 2], &[1, 2, 2], &[2, 2]]),
    ]
}

/// Elements taken from and put at places that indices name.
pub fn indexing() -> Vec<Case> {
    let d = [3, 4, 2];
    vec![
        case("Gather", &[x(&d), index(&[], &[1])]),
        case("Gather", &[x(&d), index(&[], &[-1])]).with("axis", 1i64),
        case("Gather", &[x(&d), ints(&[0])]).with("axis", -1i64),
        case("Gather", &[x(&d), ints(&[2, 0, 2, -1])]).with("axis", 1i64),
        case("Gather", &[x(&d), index(&[2, 2], &[0, 1, 1, -3])]),
        case("Gather", &[x(&d), index(&[1, 3], &[1, 0, 1])]).with("axis", 2i64),
        case(
            "GatherElements",
            &[x(&[3, 2]), index(&[2, 2], &[0, 2, -1, 2])],
        ),
        case(
            "GatherElements",
            &[x(&[2, 3]), index(&[2, 2], &[0, 0, 2, 1])],
        )
        .with("axis", 1i64),
        case("GatherND", &[x(&d), index(&[2, 3], &[0, 1, 1, 2, -1, 0])]),
        case("GatherND", &[x(&d), index(&[2, 1, 2], &[0, 1, 0, 1])]),
        case("GatherND", &[x(&d), index(&[3, 1], &[0, 3, 0])]).with("batch_dims", 1i64),
        case(
            "GatherND",
            &[
                x(&[2, 2, 3, 2]),
                index(&[2, 2, 2, 1], &[0, 1, 2, 2, 1, 0, 0, 0]),
            ],
        )
        .with("batch_dims", 2i64),
        case(
            "ScatterElements",
            &[x(&[3, 2]), index(&[1, 2], &[0, 2]), x(&[1, 2])],
        ),
        case(
            "ScatterElements",
            &[x(&[2, 3]), index(&[2, 1], &[-1, 0]), x(&[2, 1])],
        )
        .with("axis", 1i64),
        case(
            "ScatterElements",
            &[x(&[2, 3]), index(&[1, 2], &[1, 1]), x(&[1, 2])],
        )
        .with("axis", 1i64)
        .with("reduction", "add"),
        case(
            "ScatterND",
            &[x(&d), index(&[2, 1], &[2, 0]), x(&[2, 4, 2])],
        ),
        case(
            "ScatterND",
            &[x(&d), index(&[2, 2], &[0, 1, 0, 1]), x(&[2, 2])],
        )
        .with("reduction", "add"),
        case(
            "ScatterND",
            &[constant(&d), index(&[1, 3], &[1, 2, 1]), x(&[1])],
        ),
        case("TopK", &[spaced(&[3, 4]), ints(&[2])]).reads(&[0], 2),
        case("TopK", &[spaced(&[3, 4]), ints(&[2])])
            .with("axis", 0i64)
            .with("largest", 0i64)
            .with("sorted", 0i64)
            .reads(&[0], 2),
    ]
}

pub fn layout() -> Vec<Case> {
    let bool_like = Operand::Constant(vec![], Fill::Uniform);
    vec![
        case("CastLike", &[x(&[2, 3]), bool_like]),
        case("CumSum", &[x(&[2, 5]), index(&[], &[1])]),
        case("CumSum", &[x(&[2, 5]), index(&[], &[-1])]).with("exclusive", 1i64),
        case("CumSum", &[x(&[3, 2]), index(&[], &[0])]).with("reverse", 1i64),
        case("CumSum", &[x(&[3, 2]), index(&[], &[0])])
            .with("reverse", 1i64)
            .with("exclusive", 1i64),
        case("DepthToSpace", &[x(&[2, 8, 2, 3])]).with("blocksize", 2i64),
        case("DepthToSpace", &[x(&[1, 9, 2, 1])])
            .with("blocksize", 3i64)
            .with("mode", "CRD"),
        case("SpaceToDepth", &[x(&[2, 2, 4, 6])]).with("blocksize", 2i64),
        case("Expand", &[x(&[3, 1]), ints(&[2, 1, 4])]),
        case("Expand", &[x(&[]), ints(&[2, 3])]),
        case("Expand", &[x(&[2, 3]), ints(&[1])]),
        case("Tile", &[x(&[2, 3]), ints(&[2, 1])]),
        case("Tile", &[x(&[2, 1, 2]), ints(&[1, 3, 2])]),
        case("Tile", &[x(&[2, 3]), ints(&[1, 1])]),
        case("Trilu", &[x(&[3, 4])]),
        case("Trilu", &[x(&[2, 3, 3]), index(&[], &[-1])]).with("upper", 0i64),
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
