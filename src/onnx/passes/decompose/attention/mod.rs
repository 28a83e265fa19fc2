//! Attention: for each head, `softmax(scale · q kᵀ + bias) v`.
//!
//! The forms differ in how queries, keys and values come in, and in how they say who may attend to whom; all of them become
//! tensors (batch, heads, length, size), a bias and truth values first.

mod contrib;
mod masks;
mod standard;

pub use contrib::{multi_head, packed, quantized};
pub use standard::standard;

use crate::onnx::Elem;
use crate::onnx::passes::decompose::emitter::{Emitter, Skipped};

/// Queries, keys and values apart, and what becomes of the scores.
struct Attention {
    elem: Elem,
    heads: i64,
    query: Part,
    key: Part,
    value: Part,
    /// `1/√size` if it is not told.
    scale: Option<f32>,
    /// With `c` of it, scores `s` become `c · tanh(s/c)`.
    soft_cap: Option<f32>,
    /// A value that is added to the scores.
    bias: Option<String>,
    /// Truth values: whether a query attends to a key at all.
    allowed: Option<String>,
    /// What the scores are called where something reads them, and at which stage they are that.
    shown: Option<(Stage, String)>,
    /// Whether the result is (batch, length, heads · size).
    joined: bool,
}

/// How far scores have come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Products,
    Capped,
    Masked,
    Weights,
}

/// Queries, keys or values as (batch, heads, length, size).
struct Part {
    name: String,
    length: usize,
    size: usize,
}

impl Part {
    /// Puts `length` more before it, which were kept of an earlier run: (batch, heads, length, size).
    fn extend(&mut self, e: &mut Emitter, past: &str, length: usize) {
        let both = [past, &self.name];
        self.name = e.emit("Concat", &both, &[("axis", 2i64.into())]);
        self.length = self.length.saturating_add(length);
    }
}

impl Attention {
    /// Emits it; the last of its parts makes what the node made.
    fn finish(self, e: &mut Emitter) -> Result<(), Skipped> {
        let weights = self.weights(e)?;
        let factors = [weights.as_str(), &self.value.name];
        if !self.joined {
            e.finish("MatMul", &factors, &[]);
            return Ok(());
        }
        let made = e.emit("MatMul", &factors, &[]);
        let together = transposed(e, &made, &[0, 2, 1, 3]);
        let dims = [0, 0, self.heads.saturating_mul(self.value.size as i64)];
        let dims = e.ints(&dims);
        e.finish("Reshape", &[&together, &dims], &[]);
        Ok(())
    }

    /// How much each query attends to each key.
    fn weights(&self, e: &mut Emitter) -> Result<String, Skipped> {
        let root = 1.0 / (self.query.size as f64).sqrt();
        let scale = e.scalar(self.elem, self.scale.map_or(root, f64::from))?;
        let turned = transposed(e, &self.key.name, &[0, 1, 3, 2]);
        let query = e.emit("Mul", &[&self.query.name, &scale], &[]);
        let mut scores = e.emit("MatMul", &[&query, &turned], &[]);
        self.show(e, Stage::Products, &scores);
        if let Some(cap) = self.soft_cap {
            let cap = e.scalar(self.elem, cap.into())?;
            let share = e.emit("Div", &[&scores, &cap], &[]);
            let bounded = e.emit("Tanh", &[&share], &[]);
            scores = e.emit("Mul", &[&bounded, &cap], &[]);
        }
        self.show(e, Stage::Capped, &scores);
        if let Some(bias) = &self.bias {
            scores = e.emit("Add", &[&scores, bias], &[]);
        }
        if let Some(allowed) = &self.allowed {
            let lowest = e.scalar(self.elem, masks::lowest(self.elem))?;
            scores = e.emit("Where", &[allowed, &scores, &lowest], &[]);
        }
        self.show(e, Stage::Masked, &scores);
        let mut weights = e.emit("Softmax", &[&scores], &[("axis", (-1i64).into())]);
        if let Some(allowed) = &self.allowed {
            // Only a query that attends to nothing has weight left where it is not allowed.
            let zero = e.scalar(self.elem, 0.0)?;
            weights = e.emit("Where", &[allowed, &weights, &zero], &[]);
        }
        self.show(e, Stage::Weights, &weights);
        Ok(weights)
    }

    fn show(&self, e: &mut Emitter, stage: Stage, scores: &str) {
        if let Some((shown, name)) = &self.shown
            && *shown == stage
        {
            e.emit_as(name, "Identity", &[scores], &[]);
        }
    }
}

fn transposed(e: &mut Emitter, value: &str, order: &[i64]) -> String {
    e.emit("Transpose", &[value], &[("perm", order.into())])
}

/// (batch, length, heads · size) as (batch, heads, length, size).
fn split_heads(
    e: &mut Emitter,
    value: &str,
    heads: i64,
    (length, width): (usize, usize),
) -> Result<Part, Skipped> {
    let count = usize::try_from(heads).unwrap_or(0);
    if count == 0 || !width.is_multiple_of(count) {
        return Err(Skipped(format!("{heads} heads of {width} numbers")));
    }
    let size = width / count;
    let dims = e.ints(&[0, 0, heads, size as i64]);
    let apart = e.emit("Reshape", &[value, &dims], &[]);
    let name = transposed(e, &apart, &[0, 2, 1, 3]);
    Ok(Part { name, length, size })
}

/// Puts keys and values behind those of earlier runs, which are the inputs from `past` on, and shows both as the outputs 1
/// and 2 for later ones. Returns how many there were.
fn continued(e: &mut Emitter, past: usize, parts: [&mut Part; 2]) -> Result<usize, Skipped> {
    let mut before = 0;
    for (index, part) in parts.into_iter().enumerate() {
        if let Some(past) = e.optional(past + index) {
            let &[_, _, length, _] = e.dims(past)?.as_slice() else {
                return Err(masks::unreadable("past", &e.dims(past)?));
            };
            part.extend(e, past, length);
            before = length;
        }
        if let Some(present) = e.output(1 + index) {
            e.emit_as(present, "Identity", &[&part.name], &[]);
        }
    }
    Ok(before)
}

/// The last two of the three dimensions of a value.
fn length_and_width(e: &Emitter, value: &str) -> Result<(usize, usize), Skipped> {
    match e.dims(value)?.as_slice() {
        &[_, length, width] => Ok((length, width)),
        dims => Err(Skipped(format!("it reads a tensor of dimensions {dims:?}"))),
    }
}
