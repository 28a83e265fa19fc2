//! Fused operators, which are decomposed before differentiation.

use super::*;

pub fn microsoft(op: &'static str, operands: &[Operand]) -> Case {
    case(op, operands).of("com.microsoft")
}

pub fn products() -> Vec<Case> {
    let mut cases = Vec::new();
    let activations: [(&str, &[f32]); 6] = [
        ("Relu", &[]),
        ("LeakyRelu", &[0.3]),
        ("Clip", &[-0.5, 0.75]),
        ("Sigmoid", &[]),
        ("Tanh", &[]),
        ("HardSigmoid", &[0.2, 0.4]),
    ];
    for (activation, parameters) in activations {
        // A kernel of one element and no bias, so that the activation sees the spaced numbers themselves.
        let kernel = floats_of(&[1, 1, 1, 1], &[1.0]);
        cases.push(
            microsoft("FusedConv", &[spaced(&[1, 1, 3, 5]), kernel])
                .with("activation", activation)
                .with("activation_params", parameters),
        );
        // FusedGemm has no place for the bounds of a Clip.
        if activation == "Clip" {
            continue;
        }
        let gemm = microsoft("FusedGemm", &[spaced(&[5, 1]), floats_of(&[1, 1], &[1.0])]);
        let gemm = gemm.with("activation", activation);
        let names = ["activation_alpha", "activation_beta"].into_iter();
        let parameters = names.zip(parameters);
        cases.push(parameters.fold(gemm, |gemm, (name, value)| gemm.with(name, *value)));
    }
    cases.push(
        microsoft(
            "FusedConv",
            &[
                x(&[2, 3, 6, 5]),
                constant(&[4, 3, 3, 3]),
                constant(&[4]),
                x(&[2, 4, 3, 5]),
            ],
        )
        .with("activation", "Tanh")
        .with("pads", vec![1i64; 4])
        .with("strides", vec![2i64, 1]),
    );
    cases.push(
        microsoft("FusedGemm", &[x(&[4, 3]), x(&[5, 4]), x(&[5])])
            .with("activation", "Sigmoid")
            .with("transA", 1i64)
            .with("transB", 1i64)
            .with("alpha", 0.5f32)
            .with("beta", 2f32),
    );
    cases.push(microsoft("FusedMatMul", &[x(&[2, 3]), x(&[3, 4])]));
    cases.push(microsoft("TransposeMatMul", &[x(&[3, 2]), x(&[3, 4])]).with("transA", 1i64));
    for (transposed, dims) in [(0i64, [3, 2, 4]), (1, [4, 2, 3])] {
        cases.push(
            microsoft("FusedMatMul", &[x(&dims), x(&[5, 2, 4])])
                .with("transBatchA", 1i64)
                .with("transA", transposed)
                .with("transBatchB", 1i64)
                .with("transB", 1i64),
        );
    }
    cases.push(
        microsoft("FusedMatMul", &[x(&[2, 4, 3]), x(&[2, 5, 4])])
            .with("transA", 1i64)
            .with("transB", 1i64)
            .with("alpha", 0.25f32),
    );
    cases.push(microsoft("FusedMatMul", &[x(&[3, 4]), x(&[2, 5, 4])]).with("transB", 1i64));
    cases
}

pub fn activations() -> Vec<Case> {
    let dims = [2, 3, 4];
    vec![
        microsoft("Gelu", &[x(&dims)]),
        microsoft("BiasGelu", &[x(&dims), x(&[4])]),
        microsoft("FastGelu", &[x(&dims)]),
        microsoft("FastGelu", &[x(&dims), x(&[4])]),
        microsoft("QuickGelu", &[x(&dims)]),
        microsoft("QuickGelu", &[x(&dims)]).with("alpha", 0.5f32),
    ]
}

pub fn normalization() -> Vec<Case> {
    let dims = [2, 3, 8];
    let (a, b, one) = (x(&dims), x(&dims), x(&[8]));
    vec![
        // Without a shift, ONNX Runtime 1.32 crashes.
        microsoft(
            "SkipLayerNormalization",
            &[a.clone(), b.clone(), one.clone(), one.clone()],
        ),
        microsoft(
            "SkipLayerNormalization",
            &[a.clone(), b.clone(), one.clone(), one.clone(), one.clone()],
        )
        .with("epsilon", 0.1f32),
        microsoft(
            "SkipLayerNormalization",
            &[
                a.clone(),
                x(&[1, 3, 8]),
                one.clone(),
                one.clone(),
                one.clone(),
            ],
        )
        .reads(&[0, 3], 4),
        microsoft(
            "SkipSimplifiedLayerNormalization",
            &[a.clone(), b.clone(), one.clone()],
        ),
        microsoft(
            "SkipSimplifiedLayerNormalization",
            &[a.clone(), b, one.clone(), one.clone()],
        )
        .with("epsilon", 0.1f32)
        .reads(&[0, 3], 4),
        case("SimplifiedLayerNormalization", &[a.clone(), one.clone()]),
        case("SimplifiedLayerNormalization", &[a, one])
            .with("epsilon", 0.1f32)
            .with("axis", -1i64),
    ]
}

/// Operators by other names.
pub fn renamed() -> Vec<Case> {
    let picture = [
        x(&[1, 2, 4, 4]),
        floats_of(&[1, 1, 2, 2], &[-0.3, 0.4, 0.8, -1.1]),
    ];
    let cropped = |sizes: &[i64]| case("CenterCropPad", &[x(&[2, 4, 5]), ints(sizes)]);
    let mut cases = vec![
        microsoft("ExpandDims", &[x(&[2, 3]), index32(&[], &[1])]),
        microsoft("ExpandDims", &[x(&[2, 3]), index32(&[], &[-1])]),
        microsoft("Pad", &[x(&[2, 3]), ints(&[1, 0, 0, 2]), Number(0.5)]),
        microsoft("Pad", &[x(&[2, 3]), ints(&[1, 0, 0, 2])]).with("mode", "edge"),
        microsoft("Trilu", &[x(&[3, 4])]),
        microsoft("Trilu", &[x(&[2, 3, 3]), index(&[], &[-1])]).with("upper", 0i64),
        cropped(&[2, 7, 2]),
        cropped(&[2, 3, 8]),
        cropped(&[2, 8]).with("axes", vec![-1i64, 1]),
    ];
    for mode in ["bilinear", "nearest", "bicubic"] {
        cases.push(
            microsoft("GridSample", &picture)
                .with("mode", mode)
                .with("padding_mode", "border"),
        );
    }
    cases
}

/// Weights of a few bits in blocks of sixteen, the last of which is not full.
pub fn blocks() -> Vec<Case> {
    let mut cases = Vec::new();
    for bits in [4i64, 8] {
        let bytes = 2 * bits as usize;
        let weights = Operand::Bytes(vec![3, 2, bytes]);
        let scales = positive_constant(&[6]);
        let own = |further: &[Operand]| {
            let operands = [x(&[2, 20]), weights.clone(), scales.clone()];
            microsoft("MatMulNBits", &[&operands[..], further].concat())
                .with("K", 20i64)
                .with("N", 3i64)
                .with("bits", bits)
                .with("block_size", 16i64)
        };
        let zero_points = Operand::Bytes(vec![3 * 2 * bits as usize / 8]);
        cases.push(own(&[]));
        cases.push(own(&[zero_points, Missing, x(&[3])]));
    }
    cases
}
