//! Rounding to a few levels and back. Rounding itself has no gradient, so it is passed straight through: the gradient is
//! that of the same network without rounding. Gradients of quantized values are floats, in steps of the levels.

use super::{Context, Error, Gradients};
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
