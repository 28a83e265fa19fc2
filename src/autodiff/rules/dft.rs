//! Discrete Fourier transforms. They are linear: the gradient is the adjoint, which is the inverse up to a factor.

use super::{Context, Error, Gradients};
use crate::onnx::Attribute;

/// The opset in which the axis became an input.
const AXIS_AS_INPUT: i64 = 20;

/// With `F` the transform of length N: `Fᴴ g` = N · inverse transform of `g`, and `F g / N` for the inverse. Real and
/// imaginary part are the last axis; of real numbers there is only the first.
pub fn dft(cx: &mut Context) -> Result<Gradients, Error> {
    cx.first_input_only()?;
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let (dims, elem, out) = (cx.dims(&input)?, cx.elem(&input)?, cx.dims(&cx.output())?);
    let opset = cx.builder.graph().opset();
    let axis = match opset < AXIS_AS_INPUT {
        true => cx.axis("axis", 1, dims.len())?,
        false => {
            let given = cx.constant_ints(2)?.and_then(|axis| axis.first().copied());
            cx.resolve_axis(given.unwrap_or(-2), dims.len())?
        }
    };
    let inverse = cx.node.int("inverse").unwrap_or(0) != 0;
    let one_sided = cx.node.int("onesided").unwrap_or(0) != 0;
    let parts = dims.len() - 1;
    if axis == parts || out.len() != dims.len() || out[parts] != 2 || !matches!(dims[parts], 1 | 2)
    {
        return Err(cx.unsupported(&format!("input {dims:?} and output {out:?}")));
    }
    if inverse && one_sided {
        return Err(cx.unsupported("inverse transforms of one-sided spectra are not implemented"));
    }
    let given = cx
        .constant_ints(1)?
        .and_then(|length| length.first().copied());
    let length = match given.map(usize::try_from) {
        None => dims[axis],
        Some(Ok(length)) if length > 0 => length,
        Some(_) => return Err(cx.unsupported("its length is not valid")),
    };
    let bins = if one_sided { length / 2 + 1 } else { length };
    if out[axis] != bins {
        return Err(cx.unsupported(&format!("output {out:?} for length {length}")));
    }
    // Omitted frequencies and truncated samples have no gradient.
    let all = resized(cx, &gradient, axis, (bins, length), dims.len());
    let back = transformed(cx, &all, axis, !inverse, opset);
    let factor = if inverse {
        1.0 / length as f64
    } else {
        length as f64
    };
    let back = cx.scale(&back, elem, factor)?;
    let back = resized(cx, &back, axis, (length, dims[axis]), dims.len());
    Ok(vec![Some(resized(
        cx,
        &back,
        parts,
        (2, dims[parts]),
        dims.len(),
    ))])
}

/// `value` zero-padded or truncated along an axis.
fn resized(
    cx: &mut Context,
    value: &str,
    axis: usize,
    (from, to): (usize, usize),
    rank: usize,
) -> String {
    if from == to {
        return value.to_owned();
    }
    let mut after = vec![0; rank];
    after[axis] = to as i64 - from as i64;
    cx.pad(value, &vec![0; rank], &after)
}

fn transformed(cx: &mut Context, value: &str, axis: usize, inverse: bool, opset: i64) -> String {
    let mut attributes: Vec<(&str, Attribute)> = vec![("inverse", i64::from(inverse).into())];
    if opset < AXIS_AS_INPUT {
        attributes.push(("axis", (axis as i64).into()));
        return cx.emit("DFT", &[value], &attributes);
    }
    let axis = cx.int(axis as i64);
    cx.emit("DFT", &[value, "", &axis], &attributes)
}
