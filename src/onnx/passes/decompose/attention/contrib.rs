//! The forms that ONNX Runtime's optimiser makes.

use crate::onnx::Elem;
use crate::onnx::passes::decompose::attention::masks::{self, Window};
use crate::onnx::passes::decompose::attention::{
    Attention, Emitter, Part, Skipped, continued, length_and_width, split_heads,
};
use crate::onnx::passes::decompose::quantized::numbers_of;
use crate::onnx::proto::TensorProto;

/// Added to a score that is masked, where the node does not tell another number.
const MASKED: f32 = -10_000.0;

/// Queries, keys and values are one product with the weights.
pub fn packed(e: &mut Emitter) -> Result<(), Skipped> {
    e.without_inputs(&[(6, "past_sequence_length")])?;
    let factors = [e.input(0)?, e.input(1)?].map(str::to_owned);
    let elem = e.elem(e.input(0)?)?;
    projected(e, elem, factors, [3, 4], Some(5))
}

/// The same of levels: input, weights, bias, both scales, mask, both zero points, and what was kept of earlier runs.
pub fn quantized(e: &mut Emitter) -> Result<(), Skipped> {
    let input = numbers_of(e, [0, 3, 6], None)?;
    let weight = numbers_of(e, [1, 4, 7], Some(-1))?;
    let elem = e.elem(e.input(3)?)?;
    projected(e, elem, [input, weight], [5, 8], None)
}

/// Attention to the product of what the first two inputs stand for; the mask, the past and what is added to scores are the
/// inputs of these numbers.
fn projected(
    e: &mut Emitter,
    elem: Elem,
    [input, weight]: [String; 2],
    [mask, past]: [usize; 2],
    added: Option<usize>,
) -> Result<(), Skipped> {
    e.without_flags(&["do_rotary", "past_present_share_buffer"])?;
    let heads = e.node.int("num_heads").unwrap_or(0);
    let (length, _) = length_and_width(e, e.input(0)?)?;
    let all = e.dims(e.input(1)?)?.last().copied().unwrap_or(0);
    let third = (all / 3) as i64;
    let widths = e
        .node
        .ints("qkv_hidden_sizes")
        .unwrap_or(&[third; 3])
        .to_vec();
    let whole: Option<Vec<usize>> = widths.iter().map(|&w| usize::try_from(w).ok()).collect();
    let &[q, k, v] = whole.as_deref().unwrap_or_default() else {
        return Err(Skipped(format!("qkv_hidden_sizes = {widths:?}")));
    };
    if q.checked_add(k).and_then(|sum| sum.checked_add(v)) != Some(all) {
        return Err(Skipped(format!("qkv_hidden_sizes = {widths:?}")));
    }
    let mut product = e.emit("MatMul", &[&input, &weight], &[]);
    if let Some(bias) = e.optional(2) {
        product = e.emit("Add", &[&product, bias], &[]);
    }
    let widths = e.ints(&widths);
    let last = [("axis", (-1i64).into())];
    let parts = e.emit_many("Split", &[&product, &widths], &last, 3);
    let query = split_heads(e, &parts[0], heads, (length, q))?;
    let mut key = split_heads(e, &parts[1], heads, (length, k))?;
    let mut value = split_heads(e, &parts[2], heads, (length, v))?;
    let before = past_of_both(e, past, &mut key, &mut value)?;
    let mask = Mask {
        index: mask,
        name: "mask_index",
        of_attention: true,
    };
    let bias = mask.bias(e, elem, key.length)?;
    joined(e, elem, heads, before, [query, key, value], (bias, added))
}

/// Puts keys and values behind those of earlier runs, which are one tensor (2, batch, heads, length, size), and makes the
/// same of all for later ones. Returns how many there were.
fn past_of_both(
    e: &mut Emitter,
    past: usize,
    key: &mut Part,
    value: &mut Part,
) -> Result<usize, Skipped> {
    let mut before = 0;
    let (ones, first) = (e.ints(&[1, 1]), [("axis", 0i64.into())]);
    if let Some(past) = e.optional(past) {
        let &[2, _, _, length, _] = e.dims(past)?.as_slice() else {
            return Err(masks::unreadable("past", &e.dims(past)?));
        };
        before = length;
        let halves = e.emit_many("Split", &[past, &ones], &first, 2);
        let axis = e.ints(&[0]);
        for (part, half) in [&mut *key, &mut *value].into_iter().zip(&halves) {
            let half = e.emit("Squeeze", &[half, &axis], &[]);
            part.extend(e, &half, before);
        }
    }
    if let Some(present) = e.output(1) {
        let halves = [&*key, &*value].map(|part| masks::unsqueezed(e, &part.name, &[0]));
        e.emit_as(present, "Concat", &[&halves[0], &halves[1]], &first);
    }
    Ok(before)
}

/// Queries, keys and values are three inputs, or packed into one or two; one bias for all.
pub fn multi_head(e: &mut Emitter) -> Result<(), Skipped> {
    e.without_inputs(&[(8, "past_sequence_length"), (9, "cache_indirection")])?;
    e.without_outputs(&[(3, "qk")])?;
    let heads = e.node.int("num_heads").unwrap_or(0);
    let elem = e.elem(e.input(0)?)?;
    let mut first = 0i64;
    let mut parts = Vec::new();
    for own in given(e)? {
        let (mut value, extents) = match own {
            Given::Apart(_) if e.optional(3).is_some() => {
                return Err("it is given bias, and keys that are split into heads".into());
            }
            Given::Apart(part) => {
                parts.push(part);
                continue;
            }
            Given::Together(value, extents) => (value, extents),
        };
        if let Some(bias) = e.optional(3) {
            let last = first.saturating_add(extents.1 as i64);
            let ends = [first, last].map(|end| e.ints(&[end]));
            let bias = e.emit("Slice", &[bias, &ends[0], &ends[1]], &[]);
            value = e.emit("Add", &[&value, &bias], &[]);
            first = last;
        }
        parts.push(split_heads(e, &value, heads, extents)?);
    }
    let [query, mut key, mut value] =
        <[Part; 3]>::try_from(parts).map_err(|_| "it lacks an input")?;
    let before = continued(e, 6, [&mut key, &mut value])?;
    let mask = Mask {
        index: 4,
        name: "key_padding_mask",
        of_attention: false,
    };
    let bias = mask.bias(e, elem, key.length)?;
    joined(e, elem, heads, before, [query, key, value], (bias, Some(5)))
}

/// Queries, keys or values as they come.
enum Given {
    /// (batch, length, heads · size), and the last two of these.
    Together(String, (usize, usize)),
    Apart(Part),
}

/// Queries, keys and values.
fn given(e: &mut Emitter) -> Result<Vec<Given>, Skipped> {
    let mut found = Vec::new();
    for index in 0..3 {
        let Some(own) = e.optional(index) else {
            continue;
        };
        let name = own.to_owned();
        match *e.dims(own)? {
            [_, length, width] => found.push(Given::Together(name, (length, width))),
            [_, _, length, size] => found.push(Given::Apart(Part { name, length, size })),
            [_, length, heads, count @ (2 | 3), size] => {
                let width = heads.saturating_mul(size);
                let parts = unpacked(e, own, count, width);
                let parts = parts.into_iter();
                found.extend(parts.map(|part| Given::Together(part, (length, width))));
            }
            ref dims => return Err(Skipped(format!("it reads a tensor of dimensions {dims:?}"))),
        }
    }
    Ok(found)
}

/// What lies side by side on axis 3 of (batch, length, heads, count, size), each as (batch, length, `width`).
fn unpacked(e: &mut Emitter, value: &str, count: usize, width: usize) -> Vec<String> {
    let ones = e.ints(&vec![1; count]);
    let parts = e.emit_many("Split", &[value, &ones], &[("axis", 3i64.into())], count);
    let dims = e.ints(&[0, 0, width as i64]);
    let flat = |part: &String| e.emit("Reshape", &[part, &dims], &[]);
    parts.iter().map(flat).collect()
}

/// What the forms have in common, once there are queries, keys and values, with `before` of the keys from earlier runs.
/// Scores get a mask added and the input of the number `added`.
fn joined(
    e: &mut Emitter,
    elem: Elem,
    heads: i64,
    before: usize,
    parts: [Part; 3],
    (mask, added): (Option<String>, Option<usize>),
) -> Result<(), Skipped> {
    let [query, key, value] = parts;
    let given = added.and_then(|index| e.optional(index)).map(str::to_owned);
    let bias = match (mask, given) {
        (Some(mask), Some(given)) => Some(e.emit("Add", &[&mask, &given], &[])),
        (mask, given) => mask.or(given),
    };
    let allowed = match e.node.int("unidirectional").unwrap_or(0) {
        0 => None,
        _ => {
            let queries = masks::positions(e, before, query.length);
            let queries = masks::unsqueezed(e, &queries, &[1]);
            Window::CAUSAL.allowed(e, &queries, key.length)
        }
    };
    Attention {
        elem,
        heads,
        query,
        key,
        value,
        // 0 stands for the usual one.
        scale: e.node.float("scale").filter(|&scale| scale != 0.0),
        soft_cap: None,
        bias,
        allowed,
        shown: None,
        joined: true,
    }
    .finish(e)
}

/// The input that tells which keys are padding.
struct Mask {
    index: usize,
    name: &'static str,
    /// Of `Attention`, where ends may be followed by starts, and one truth value a picture stands for none.
    of_attention: bool,
}

impl Mask {
    /// What it adds to scores of `keys` keys.
    fn bias(self, e: &mut Emitter, elem: Elem, keys: usize) -> Result<Option<String>, Skipped> {
        let Some(mask) = e.optional(self.index) else {
            return Ok(None);
        };
        let (dims, runs) = (e.dims(mask)?, e.dims(e.input(0)?)?[0]);
        let kept = match dims[..] {
            [ends] if ends == runs => within(e, mask, None, keys),
            [both] if self.of_attention && both == 2 * runs => {
                let count = [("axis", 0i64.into()), ("num_outputs", 2i64.into())];
                let halves = e.emit_many("Split", &[mask], &count, 2);
                within(e, &halves[0], Some(&halves[1]), keys)
            }
            [_, last] if last == keys => flagged(e, mask, &[1, 2]),
            [_, 1] if self.of_attention => return Ok(None),
            [_, _, last] if last == keys => flagged(e, mask, &[1]),
            _ => return Err(masks::unreadable(self.name, &dims)),
        };
        let filter = e.node.float("mask_filter_value").unwrap_or(MASKED);
        let (open, shut) = (e.scalar(elem, 0.0)?, e.scalar(elem, filter.into())?);
        Ok(Some(e.emit("Where", &[&kept, &open, &shut], &[])))
    }
}

/// The keys from the position `starts` on and before `ends`, one of each a picture.
fn within(e: &mut Emitter, ends: &str, starts: Option<&str>, keys: usize) -> String {
    let ends = masks::whole(e, ends);
    let ends = masks::unsqueezed(e, &ends, &[1, 2, 3]);
    let kept = masks::until(e, &ends, keys);
    let Some(starts) = starts else {
        return kept;
    };
    let starts = masks::whole(e, starts);
    let starts = masks::unsqueezed(e, &starts, &[1, 2, 3]);
    let early = masks::until(e, &starts, keys);
    let late = e.emit("Not", &[&early], &[]);
    e.emit("And", &[&kept, &late], &[])
}

/// The keys whose number is positive.
fn flagged(e: &mut Emitter, mask: &str, axes: &[i64]) -> String {
    let zero = e.constant(TensorProto::from_i64("", &[], &[0]));
    let mask = masks::whole(e, mask);
    let kept = e.emit("Greater", &[&mask, &zero], &[]);
    masks::unsqueezed(e, &kept, axes)
}
