//! Normalisation by given statistics and by those of the input itself.

use super::*;

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
        let variance = positive(&[3]);
        let given = [x(dims), x(&[3]), x(&[3]), x(&[3]), variance];
        cases.push(case("BatchNormalization", &given).with("epsilon", 0.3f32));
        let given = [
            x(dims),
            x(&[3]),
            x(&[3]),
            channel(),
            positive_constant(&[3]),
        ];
        let training = case("BatchNormalization", &given).with("training_mode", 1i64);
        cases.push(training.with("epsilon", 0.1f32).reads(&[0], 3));
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
        case("LayerNormalization", &[spaced(&d), x(&[4]), x(&[4])])
            .with("epsilon", 0.5f32)
            .reads(&[0, 1, 2], 3)
            .in_float32(),
        case("LayerNormalization", &[spaced(&d), constant(&[3, 4])])
            .with("axis", 1i64)
            .with("epsilon", 0.1f32)
            .reads(&[1, 2], 3)
            .in_float32(),
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
        case(
            "InstanceNormalization",
            &[x(&[2, 3, 3, 2]), x(&[3]), x(&[3])],
        )
        .with("epsilon", 0.1f32),
        case("GroupNormalization", &[x(&[2, 4, 3, 2]), x(&[4]), x(&[4])])
            .with("num_groups", 2i64)
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
