//! Quantization and dequantization with the straight-through estimator: rounding passes the gradient unchanged, so the
//! gradient is that of the same network without rounding. Gradients of quantized values are floats, in units of one
//! level.

use super::{Context, Error, Gradients, conv, matmul};
use crate::autodiff::formula::{Expr, mask};
use crate::onnx::ElementType;

/// `g / scale` where the quantized value lies within the type's range.
pub fn quantize(cx: &mut Context) -> Result<Gradients, Error> {
    cx.first_input_only()?;
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let (dims, elem) = (cx.dims(&input)?, cx.elem(&input)?);
    let scale = by_axis(cx, 1, &dims, elem)?;
    let (low, high) = match cx.elem(&cx.output())? {
        ElementType::U8 => (0.0, 255.0),
        ElementType::I8 => (-128.0, 127.0),
        ElementType::U16 => (0.0, 65535.0),
        ElementType::I16 => (-32768.0, 32767.0),
        other => return Err(cx.unsupported(&format!("it quantizes to {other:?}"))),
    };
    let (g, x, scale) = (Expr::from(gradient), Expr::from(input), Expr::from(scale));
    let mut level = x / &scale;
    if cx.optional_input(2).is_some() {
        level = level + by_axis(cx, 2, &dims, elem)?;
    }
    let (middle, reach) = ((low + high) / 2.0, (high - low) / 2.0 + 0.5);
    let is_within = (level - middle).map("Abs").less(reach);
    let gradient = cx.eval_as(elem, g / scale * mask(&is_within))?;
    Ok(vec![Some(gradient)])
}

/// `g · scale`.
pub fn dequantize(cx: &mut Context) -> Result<Gradients, Error> {
    cx.first_input_only()?;
    let (gradient, elem) = (cx.grad_output()?, cx.elem(&cx.output())?);
    let dims = cx.dims(&cx.input(0)?)?;
    let scale = by_axis(cx, 1, &dims, elem)?;
    Ok(vec![Some(cx.mul(&gradient, &scale))])
}

/// `g / scale`, with the scale of the second output: no value is clipped.
pub fn dynamic_quantize(cx: &mut Context) -> Result<Gradients, Error> {
    let gradient = cx.grad_output()?;
    let scale = cx.node.output.get(1).filter(|name| !name.is_empty());
    let scale = scale
        .cloned()
        .ok_or_else(|| cx.unsupported("it has no output for its scale"))?;
    Ok(vec![Some(cx.op("Div", &[&gradient, &scale]))])
}

/// As MatMul of the values less their zero points.
pub fn mat_mul_integer(cx: &mut Context) -> Result<Gradients, Error> {
    let a = above_zero_point(cx, 0, 2, |rank| rank.checked_sub(2))?;
    let b = above_zero_point(cx, 1, 3, |rank| rank.checked_sub(1))?;
    matmul::products(cx, &a, &b)
}

/// As Conv of the values less their zero points.
pub fn conv_integer(cx: &mut Context) -> Result<Gradients, Error> {
    let weight = above_zero_point(cx, 1, 3, |_| Some(0))?;
    conv::of_numbers(cx, &weight)
}

/// Values less their zero points, per tensor or per position of the axis that `axis` returns for a rank.
fn above_zero_point(
    cx: &mut Context,
    levels: usize,
    zero_point: usize,
    axis: impl Fn(usize) -> Option<usize>,
) -> Result<String, Error> {
    let levels = cx.input(levels)?;
    let rank = cx.dims(&levels)?.len();
    let numbers = cx.cast(&levels, ElementType::F32);
    let Some(zero_point) = cx.optional_input(zero_point) else {
        return Ok(numbers);
    };
    let dims = cx.dims(&zero_point)?;
    let zero_point = cx.cast(&zero_point, ElementType::F32);
    let zero_point = match (dims.as_slice(), axis(rank)) {
        ([] | [1], _) => cx.reshape(&zero_point, &[]),
        (&[count], Some(axis)) if axis < rank => {
            let mut along = vec![1; rank];
            along[axis] = count;
            cx.reshape(&zero_point, &along)
        }
        _ => return Err(cx.unsupported(&format!("a zero point of dimensions {dims:?}"))),
    };
    Ok(cx.op("Sub", &[&numbers, &zero_point]))
}

/// Input `index` (per tensor or per axis) shaped to broadcast to `dims`.
fn by_axis(
    cx: &mut Context,
    index: usize,
    dims: &[usize],
    elem: ElementType,
) -> Result<String, Error> {
    let value = cx.input(index)?;
    let (found, own) = (cx.dims(&value)?, cx.elem(&value)?);
    let value = if own == elem {
        value
    } else {
        cx.cast(&value, elem)
    };
    match found.as_slice() {
        [] => Ok(value),
        [1] => Ok(cx.reshape(&value, &[])),
        &[count] => {
            let axis = cx.axis("axis", 1, dims.len())?;
            if dims[axis] != count {
                return Err(cx.unsupported(&format!("it has {count} scales for {dims:?}")));
            }
            let mut along = vec![1; dims.len()];
            along[axis] = count;
            Ok(cx.reshape(&value, &along))
        }
        _ => Err(cx.unsupported("blocked quantization is not implemented")),
    }
}
