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

/// Two pictures, five places of eight numbers, three places that are attended to; two heads.
fn multi_head(further: &[Operand]) -> Case {
    let parts = [x(&[2, 5, 8]), x(&[2, 3, 8]), x(&[2, 3, 8])];
    microsoft("MultiHeadAttention", &[&parts[..], further].concat()).with("num_heads", 2i64)
}

fn index32(dims: &[i64], values: &[i32]) -> Operand {
    Operand::Index32(dims.to_vec(), values.to_vec())
}

pub fn multi_head_attention() -> Vec<Case> {
    let (q, four) = (x(&[2, 5, 8]), x(&[2, 2, 3, 4]));
    let own =
        |operands: &[Operand]| microsoft("MultiHeadAttention", operands).with("num_heads", 2i64);
    let past = [Missing, four.clone(), four.clone()];
    let mut cases = vec![
        multi_head(&[]),
        multi_head(&[x(&[24])]).with("scale", 0.3f32),
        own(&[q.clone(), q.clone(), q.clone()]).with("unidirectional", 1i64),
        own(&[q.clone(), four.clone(), four.clone()]),
        multi_head(&[&[Missing, Missing], &past[..]].concat()).reads(&[0, 1, 2], 3),
        multi_head(
            &[
                &[
                    x(&[24]),
                    index32(&[2, 6], &[1, 1, 0, 1, 0, 1, 1, 0, 1, 1, 1, 1]),
                ],
                &past[..],
            ]
            .concat(),
        )
        .with("unidirectional", 1i64)
        .reads(&[0, 1, 2], 3),
    ];
    for bias in [[1, 1, 5, 3], [2, 1, 5, 3], [1, 2, 5, 3], [2, 2, 5, 3]] {
        cases.push(multi_head(&[Missing, Missing, x(&bias)]));
    }
    for mask in [
        index32(&[2], &[3, 2]),
        index32(&[2, 3], &[1, 0, 2, -1, 1, 1]),
        index32(&[2, 5, 3], &[1, 0, 1].repeat(10)),
    ] {
        let masked = multi_head(&[Missing, mask.clone(), x(&[1, 2, 5, 3])]);
        cases.push(masked.clone().with("mask_filter_value", -1f32));
        cases.push(masked.with("unidirectional", 1i64));
    }
    cases
}

pub fn packed_attention() -> Vec<Case> {
    let own = |width: usize, further: &[Operand]| {
        let projected = [x(&[2, 5, 6]), constant(&[6, width]), constant(&[width])];
        microsoft("Attention", &[&projected[..], further].concat()).with("num_heads", 2i64)
    };
    let past = x(&[2, 2, 2, 3, 4]);
    let mut cases = vec![
        own(24, &[]),
        own(24, &[])
            .with("scale", 0.3f32)
            .with("unidirectional", 1i64),
        own(20, &[Missing, Missing, x(&[1, 2, 5, 5])]).with("qkv_hidden_sizes", vec![8i64, 8, 4]),
        own(24, &[index32(&[2, 1], &[0, 1])]),
        microsoft("Attention", &[x(&[2, 5, 6]), x(&[6, 24])]).with("num_heads", 2i64),
        own(24, &[Missing, past.clone()]).reads(&[0, 1], 2),
        own(24, &[index32(&[2], &[7, 4]), past])
            .with("unidirectional", 1i64)
            .reads(&[0, 1], 2),
    ];
    for mask in [
        index32(&[2], &[3, 5]),
        index32(&[4], &[5, 3, 1, 2]),
        index32(&[2, 5], &[1, 0, 1, 1, 1, 0, 1, 1, 0, 1]),
        index32(&[2, 5, 5], &[1, 0, 1, 1, 1].repeat(10)),
    ] {
        let masked = own(24, &[mask]).with("mask_filter_value", -1f32);
        cases.push(masked.clone());
        cases.push(masked.with("unidirectional", 1i64));
    }
    cases
}

pub fn attention() -> Vec<Case> {
    let own = |operands: &[Operand]| case("Attention", operands).since(23);
    let heads = |of: Case, queries: i64, others: i64| {
        of.with("q_num_heads", queries).with("kv_num_heads", others)
    };
    let (q, k, v) = (x(&[2, 5, 8]), x(&[2, 3, 8]), x(&[2, 3, 8]));
    // Four heads of queries share two of keys and values.
    let four = |further: &[Operand]| {
        let parts = [x(&[2, 4, 5, 3]), x(&[2, 2, 6, 3]), x(&[2, 2, 6, 2])];
        own(&[&parts[..], further].concat())
    };
    let past = [x(&[2, 2, 3, 3]), x(&[2, 2, 3, 2])];
    let lengths = [Missing, Missing, ints(&[3, 6])];
    let mut cases = vec![
        heads(own(&[q.clone(), k, v]), 2, 2),
        heads(own(&[q, x(&[2, 3, 4]), x(&[2, 3, 6])]), 2, 1).with("scale", 0.3f32),
        heads(
            own(&[
                x(&[2, 5, 12]),
                x(&[2, 6, 6]),
                x(&[2, 6, 4]),
                Missing,
                past[0].clone(),
                past[1].clone(),
            ]),
            4,
            2,
        )
        .reads(&[0, 1, 2], 3),
        four(&[]),
        four(&[]).with("softcap", 0.5f32),
        four(&[&[Missing], &past[..]].concat())
            .with("is_causal", 1i64)
            .reads(&[0, 1, 2], 3),
        four(&[&[flags(&[5, 9])], &past[..]].concat())
            .with("is_causal", 1i64)
            .reads(&[0, 1, 2], 3),
        four(&[&[Missing], &lengths[..]].concat()).since(24),
        // The first two queries of the first picture attend to nothing.
        four(&[&[x(&[5, 6])], &lengths[..]].concat())
            .with("is_causal", 1i64)
            .since(24),
        four(&[]).with("left_window_size", 1i64).since(25),
        four(&[&[Missing], &past[..]].concat())
            .with("left_window_size", 2i64)
            .with("right_window_size", 1i64)
            .reads(&[0, 1, 2], 3)
            .since(25),
    ];
    for mask in [
        Missing,
        x(&[5, 6]),
        x(&[4, 5, 6]),
        flags(&[5, 6]),
        flags(&[2, 1, 5, 6]),
    ] {
        cases.push(four(&[mask.clone()]));
        cases.push(four(&[mask]).with("is_causal", 1i64));
    }
    for mode in 0..4i64 {
        let shown = four(&[x(&[5, 6])]).with("qk_matmul_output_mode", mode);
        cases.push(shown.clone().reads(&[0, 3], 4));
        cases.push(shown.with("softcap", 0.5f32).reads(&[0, 3], 4));
    }
    cases
}

/// A sequence of five steps, batches of two, three numbers a step, and a state of four in cells of `gates` gates.
fn recurrence(op: &'static str, gates: usize, directions: usize, further: &[Operand]) -> Case {
    let sequence = x(&[5, 2, 3]);
    let weights = [
        x(&[directions, 4 * gates, 3]),
        x(&[directions, 4 * gates, 4]),
    ];
    case(op, &[&[sequence], &weights[..], further].concat()).with("hidden_size", 4i64)
}

pub fn recurrent() -> Vec<Case> {
    let state = |directions: usize| x(&[directions, 2, 4]);
    let lengths = index32(&[2], &[3, 5]);
    let mut cases = Vec::new();
    for (op, gates) in [("GRU", 3), ("LSTM", 4), ("RNN", 1)] {
        let parts = if op == "LSTM" { 2 } else { 1 };
        let all: Vec<usize> = (0..=parts).collect();
        let states = |directions: usize| vec![state(directions); parts];
        let of = |directions: usize, lengths: &Operand, further: &[Operand]| {
            let bias = x(&[directions, 8 * gates]);
            let further = [&[bias, lengths.clone()], further].concat();
            recurrence(op, gates, directions, &further)
        };
        cases.push(recurrence(op, gates, 1, &[]));
        cases.push(of(1, &Missing, &[state(1)]).reads(&[1], 2));
        cases.push(
            of(1, &Missing, &[])
                .with("direction", "reverse")
                .reads(&all, parts + 1),
        );
        for lengths in [&Missing, &lengths] {
            let both = of(2, lengths, &states(2)).with("direction", "bidirectional");
            cases.push(both.clone());
            cases.push(both.reads(&all, parts + 1));
        }
        cases.push(
            of(1, &lengths, &[])
                .with("clip", 8f32)
                .reads(&all, parts + 1),
        );
    }
    for (operands, late) in [
        (vec![], 1i64),
        (vec![x(&[1, 24])], 1),
        (vec![x(&[1, 24]), Missing, state(1)], 1),
    ] {
        cases.push(recurrence("GRU", 3, 1, &operands).with("linear_before_reset", late));
    }
    cases.push(
        recurrence("GRU", 3, 2, &[x(&[2, 24]), lengths, state(2)])
            .with("direction", "bidirectional")
            .with("linear_before_reset", 1i64)
            .reads(&[0, 1], 2),
    );
    cases
}

/// Cells with other functions than the usual ones. They have kinks, so that nothing is carried from one step to the next
/// and each gate is one of the spaced numbers.
pub fn recurrent_functions() -> Vec<Case> {
    let one =
        |value: f64, count: usize| Operand::Floats(vec![1, count, 1], vec![value as f32; count]);
    let cell = |op: &'static str, gates: usize, functions: &[&str]| {
        let operands = [spaced(&[3, 4, 1]), one(1.0, gates), one(0.0, gates)];
        case(op, &operands).with("hidden_size", 1i64).with(
            "activations",
            functions
                .iter()
                .map(|name| name.to_string())
                .collect::<Vec<_>>(),
        )
    };
    let mut cases = Vec::new();
    for (function, numbers) in [
        ("Affine", 2),
        ("Elu", 1),
        ("HardSigmoid", 2),
        ("LeakyRelu", 1),
        ("Relu", 0),
        ("ScaledTanh", 2),
        ("Sigmoid", 0),
        ("Softplus", 0),
        ("Softsign", 0),
        ("ThresholdedRelu", 1),
    ] {
        let mut plain = cell("RNN", 1, &[function]);
        if numbers > 0 {
            plain = plain.with("activation_alpha", vec![0.5f32]);
        }
        if numbers > 1 {
            plain = plain.with("activation_beta", vec![0.25f32]);
        }
        cases.push(plain.clone());
        cases.push(plain.with("clip", 0.5f32));
    }
    for function in ["Elu", "HardSigmoid", "LeakyRelu"] {
        cases.push(cell("RNN", 1, &[function]));
    }
    cases.push(cell("GRU", 3, &["hardsigmoid", "Softsign"]).with("clip", 0.5f32));
    cases.push(
        cell("LSTM", 4, &["HardSigmoid", "ScaledTanh", "LeakyRelu"])
            .with("activation_alpha", vec![0.25f32, 2.0, 0.5])
            .with("activation_beta", vec![0.5f32, 0.75])
            .with("clip", 1f32),
    );
    cases
}

pub fn rotary() -> Vec<Case> {
    let (table, positions) = (x(&[9, 2]), index(&[2, 3], &[0, 4, 8, 2, 1, 3]));
    let own = |operands: &[Operand]| case("RotaryEmbedding", operands).since(23);
    let mut cases = Vec::new();
    for interleaved in [0i64, 1] {
        let four = [
            x(&[2, 3, 3, 4]),
            table.clone(),
            table.clone(),
            positions.clone(),
        ];
        let three = [x(&[2, 3, 12]), x(&[2, 3, 2]), x(&[2, 3, 2])];
        cases.push(own(&four).with("interleaved", interleaved));
        cases.push(
            own(&three)
                .with("interleaved", interleaved)
                .with("num_heads", 3i64),
        );
        cases.push(
            own(&three)
                .with("interleaved", interleaved)
                .with("num_heads", 2i64)
                .with("rotary_embedding_dim", 4i64),
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

/// A form that is not taken apart: the lengths of sequences that follow each other without padding.
pub fn cumulated_attention() -> Case {
    let lengths = index32(&[8], &[3, 2, 0, 5, 10, 0, 3, 6]);
    multi_head(&[Missing, lengths])
}
