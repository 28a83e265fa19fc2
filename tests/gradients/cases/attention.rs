//! Attention in all its forms, with given positions.

use super::fusions::microsoft;
use super::*;

/// Two pictures, five places of eight numbers, three places that are attended to; two heads.
fn multi_head(further: &[Operand]) -> Case {
    let parts = [x(&[2, 5, 8]), x(&[2, 3, 8]), x(&[2, 3, 8])];
    microsoft("MultiHeadAttention", &[&parts[..], further].concat()).with("num_heads", 2i64)
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
        cases.push(four(std::slice::from_ref(&mask)));
        cases.push(four(&[mask]).with("is_causal", 1i64));
    }
    for mode in 0..4i64 {
        let shown = four(&[x(&[5, 6])]).with("qk_matmul_output_mode", mode);
        cases.push(shown.clone().reads(&[0, 3], 4));
        cases.push(shown.with("softcap", 0.5f32).reads(&[0, 3], 4));
    }
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
    let four = x(&[2, 3, 3, 4]);
    for positions in [positions, index(&[1], &[4])] {
        let operands = [four.clone(), positions, table.clone(), table.clone()];
        cases.push(microsoft("RotaryEmbedding", &operands));
    }
    let three = [x(&[2, 3, 12]), index(&[1], &[4]), table.clone(), table];
    cases.push(microsoft("RotaryEmbedding", &three).with("interleaved", 1i64));
    cases
}

/// A form that is not decomposed: the lengths of sequences that follow each other without padding.
pub fn cumulated_attention() -> Case {
    let lengths = index32(&[8], &[3, 2, 0, 5, 10, 0, 3, 6]);
    multi_head(&[Missing, lengths])
}
