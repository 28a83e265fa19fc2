//! The standard operator, of opset 23 and newer. Several query heads may share a key-value head.

use crate::onnx::ElementType;
use crate::onnx::passes::decompose::attention::masks::{self, Window};
use crate::onnx::passes::decompose::attention::{
    Attention, Context, Part, Skipped, Stage, apply_cache, length_and_width, split_heads,
};

/// In the order of `qk_matmul_output_mode`.
const STAGES: [Stage; 4] = [
    Stage::Products,
    Stage::Capped,
    Stage::Masked,
    Stage::Weights,
];

/// With mask, window, cache and sequence lengths.
pub fn standard(cx: &mut Context) -> Result<(), Skipped> {
    let elem = cx.elem(cx.input(0)?)?;
    let merge_heads = cx.dims(cx.input(0)?)?.len() == 3;
    let [
        (query, heads),
        (mut key, key_heads),
        (mut value, value_heads),
    ] = [
        split(cx, 0, "q_num_heads")?,
        split(cx, 1, "kv_num_heads")?,
        split(cx, 2, "kv_num_heads")?,
    ];
    let past_length = apply_cache(cx, 4, [&mut key, &mut value])?;
    repeat_heads(cx, &mut key, heads, key_heads)?;
    repeat_heads(cx, &mut value, heads, value_heads)?;
    let (bias, mask) = mask(cx, key.length)?;
    let window = window(cx, past_length, query.length, key.length);
    let allowed = masks::and(cx, mask, window);
    let scores_output = match cx.output(3) {
        Some(name) => Some((stage(cx)?, name.to_owned())),
        None => None,
    };
    Attention {
        elem,
        heads,
        query,
        key,
        value,
        scale: cx.node.float("scale"),
        soft_cap: cx.node.float("softcap").filter(|&cap| cap > 0.0),
        bias,
        allowed,
        scores_output,
        merge_heads,
    }
    .emit(cx)
}

/// Input `index` split into heads, and their number. The attribute `heads` holds it for inputs of rank 3.
fn split(cx: &mut Context, index: usize, heads: &str) -> Result<(Part, i64), Skipped> {
    let input = cx.input(index)?;
    if let [_, count, length, size] = *cx.dims(input)? {
        let name = input.to_owned();
        return Ok((Part { name, length, size }, count as i64));
    }
    let extents = length_and_width(cx, input)?;
    let heads = cx.node.int(heads).unwrap_or(0);
    Ok((split_heads(cx, input, heads, extents)?, heads))
}

/// Repeats each of `own` key or value heads for the query heads that share it.
fn repeat_heads(cx: &mut Context, part: &mut Part, queries: i64, own: i64) -> Result<(), Skipped> {
    if queries == own {
        return Ok(());
    }
    if own < 1 || queries % own != 0 {
        return Err(Skipped(format!(
            "its {queries} query heads are not a multiple of its {own} key-value heads"
        )));
    }
    let (length, size) = (part.length as i64, part.size as i64);
    let unsqueezed = masks::unsqueeze(cx, &part.name, &[2]);
    let copies = cx.ints(&[1, 1, queries / own, 1, 1]);
    let repeated = cx.emit("Expand", &[&unsqueezed, &copies], &[]);
    let dims = cx.ints(&[0, queries, length, size]);
    part.name = cx.emit("Reshape", &[&repeated, &dims], &[]);
    Ok(())
}

/// `attn_mask` as an additive bias and a boolean mask. It may be either, and shorter than the keys, which masks the
/// rest.
fn mask(cx: &mut Context, keys: usize) -> Result<(Option<String>, Option<String>), Skipped> {
    let Some(mask) = cx.optional_input(3) else {
        return Ok((None, None));
    };
    let (elem, dims) = (cx.elem(mask)?, cx.dims(mask)?);
    let last = dims.last().copied().unwrap_or(1);
    let padded = if last == 1 || last >= keys {
        mask.to_owned()
    } else {
        pad(cx, mask, &dims, keys - last)
    };
    if elem == ElementType::Bool {
        return Ok((None, Some(padded)));
    }
    let inside = (last != 1 && last < keys).then(|| {
        let end = cx.ints(&[last as i64]);
        masks::before(cx, &end, keys)
    });
    Ok((Some(padded), inside))
}

/// Appends `missing` zeros (`false`) to the last axis of a mask of dimensions `dims`.
fn pad(cx: &mut Context, mask: &str, dims: &[usize], missing: usize) -> String {
    let mut pads = vec![0; 2 * dims.len()];
    if let Some(end) = pads.last_mut() {
        *end = missing as i64;
    }
    let pads = cx.ints(&pads);
    cx.emit("Pad", &[mask, &pads], &[])
}

/// The mask of the sequence lengths, the window and causality. `past_length` keys are cached.
fn window(cx: &mut Context, past_length: usize, queries: usize, keys: usize) -> Option<String> {
    let ends = cx.optional_input(6).map(|lengths| {
        let lengths = masks::to_int64(cx, lengths);
        masks::unsqueeze(cx, &lengths, &[1, 2, 3])
    });
    let not_padding = ends.as_ref().map(|ends| masks::before(cx, ends, keys));
    let side = |name: &str| cx.node.int(name).filter(|&width| width >= 0);
    let mut window = Window {
        before: side("left_window_size"),
        after: side("right_window_size"),
    };
    if cx.node.int("is_causal").unwrap_or(0) != 0 {
        window.after = Some(0);
    }
    if window.is_unlimited() {
        return not_padding;
    }
    let mut positions = masks::positions(cx, past_length, queries);
    positions = masks::unsqueeze(cx, &positions, &[1]);
    if let Some(ends) = ends {
        // The last query is at the position of the last key that is not padding.
        let count = cx.ints(&[queries as i64]);
        let first = cx.emit("Sub", &[&ends, &count], &[]);
        positions = cx.emit("Add", &[&positions, &first], &[]);
    }
    let window = window.allowed(cx, &positions, keys);
    masks::and(cx, not_padding, window)
}

/// The stage of the scores output.
fn stage(cx: &Context) -> Result<Stage, Skipped> {
    let mode = cx.node.int("qk_matmul_output_mode").unwrap_or(0);
    let stage = usize::try_from(mode).ok().and_then(|mode| STAGES.get(mode));
    let unknown = || Skipped(format!("qk_matmul_output_mode = {mode}"));
    stage.copied().ok_or_else(unknown)
}
