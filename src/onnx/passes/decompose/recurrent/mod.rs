//! Recurrent layers, unrolled: each time step becomes separate nodes, so that the sequence length is limited.
//!
//! Internal values have dimensions (length, directions, batch, size); both directions of a bidirectional layer are
//! computed together.

mod activations;
mod cells;

pub use cells::{gru, lstm, rnn};

use crate::onnx::ElementType;
use crate::onnx::passes::decompose::context::{Context, Skipped};
use crate::onnx::proto::TensorProto;
use activations::{Activation, activations};

/// Maximum number of time steps.
const MAX_STEPS: usize = 256;

/// The `direction` attribute.
enum Direction {
    Forward,
    Reverse,
    Both,
}

impl Direction {
    fn new(cx: &Context) -> Result<Self, Skipped> {
        match cx.node.string("direction").unwrap_or("forward") {
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

    /// Reverses the sequence of the reverse direction; a second application restores it.
    fn oriented(&self, cx: &mut Context, value: &str, sequence: &Sequence) -> String {
        match self {
            Self::Forward => value.to_owned(),
            Self::Reverse => sequence.reversed(cx, value),
            Self::Both => {
                let (axis, ones) = ([("axis", 1i64.into())], cx.ints(&[1, 1]));
                let both = cx.emit_many("Split", &[value, &ones], &axis, 2);
                let second = sequence.reversed(cx, &both[1]);
                cx.emit("Concat", &[&both[0], &second], &axis)
            }
        }
    }
}

/// The time steps of a layer.
struct Sequence {
    steps: usize,
    /// The length of each batch entry, (batch, 1), if they differ.
    lengths: Option<String>,
}

impl Sequence {
    /// The sequence in reverse order; each batch entry is reversed within its length.
    fn reversed(&self, cx: &mut Context, value: &str) -> String {
        let Some(lengths) = &self.lengths else {
            let parts = split(cx, value, self.steps);
            let parts: Vec<&str> = parts.iter().rev().map(String::as_str).collect();
            return cx.emit("Concat", &parts, &[("axis", 0i64.into())]);
        };
        let positions: Vec<i64> = (0..self.steps as i64).collect();
        let dims = [self.steps as i64, 1, 1, 1];
        let positions = cx.constant(TensorProto::from_i64("", &dims, &positions));
        let one = cx.ints(&[1]);
        let last = cx.emit("Sub", &[lengths, &one], &[]);
        let from_end = cx.emit("Sub", &[&last, &positions], &[]);
        let within = cx.emit("Less", &[&positions, lengths], &[]);
        let order = cx.emit("Where", &[&within, &from_end, &positions], &[]);
        let dims = cx.emit("Shape", &[value], &[]);
        let order = cx.emit("Expand", &[&order, &dims], &[]);
        cx.emit("GatherElements", &[value, &order], &[("axis", 0i64.into())])
    }

    /// Whether each batch entry has the step, (batch, 1), if lengths differ.
    fn is_active(&self, cx: &mut Context, step: usize) -> Option<String> {
        let lengths = self.lengths.as_ref()?;
        let step = cx.constant(TensorProto::from_i64("", &[], &[step as i64]));
        Some(cx.emit("Less", &[&step, lengths], &[]))
    }
}

/// Parameters of a recurrent layer.
struct Recurrence {
    direction: Direction,
    sequence: Sequence,
    /// Size of the hidden state.
    hidden: usize,
    elem: ElementType,
    activations: Vec<Activation>,
    /// Bound on the absolute value of the inputs of activations.
    clip: Option<f32>,
}

impl Recurrence {
    /// Of a layer with `gates` gates and these default activations.
    fn new(cx: &mut Context, gates: usize, defaults: &[&'static str]) -> Result<Self, Skipped> {
        cx.reject_flags(&["layout"])?;
        let direction = Direction::new(cx)?;
        let elem = cx.elem(cx.input(0)?)?;
        let (input, recurrence) = (cx.dims(cx.input(0)?)?, cx.dims(cx.input(2)?)?);
        let (&[steps, _, _], &[directions, size, hidden]) = (&input[..], &recurrence[..]) else {
            return Err("its input or recurrence weights do not have rank 3".into());
        };
        if !(1..=MAX_STEPS).contains(&steps) {
            let why =
                format!("its sequence has {steps} time steps; up to {MAX_STEPS} are supported");
            return Err(Skipped(why));
        }
        if directions != direction.count() || hidden == 0 || Some(size) != hidden.checked_mul(gates)
        {
            return Err(Skipped(format!(
                "its recurrence weights have dimensions {recurrence:?}"
            )));
        }
        let activations = activations(cx, defaults, directions)?;
        let lengths = cx.optional_input(4).map(|lengths| {
            let to = i64::from(ElementType::I64.code());
            let lengths = cx.emit("Cast", &[lengths], &[("to", to.into())]);
            let one = cx.ints(&[1]);
            cx.emit("Unsqueeze", &[&lengths, &one], &[])
        });
        Ok(Self {
            direction,
            sequence: Sequence { steps, lengths },
            hidden,
            elem,
            activations,
            clip: cx.node.float("clip").filter(|&clip| clip > 0.0),
        })
    }

    /// Activation `index` of the clipped `value`.
    fn activation(&self, cx: &mut Context, index: usize, value: &str) -> Result<String, Skipped> {
        let Some(clip) = self.clip else {
            return self.activations[index].emit(cx, value, self.elem);
        };
        let bounds = [-clip, clip].map(|bound| cx.scalar(self.elem, bound.into()));
        let [low, high] = bounds;
        let clipped = cx.emit("Clip", &[value, &low?, &high?], &[]);
        self.activations[index].emit(cx, &clipped, self.elem)
    }

    /// `X Wᵀ + B` of all time steps, in the order of each direction.
    fn inputs(&self, cx: &mut Context) -> Result<String, Skipped> {
        let bias = biases(cx)?;
        let bias = bias.map(|[outer, inner]| cx.emit("Add", &[&outer, &inner], &[]));
        self.inputs_with(cx, bias.as_deref())
    }

    fn inputs_with(&self, cx: &mut Context, bias: Option<&str>) -> Result<String, Skipped> {
        let weight = matrices(cx, 1)?;
        let one = cx.ints(&[1]);
        let input = cx.emit("Unsqueeze", &[cx.input(0)?, &one], &[]);
        let mut gates = cx.emit("MatMul", &[&input, &weight], &[]);
        if let Some(bias) = bias {
            gates = cx.emit("Add", &[&gates, bias], &[]);
        }
        Ok(self.direction.oriented(cx, &gates, &self.sequence))
    }
}

/// The state of a cell: hidden state, and cell state of an LSTM. `None` is an initial state of zeros.
type State = Vec<Option<String>>;

/// Unrolls a layer and emits its outputs. `step` receives `X Wᵀ + B` of a time step and the state of `count` values,
/// and returns the next state, hidden state first.
fn run(
    cx: &mut Context,
    layer: &Recurrence,
    inputs: &str,
    count: usize,
    mut step: impl FnMut(&mut Context, String, &State) -> Result<Vec<String>, Skipped>,
) -> Result<(), Skipped> {
    let zero = cx.ints(&[0]);
    let padding = cx.scalar(layer.elem, 0.0)?;
    let mut state: State = Vec::with_capacity(count);
    for index in 0..count {
        let initial = cx.optional_input(5 + index);
        state.push(initial.map(|value| cx.emit("Unsqueeze", &[value, &zero], &[])));
    }
    let mut outputs = Vec::new();
    for (index, gates) in split(cx, inputs, layer.sequence.steps)
        .into_iter()
        .enumerate()
    {
        let mut next = step(cx, gates, &state)?;
        let mut output = next[0].clone();
        if let Some(is_active) = layer.sequence.is_active(cx, index) {
            output = cx.emit("Where", &[&is_active, &output, &padding], &[]);
            for (new, old) in next.iter_mut().zip(&state) {
                let old = old.as_ref().unwrap_or(&padding);
                *new = cx.emit("Where", &[&is_active, new, old], &[]);
            }
        }
        outputs.push(output);
        state = next.into_iter().map(Some).collect();
    }
    for (index, last) in state.iter().enumerate() {
        if let (Some(name), Some(last)) = (cx.output(1 + index), last) {
            cx.emit_as(name, "Squeeze", &[last, &zero], &[])?;
        }
    }
    if let Some(name) = cx.output(0) {
        let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
        let joined = cx.emit("Concat", &outputs, &[("axis", 0i64.into())]);
        let joined = layer.direction.oriented(cx, &joined, &layer.sequence);
        cx.emit_as(name, "Identity", &[&joined], &[])?;
    }
    cx.name_last();
    Ok(())
}

/// The biases of `X Wᵀ` and `h Rᵀ`, (directions, 1, gates · hidden) each.
fn biases(cx: &mut Context) -> Result<Option<[String; 2]>, Skipped> {
    let Some(bias) = cx.optional_input(3) else {
        return Ok(None);
    };
    let &[_, both] = cx.dims(bias)?.as_slice() else {
        return Err("its bias does not have rank 2".into());
    };
    let halves = cx.ints(&[(both / 2) as i64; 2]);
    let halves = cx.emit_many("Split", &[bias, &halves], &[("axis", 1i64.into())], 2);
    let one = cx.ints(&[1]);
    let column = |half: &String| cx.emit("Unsqueeze", &[half, &one], &[]);
    Ok(<[String; 2]>::try_from(halves.iter().map(column).collect::<Vec<_>>()).ok())
}

/// Input `index`, one matrix per direction, transposed.
fn matrices(cx: &mut Context, index: usize) -> Result<String, Skipped> {
    let order = vec![0i64, 2, 1].into();
    Ok(cx.emit("Transpose", &[cx.input(index)?], &[("perm", order)]))
}

/// Splits a sequence into its time steps.
fn split(cx: &mut Context, value: &str, steps: usize) -> Vec<String> {
    let ones = cx.ints(&vec![1; steps]);
    cx.emit_many("Split", &[value, &ones], &[("axis", 0i64.into())], steps)
}
