//! Rounding to a few levels and back. Rounding itself has no gradient, so it is passed straight through: the gradient is
//! that of the same network without rounding. Gradients of quantized values are floats, in steps of the levels.

use super::{Context, Error, Gradients, convolution, linear};
use crate::onnx::Elem;

/// `g / scale` where the level lies within the type's range.
pub fn quantize(cx: &mut Context) -> Result<Gradients, Error> {
    cx.only_first()?;
    let (gradient, input) = (cx.gradient()?, cx.input(0)?);
    let (dims, elem) = (cx.dims(&input)?, cx.elem(&input)?);
    let scale = by_axis(cx, 1, &dims, elem)?;
    let (low, high) = match cx.elem(&cx.output())? {
        Elem::U8 => (0.0, 255.0),
        Elem::I8 => (-128.0, 127.0),
        Elem::U16 => (0.0, 65535.0),
        Elem::I16 => (-32768.0, 32767.0),
        other => return Err(cx.form(&format!("it rounds to {other:?}"))),
    };
    let mut level = cx.plain("Div", &[&input, &scale]);
    if cx.optional_input(2).is_some() {
        let zero_point = by_axis(cx, 2, &dims, elem)?;
        level = cx.add(&level, &zero_point);
    }
    let (middle, reach) = ((low + high) / 2.0, (high - low) / 2.0 + 0.5);
    let (middle, reach) = (cx.scalar(elem, middle)?, cx.scalar(elem, reach)?);
    let offset = cx.plain("Sub", &[&level, &middle]);
    let offset = cx.plain("Abs", &[&offset]);
    let within = cx.plain("Less", &[&offset, &reach]);
    let mask = cx.cast(&within, elem);
    let steps = cx.plain("Div", &[&gradient, &scale]);
    Ok(vec![Some(cx.mul(&steps, &mask))])
}

/// `g · scale`.
pub fn dequantize(cx: &mut Context) -> Result<Gradients, Error> {
    cx.only_first()?;
    let (gradient, elem) = (cx.gradient()?, cx.elem(&cx.output())?);
    let dims = cx.dims(&cx.input(0)?)?;
    let scale = by_axis(cx, 1, &dims, elem)?;
    Ok(vec![Some(cx.mul(&gradient, &scale))])
}

/// `g / scale`, with the scale that is the second output: every level lies within the range.
pub fn dynamic_quantize(cx: &mut Context) -> Result<Gradients, Error> {
    let gradient = cx.gradient()?;
    let scale = cx.node.output.get(1).filter(|name| !name.is_empty());
    let scale = scale
        .cloned()
        .ok_or_else(|| cx.form("nothing is told of its scale"))?;
    Ok(vec![Some(cx.plain("Div", &[&gradient, &scale]))])
}

/// As of a product of numbers: those by which levels lie above their zero points.
pub fn mat_mul_integer(cx: &mut Context) -> Result<Gradients, Error> {
    let a = above_zero_point(cx, 0, 2, |rank| rank.checked_sub(2))?;
    let b = above_zero_point(cx, 1, 3, |rank| rank.checked_sub(1))?;
    linear::products(cx, &a, &b)
}

/// As of a convolution with numbers.
pub fn conv_integer(cx: &mut Context) -> Result<Gradients, Error> {
    let weight = above_zero_point(cx, 1, 3, |_| Some(0))?;
    convolution::of_numbers(cx, &weight)
}

/// Levels less their zero points, of which there may be one a position of the axis that `axis` finds for a rank.
fn above_zero_point(
    cx: &mut Context,
    levels: usize,
    zero_point: usize,
    axis: impl Fn(usize) -> Option<usize>,
) -> Result<String, Error> {
    let levels = cx.input(levels)?;
    let rank = cx.dims(&levels)?.len();
    let numbers = cx.cast(&levels, Elem::F32);
    let Some(zero_point) = cx.optional_input(zero_point) else {
        return Ok(numbers);
    };
    let dims = cx.dims(&zero_point)?;
    let zero_point = cx.cast(&zero_point, Elem::F32);
    let zero_point = match (dims.as_slice(), axis(rank)) {
        ([] | [1], _) => cx.reshape(&zero_point, &[]),
        (&[count], Some(axis)) if axis < rank => {
            let mut along = vec![1; rank];
            along[axis] = count;
            cx.reshape(&zero_point, &along)
        }
        _ => return Err(cx.form(&format!("a zero point of dimensions {dims:?}"))),
    };
    Ok(cx.plain("Sub", &[&numbers, &zero_point]))
}

/// Input `index` (a number, or one an axis' position) as numbers that broadcast to `dims`.
fn by_axis(cx: &mut Context, index: usize, dims: &[usize], elem: Elem) -> Result<String, Error> {
    let value = cx.input(index)?;
    let (found, own) = (cx.dims(&value)?, cx.elem(&value)?);
    let value = match own == elem {
        true => value,
        false => cx.cast(&value, elem),
    };
    match found.as_slice() {
        [] => Ok(value),
        [1] => Ok(cx.reshape(&value, &[])),
        &[count] => {
            let axis = cx.axis("axis", 1, dims.len())?;
            if dims[axis] != count {
                return Err(cx.form(&format!("it has {count} scales for {dims:?}")));
            }
            let mut along = vec![1; dims.len()];
            along[axis] = count;
            Ok(cx.reshape(&value, &along))
        }
        _ => Err(cx.form("it has a scale for each block")),
    }
}
