//! Recurrent cells.

use super::*;

/// A sequence of five steps, batches of two, three numbers per step, and a state of four in cells of `gates` gates.
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
    let peepholes = x(&[2, 12]);
    for clip in [None, Some(8f32)] {
        let operands = [x(&[2, 32]), Missing, state(2), state(2), peepholes.clone()];
        let seeing = recurrence("LSTM", 4, 2, &operands)
            .with("direction", "bidirectional")
            .reads(&[0, 1, 2], 3);
        cases.push(clip.map_or(seeing.clone(), |clip| seeing.with("clip", clip)));
    }
    let coupled = recurrence("LSTM", 4, 1, &[x(&[1, 32]), Missing, state(1), state(1)])
        .with("input_forget", 1i64)
        .reads(&[0, 1, 2], 3);
    cases.push(coupled);
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

/// Cells with other functions than the usual ones. They have kinks, so that nothing is carried from one step to the
/// next and each gate is one of the spaced numbers.
pub fn functions() -> Vec<Case> {
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
