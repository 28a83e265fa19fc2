//! Rotary position embedding: rotates pairs `(x, y)` to `(x cos - y sin, x sin + y cos)`.

use crate::onnx::passes::decompose::context::{Context, Skipped};
use crate::onnx::proto::TensorProto;

/// Swaps the axes of heads and positions.
const SWAP_HEADS: &[i64] = &[0, 2, 1, 3];

/// The standard operator, on queries or keys of dimensions (batch, heads, length, size) or (batch, length, heads ·
/// size).
pub fn standard(cx: &mut Context) -> Result<(), Skipped> {
    rotate(cx, [1, 2, 3])
}

/// ONNX Runtime's operator, with the position indices before the caches.
pub fn microsoft(cx: &mut Context) -> Result<(), Skipped> {
    cx.reject_flags(&["is_packed_batching"])?;
    if cx.node.float("scale").unwrap_or(1.0) != 1.0 {
        return Err("it has a scale".into());
    }
    rotate(cx, [2, 3, 1])
}

/// Rotates input 0. Arguments: the indices of the inputs of the cosine cache, the sine cache and the position indices.
fn rotate(cx: &mut Context, [cos, sin, positions]: [usize; 3]) -> Result<(), Skipped> {
    let (input, cache) = (cx.input(0)?, cx.input(cos)?);
    let half = cx.dims(cache)?.last().copied().unwrap_or(0);
    let dims = cx.dims(input)?;
    let is_3d = dims.len() == 3;
    let (heads, size) = match (dims.as_slice(), cx.node.int("num_heads").unwrap_or(0)) {
        (&[_, heads, _, size], _) => (heads, size),
        (&[_, _, width], 0)
            if half > 0 && width.is_multiple_of(half) && (width / half).is_multiple_of(2) =>
        {
            (width / half / 2, 2 * half)
        }
        (&[_, _, width], heads @ 1..) if width.is_multiple_of(heads as usize) => {
            (heads as usize, width / heads as usize)
        }
        (_, heads) => {
            return Err(Skipped(format!(
                "num_heads = {heads} does not match its dimensions {dims:?}"
            )));
        }
    };
    let rotated = match cx.node.int("rotary_embedding_dim").unwrap_or(0) {
        0 => size,
        dim => usize::try_from(dim).unwrap_or(0),
    };
    if rotated == 0 || rotated > size || half.checked_mul(2) != Some(rotated) {
        return Err(Skipped(format!(
            "rotating {rotated} of {size} channels does not match caches of {half} columns"
        )));
    }
    let length = dims[if is_3d { 1 } else { 2 }];
    let [cos, sin] = [cos, sin].map(|index| angles(cx, index, positions, length));
    let (cos, sin) = (cos?, sin?);
    // (batch, length, heads, size)
    let split = if is_3d {
        let dims = cx.ints(&[0, 0, heads as i64, size as i64]);
        cx.emit("Reshape", &[input, &dims], &[])
    } else {
        cx.emit("Transpose", &[input], &[("perm", SWAP_HEADS.into())])
    };
    let last = [("axis", (-1i64).into())];
    let sizes = cx.ints(&[rotated as i64, (size - rotated) as i64]);
    let mut parts = vec![split];
    if rotated < size {
        parts = cx.emit_many("Split", &[&parts[0], &sizes], &last, 2);
    }
    let pairs = Pairs {
        heads: heads as i64,
        half: half as i64,
        interleaved: cx.node.int("interleaved").unwrap_or(0) != 0,
    };
    let [x, y] = pairs.split(cx, &parts[0]);
    let mut product = |a: &str, b: &str| cx.emit("Mul", &[a, b], &[]);
    let [xc, ys] = [product(&x, &cos), product(&y, &sin)];
    let [xs, yc] = [product(&x, &sin), product(&y, &cos)];
    let x = cx.emit("Sub", &[&xc, &ys], &[]);
    let y = cx.emit("Add", &[&xs, &yc], &[]);
    parts[0] = pairs.join(cx, &x, &y);
    if rotated < size {
        parts = vec![cx.emit("Concat", &[&parts[0], &parts[1]], &last)];
    }
    if is_3d {
        let dims = cx.ints(&[0, 0, heads.saturating_mul(size) as i64]);
        cx.emit_output("Reshape", &[&parts[0], &dims], &[])?;
    } else {
        cx.emit_output("Transpose", &[&parts[0]], &[("perm", SWAP_HEADS.into())])?;
    }
    Ok(())
}

/// Rows of the cache (input `cache`) for `length` positions, (batch, length, 1, half): selected by the input
/// `positions`, which holds all position indices or only the first, or in order if it is omitted.
fn angles(
    cx: &mut Context,
    cache: usize,
    positions: usize,
    length: usize,
) -> Result<String, Skipped> {
    let cache = cx.input(cache)?;
    let Some(positions) = cx.optional_input(positions) else {
        let axis = cx.ints(&[2]);
        return Ok(cx.emit("Unsqueeze", &[cache, &axis], &[]));
    };
    let rows = [("axis", 0i64.into())];
    if cx.dims(positions)?.len() == 2 {
        let selected = cx.emit("Gather", &[cache, positions], &rows);
        let axis = cx.ints(&[2]);
        return Ok(cx.emit("Unsqueeze", &[&selected, &axis], &[]));
    }
    let range = [0, length as i64, 1];
    let range = range.map(|number| cx.constant(TensorProto::from_i64("", &[], &[number])));
    let range = cx.emit("Range", &[&range[0], &range[1], &range[2]], &[]);
    let positions = cx.emit("Add", &[&range, positions], &[]);
    let selected = cx.emit("Gather", &[cache, &positions], &rows);
    let axes = cx.ints(&[0, 2]);
    Ok(cx.emit("Unsqueeze", &[&selected, &axes], &[]))
}

/// How the channels of a head form pairs: adjacent ones (interleaved), or one of each half.
struct Pairs {
    heads: i64,
    half: i64,
    interleaved: bool,
}

impl Pairs {
    /// The first and the second members of the pairs, each (batch, length, heads, half).
    fn split(&self, cx: &mut Context, value: &str) -> [String; 2] {
        let (axis, dims) = if self.interleaved {
            (4i64, [0, 0, self.heads, self.half, 2])
        } else {
            (3, [0, 0, self.heads, 2, self.half])
        };
        let dims = cx.ints(&dims);
        let pairs = cx.emit("Reshape", &[value, &dims], &[]);
        [0, 1].map(|index| {
            let index = cx.constant(TensorProto::from_i64("", &[], &[index]));
            cx.emit("Gather", &[&pairs, &index], &[("axis", axis.into())])
        })
    }

    /// The inverse of `split`.
    fn join(&self, cx: &mut Context, x: &str, y: &str) -> String {
        let axis = if self.interleaved { 4i64 } else { 3 };
        let axes = cx.ints(&[axis]);
        let [x, y] = [x, y].map(|part| cx.emit("Unsqueeze", &[part, &axes], &[]));
        let pairs = cx.emit("Concat", &[&x, &y], &[("axis", axis.into())]);
        let dims = cx.ints(&[0, 0, self.heads, 2 * self.half]);
        cx.emit("Reshape", &[&pairs, &dims], &[])
    }
}
