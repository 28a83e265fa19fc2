//! Attention: for each head, `softmax(scale · q kᵀ + bias) v`.
//!
//! The operators differ in the layout of queries, keys and values, and in how masks are specified. Each is first
//! converted to tensors (batch, heads, length, size), an additive bias and a boolean mask.

mod contrib;
mod masks;
mod standard;

pub use contrib::{multi_head, packed, quantized};
pub use standard::standard;

use crate::onnx::ElementType;
use crate::onnx::passes::decompose::context::{Context, Skipped};

/// Attention in normal form.
struct Attention {
    elem: ElementType,
    heads: i64,
    query: Part,
    key: Part,
    value: Part,
    /// `1/√size` by default.
    scale: Option<f32>,
    /// `c`: scores `s` become `c · tanh(s/c)`.
    soft_cap: Option<f32>,
    /// Added to the scores.
    bias: Option<String>,
    /// Boolean mask: whether a query attends to a key.
    allowed: Option<String>,
    /// The stage at which the scores are an output, and its name.
    scores_output: Option<(Stage, String)>,
    /// Whether the output is (batch, length, heads · size) instead of (batch, heads, length, size).
    merge_heads: bool,
}

/// Stages of the computation of the scores.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// `scale · q kᵀ`.
    Products,
    /// After the soft cap.
    Capped,
    /// After bias and mask.
    Masked,
    /// After the softmax.
    Weights,
}

/// Queries, keys or values as (batch, heads, length, size).
struct Part {
    name: String,
    length: usize,
    size: usize,
}

impl Part {
    /// Prepends `length` cached positions `past`, (batch, heads, length, size).
    fn prepend(&mut self, cx: &mut Context, past: &str, length: usize) {
        let inputs = [past, &self.name];
        self.name = cx.emit("Concat", &inputs, &[("axis", 2i64.into())]);
        self.length = self.length.saturating_add(length);
    }
}

impl Attention {
    /// Emits the attention and the outputs of the node.
    fn emit(self, cx: &mut Context) -> Result<(), Skipped> {
        let weights = self.weights(cx)?;
        let factors = [weights.as_str(), &self.value.name];
        if !self.merge_heads {
            return cx.emit_output("MatMul", &factors, &[]);
        }
        let product = cx.emit("MatMul", &factors, &[]);
        let merged = transpose(cx, &product, &[0, 2, 1, 3]);
        let dims = [0, 0, self.heads.saturating_mul(self.value.size as i64)];
        let dims = cx.ints(&dims);
        cx.emit_output("Reshape", &[&merged, &dims], &[])
    }

    /// The attention weights, (batch, heads, queries, keys).
    fn weights(&self, cx: &mut Context) -> Result<String, Skipped> {
        let default = 1.0 / (self.query.size as f64).sqrt();
        let scale = cx.scalar(self.elem, self.scale.map_or(default, f64::from))?;
        let key = transpose(cx, &self.key.name, &[0, 1, 3, 2]);
        let query = cx.emit("Mul", &[&self.query.name, &scale], &[]);
        let mut scores = cx.emit("MatMul", &[&query, &key], &[]);
        self.emit_scores(cx, Stage::Products, &scores)?;
        if let Some(cap) = self.soft_cap {
            let cap = cx.scalar(self.elem, cap.into())?;
            let scaled = cx.emit("Div", &[&scores, &cap], &[]);
            let bounded = cx.emit("Tanh", &[&scaled], &[]);
            scores = cx.emit("Mul", &[&bounded, &cap], &[]);
        }
        self.emit_scores(cx, Stage::Capped, &scores)?;
        if let Some(bias) = &self.bias {
            scores = cx.emit("Add", &[&scores, bias], &[]);
        }
        if let Some(allowed) = &self.allowed {
            let lowest = cx.scalar(self.elem, masks::lowest(self.elem))?;
            scores = cx.emit("Where", &[allowed, &scores, &lowest], &[]);
        }
        self.emit_scores(cx, Stage::Masked, &scores)?;
        let mut weights = cx.emit("Softmax", &[&scores], &[("axis", (-1i64).into())]);
        if let Some(allowed) = &self.allowed {
            // A query that attends to no key has uniform weights after the softmax.
            let zero = cx.scalar(self.elem, 0.0)?;
            weights = cx.emit("Where", &[allowed, &weights, &zero], &[]);
        }
        self.emit_scores(cx, Stage::Weights, &weights)?;
        Ok(weights)
    }

    /// Emits the scores output, if it is that of this stage.
    fn emit_scores(&self, cx: &mut Context, stage: Stage, scores: &str) -> Result<(), Skipped> {
        match &self.scores_output {
            Some((of_stage, name)) if *of_stage == stage => {
                cx.emit_as(name, "Identity", &[scores], &[])
            }
            _ => Ok(()),
        }
    }
}

fn transpose(cx: &mut Context, value: &str, permutation: &[i64]) -> String {
    cx.emit("Transpose", &[value], &[("perm", permutation.into())])
}

/// (batch, length, heads · size) as (batch, heads, length, size).
fn split_heads(
    cx: &mut Context,
    value: &str,
    heads: i64,
    (length, width): (usize, usize),
) -> Result<Part, Skipped> {
    let count = usize::try_from(heads).unwrap_or(0);
    if count == 0 || !width.is_multiple_of(count) {
        return Err(Skipped(format!(
            "its width {width} is not a multiple of its {heads} heads"
        )));
    }
    let size = width / count;
    let dims = cx.ints(&[0, 0, heads, size as i64]);
    let split = cx.emit("Reshape", &[value, &dims], &[]);
    let name = transpose(cx, &split, &[0, 2, 1, 3]);
    Ok(Part { name, length, size })
}

/// Prepends the cached keys and values, the inputs `past` and `past + 1`, and emits the updated caches, outputs 1 and
/// 2. Returns the number of cached positions.
fn apply_cache(cx: &mut Context, past: usize, parts: [&mut Part; 2]) -> Result<usize, Skipped> {
    let mut past_length = 0;
    for (index, part) in parts.into_iter().enumerate() {
        if let Some(past) = cx.optional_input(past + index) {
            let &[_, _, length, _] = cx.dims(past)?.as_slice() else {
                return Err(masks::unsupported_dims("past", &cx.dims(past)?));
            };
            part.prepend(cx, past, length);
            past_length = length;
        }
        if let Some(present) = cx.output(1 + index) {
            cx.emit_as(present, "Identity", &[&part.name], &[])?;
        }
    }
    Ok(past_length)
}

/// The last two dimensions of a value of rank 3.
fn length_and_width(cx: &Context, value: &str) -> Result<(usize, usize), Skipped> {
    match cx.dims(value)?.as_slice() {
        &[_, length, width] => Ok((length, width)),
        dims => Err(Skipped(format!("it has an input of dimensions {dims:?}"))),
    }
}
