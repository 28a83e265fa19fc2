//! ONNX Runtime's contrib operators.

use crate::onnx::ElementType;
use crate::onnx::passes::decompose::attention::masks::{self, Window};
use crate::onnx::passes::decompose::attention::{
    Attention, Emitter, Part, Skipped, apply_cache, length_and_width, split_heads,
};
use crate::onnx::passes::decompose::quantized::dequantized_inputs;
use crate::onnx::proto::TensorProto;

/// Default of `mask_filter_value`, which is added to masked scores.
const MASK_FILTER: f32 = -10_000.0;

/// `Attention`: queries, keys and values are one product of the input and the weights.
pub fn packed(e: &mut Emitter) -> Result<(), Skipped> {
    e.reject_inputs(&[(6, "past_sequence_length")])?;
    let factors = [e.input(0)?, e.input(1)?].map(str::to_owned);
    let elem = e.elem(e.input(0)?)?;
    project_and_attend(e, elem, factors, [3, 4], Some(5))
}

/// `QAttention`. Inputs: quantized input and weights, bias, both scales, mask, both zero points, cache.
pub fn quantized(e: &mut Emitter) -> Result<(), Skipped> {
    let input = dequantized_inputs(e, [0, 3, 6], None)?;
    let weight = dequantized_inputs(e, [1, 4, 7], Some(-1))?;
    let elem = e.elem(e.input(3)?)?;
    project_and_attend(e, elem, [input, weight], [5, 8], None)
}

/// Attention of the product of `input` and `weight`. `mask`, `past` and `added` are the indices of the inputs of the
/// mask, the cache and the additive bias.
fn project_and_attend(
    e: &mut Emitter,
    elem: ElementType,
    [input, weight]: [String; 2],
    [mask, past]: [usize; 2],
    added: Option<usize>,
) -> Result<(), Skipped> {
    e.reject_flags(&["do_rotary", "past_present_share_buffer"])?;
    let heads = e.node.int("num_heads").unwrap_or(0);
    let (length, _) = length_and_width(e, e.input(0)?)?;
    let all = e.dims(e.input(1)?)?.last().copied().unwrap_or(0);
    let third = (all / 3) as i64;
    let widths = e
        .node
        .ints("qkv_hidden_sizes")
        .unwrap_or(&[third; 3])
        .to_vec();
    let sizes: Option<Vec<usize>> = widths.iter().map(|&w| usize::try_from(w).ok()).collect();
    let &[q, k, v] = sizes.as_deref().unwrap_or_default() else {
        return Err(Skipped(format!("qkv_hidden_sizes = {widths:?}")));
    };
    if q.checked_add(k).and_then(|sum| sum.checked_add(v)) != Some(all) {
        return Err(Skipped(format!("qkv_hidden_sizes = {widths:?}")));
    }
    let mut product = e.emit("MatMul", &[&input, &weight], &[]);
    if let Some(bias) = e.optional_input(2) {
        product = e.emit("Add", &[&product, bias], &[]);
    }
    let widths = e.ints(&widths);
    let last = [("axis", (-1i64).into())];
    let parts = e.emit_many("Split", &[&product, &widths], &last, 3);
    let query = split_heads(e, &parts[0], heads, (length, q))?;
    let mut key = split_heads(e, &parts[1], heads, (length, k))?;
    let mut value = split_heads(e, &parts[2], heads, (length, v))?;
    let past_length = apply_packed_cache(e, past, &mut key, &mut value)?;
    let mask = Mask {
        index: mask,
        name: "mask_index",
        is_attention: true,
    };
    let bias = mask.bias(e, elem, key.length)?;
    let parts = [query, key, value];
    attend(e, elem, heads, past_length, parts, (bias, added))
}

/// Prepends the cached keys and values, one tensor (2, batch, heads, length, size), and emits the updated cache, output
/// 1. Returns the number of cached positions.
fn apply_packed_cache(
    e: &mut Emitter,
    past: usize,
    key: &mut Part,
    value: &mut Part,
) -> Result<usize, Skipped> {
    let mut past_length = 0;
    let (ones, first) = (e.ints(&[1, 1]), [("axis", 0i64.into())]);
    if let Some(past) = e.optional_input(past) {
        let &[2, _, _, length, _] = e.dims(past)?.as_slice() else {
            return Err(masks::unsupported_dims("past", &e.dims(past)?));
        };
        past_length = length;
        let halves = e.emit_many("Split", &[past, &ones], &first, 2);
        let axis = e.ints(&[0]);
        for (part, half) in [&mut *key, &mut *value].into_iter().zip(&halves) {
            let half = e.emit("Squeeze", &[half, &axis], &[]);
            part.prepend(e, &half, past_length);
        }
    }
    if let Some(present) = e.output(1) {
        let halves = [&*key, &*value].map(|part| masks::unsqueeze(e, &part.name, &[0]));
        e.emit_as(present, "Concat", &[&halves[0], &halves[1]], &first);
    }
    Ok(past_length)
}

/// `MultiHeadAttention`: queries, keys and values are three inputs, or packed into one or two; the bias is
/// concatenated.
pub fn multi_head(e: &mut Emitter) -> Result<(), Skipped> {
    e.reject_inputs(&[(8, "past_sequence_length"), (9, "cache_indirection")])?;
    e.reject_outputs(&[(3, "qk")])?;
    let heads = e.node.int("num_heads").unwrap_or(0);
    let elem = e.elem(e.input(0)?)?;
    let mut first = 0i64;
    let mut parts = Vec::new();
    for projection in projections(e)? {
        let (mut value, extents) = match projection {
            Projection::Split(_) if e.optional_input(3).is_some() => {
                return Err("it has a bias, and inputs that are split into heads".into());
            }
            Projection::Split(part) => {
                parts.push(part);
                continue;
            }
            Projection::Merged(value, extents) => (value, extents),
        };
        if let Some(bias) = e.optional_input(3) {
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
    let past_length = apply_cache(e, 6, [&mut key, &mut value])?;
    let mask = Mask {
        index: 4,
        name: "key_padding_mask",
        is_attention: false,
    };
    let bias = mask.bias(e, elem, key.length)?;
    let parts = [query, key, value];
    attend(e, elem, heads, past_length, parts, (bias, Some(5)))
}

/// Queries, keys or values.
enum Projection {
    /// (batch, length, heads · size), and the last two dimensions.
    Merged(String, (usize, usize)),
    Split(Part),
}

/// Queries, keys and values, in this order.
fn projections(e: &mut Emitter) -> Result<Vec<Projection>, Skipped> {
    let mut result = Vec::new();
    for index in 0..3 {
        let Some(input) = e.optional_input(index) else {
            continue;
        };
        let name = input.to_owned();
        match *e.dims(input)? {
            [_, length, width] => result.push(Projection::Merged(name, (length, width))),
            [_, _, length, size] => result.push(Projection::Split(Part { name, length, size })),
            [_, length, heads, count @ (2 | 3), size] => {
                let width = heads.saturating_mul(size);
                let parts = unpack(e, input, count, width);
                let parts = parts.into_iter();
                result.extend(parts.map(|part| Projection::Merged(part, (length, width))));
            }
            ref dims => {
                return Err(Skipped(format!("it has an input of dimensions {dims:?}")));
            }
        }
    }
    Ok(result)
}

/// Splits axis 3 of (batch, length, heads, count, size) into `count` tensors (batch, length, `width`).
fn unpack(e: &mut Emitter, value: &str, count: usize, width: usize) -> Vec<String> {
    let ones = e.ints(&vec![1; count]);
    let parts = e.emit_many("Split", &[value, &ones], &[("axis", 3i64.into())], count);
    let dims = e.ints(&[0, 0, width as i64]);
    let flat = |part: &String| e.emit("Reshape", &[part, &dims], &[]);
    parts.iter().map(flat).collect()
}

/// Emits the attention of queries, keys and values, of which `past_length` positions are cached. `mask` and the input
/// of index `added` are added to the scores.
fn attend(
    e: &mut Emitter,
    elem: ElementType,
    heads: i64,
    past_length: usize,
    parts: [Part; 3],
    (mask, added): (Option<String>, Option<usize>),
) -> Result<(), Skipped> {
    let [query, key, value] = parts;
    let added = added
        .and_then(|index| e.optional_input(index))
        .map(str::to_owned);
    let bias = match (mask, added) {
        (Some(mask), Some(added)) => Some(e.emit("Add", &[&mask, &added], &[])),
        (mask, added) => mask.or(added),
    };
    let allowed = match e.node.int("unidirectional").unwrap_or(0) {
        0 => None,
        _ => {
            let queries = masks::positions(e, past_length, query.length);
            let queries = masks::unsqueeze(e, &queries, &[1]);
            Window::CAUSAL.allowed(e, &queries, key.length)
        }
    };
    Attention {
        elem,
        heads,
        query,
        key,
        value,
        // 0 selects the default.
        scale: e.node.float("scale").filter(|&scale| scale != 0.0),
        soft_cap: None,
        bias,
        allowed,
        scores_output: None,
        merge_heads: true,
    }
    .emit(e)
}

/// The input that masks padding keys.
struct Mask {
    index: usize,
    name: &'static str,
    /// Whether it is that of `Attention`, which may also be end and start positions, or (batch, 1) for no mask.
    is_attention: bool,
}

impl Mask {
    /// The bias that it adds to the scores of `keys` keys.
    fn bias(
        self,
        e: &mut Emitter,
        elem: ElementType,
        keys: usize,
    ) -> Result<Option<String>, Skipped> {
        let Some(mask) = e.optional_input(self.index) else {
            return Ok(None);
        };
        let (dims, batch) = (e.dims(mask)?, e.dims(e.input(0)?)?[0]);
        let allowed = match dims[..] {
            [ends] if ends == batch => between(e, mask, None, keys),
            [both] if self.is_attention && both == 2 * batch => {
                let count = [("axis", 0i64.into()), ("num_outputs", 2i64.into())];
                let halves = e.emit_many("Split", &[mask], &count, 2);
                between(e, &halves[0], Some(&halves[1]), keys)
            }
            [_, last] if last == keys => positive(e, mask, &[1, 2]),
            [_, 1] if self.is_attention => return Ok(None),
            [_, _, last] if last == keys => positive(e, mask, &[1]),
            _ => return Err(masks::unsupported_dims(self.name, &dims)),
        };
        let filter = e.node.float("mask_filter_value").unwrap_or(MASK_FILTER);
        let (zero, filter) = (e.scalar(elem, 0.0)?, e.scalar(elem, filter.into())?);
        Ok(Some(e.emit("Where", &[&allowed, &zero, &filter], &[])))
    }
}

/// The mask of the keys from position `starts` to before `ends`, each (batch).
fn between(e: &mut Emitter, ends: &str, starts: Option<&str>, keys: usize) -> String {
    let ends = masks::to_int64(e, ends);
    let ends = masks::unsqueeze(e, &ends, &[1, 2, 3]);
    let before_end = masks::before(e, &ends, keys);
    let Some(starts) = starts else {
        return before_end;
    };
    let starts = masks::to_int64(e, starts);
    let starts = masks::unsqueeze(e, &starts, &[1, 2, 3]);
    let before_start = masks::before(e, &starts, keys);
    let after_start = e.emit("Not", &[&before_start], &[]);
    e.emit("And", &[&before_end, &after_start], &[])
}

/// The mask of the keys whose value is positive, with `axes` inserted.
fn positive(e: &mut Emitter, mask: &str, axes: &[i64]) -> String {
    let zero = e.add_constant(TensorProto::from_i64("", &[], &[0]));
    let mask = masks::to_int64(e, mask);
    let allowed = e.emit("Greater", &[&mask, &zero], &[]);
    masks::unsqueeze(e, &allowed, axes)
}
