//! Recurrent networks, step by step. Every step becomes nodes of its own, so that the length of a sequence is bounded.
//!
//! Values within are (length, directions, batch, size); the directions of a bidirectional node take their steps together.

mod activations;
mod cells;

pub use cells::{gru, lstm, rnn};

use crate::onnx::Elem;
use crate::onnx::passes::decompose::emitter::{Emitter, Skipped};
use crate::onnx::proto::TensorProto;
use activations::{Function, functions};

/// Most steps of a sequence that is taken apart.
const MOST_STEPS: usize = 256;

/// Which way through a sequence each direction of a node goes.
enum Way {
    Forward,
    Reverse,
    Both,
}

impl Way {
    fn of(e: &Emitter) -> Result<Self, Skipped> {
        match e.node.string("direction").unwrap_or("forward") {
            "forward" => Ok(Self::Forward),
            "reverse" => Ok(Self::Reverse),
            "bidirectional" => Ok(Self::Both),
            other => Err(Skipped(format!("direction = {other:?}"))),
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Forward | Self::Reverse => 1,
            Self::Both => 2,
        }
    }

    /// The value with the sequence of each direction in the order of its steps, and back again.
    fn turned(&self, e: &mut Emitter, value: &str, sequence: &Sequence) -> String {
        match self {
            Self::Forward => value.to_owned(),
            Self::Reverse => sequence.reversed(e, value),
            Self::Both => {
                let (axis, ones) = ([("axis", 1i64.into())], e.ints(&[1, 1]));
                let both = e.emit_many("Split", &[value, &ones], &axis, 2);
                let second = sequence.reversed(e, &both[1]);
                e.emit("Concat", &[&both[0], &second], &axis)
            }
        }
    }
}

/// The steps of a node, and how many of them each member of the batch has, if not all: a column (batch, 1).
struct Sequence {
    steps: usize,
    lengths: Option<String>,
}

impl Sequence {
    /// The sequence from its end.
    fn reversed(&self, e: &mut Emitter, value: &str) -> String {
        let Some(lengths) = &self.lengths else {
            let parts = split(e, value, self.steps);
            let parts: Vec<&str> = parts.iter().rev().map(String::as_str).collect();
            return e.emit("Concat", &parts, &[("axis", 0i64.into())]);
        };
        let places: Vec<i64> = (0..self.steps as i64).collect();
        let dims = [self.steps as i64, 1, 1, 1];
        let places = e.constant(TensorProto::from_i64("", &dims, &places));
        let one = e.ints(&[1]);
        let last = e.emit("Sub", &[lengths, &one], &[]);
        let from_end = e.emit("Sub", &[&last, &places], &[]);
        let within = e.emit("Less", &[&places, lengths], &[]);
        let order = e.emit("Where", &[&within, &from_end, &places], &[]);
        let dims = e.emit("Shape", &[value], &[]);
        let order = e.emit("Expand", &[&order, &dims], &[]);
        e.emit("GatherElements", &[value, &order], &[("axis", 0i64.into())])
    }

    /// Whether each member of the batch has the step, where they differ.
    fn reaches(&self, e: &mut Emitter, step: usize) -> Option<String> {
        let lengths = self.lengths.as_ref()?;
        let step = e.constant(TensorProto::from_i64("", &[], &[step as i64]));
        Some(e.emit("Less", &[&step, lengths], &[]))
    }
}

/// How a node goes through its sequence, and what its steps do.
struct Form {
    way: Way,
    sequence: Sequence,
    /// Numbers of the state.
    hidden: usize,
    elem: Elem,
    functions: Vec<Function>,
    /// The largest absolute number that a function is given.
    clip: Option<f32>,
}

impl Form {
    /// Of a node with `gates` gates whose functions are `usual` unless it tells others.
    fn of(e: &mut Emitter, gates: usize, usual: &[&'static str]) -> Result<Self, Skipped> {
        e.without_flags(&["layout"])?;
        let way = Way::of(e)?;
        let elem = e.elem(e.input(0)?)?;
        let (input, recurrence) = (e.dims(e.input(0)?)?, e.dims(e.input(2)?)?);
        let (&[steps, _, _], &[directions, size, hidden]) = (&input[..], &recurrence[..]) else {
            return Err("its input or its recurrence has not three axes".into());
        };
        if !(1..=MOST_STEPS).contains(&steps) {
            let why = format!("its sequence has {steps} steps; up to {MOST_STEPS} are taken apart");
            return Err(Skipped(why));
        }
        if directions != way.count() || hidden == 0 || Some(size) != hidden.checked_mul(gates) {
            return Err(Skipped(format!("its recurrence is of {recurrence:?}")));
        }
        let functions = functions(e, usual, directions)?;
        let lengths = e.optional(4).map(|lengths| {
            let to = i64::from(Elem::I64.code());
            let lengths = e.emit("Cast", &[lengths], &[("to", to.into())]);
            let one = e.ints(&[1]);
            e.emit("Unsqueeze", &[&lengths, &one], &[])
        });
        Ok(Self {
            way,
            sequence: Sequence { steps, lengths },
            hidden,
            elem,
            functions,
            clip: e.node.float("clip").filter(|&clip| clip > 0.0),
        })
    }

    /// Function `index` of `value`, clipped.
    fn function(&self, e: &mut Emitter, index: usize, value: &str) -> Result<String, Skipped> {
        let Some(clip) = self.clip else {
            return self.functions[index].of(e, value, self.elem);
        };
        let bounds = [-clip, clip].map(|bound| e.scalar(self.elem, bound.into()));
        let [low, high] = bounds;
        let clipped = e.emit("Clip", &[value, &low?, &high?], &[]);
        self.functions[index].of(e, &clipped, self.elem)
    }

    /// What is added to `X Wᵀ`, and to `h Rᵀ`: (directions, 1, size).
    fn biases(&self, e: &mut Emitter) -> Result<Option<[String; 2]>, Skipped> {
        let Some(bias) = e.optional(3) else {
            return Ok(None);
        };
        let &[_, both] = e.dims(bias)?.as_slice() else {
            return Err("its bias has not two axes".into());
        };
        let halves = e.ints(&[(both / 2) as i64; 2]);
        let halves = e.emit_many("Split", &[bias, &halves], &[("axis", 1i64.into())], 2);
        let one = e.ints(&[1]);
        let column = |half: &String| e.emit("Unsqueeze", &[half, &one], &[]);
        Ok(<[String; 2]>::try_from(halves.iter().map(column).collect::<Vec<_>>()).ok())
    }

    /// `X Wᵀ + B` of all steps, in the order in which each direction takes them.
    fn inputs(&self, e: &mut Emitter) -> Result<String, Skipped> {
        let bias = self.biases(e)?;
        let bias = bias.map(|[outer, inner]| e.emit("Add", &[&outer, &inner], &[]));
        self.inputs_with(e, bias.as_deref())
    }

    fn inputs_with(&self, e: &mut Emitter, bias: Option<&str>) -> Result<String, Skipped> {
        let weight = matrices(e, 1)?;
        let one = e.ints(&[1]);
        let apart = e.emit("Unsqueeze", &[e.input(0)?, &one], &[]);
        let mut gates = e.emit("MatMul", &[&apart, &weight], &[]);
        if let Some(bias) = bias {
            gates = e.emit("Add", &[&gates, bias], &[]);
        }
        Ok(self.way.turned(e, &gates, &self.sequence))
    }
}

/// What each part of the state is; none at the beginning stands for zeros.
type State = Vec<Option<String>>;

/// Takes the steps of a node. `step` is given what one reads and the state of `count` parts, and returns the next state,
/// whose first part is what the node shows.
fn run(
    e: &mut Emitter,
    form: &Form,
    inputs: &str,
    count: usize,
    mut step: impl FnMut(&mut Emitter, String, &State) -> Result<Vec<String>, Skipped>,
) -> Result<(), Skipped> {
    let zero = e.ints(&[0]);
    let nothing = e.scalar(form.elem, 0.0)?;
    let mut state: State = Vec::with_capacity(count);
    for index in 0..count {
        let given = e.optional(5 + index);
        state.push(given.map(|value| e.emit("Unsqueeze", &[value, &zero], &[])));
    }
    let mut shown = Vec::new();
    for (number, gates) in split(e, inputs, form.sequence.steps)
        .into_iter()
        .enumerate()
    {
        let mut next = step(e, gates, &state)?;
        let mut show = next[0].clone();
        if let Some(reached) = form.sequence.reaches(e, number) {
            show = e.emit("Where", &[&reached, &show, &nothing], &[]);
            for (new, old) in next.iter_mut().zip(&state) {
                let old = old.as_ref().unwrap_or(&nothing);
                *new = e.emit("Where", &[&reached, new, old], &[]);
            }
        }
        shown.push(show);
        state = next.into_iter().map(Some).collect();
    }
    for (index, end) in state.iter().enumerate() {
        if let (Some(name), Some(end)) = (e.output(1 + index), end) {
            e.emit_as(name, "Squeeze", &[end, &zero], &[]);
        }
    }
    if let Some(name) = e.output(0) {
        let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
        let joined = e.emit("Concat", &shown, &[("axis", 0i64.into())]);
        let joined = form.way.turned(e, &joined, &form.sequence);
        e.emit_as(name, "Identity", &[&joined], &[]);
    }
    e.name_last();
    Ok(())
}

/// Input `index`, a matrix a direction, with rows and columns exchanged.
fn matrices(e: &mut Emitter, index: usize) -> Result<String, Skipped> {
    let order = vec![0i64, 2, 1].into();
    Ok(e.emit("Transpose", &[e.input(index)?], &[("perm", order)]))
}

/// The steps of a sequence.
fn split(e: &mut Emitter, value: &str, steps: usize) -> Vec<String> {
    let ones = e.ints(&vec![1; steps]);
    e.emit_many("Split", &[value, &ones], &[("axis", 0i64.into())], steps)
}
