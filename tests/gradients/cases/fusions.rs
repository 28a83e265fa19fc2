//! Fused operators, which are taken apart before they are differentiated.

use super::*;

fn microsoft(op: &'static str, operands: &[Operand]) -> Case {
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

pub fn attention() -> Vec<Case> {
    // Two pictures, five places, heads of four numbers.
    let (q, k, v) = (x(&[2, 5, 8]), x(&[2, 3, 8]), x(&[2, 3, 8]));
    let own = |operands: &[Operand]| case("Attention", operands).since(23);
    let heads = |of: Case, queries: i64, others: i64| {
        of.with("q_num_heads", queries).with("kv_num_heads", others)
    };
    let four = [x(&[2, 4, 5, 3]), x(&[2, 2, 6, 3]), x(&[2, 2, 6, 2])];
    vec![
        microsoft(
            "Attention",
            &[x(&[2, 5, 6]), constant(&[6, 24]), constant(&[24])],
        )
        .with("num_heads", 2i64),
        microsoft(
            "Attention",
            &[x(&[2, 5, 6]), constant(&[6, 24]), constant(&[24])],
        )
        .with("num_heads", 2i64)
        .with("scale", 0.3f32)
        .with("unidirectional", 1i64),
        microsoft(
            "Attention",
            &[
                x(&[2, 5, 6]),
                constant(&[6, 20]),
                constant(&[20]),
                Missing,
                Missing,
                x(&[1, 2, 5, 5]),
            ],
        )
        .with("num_heads", 2i64)
        .with("qkv_hidden_sizes", vec![8i64, 8, 4]),
        microsoft("MultiHeadAttention", &[q.clone(), k.clone(), v.clone()]).with("num_heads", 2i64),
        microsoft(
            "MultiHeadAttention",
            &[q.clone(), k.clone(), v.clone(), x(&[24])],
        )
        .with("num_heads", 2i64)
        .with("scale", 0.3f32),
        microsoft(
            "MultiHeadAttention",
            &[
                q.clone(),
                k.clone(),
                v.clone(),
                Missing,
                Missing,
                x(&[1, 2, 5, 3]),
            ],
        )
        .with("num_heads", 2i64),
        microsoft("MultiHeadAttention", &[q.clone(), q.clone(), q.clone()])
            .with("num_heads", 2i64)
            .with("unidirectional", 1i64),
        microsoft(
            "MultiHeadAttention",
            &[q.clone(), x(&[2, 2, 3, 4]), x(&[2, 2, 3, 4])],
        )
        .with("num_heads", 2i64),
        heads(own(&[q.clone(), k.clone(), v.clone()]), 2, 2),
        heads(own(&[q.clone(), x(&[2, 3, 4]), x(&[2, 3, 6])]), 2, 1).with("scale", 0.3f32),
        own(&four),
        own(&four).with("is_causal", 1i64),
        own(&[four.as_slice(), &[x(&[5, 6])]].concat()),
        own(&[four.as_slice(), &[flags(&[2, 1, 5, 6])]].concat()),
    ]
}

/// A form that is not taken apart.
/// Sequences of five steps, batches of two, three numbers a step, a state of four.
pub fn recurrent() -> Vec<Case> {
    let lstm = |directions: usize, further: &[Operand]| {
        let sequence = x(&[5, 2, 3]);
        let weights = [x(&[directions, 16, 3]), x(&[directions, 16, 4])];
        case("LSTM", &[&[sequence], &weights[..], further].concat()).with("hidden_size", 4i64)
    };
    let state = |directions: usize| x(&[directions, 2, 4]);
    let both = [x(&[2, 32]), Missing, state(2), state(2)];
    vec![
        lstm(1, &[]),
        lstm(1, &[constant(&[1, 32])])
            .with("direction", "reverse")
            .reads(&[0, 1, 2], 3),
        lstm(2, &both).with("direction", "bidirectional"),
        lstm(2, &both)
            .with("direction", "bidirectional")
            .reads(&[0, 1, 2], 3),
        lstm(1, &[Missing, Missing, state(1)]).reads(&[1], 2),
    ]
}

pub fn masked_attention() -> Case {
    let q = x(&[2, 5, 8]);
    let lengths = Operand::Index32(vec![2], vec![3, 5]);
    let operands = [q.clone(), q.clone(), q, Missing, lengths];
    microsoft("MultiHeadAttention", &operands).with("num_heads", 2i64)
}
