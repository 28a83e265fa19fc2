//! ONNX's own form: several heads of queries may share one of keys and values.

use crate::onnx::Elem;
use crate::onnx::passes::decompose::attention::masks::{self, Window};
use crate::onnx::passes::decompose::attention::{
    Attention, Emitter, Part, Skipped, Stage, continued, length_and_width, split_heads,
};

/// In the order of `qk_matmul_output_mode`.
const STAGES: [Stage; 4] = [
    Stage::Products,
    Stage::Capped,
    Stage::Masked,
    Stage::Weights,
];

/// With a mask, a window, or the lengths of what is padded; opsets 23 and newer.
pub fn standard(e: &mut Emitter) -> Result<(), Skipped> {
    let elem = e.elem(e.input(0)?)?;
    let joined = e.dims(e.input(0)?)?.len() == 3;
    let [(query, heads), (mut key, of_keys), (mut value, of_values)] = [
        split(e, 0, "q_num_heads")?,
        split(e, 1, "kv_num_heads")?,
        split(e, 2, "kv_num_heads")?,
    ];
    let before = continued(e, 4, [&mut key, &mut value])?;
    share(e, &mut key, heads, of_keys)?;
    share(e, &mut value, heads, of_values)?;
    let (bias, of_mask) = mask(e, key.length)?;
    let near = near(e, before, query.length, key.length);
    let allowed = masks::both(e, of_mask, near);
    let shown = match e.output(3) {
        Some(name) => Some((stage(e)?, name.to_owned())),
        None => None,
    };
    Attention {
        elem,
        heads,
        query,
        key,
        value,
        scale: e.node.float("scale"),
        soft_cap: e.node.float("softcap").filter(|&cap| cap > 0.0),
        bias,
        allowed,
        shown,
        joined,
    }
    .finish(e)
}

/// Input `index` by heads, and how many these are.
fn split(e: &mut Emitter, index: usize, heads: &str) -> Result<(Part, i64), Skipped> {
    let own = e.input(index)?;
    if let [_, count, length, size] = *e.dims(own)? {
        let name = own.to_owned();
        return Ok((Part { name, length, size }, count as i64));
    }
    let extents = length_and_width(e, own)?;
    let heads = e.node.int(heads).unwrap_or(0);
    Ok((split_heads(e, own, heads, extents)?, heads))
}

/// Repeats each head of keys or values for all heads of queries that share it.
fn share(e: &mut Emitter, part: &mut Part, queries: i64, own: i64) -> Result<(), Skipped> {
    if queries == own {
        return Ok(());
    }
    if own < 1 || queries % own != 0 {
        return Err(Skipped(format!("{queries} heads share {own}")));
    }
    let (length, size) = (part.length as i64, part.size as i64);
    let apart = masks::unsqueezed(e, &part.name, &[2]);
    let copies = e.ints(&[1, 1, queries / own, 1, 1]);
    let repeated = e.emit("Expand", &[&apart, &copies], &[]);
    let dims = e.ints(&[0, queries, length, size]);
    part.name = e.emit("Reshape", &[&repeated, &dims], &[]);
    Ok(())
}

/// What `attn_mask` adds to scores, and what it allows: it may hold numbers or truth values, and end before the keys do.
fn mask(e: &mut Emitter, keys: usize) -> Result<(Option<String>, Option<String>), Skipped> {
    let Some(mask) = e.optional(3) else {
        return Ok((None, None));
    };
    let (elem, dims) = (e.elem(mask)?, e.dims(mask)?);
    let last = dims.last().copied().unwrap_or(1);
    let told = match last == 1 || last >= keys {
        true => mask.to_owned(),
        false => padded(e, mask, &dims, keys - last),
    };
    if elem == Elem::Bool {
        return Ok((None, Some(told)));
    }
    let inside = (last != 1 && last < keys).then(|| {
        let end = e.ints(&[last as i64]);
        masks::until(e, &end, keys)
    });
    Ok((Some(told), inside))
}

/// The mask with `missing` zeros, or that many times `false`, at the end of its last axis.
fn padded(e: &mut Emitter, mask: &str, dims: &[usize], missing: usize) -> String {
    let mut amounts = vec![0; 2 * dims.len()];
    if let Some(end) = amounts.last_mut() {
        *end = missing as i64;
    }
    let amounts = e.ints(&amounts);
    e.emit("Pad", &[mask, &amounts], &[])
}

/// The keys that are no padding and that the places of queries and keys allow; `before` of these are from earlier runs.
fn near(e: &mut Emitter, before: usize, queries: usize, keys: usize) -> Option<String> {
    let ends = e.optional(6).map(|lengths| {
        let lengths = masks::whole(e, lengths);
        masks::unsqueezed(e, &lengths, &[1, 2, 3])
    });
    let filled = ends.as_ref().map(|ends| masks::until(e, ends, keys));
    let side = |name: &str| e.node.int(name).filter(|&width| width >= 0);
    let mut window = Window {
        before: side("left_window_size"),
        behind: side("right_window_size"),
    };
    if e.node.int("is_causal").unwrap_or(0) != 0 {
        window.behind = Some(0);
    }
    if window.is_open() {
        return filled;
    }
    let mut places = masks::positions(e, before, queries);
    places = masks::unsqueezed(e, &places, &[1]);
    if let Some(ends) = ends {
        // The last query is the last key that is no padding.
        let count = e.ints(&[queries as i64]);
        let first = e.emit("Sub", &[&ends, &count], &[]);
        places = e.emit("Add", &[&places, &first], &[]);
    }
    let near = window.allowed(e, &places, keys);
    masks::both(e, filled, near)
}

fn stage(e: &Emitter) -> Result<Stage, Skipped> {
    let mode = e.node.int("qk_matmul_output_mode").unwrap_or(0);
    let stage = usize::try_from(mode).ok().and_then(|mode| STAGES.get(mode));
    let unknown = || Skipped(format!("qk_matmul_output_mode = {mode}"));
    stage.copied().ok_or_else(unknown)
}
