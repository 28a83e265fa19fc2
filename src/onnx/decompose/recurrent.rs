//! Recurrent networks, step by step. Every step becomes nodes of its own, so that the length of a sequence is bounded.
//!
//! Values within are (length, directions, batch, size); the directions of a bidirectional node take their steps together.

use super::emitter::{Emitter, Refusal};

/// Most steps of a sequence that is taken apart.
const MOST_STEPS: usize = 256;

/// Which way through a sequence each direction of a node goes.
enum Way {
    Forward,
    Reverse,
    Both,
}

impl Way {
    fn of(e: &Emitter) -> Result<Self, Refusal> {
        match e.node.string("direction").unwrap_or("forward") {
            "forward" => Ok(Self::Forward),
            "reverse" => Ok(Self::Reverse),
            "bidirectional" => Ok(Self::Both),
            other => Err(Refusal(format!("direction = {other:?}"))),
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Forward | Self::Reverse => 1,
            Self::Both => 2,
        }
    }

    /// The value with the sequence of each direction in the order of its steps, and back again.
    fn turned(&self, e: &mut Emitter, value: &str, steps: usize) -> String {
        match self {
            Self::Forward => value.to_owned(),
            Self::Reverse => reversed(e, value, steps),
            Self::Both => {
                let (axis, ones) = ([("axis", 1i64.into())], e.ints(&[1, 1]));
                let both = e.emit_many("Split", &[value, &ones], &axis, 2);
                let second = reversed(e, &both[1], steps);
                e.emit("Concat", &[&both[0], &second], &axis)
            }
        }
    }
}

/// With gates `i o f g` = `X Wᵀ + H Rᵀ + B`, four equal parts: `c' = σ(f) c + σ(i) tanh g`, `h' = σ(o) tanh c'`.
pub fn lstm(e: &mut Emitter) -> Result<(), Refusal> {
    let Form { way, steps, hidden } = Form::of(e)?;
    let gates = gates(e, &way, steps, hidden)?;
    let recurrence = matrices(e, 2)?;
    let (first, last) = ([("axis", 0i64.into())], [("axis", (-1i64).into())]);
    let zero = e.ints(&[0]);
    let mut initial = |index| {
        let given = e.optional(index);
        given.map(|value| e.emit("Unsqueeze", &[value, &zero], &[]))
    };
    let (mut h, mut c) = (initial(5), initial(6));
    let hidden = hidden as i64;
    let (three_and_one, thirds) = (e.ints(&[3 * hidden, hidden]), e.ints(&[hidden; 3]));
    let mut made = Vec::new();
    for mut gates in split(e, &gates, steps) {
        if let Some(h) = &h {
            let carried = e.emit("MatMul", &[h, &recurrence], &[]);
            gates = e.emit("Add", &[&gates, &carried], &[]);
        }
        let parts = e.emit_many("Split", &[&gates, &three_and_one], &last, 2);
        let open = e.emit("Sigmoid", &[&parts[0]], &[]);
        let open = e.emit_many("Split", &[&open, &thirds], &last, 3);
        let new = e.emit("Tanh", &[&parts[1]], &[]);
        let mut cell = e.emit("Mul", &[&open[0], &new], &[]);
        if let Some(c) = &c {
            let kept = e.emit("Mul", &[&open[2], c], &[]);
            cell = e.emit("Add", &[&kept, &cell], &[]);
        }
        let shown = e.emit("Tanh", &[&cell], &[]);
        let shown = e.emit("Mul", &[&open[1], &shown], &[]);
        made.push(shown.clone());
        (h, c) = (Some(shown), Some(cell));
    }
    for (index, end) in [(1, h), (2, c)] {
        if let (Some(name), Some(end)) = (e.output(index), end) {
            e.emit_as(name, "Squeeze", &[&end, &zero], &[]);
        }
    }
    if let Some(name) = e.output(0) {
        let made: Vec<&str> = made.iter().map(String::as_str).collect();
        let joined = e.emit("Concat", &made, &first);
        let joined = way.turned(e, &joined, steps);
        e.emit_as(name, "Identity", &[&joined], &[]);
    }
    e.name_last();
    Ok(())
}

/// How a node goes through its sequence.
struct Form {
    way: Way,
    steps: usize,
    /// Numbers of the state.
    hidden: usize,
}

impl Form {
    fn of(e: &Emitter) -> Result<Self, Refusal> {
        e.without_inputs(&[(4, "lengths of its sequences"), (7, "peepholes")])?;
        e.without_flags(&["input_forget", "layout"])?;
        let named = e.node.attribute_named("activations");
        let named = named.map_or(&[][..], |attribute| &attribute.strings);
        let usual = ["Sigmoid", "Tanh", "Tanh"].iter().cycle();
        if e.node.attribute_named("clip").is_some() || named.iter().zip(usual).any(|(a, b)| a != b)
        {
            return Err("it clips, or has activations other than the usual".into());
        }
        let way = Way::of(e)?;
        let (input, recurrence) = (e.dims(e.input(0)?)?, e.dims(e.input(2)?)?);
        let (&[steps, _, _], &[directions, size, hidden]) = (&input[..], &recurrence[..]) else {
            return Err("its input or its recurrence has not three axes".into());
        };
        if !(1..=MOST_STEPS).contains(&steps) {
            let why = format!("its sequence has {steps} steps; up to {MOST_STEPS} are taken apart");
            return Err(Refusal(why));
        }
        if directions != way.count() || hidden == 0 || size / 4 != hidden || size % 4 != 0 {
            return Err(Refusal(format!("its recurrence is of {recurrence:?}")));
        }
        Ok(Self { way, steps, hidden })
    }
}

/// `X Wᵀ + B` of all steps, in the order in which each direction takes them.
fn gates(e: &mut Emitter, way: &Way, steps: usize, hidden: usize) -> Result<String, Refusal> {
    let weight = matrices(e, 1)?;
    let one = e.ints(&[1]);
    let apart = e.emit("Unsqueeze", &[e.input(0)?, &one], &[]);
    let mut gates = e.emit("MatMul", &[&apart, &weight], &[]);
    if let Some(bias) = e.optional(3) {
        let halves = e.ints(&[4 * hidden as i64; 2]);
        let halves = e.emit_many("Split", &[bias, &halves], &[("axis", 1i64.into())], 2);
        let sum = e.emit("Add", &[&halves[0], &halves[1]], &[]);
        let bias = e.emit("Unsqueeze", &[&sum, &one], &[]);
        gates = e.emit("Add", &[&gates, &bias], &[]);
    }
    Ok(way.turned(e, &gates, steps))
}

/// Input `index`, a matrix a direction, with rows and columns exchanged.
fn matrices(e: &mut Emitter, index: usize) -> Result<String, Refusal> {
    let order = vec![0i64, 2, 1].into();
    Ok(e.emit("Transpose", &[e.input(index)?], &[("perm", order)]))
}

/// The steps of a sequence.
fn split(e: &mut Emitter, value: &str, steps: usize) -> Vec<String> {
    let ones = e.ints(&vec![1; steps]);
    e.emit_many("Split", &[value, &ones], &[("axis", 0i64.into())], steps)
}

/// The sequence from its end.
fn reversed(e: &mut Emitter, value: &str, steps: usize) -> String {
    let parts = split(e, value, steps);
    let parts: Vec<&str> = parts.iter().rev().map(String::as_str).collect();
    e.emit("Concat", &parts, &[("axis", 0i64.into())])
}
