//! Rotary position embedding: rotates pairs `(x, y)` to `(x cos - y sin, x sin + y cos)`.

use crate::onnx::passes::decompose::emitter::{Emitter, Skipped};
use crate::onnx::proto::TensorProto;

/// Swaps the axes of heads and positions.
const SWAP_HEADS: &[i64] = &[0, 2, 1, 3];

/// The standard operator, on queries or keys of dimensions (batch, heads, length, size) or (batch, length, heads ·
/// size).
pub fn standard(e: &mut Emitter) -> Result<(), Skipped> {
    rotate(e, [1, 2, 3])
}

/// ONNX Runtime's operator, with the position indices before the caches.
pub fn microsoft(e: &mut Emitter) -> Result<(), Skipped> {
    e.reject_flags(&["is_packed_batching"])?;
    if e.node.float("scale").unwrap_or(1.0) != 1.0 {
        return Err("it has a scale".into());
    }
    rotate(e, [2, 3, 1])
}

/// Rotates input 0. Arguments: the indices of the inputs of the cosine cache, the sine cache and the position indices.
fn rotate(e: &mut Emitter, [cos, sin, positions]: [usize; 3]) -> Result<(), Skipped> {
    let (input, cache) = (e.input(0)?, e.input(cos)?);
    let half = e.dims(cache)?.last().copied().unwrap_or(0);
    let dims = e.dims(input)?;
    let is_3d = dims.len() == 3;
    let (heads, size) = match (dims.as_slice(), e.node.int("num_heads").unwrap_or(0)) {
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
    let rotated = match e.node.int("rotary_embedding_dim").unwrap_or(0) {
        0 => size,
        dim => usize::try_from(dim).unwrap_or(0),
    };
    if rotated == 0 || rotated > size || half.checked_mul(2) != Some(rotated) {
        return Err(Skipped(format!(
            "rotating {rotated} of {size} channels does not match caches of {half} columns"
        )));
    }
    let length = dims[if is_3d { 1 } else { 2 }];
    let [cos, sin] = [cos, sin].map(|index| angles(e, index, positions, length));
    let (cos, sin) = (cos?, sin?);
    // (batch, length, heads, size)
    let split = if is_3d {
        let dims = e.ints(&[0, 0, heads as i64, size as i64]);
        e.emit("Reshape", &[input, &dims], &[])
    } else {
        e.emit("Transpose", &[input], &[("perm", SWAP_HEADS.into())])
    };
    let last = [("axis", (-1i64).into())];
    let sizes = e.ints(&[rotated as i64, (size - rotated) as i64]);
    let mut parts = vec![split];
    if rotated < size {
        parts = e.emit_many("Split", &[&parts[0], &sizes], &last, 2);
    }
    let pairs = Pairs {
        heads: heads as i64,
        half: half as i64,
        interleaved: e.node.int("interleaved").unwrap_or(0) != 0,
    };
    let [x, y] = pairs.split(e, &parts[0]);
    let mut product = |a: &str, b: &str| e.emit("Mul", &[a, b], &[]);
    let [xc, ys] = [product(&x, &cos), product(&y, &sin)];
    let [xs, yc] = [product(&x, &sin), product(&y, &cos)];
    let x = e.emit("Sub", &[&xc, &ys], &[]);
    let y = e.emit("Add", &[&xs, &yc], &[]);
    parts[0] = pairs.join(e, &x, &y);
    if rotated < size {
        parts = vec![e.emit("Concat", &[&parts[0], &parts[1]], &last)];
    }
    if is_3d {
        let dims = e.ints(&[0, 0, heads.saturating_mul(size) as i64]);
        e.emit_output("Reshape", &[&parts[0], &dims], &[]);
    } else {
        e.emit_output("Transpose", &[&parts[0]], &[("perm", SWAP_HEADS.into())]);
    }
    Ok(())
}

/// Rows of the cache (input `cache`) for `length` positions, (batch, length, 1, half): selected by the input
/// `positions`, which holds all position indices or only the first, or in order if it is omitted.
fn angles(
    e: &mut Emitter,
    cache: usize,
    positions: usize,
    length: usize,
) -> Result<String, Skipped> {
    let cache = e.input(cache)?;
    let Some(positions) = e.optional_input(positions) else {
        let axis = e.ints(&[2]);
        return Ok(e.emit("Unsqueeze", &[cache, &axis], &[]));
    };
    let rows = [("axis", 0i64.into())];
    if e.dims(positions)?.len() == 2 {
        let selected = e.emit("Gather", &[cache, positions], &rows);
        let axis = e.ints(&[2]);
        return Ok(e.emit("Unsqueeze", &[&selected, &axis], &[]));
    }
    let range = [0, length as i64, 1];
    let range = range.map(|number| e.add_constant(TensorProto::from_i64("", &[], &[number])));
    let range = e.emit("Range", &[&range[0], &range[1], &range[2]], &[]);
    let positions = e.emit("Add", &[&range, positions], &[]);
    let selected = e.emit("Gather", &[cache, &positions], &rows);
    let axes = e.ints(&[0, 2]);
    Ok(e.emit("Unsqueeze", &[&selected, &axes], &[]))
}

/// How the channels of a head form pairs: adjacent ones (interleaved), or one of each half.
struct Pairs {
    heads: i64,
    half: i64,
    interleaved: bool,
}

impl Pairs {
    /// The first and the second members of the pairs, each (batch, length, heads, half).
    fn split(&self, e: &mut Emitter, value: &str) -> [String; 2] {
        let (axis, dims) = if self.interleaved {
            (4i64, [0, 0, self.heads, self.half, 2])
        } else {
            (3, [0, 0, self.heads, 2, self.half])
        };
        let dims = e.ints(&dims);
        let pairs = e.emit("Reshape", &[value, &dims], &[]);
        [0, 1].map(|index| {
            let index = e.add_constant(TensorProto::from_i64("", &[], &[index]));
            e.emit("Gather", &[&pairs, &index], &[("axis", axis.into())])
        })
    }

    /// The inverse of `split`.
    fn join(&self, e: &mut Emitter, x: &str, y: &str) -> String {
        let axis = if self.interleaved { 4i64 } else { 3 };
        let axes = e.ints(&[axis]);
        let [x, y] = [x, y].map(|part| e.emit("Unsqueeze", &[part, &axes], &[]));
        let pairs = e.emit("Concat", &[&x, &y], &[("axis", axis.into())]);
        let dims = e.ints(&[0, 0, self.heads, 2 * self.half]);
        e.emit("Reshape", &[&pairs, &dims], &[])
    }
}
