//! The same elements elsewhere: layout, slices, padding, and places that indices name.

use super::*;

pub fn layout() -> Vec<Case> {
    let bool_like = Operand::Constant(vec![], Fill::Uniform);
    vec![
        case("CastLike", &[x(&[2, 3]), bool_like]),
        case("CastLike", &[x(&[2, 3]), Again(0)]),
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
        case("Cast", &[x(&[2, 3])]).with("to", i64::from(ElementType::F64.code())),
        case("Cast", &[x(&[2, 3])]).with("to", i64::from(ElementType::F32.code())),
        case("Dropout", &[x(&[2, 3])]),
        case("Dropout", &[x(&[2, 3]), Number(0.5), Flag(false)]).reads(&[0], 2),
        case("Dropout", &[x(&[2, 3]), Number(0.0), Flag(true)]),
        case("Flatten", &[x(&[2, 3, 4])]),
        case("Flatten", &[x(&[2, 3, 4])]).with("axis", 0i64),
        case("Flatten", &[x(&[2, 3, 4])]).with("axis", -1i64),
        case("Identity", &[x(&[2, 3])]),
        case("ReverseSequence", &[x(&[4, 3, 2]), ints(&[2, 4, 1])]),
        case("ReverseSequence", &[x(&[3, 4, 2]), ints(&[2, 4, 1])])
            .with("batch_axis", 0i64)
            .with("time_axis", 1i64),
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

/// Elements taken from and put at places that indices name.
pub fn indexing() -> Vec<Case> {
    let d = [3, 4, 2];
    vec![
        case("Compress", &[x(&d), flags(&[3])]).with("axis", 0i64),
        case("Compress", &[x(&d), flags(&[3])]).with("axis", -2i64),
        case("Compress", &[x(&d), flags(&[24])]),
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
        case("OneHot", &[ints(&[0, 2, -1]), index(&[], &[3]), x(&[2])]),
        case(
            "OneHot",
            &[index(&[2, 1], &[1, 0]), index(&[], &[3]), x(&[2])],
        )
        .with("axis", 0i64),
        case("TopK", &[spaced(&[3, 4]), ints(&[2])]).reads(&[0], 2),
        case("TopK", &[spaced(&[3, 4]), ints(&[2])])
            .with("axis", 0i64)
            .with("largest", 0i64)
            .with("sorted", 0i64)
            .reads(&[0], 2),
    ]
}

pub fn fourier() -> Vec<Case> {
    let real = x(&[2, 5, 4, 1]);
    let complex = x(&[2, 5, 4, 2]);
    let mut cases = Vec::new();
    for (length, axis) in [(5, 1i64), (7, 1), (4, 1), (6, 2)] {
        for picture in [&real, &complex] {
            let old = case("DFT", &[picture.clone(), index(&[], &[length])])
                .with("axis", axis)
                .until(19);
            let new = case(
                "DFT",
                &[picture.clone(), index(&[], &[length]), index(&[], &[axis])],
            )
            .since(20);
            for of in [old, new] {
                cases.push(of.clone());
                cases.push(of.with("inverse", 1i64));
            }
        }
        let half = case(
            "DFT",
            &[real.clone(), index(&[], &[length]), index(&[], &[axis])],
        );
        cases.push(half.with("onesided", 1i64).since(20));
    }
    cases.push(case("DFT", &[complex]).since(20));
    cases.push(case("DFT", &[real]).with("onesided", 1i64).until(19));
    cases
}
