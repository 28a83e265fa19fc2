//! Attention: for each head, `softmax(scale · q kᵀ + bias) v`.
//!
//! The forms differ in how queries, keys and values come in; all of them become tensors (batch, heads, length, size) first.

use super::emitter::{Emitter, Refusal};
use crate::onnx::Elem;
use crate::onnx::proto::TensorProto;

/// Added to a score that is masked, where the node does not tell another number.
const MASKED: f32 = -10_000.0;

/// Queries, keys and values apart, and what becomes of the scores.
struct Attention {
    elem: Elem,
    heads: i64,
    query: Part,
    key: Part,
    value: Part,
    scale: Option<f32>,
    /// A value that is added to the scores.
    bias: Option<String>,
    /// Added to the scores of keys that come after their query.
    later: Option<f32>,
    /// Whether the result is (batch, length, heads · size).
    joined: bool,
}

/// Queries, keys or values as (batch, heads, length, size).
struct Part {
    name: String,
    length: usize,
    size: usize,
}

impl Attention {
    fn finish(self, e: &mut Emitter) -> Result<(), Refusal> {
        let root = 1.0 / (self.query.size as f64).sqrt();
        let scale = self.scale.map_or(root, f64::from);
        let scale = e.scalar(self.elem, scale)?;
        let turned = transposed(e, &self.key.name, &[0, 1, 3, 2]);
        let query = e.emit("Mul", &[&self.query.name, &scale], &[]);
        let mut scores = e.emit("MatMul", &[&query, &turned], &[]);
        if let Some(bias) = &self.bias {
            scores = e.emit("Add", &[&scores, bias], &[]);
        }
        if let Some(later) = self.later {
            let mask = causal(e, self.query.length, self.key.length, later, self.elem)?;
            scores = e.emit("Add", &[&scores, &mask], &[]);
        }
        let weights = e.emit("Softmax", &[&scores], &[("axis", (-1i64).into())]);
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
}

fn transposed(e: &mut Emitter, value: &str, order: &[i64]) -> String {
    e.emit("Transpose", &[value], &[("perm", order.into())])
}

/// A mask (queries, keys) of zeros with `later` right of the diagonal.
fn causal(
    e: &mut Emitter,
    queries: usize,
    keys: usize,
    later: f32,
    elem: Elem,
) -> Result<String, Refusal> {
    let later = e.scalar(elem, later.into())?;
    let dims = e.ints(&[queries as i64, keys as i64]);
    let all = e.emit("Expand", &[&later, &dims], &[]);
    let above = e.constant(TensorProto::from_i64("", &[], &[1]));
    Ok(e.emit("Trilu", &[&all, &above], &[("upper", 1i64.into())]))
}

/// (batch, length, heads · size) as (batch, heads, length, size).
fn split_heads(
    e: &mut Emitter,
    value: &str,
    heads: i64,
    length: usize,
    width: usize,
) -> Result<Part, Refusal> {
    let count = usize::try_from(heads).unwrap_or(0);
    if count == 0 || !width.is_multiple_of(count) {
        return Err(Refusal(format!("{heads} heads of {width} numbers")));
    }
    let size = width / count;
    let dims = e.ints(&[0, 0, heads, size as i64]);
    let apart = e.emit("Reshape", &[value, &dims], &[]);
    let name = transposed(e, &apart, &[0, 2, 1, 3]);
    Ok(Part { name, length, size })
}

/// The last two of the three dimensions of a value.
fn length_and_width(e: &Emitter, value: &str) -> Result<(usize, usize), Refusal> {
    match e.dims(value)?.as_slice() {
        &[_, length, width] => Ok((length, width)),
        dims => Err(Refusal(format!("it reads a tensor of dimensions {dims:?}"))),
    }
}

fn later(e: &Emitter) -> Option<f32> {
    let causal = e.node.int("unidirectional").unwrap_or(0) != 0;
    causal.then(|| e.node.float("mask_filter_value").unwrap_or(MASKED))
}

/// ONNX Runtime's scale: 0 stands for the usual one.
fn scale(e: &Emitter) -> Option<f32> {
    e.node.float("scale").filter(|&scale| scale != 0.0)
}

/// Of `com.microsoft`: queries, keys and values are one product with the weights.
pub fn packed(e: &mut Emitter) -> Result<(), Refusal> {
    e.without_inputs(&[(3, "a mask"), (4, "a past"), (6, "a past")])?;
    e.without_outputs(&[(1, "present")])?;
    e.without_flags(&["do_rotary"])?;
    let (input, weight) = (e.input(0)?, e.input(1)?);
    let (elem, heads) = (e.elem(input)?, e.node.int("num_heads").unwrap_or(0));
    let (length, _) = length_and_width(e, input)?;
    let all = e.dims(weight)?.last().copied().unwrap_or(0);
    let third = (all / 3) as i64;
    let widths = e
        .node
        .ints("qkv_hidden_sizes")
        .unwrap_or(&[third; 3])
        .to_vec();
    let whole: Option<Vec<usize>> = widths.iter().map(|&w| usize::try_from(w).ok()).collect();
    let &[q, k, v] = whole.as_deref().unwrap_or_default() else {
        return Err(Refusal(format!("qkv_hidden_sizes = {widths:?}")));
    };
    if q.checked_add(k).and_then(|sum| sum.checked_add(v)) != Some(all) {
        return Err(Refusal(format!("qkv_hidden_sizes = {widths:?}")));
    }
    let mut product = e.emit("MatMul", &[input, weight], &[]);
    if let Some(bias) = e.optional(2) {
        product = e.emit("Add", &[&product, bias], &[]);
    }
    let widths = e.ints(&widths);
    let parts = e.emit_many(
        "Split",
        &[&product, &widths],
        &[("axis", (-1i64).into())],
        3,
    );
    let query = split_heads(e, &parts[0], heads, length, q)?;
    let key = split_heads(e, &parts[1], heads, length, k)?;
    let value = split_heads(e, &parts[2], heads, length, v)?;
    joined(e, elem, heads, [query, key, value])
}

/// What `com.microsoft`'s forms have in common, once there are queries, keys and values.
fn joined(e: &mut Emitter, elem: Elem, heads: i64, parts: [Part; 3]) -> Result<(), Refusal> {
    let [query, key, value] = parts;
    Attention {
        elem,
        heads,
        query,
        key,
        value,
        scale: scale(e),
        bias: e.optional(5).map(str::to_owned),
        later: later(e),
        joined: true,
    }
    .finish(e)
}

/// Of `com.microsoft`: queries, keys and values are three inputs; one bias for all.
pub fn multi_head(e: &mut Emitter) -> Result<(), Refusal> {
    e.without_inputs(&[(4, "a mask"), (6, "a past"), (7, "a past"), (9, "a cache")])?;
    e.without_outputs(&[(1, "present"), (2, "present"), (3, "scores")])?;
    let heads = e.node.int("num_heads").unwrap_or(0);
    let elem = e.elem(e.input(0)?)?;
    let mut first = 0i64;
    let mut parts = Vec::new();
    for index in 0..3 {
        let own = e.optional(index);
        let own = own.ok_or("queries, keys and values are packed into one input")?;
        if let &[_, _, length, size] = e.dims(own)?.as_slice() {
            if e.optional(3).is_some() {
                return Err("keys that are split into heads have a bias".into());
            }
            let name = own.to_owned();
            parts.push(Part { name, length, size });
            continue;
        }
        let (length, width) = length_and_width(e, own)?;
        let mut value = own.to_owned();
        if let Some(bias) = e.optional(3) {
            let last = first.saturating_add(width as i64);
            let ends = [first, last].map(|end| e.ints(&[end]));
            let bias = e.emit("Slice", &[bias, &ends[0], &ends[1]], &[]);
            value = e.emit("Add", &[&value, &bias], &[]);
            first = last;
        }
        parts.push(split_heads(e, &value, heads, length, width)?);
    }
    let [query, key, value] = <[Part; 3]>::try_from(parts).map_err(|_| "it lacks an input")?;
    joined(e, elem, heads, [query, key, value])
}

/// ONNX's own: several heads of queries may share one of keys and values; a mask of truth values or numbers.
pub fn standard(e: &mut Emitter) -> Result<(), Refusal> {
    e.without_inputs(&[(4, "a past"), (5, "a past"), (6, "lengths without padding")])?;
    e.without_outputs(&[(1, "present"), (2, "present"), (3, "scores")])?;
    if e.node.float("softcap").unwrap_or(0.0) != 0.0 {
        return Err("it has a soft cap".into());
    }
    let elem = e.elem(e.input(0)?)?;
    let joined = e.dims(e.input(0)?)?.len() == 3;
    let mut counts = Vec::new();
    let mut parts = Vec::new();
    for (index, heads) in [(0, "q_num_heads"), (1, "kv_num_heads"), (2, "kv_num_heads")] {
        let own = e.input(index)?;
        if let &[_, count, length, size] = e.dims(own)?.as_slice() {
            let name = own.to_owned();
            parts.push(Part { name, length, size });
            counts.push(count as i64);
            continue;
        }
        let (length, width) = length_and_width(e, own)?;
        let heads = e.node.int(heads).unwrap_or(0);
        parts.push(split_heads(e, own, heads, length, width)?);
        counts.push(heads);
    }
    let [query, mut key, mut value] =
        <[Part; 3]>::try_from(parts).map_err(|_| "it lacks an input")?;
    for (part, &count) in [&mut key, &mut value].into_iter().zip(&counts[1..]) {
        share(e, part, counts[0], count)?;
    }
    let lowest = match elem {
        Elem::F16 => -65504.0,
        _ => f32::MIN,
    };
    let bias = match e.optional(3) {
        Some(mask) if e.elem(mask)? == Elem::Bool => {
            let (open, shut) = (e.scalar(elem, 0.0)?, e.scalar(elem, lowest.into())?);
            Some(e.emit("Where", &[mask, &open, &shut], &[]))
        }
        mask => mask.map(str::to_owned),
    };
    let causal = e.node.int("is_causal").unwrap_or(0) != 0;
    Attention {
        elem,
        heads: counts[0],
        query,
        key,
        value,
        scale: e.node.float("scale"),
        bias,
        later: causal.then_some(lowest),
        joined,
    }
    .finish(e)
}

/// Repeats each head of keys or values for all heads of queries that share it.
fn share(e: &mut Emitter, part: &mut Part, queries: i64, own: i64) -> Result<(), Refusal> {
    if queries == own {
        return Ok(());
    }
    if own < 1 || queries % own != 0 {
        return Err(Refusal(format!("{queries} heads share {own}")));
    }
    let (length, size) = (part.length as i64, part.size as i64);
    let axis = e.ints(&[2]);
    let apart = e.emit("Unsqueeze", &[&part.name, &axis], &[]);
    let copies = e.ints(&[1, 1, queries / own, 1, 1]);
    let repeated = e.emit("Expand", &[&apart, &copies], &[]);
    let dims = e.ints(&[0, queries, length, size]);
    part.name = e.emit("Reshape", &[&repeated, &dims], &[]);
    Ok(())
}
