//! ONNX Runtime's contrib operators.

use crate::onnx::ElementType;
use crate::onnx::passes::decompose::attention::masks::{self, Window};
use crate::onnx::passes::decompose::attention::{
    Attention, Context, Part, Skipped, apply_cache, length_and_width, split_heads,
};
use crate::onnx::passes::decompose::quantized::dequantized_inputs;
use crate::onnx::proto::TensorProto;

/// Default of `mask_filter_value`, which is added to masked scores.
const MASK_FILTER: f32 = -10_000.0;

/// `Attention`: queries, keys and values are one product of the input and the weights.
pub fn packed(cx: &mut Context) -> Result<(), Skipped> {
    cx.reject_inputs(&[(6, "past_sequence_length")])?;
    let factors = [cx.input(0)?, cx.input(1)?].map(str::to_owned);
    let elem = cx.elem(cx.input(0)?)?;
    project_and_attend(cx, elem, factors, [3, 4], Some(5))
}

/// `QAttention`. Inputs: quantized input and weights, bias, both scales, mask, both zero points, cache.
pub fn quantized(cx: &mut Context) -> Result<(), Skipped> {
    let input = dequantized_inputs(cx, [0, 3, 6], None)?;
    let weight = dequantized_inputs(cx, [1, 4, 7], Some(-1))?;
    let elem = cx.elem(cx.input(3)?)?;
    project_and_attend(cx, elem, [input, weight], [5, 8], None)
}

/// Attention of the product of `input` and `weight`. `mask`, `past` and `added` are the indices of the inputs of the
/// mask, the cache and the additive bias.
fn project_and_attend(
    cx: &mut Context,
    elem: ElementType,
    [input, weight]: [String; 2],
    [mask, past]: [usize; 2],
    added: Option<usize>,
) -> Result<(), Skipped> {
    cx.reject_flags(&["do_rotary", "past_present_share_buffer"])?;
    let heads = cx.node.int("num_heads").unwrap_or(0);
    let (length, _) = length_and_width(cx, cx.input(0)?)?;
    let all = cx.dims(cx.input(1)?)?.last().copied().unwrap_or(0);
    let third = (all / 3) as i64;
    let widths = cx
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
    let mut product = cx.emit("MatMul", &[&input, &weight], &[]);
    if let Some(bias) = cx.optional_input(2) {
        product = cx.emit("Add", &[&product, bias], &[]);
    }
    let widths = cx.ints(&widths);
    let last = [("axis", (-1i64).into())];
    let parts = cx.emit_many("Split", &[&product, &widths], &last, 3);
    let query = split_heads(cx, &parts[0], heads, (length, q))?;
    let mut key = split_heads(cx, &parts[1], heads, (length, k))?;
    let mut value = split_heads(cx, &parts[2], heads, (length, v))?;
    let past_length = apply_packed_cache(cx, past, &mut key, &mut value)?;
    let mask = Mask {
        index: mask,
        name: "mask_index",
        is_attention: true,
    };
    let bias = mask.bias(cx, elem, key.length)?;
    let parts = [query, key, value];
    attend(cx, elem, heads, past_length, parts, (bias, added))
}

/// Prepends the cached keys and values, one tensor (2, batch, heads, length, size), and emits the updated cache, output
/// 1. Returns the number of cached positions.
fn apply_packed_cache(
    cx: &mut Context,
    past: usize,
    key: &mut Part,
    value: &mut Part,
) -> Result<usize, Skipped> {
    let mut past_length = 0;
    let (ones, first) = (cx.ints(&[1, 1]), [("axis", 0i64.into())]);
    if let Some(past) = cx.optional_input(past) {
        let &[2, _, _, length, _] = cx.dims(past)?.as_slice() else {
            return Err(masks::unsupported_dims("past", &cx.dims(past)?));
        };
        past_length = length;
        let halves = cx.emit_many("Split", &[past, &ones], &first, 2);
        let axis = cx.ints(&[0]);
        for (part, half) in [&mut *key, &mut *value].into_iter().zip(&halves) {
            let half = cx.emit("Squeeze", &[half, &axis], &[]);
            part.prepend(cx, &half, past_length);
        }
    }
    if let Some(present) = cx.output(1) {
        let halves = [&*key, &*value].map(|part| masks::unsqueeze(cx, &part.name, &[0]));
        cx.emit_as(present, "Concat", &[&halves[0], &halves[1]], &first)?;
    }
    Ok(past_length)
}

/// `MultiHeadAttention`: queries, keys and values are three inputs, or packed into one or two; the bias is
/// concatenated.
pub fn multi_head(cx: &mut Context) -> Result<(), Skipped> {
    cx.reject_inputs(&[(8, "past_sequence_length"), (9, "cache_indirection")])?;
    cx.reject_outputs(&[(3, "qk")])?;
    let heads = cx.node.int("num_heads").unwrap_or(0);
    let elem = cx.elem(cx.input(0)?)?;
    let mut first = 0i64;
    let mut parts = Vec::new();
    for projection in projections(cx)? {
        let (mut value, extents) = match projection {
            Projection::Split(_) if cx.optional_input(3).is_some() => {
                return Err("it has a bias, and inputs that are split into heads".into());
            }
            Projection::Split(part) => {
                parts.push(part);
                continue;
            }
            Projection::Merged(value, extents) => (value, extents),
        };
        if let Some(bias) = cx.optional_input(3) {
            let last = first.saturating_add(extents.1 as i64);
            let ends = [first, last].map(|end| cx.ints(&[end]));
            let bias = cx.emit("Slice", &[bias, &ends[0], &ends[1]], &[]);
            value = cx.emit("Add", &[&value, &bias], &[]);
            first = last;
        }
        parts.push(split_heads(cx, &value, heads, extents)?);
    }
    let [query, mut key, mut value] =
        <[Part; 3]>::try_from(parts).map_err(|_| "it lacks an input")?;
    let past_length = apply_cache(cx, 6, [&mut key, &mut value])?;
    let mask = Mask {
        index: 4,
        name: "key_padding_mask",
        is_attention: false,
    };
    let bias = mask.bias(cx, elem, key.length)?;
    let parts = [query, key, value];
    attend(cx, elem, heads, past_length, parts, (bias, Some(5)))
}

/// Queries, keys or values.
enum Projection {
    /// (batch, length, heads · size), and the last two dimensions.
    Merged(String, (usize, usize)),
    Split(Part),
}

/// Queries, keys and values, in this order.
fn projections(cx: &mut Context) -> Result<Vec<Projection>, Skipped> {
    let mut result = Vec::new();
    for index in 0..3 {
        let Some(input) = cx.optional_input(index) else {
            continue;
        };
        let name = input.to_owned();
        match *cx.dims(input)? {
            [_, length, width] => result.push(Projection::Merged(name, (length, width))),
            [_, _, length, size] => result.push(Projection::Split(Part { name, length, size })),
            [_, length, heads, count @ (2 | 3), size] => {
                let width = heads.saturating_mul(size);
                let parts = unpack(cx, input, count, width);
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
fn unpack(cx: &mut Context, value: &str, count: usize, width: usize) -> Vec<String> {
    let ones = cx.ints(&vec![1; count]);
    let parts = cx.emit_many("Split", &[value, &ones], &[("axis", 3i64.into())], count);
    let dims = cx.ints(&[0, 0, width as i64]);
    let flat = |part: &String| cx.emit("Reshape", &[part, &dims], &[]);
    parts.iter().map(flat).collect()
}

/// Emits the attention of queries, keys and values, of which `past_length` positions are cached. `mask` and the input
/// of index `added` are added to the scores.
fn attend(
    cx: &mut Context,
    elem: ElementType,
    heads: i64,
    past_length: usize,
    parts: [Part; 3],
    (mask, added): (Option<String>, Option<usize>),
) -> Result<(), Skipped> {
    let [query, key, value] = parts;
    let added = added
        .and_then(|index| cx.optional_input(index))
        .map(str::to_owned);
    let bias = match (mask, added) {
        (Some(mask), Some(added)) => Some(cx.emit("Add", &[&mask, &added], &[])),
        (mask, added) => mask.or(added),
    };
    let allowed = match cx.node.int("unidirectional").unwrap_or(0) {
        0 => None,
        _ => {
            let queries = masks::positions(cx, past_length, query.length);
            let queries = masks::unsqueeze(cx, &queries, &[1]);
            Window::CAUSAL.allowed(cx, &queries, key.length)
        }
    };
    Attention {
        elem,
        heads,
        query,
        key,
        value,
        // 0 selects the default.
        scale: cx.node.float("scale").filter(|&scale| scale != 0.0),
        soft_cap: None,
        bias,
        allowed,
        scores_output: None,
        merge_heads: true,
    }
    .emit(cx)
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
        cx: &mut Context,
        elem: ElementType,
        keys: usize,
    ) -> Result<Option<String>, Skipped> {
        let Some(mask) = cx.optional_input(self.index) else {
            return Ok(None);
        };
        let (dims, batch) = (cx.dims(mask)?, cx.dims(cx.input(0)?)?[0]);
        let allowed = match dims[..] {
            [ends] if ends == batch => between(cx, mask, None, keys),
            [both] if self.is_attention && both == 2 * batch => {
                let count = [("axis", 0i64.into()), ("num_outputs", 2i64.into())];
                let halves = cx.emit_many("Split", &[mask], &count, 2);
                between(cx, &halves[0], Some(&halves[1]), keys)
            }
            [_, last] if last == keys => positive(cx, mask, &[1, 2]),
            [_, 1] if self.is_attention => return Ok(None),
            [_, _, last] if last == keys => positive(cx, mask, &[1]),
            _ => return Err(masks::unsupported_dims(self.name, &dims)),
        };
        let filter = cx.node.float("mask_filter_value").unwrap_or(MASK_FILTER);
        let (zero, filter) = (cx.scalar(elem, 0.0)?, cx.scalar(elem, filter.into())?);
        Ok(Some(cx.emit("Where", &[&allowed, &zero, &filter], &[])))
    }
}

/// The mask of the keys from position `starts` to before `ends`, each (batch).
fn between(cx: &mut Context, ends: &str, starts: Option<&str>, keys: usize) -> String {
    let ends = masks::to_int64(cx, ends);
    let ends = masks::unsqueeze(cx, &ends, &[1, 2, 3]);
    let before_end = masks::before(cx, &ends, keys);
    let Some(starts) = starts else {
        return before_end;
    };
    let starts = masks::to_int64(cx, starts);
    let starts = masks::unsqueeze(cx, &starts, &[1, 2, 3]);
    let before_start = masks::before(cx, &starts, keys);
    let after_start = cx.emit("Not", &[&before_start], &[]);
    cx.emit("And", &[&before_end, &after_start], &[])
}

/// The mask of the keys whose value is positive, with `axes` inserted.
fn positive(cx: &mut Context, mask: &str, axes: &[i64]) -> String {
    let zero = cx.constant(TensorProto::from_i64("", &[], &[0]));
    let mask = masks::to_int64(cx, mask);
    let allowed = cx.emit("Greater", &[&mask, &zero], &[]);
    masks::unsqueeze(cx, &allowed, axes)
}
