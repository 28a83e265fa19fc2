//! Circular and hyperbolic functions and their inverses.

use super::{Context, Error, Gradients};

/// `g · cos x`.
pub fn sin(cx: &mut Context) -> Result<Gradients, Error> {
    times_function(cx, "Cos", 1.0)
}

/// `-g · sin x`.
pub fn cos(cx: &mut Context) -> Result<Gradients, Error> {
    times_function(cx, "Sin", -1.0)
}

/// `g · cosh x`.
pub fn sinh(cx: &mut Context) -> Result<Gradients, Error> {
    times_function(cx, "Cosh", 1.0)
}

/// `g · sinh x`.
pub fn cosh(cx: &mut Context) -> Result<Gradients, Error> {
    times_function(cx, "Sinh", 1.0)
}

/// `factor · g · op x`.
fn times_function(cx: &mut Context, op: &str, factor: f64) -> Result<Gradients, Error> {
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let elem = cx.elem(&input)?;
    let slope = cx.op(op, &[&input]);
    let product = cx.mul(&gradient, &slope);
    Ok(vec![Some(cx.scale(&product, elem, factor)?)])
}

/// `g · (1 + y²)`.
pub fn tan(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, output) = (cx.grad_output()?, cx.output());
    let elem = cx.elem(&output)?;
    let square = cx.mul(&output, &output);
    let one = cx.scalar(elem, 1.0)?;
    let slope = cx.add(&square, &one);
    Ok(vec![Some(cx.mul(&gradient, &slope))])
}

/// `g / √(1 - x²)`.
pub fn asin(cx: &mut Context) -> Result<Gradients, Error> {
    over_quadratic(cx, (1.0, -1.0), true, 1.0)
}

/// `-g / √(1 - x²)`.
pub fn acos(cx: &mut Context) -> Result<Gradients, Error> {
    over_quadratic(cx, (1.0, -1.0), true, -1.0)
}

/// `g / (1 + x²)`.
pub fn atan(cx: &mut Context) -> Result<Gradients, Error> {
    over_quadratic(cx, (1.0, 1.0), false, 1.0)
}

/// `g / √(x² + 1)`.
pub fn asinh(cx: &mut Context) -> Result<Gradients, Error> {
    over_quadratic(cx, (1.0, 1.0), true, 1.0)
}

/// `g / √(x² - 1)`.
pub fn acosh(cx: &mut Context) -> Result<Gradients, Error> {
    over_quadratic(cx, (-1.0, 1.0), true, 1.0)
}

/// `g / (1 - x²)`.
pub fn atanh(cx: &mut Context) -> Result<Gradients, Error> {
    over_quadratic(cx, (1.0, -1.0), false, 1.0)
}

/// `factor · g / (a + b x²)`, or over the root of that.
fn over_quadratic(
    cx: &mut Context,
    (a, b): (f64, f64),
    root: bool,
    factor: f64,
) -> Result<Gradients, Error> {
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let elem = cx.elem(&input)?;
    let square = cx.mul(&input, &input);
    let square = cx.scale(&square, elem, b)?;
    let constant = cx.scalar(elem, a)?;
    let mut divisor = cx.add(&square, &constant);
    if root {
        divisor = cx.op("Sqrt", &[&divisor]);
    }
    let quotient = cx.op("Div", &[&gradient, &divisor]);
    Ok(vec![Some(cx.scale(&quotient, elem, factor)?)])
}
