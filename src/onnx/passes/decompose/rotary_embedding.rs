//! Positions told by turning pairs of numbers: `(x, y)` becomes `(x cos - y sin, x sin + y cos)`.

use crate::onnx::passes::decompose::emitter::{Emitter, Skipped};
use crate::onnx::proto::TensorProto;

/// Heads and length exchanged.
const EXCHANGED: &[i64] = &[0, 2, 1, 3];

/// Of queries or keys (batch, heads, length, size), or (batch, length, heads · size).
pub fn embedding(e: &mut Emitter) -> Result<(), Skipped> {
    turned_by(e, [1, 2, 3])
}

/// As [`embedding`], with the positions before the tables.
pub fn contributed(e: &mut Emitter) -> Result<(), Skipped> {
    e.without_flags(&["is_packed_batching"])?;
    if e.node.float("scale").unwrap_or(1.0) != 1.0 {
        return Err("it has a scale".into());
    }
    turned_by(e, [2, 3, 1])
}

/// Turned by what the inputs of these numbers tell: cosines, sines and positions.
fn turned_by(e: &mut Emitter, [cos, sin, positions]: [usize; 3]) -> Result<(), Skipped> {
    let (input, table) = (e.input(0)?, e.input(cos)?);
    let half = e.dims(table)?.last().copied().unwrap_or(0);
    let dims = e.dims(input)?;
    let joined = dims.len() == 3;
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
        (_, heads) => return Err(Skipped(format!("{heads} heads of {dims:?}"))),
    };
    let turned = match e.node.int("rotary_embedding_dim").unwrap_or(0) {
        0 => size,
        told => usize::try_from(told).unwrap_or(0),
    };
    if turned == 0 || turned > size || half.checked_mul(2) != Some(turned) {
        return Err(Skipped(format!("it turns {turned} of {size} by {half}")));
    }
    let length = dims[if joined { 1 } else { 2 }];
    let [cos, sin] = [cos, sin].map(|table| angles(e, table, positions, length));
    let (cos, sin) = (cos?, sin?);
    // (batch, length, heads, size)
    let apart = match joined {
        true => {
            let dims = e.ints(&[0, 0, heads as i64, size as i64]);
            e.emit("Reshape", &[input, &dims], &[])
        }
        false => e.emit("Transpose", &[input], &[("perm", EXCHANGED.into())]),
    };
    let last = [("axis", (-1i64).into())];
    let sizes = e.ints(&[turned as i64, (size - turned) as i64]);
    let mut parts = vec![apart];
    if turned < size {
        parts = e.emit_many("Split", &[&parts[0], &sizes], &last, 2);
    }
    let pairs = Pairs {
        heads: heads as i64,
        half: half as i64,
        interleaved: e.node.int("interleaved").unwrap_or(0) != 0,
    };
    let [x, y] = pairs.apart(e, &parts[0]);
    let mut product = |a: &str, b: &str| e.emit("Mul", &[a, b], &[]);
    let [xc, ys] = [product(&x, &cos), product(&y, &sin)];
    let [xs, yc] = [product(&x, &sin), product(&y, &cos)];
    let x = e.emit("Sub", &[&xc, &ys], &[]);
    let y = e.emit("Add", &[&xs, &yc], &[]);
    parts[0] = pairs.together(e, &x, &y);
    if turned < size {
        parts = vec![e.emit("Concat", &[&parts[0], &parts[1]], &last)];
    }
    match joined {
        true => {
            let dims = e.ints(&[0, 0, heads.saturating_mul(size) as i64]);
            e.finish("Reshape", &[&parts[0], &dims], &[]);
        }
        false => e.finish("Transpose", &[&parts[0]], &[("perm", EXCHANGED.into())]),
    }
    Ok(())
}

/// What the input `table` says of each of `length` positions, (batch, length, 1, half): by their numbers or that of the
/// first, if there are any.
fn angles(
    e: &mut Emitter,
    table: usize,
    positions: usize,
    length: usize,
) -> Result<String, Skipped> {
    let told = e.input(table)?;
    let Some(positions) = e.optional(positions) else {
        let axis = e.ints(&[2]);
        return Ok(e.emit("Unsqueeze", &[told, &axis], &[]));
    };
    let rows = [("axis", 0i64.into())];
    if e.dims(positions)?.len() == 2 {
        let told = e.emit("Gather", &[told, positions], &rows);
        let axis = e.ints(&[2]);
        return Ok(e.emit("Unsqueeze", &[&told, &axis], &[]));
    }
    let numbers = [0, length as i64, 1];
    let numbers = numbers.map(|number| e.constant(TensorProto::from_i64("", &[], &[number])));
    let further = e.emit("Range", &[&numbers[0], &numbers[1], &numbers[2]], &[]);
    let positions = e.emit("Add", &[&further, positions], &[]);
    let told = e.emit("Gather", &[told, &positions], &rows);
    let axes = e.ints(&[0, 2]);
    Ok(e.emit("Unsqueeze", &[&told, &axes], &[]))
}

/// How the numbers of a head make pairs: neighbours, or one of either half.
struct Pairs {
    heads: i64,
    half: i64,
    interleaved: bool,
}

impl Pairs {
    fn apart(&self, e: &mut Emitter, value: &str) -> [String; 2] {
        let (axis, dims) = match self.interleaved {
            true => (4i64, [0, 0, self.heads, self.half, 2]),
            false => (3, [0, 0, self.heads, 2, self.half]),
        };
        let dims = e.ints(&dims);
        let apart = e.emit("Reshape", &[value, &dims], &[]);
        [0, 1].map(|index| {
            let index = e.constant(TensorProto::from_i64("", &[], &[index]));
            e.emit("Gather", &[&apart, &index], &[("axis", axis.into())])
        })
    }

    fn together(&self, e: &mut Emitter, x: &str, y: &str) -> String {
        let axis = if self.interleaved { 4i64 } else { 3 };
        let axes = e.ints(&[axis]);
        let [x, y] = [x, y].map(|part| e.emit("Unsqueeze", &[part, &axes], &[]));
        let pairs = e.emit("Concat", &[&x, &y], &[("axis", axis.into())]);
        let dims = e.ints(&[0, 0, self.heads, 2 * self.half]);
        e.emit("Reshape", &[&pairs, &dims], &[])
    }
}
