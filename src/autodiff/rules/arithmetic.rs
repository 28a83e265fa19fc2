//! Arithmetic with broadcasting, and element-wise functions.

use super::{Context, Error, Gradients};
use crate::autodiff::formula::{Expr, choose, mask};
use crate::autodiff::lowering::blocked::FeatureMaps;
use crate::onnx::ElementType;

/// `g` for each summand.
pub fn sum(cx: &mut Context) -> Result<Gradients, Error> {
    let g = Expr::from(cx.grad_output()?);
    cx.broadcast_gradients(|_| g.clone())
}

/// `g / n` for each of n inputs.
pub fn mean(cx: &mut Context) -> Result<Gradients, Error> {
    let share = Expr::from(cx.grad_output()?) * (1.0 / cx.node.input.len() as f64);
    cx.broadcast_gradients(|_| share.clone())
}

/// Maximum or minimum: `g`, divided equally among the inputs that equal `y`.
pub fn extreme(cx: &mut Context) -> Result<Gradients, Error> {
    let (g, y) = (Expr::from(cx.grad_output()?), Expr::from(cx.output()));
    let inputs = cx.node.input.iter();
    let masks: Vec<Expr> = inputs
        .map(|x| mask(&Expr::from(x.as_str()).equals(&y)))
        .collect();
    let share = g / Expr::op("Sum", masks.clone());
    cx.broadcast_gradients(|index| &share * &masks[index])
}

/// `g` where the condition is true for the second input, and where it is false for the third.
pub fn select(cx: &mut Context) -> Result<Gradients, Error> {
    let (g, condition) = (Expr::from(cx.grad_output()?), cx.input(0)?.into());
    cx.broadcast_gradients(|index| match index {
        1 => choose(&condition, &g, 0.0),
        _ => choose(&condition, 0.0, &g),
    })
}

/// The remainder of a division by a value that does not depend on the source: `g`.
pub fn remainder(cx: &mut Context) -> Result<Gradients, Error> {
    cx.first_input_only()?;
    sum(cx)
}

/// `g`, and `-g` for the second.
pub fn sub(cx: &mut Context) -> Result<Gradients, Error> {
    let g = Expr::from(cx.grad_output()?);
    cx.broadcast_gradients(|index| match index {
        0 => g.clone(),
        _ => -&g,
    })
}

/// `g · b` and `g · a`.
pub fn mul(cx: &mut Context) -> Result<Gradients, Error> {
    let gradient = cx.grad_output()?;
    cx.for_each_requested(2, |cx, index| {
        let other = 1 - index;
        let mut factor = cx.input(other)?;
        if let Some(maps) = scaled_maps(cx, other)? {
            factor = maps.repeat_over_positions(cx.builder, &factor, 1.0);
        }
        let product = cx.mul(&gradient, &factor);
        match scaled_maps(cx, index)? {
            Some(maps) => Ok(maps.sum_over_positions(cx.builder, &product)),
            None => cx.sum_to_input(index, &product),
        }
    })
}

/// The feature maps (N, C, H, W) that input `index` of a product, (N, C, 1, 1), scales per channel,
/// depending on the source (squeeze and excitation); `None` if it is anything else, or they cannot
/// be blocked.
fn scaled_maps(cx: &Context, index: usize) -> Result<Option<FeatureMaps>, Error> {
    if !cx.needs_input_grad(index) {
        return Ok(None);
    }
    let (dims, out) = (cx.dims(&cx.input(index)?)?, cx.dims(&cx.output())?);
    if out.len() != 4 || dims != [out[0], out[1], 1, 1] || dims == out {
        return Ok(None);
    }
    Ok(FeatureMaps::new(
        cx.options.device,
        cx.elem(&cx.output())?,
        &out,
    ))
}

/// `g / b` and `-g · y / b`.
pub fn div(cx: &mut Context) -> Result<Gradients, Error> {
    let (g, b, y) = (Expr::from(cx.grad_output()?), cx.input(1)?, cx.output());
    let quotient = g / b;
    let y = Expr::from(y);
    cx.broadcast_gradients(|index| match index {
        0 => quotient.clone(),
        _ => -(&quotient * &y),
    })
}

/// `g · b · a^(b-1)` and `g · y · ln a`.
pub fn pow(cx: &mut Context) -> Result<Gradients, Error> {
    let (base, exponent) = (cx.input(0)?, cx.input(1)?);
    let elem = cx.elem(&base)?;
    let exponent = if cx.elem(&exponent)? == elem {
        exponent
    } else {
        cx.cast(&exponent, elem)
    };
    let (g, y) = (Expr::from(cx.grad_output()?), Expr::from(cx.output()));
    let (a, b) = (Expr::from(base), Expr::from(exponent));
    cx.broadcast_gradients(|index| match index {
        0 => &g * (a.pow(&b - 1.0) * &b),
        _ => &g * (&y * a.map("Log")),
    })
}

/// `-g`.
pub fn neg(cx: &mut Context) -> Result<Gradients, Error> {
    cx.gradient(|g, _, _| -g)
}

/// `g · sign x`.
pub fn abs(cx: &mut Context) -> Result<Gradients, Error> {
    cx.gradient(|g, x, _| g * x.map("Sign"))
}

/// Smallest and largest normal number of a type. The gradient that reaches the square root of zero, or its reciprocal,
/// is often zero because of a clamp behind it (`x · min(1/|x|, limit)`): a finite slope keeps it at zero instead of
/// NaN.
fn extremes(elem: ElementType) -> (f64, f64) {
    match elem {
        ElementType::F64 => (f64::MIN_POSITIVE, f64::MAX),
        _ => (f32::MIN_POSITIVE.into(), f32::MAX.into()),
    }
}

/// `g · 1/2 / y`; 0 where `g` is, at 0 too.
pub fn sqrt(cx: &mut Context) -> Result<Gradients, Error> {
    let (least, _) = extremes(cx.elem(&cx.output())?);
    cx.gradient(|g, _, y| g * 0.5 / y.max(least))
}

/// `g · y`.
pub fn exp(cx: &mut Context) -> Result<Gradients, Error> {
    cx.gradient(|g, _, y| g * y)
}

/// `g / x`.
pub fn log(cx: &mut Context) -> Result<Gradients, Error> {
    cx.gradient(|g, x, _| g / x)
}

/// `g · 2/√π · exp(-x²)`.
pub fn erf(cx: &mut Context) -> Result<Gradients, Error> {
    cx.gradient(|g, x, _| g * ((-x.square()).exp() * std::f64::consts::FRAC_2_SQRT_PI))
}

/// `-g · y²`; 0 where `g` is, at 0 too.
pub fn reciprocal(cx: &mut Context) -> Result<Gradients, Error> {
    let (_, most) = extremes(cx.elem(&cx.output())?);
    cx.gradient(|g, _, y| -(g * y.square().min(most)))
}
