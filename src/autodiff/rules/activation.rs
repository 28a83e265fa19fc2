//! Element-wise activations of one input.

use super::{Context, Error, Gradients};
use crate::autodiff::formula::{Expr, choose, one_minus};
use crate::autodiff::lowering::{mask_gt, mask_lt, scaled_mask};
use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// `g · [y > 0]`. With a redirect weight r, a blocked unit passes `r · max(g, 0)` (see
/// [`GradientOptions::redirect`](crate::autodiff::GradientOptions)).
pub fn relu(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, output) = (cx.grad_output()?, cx.output());
    let mask = mask_gt(cx, &output, 0.0)?;
    let passed = cx.mul(&gradient, &mask);
    let total = redirected(cx, &gradient, &mask, passed)?;
    Ok(vec![Some(total)])
}

/// `g · [min < y] · [y < max]`; blocked units at the lower bound as in [`relu`].
pub fn clip(cx: &mut Context) -> Result<Gradients, Error> {
    cx.first_input_only()?;
    let [min, max] = [cx.constant_number(1)?, cx.constant_number(2)?]
        .map(|bound| bound.filter(|bound| bound.is_finite()));
    let (gradient, output) = (cx.grad_output()?, cx.output());
    let mut passed = gradient.clone();
    if let Some(max) = max {
        let mask = mask_lt(cx, &output, max)?;
        passed = cx.mul(&passed, &mask);
    }
    if let Some(min) = min {
        let mask = mask_gt(cx, &output, min)?;
        passed = cx.mul(&passed, &mask);
        passed = redirected(cx, &gradient, &mask, passed)?;
    }
    Ok(vec![Some(passed)])
}

/// Adds to `passed` the gradient that the redirect option passes where `mask` is 0.
fn redirected(
    cx: &mut Context,
    gradient: &str,
    mask: &str,
    passed: String,
) -> Result<String, Error> {
    let Some(weight) = cx.options.redirect.clone() else {
        return Ok(passed);
    };
    let weight = fitting(cx, &weight)?;
    let upward = Expr::from(gradient).map("Relu");
    cx.eval(Expr::from(passed) + upward * one_minus(&mask.into()) * weight)
}

/// The redirect weight (N, 1, 1, 1), shaped to broadcast with the node's output: of its rank if its first axis is the
/// batch, else the largest weight as a scalar (for example for windows of all batch entries).
fn fitting(cx: &mut Context, weight: &str) -> Result<String, Error> {
    let dims = cx.dims(&cx.output())?;
    let runs = cx.dims(weight)?[0];
    if dims.first() != Some(&runs) {
        let flat = [("keepdims", 0i64.into())];
        return Ok(cx.emit("ReduceMax", &[weight], &flat));
    }
    if dims.len() == 4 {
        return Ok(weight.to_string());
    }
    let mut column = vec![1; dims.len()];
    column[0] = runs;
    Ok(cx.reshape(weight, &column))
}

/// `g` where `x` > 0, else `alpha · g`.
pub fn leaky_relu(cx: &mut Context) -> Result<Gradients, Error> {
    let alpha = float(cx, "alpha", 0.01);
    cx.gradient(|g, x, _| choose(&x.greater(0.0), g, g * alpha))
}

/// `g` where `x` > 0, else `slope · g`; for the slope, `g · min(x, 0)`.
pub fn p_relu(cx: &mut Context) -> Result<Gradients, Error> {
    let (g, x) = (Expr::from(cx.grad_output()?), Expr::from(cx.input(0)?));
    let slope = Expr::from(cx.input(1)?);
    let is_positive = x.greater(0.0);
    cx.broadcast_gradients(|index| match index {
        0 => choose(&is_positive, &g, &g * &slope),
        _ => &g * choose(&is_positive, 0.0, &x),
    })
}

/// The float attribute `name`, or else the operator's default.
fn float(cx: &Context, name: &str, default: f32) -> f64 {
    cx.node.float(name).unwrap_or(default).into()
}

/// `g · y · (1 - y)`.
pub fn sigmoid(cx: &mut Context) -> Result<Gradients, Error> {
    cx.gradient(|g, _, y| g * (y * one_minus(y)))
}

/// `g · (1 - y²)`.
pub fn tanh(cx: &mut Context) -> Result<Gradients, Error> {
    cx.gradient(|g, _, y| g * one_minus(&y.square()))
}

/// `g · alpha · [0 < y < 1]`.
pub fn hard_sigmoid(cx: &mut Context) -> Result<Gradients, Error> {
    let alpha = float(cx, "alpha", 0.2);
    let output = cx.output();
    let elem = cx.elem(&output)?;
    let inner = between(cx, &output, 0.0, 1.0)?;
    let inner = cx.eval(inner)?;
    let slope = scaled_mask(cx, &inner, elem, alpha)?;
    cx.gradient(|g, _, _| g * slope)
}

/// With `h = clamp(x/6 + 1/2, 0, 1)` and `y = x · h`: `g · (h + x/6 · [0 < h < 1])`.
pub fn hard_swish(cx: &mut Context) -> Result<Gradients, Error> {
    let input = cx.input(0)?;
    let sixth = 1f32 / 6.0;
    let attributes = [("alpha", sixth.into()), ("beta", 0.5f32.into())];
    let gate = Expr::from(cx.emit("HardSigmoid", &[&input], &attributes));
    // The mask is computed from x rather than from the gate, which is not a value of the original graph.
    let elem = cx.elem(&input)?;
    let inner = between(cx, &input, -3.0, 3.0)?;
    let inner = cx.eval(inner)?;
    let inner = scaled_mask(cx, &inner, elem, f64::from(sixth))?;
    cx.gradient(|g, x, _| g * (gate + x * inner))
}

/// 1 where `low` < `value` < `high`, else 0.
fn between(cx: &mut Context, value: &str, low: f64, high: f64) -> Result<Expr, Error> {
    let (above, below) = (mask_gt(cx, value, low)?, mask_lt(cx, value, high)?);
    Ok(Expr::from(above) * below)
}

/// `g` where `x` > 0, else `g · (y + alpha)`.
pub fn elu(cx: &mut Context) -> Result<Gradients, Error> {
    let alpha = float(cx, "alpha", 1.0);
    cx.gradient(|g, x, y| choose(&x.greater(0.0), g, g * (y + alpha)))
}

/// `g · sigmoid(x)`.
pub fn softplus(cx: &mut Context) -> Result<Gradients, Error> {
    cx.gradient(|g, x, _| g * x.map("Sigmoid"))
}

/// Exact: `g · (Φ(x) + x · φ(x))`, with the normal distribution Φ and its density φ.
/// Approximate `tanh`: with `t = tanh(√(2/π) · (x + 0.044715 x³))`,
/// `g · (1 + t)/2 + g · x · (1 - t²)/2 · √(2/π) · (1 + 0.134145 x²)`.
pub fn gelu(cx: &mut Context) -> Result<Gradients, Error> {
    match cx.node.string("approximate").unwrap_or("none") {
        "none" => cx.gradient(|g, x, _| g * gelu_slope_exact(x)),
        "tanh" => cx.gradient(|g, x, _| g * gelu_slope_tanh(x)),
        other => Err(cx.unsupported(&format!("approximate = {other:?}"))),
    }
}

fn gelu_slope_exact(x: &Expr) -> Expr {
    let distribution = ((x * FRAC_1_SQRT_2).map("Erf") + 1.0) * 0.5;
    let density = (x.square() * -0.5).exp() * (1.0 / (2.0 * PI).sqrt());
    distribution + x * density
}

fn gelu_slope_tanh(x: &Expr) -> Expr {
    let root = (2.0 / PI).sqrt();
    let square = x.square();
    let t = (x * (&square * 0.044715 + 1.0) * root).map("Tanh");
    let inner_slope = (square * (3.0 * 0.044715) + 1.0) * root;
    ((&t + 1.0) + x * (one_minus(&t.square()) * inner_slope)) * 0.5
}

/// `g` where `x` > 0, else `g · (y/alpha + 1)`.
pub fn celu(cx: &mut Context) -> Result<Gradients, Error> {
    let alpha = float(cx, "alpha", 1.0);
    cx.gradient(|g, x, y| g * choose(&x.greater(0.0), 1.0, y * (1.0 / alpha) + 1.0))
}

/// `g · gamma` where `x` > 0, else `g · (y + gamma · alpha)`.
pub fn selu(cx: &mut Context) -> Result<Gradients, Error> {
    let alpha = float(cx, "alpha", 1.673_263_2);
    let gamma = float(cx, "gamma", 1.050_701);
    cx.gradient(|g, x, y| g * choose(&x.greater(0.0), gamma, y + gamma * alpha))
}

/// With `t = tanh(softplus(x))`: `g · (t + x · (1 - t²) · sigmoid(x))`.
pub fn mish(cx: &mut Context) -> Result<Gradients, Error> {
    cx.gradient(|g, x, _| {
        let t = x.map("Softplus").map("Tanh");
        g * (&t + x * (one_minus(&t.square()) * x.map("Sigmoid")))
    })
}

/// With `s = sigmoid(alpha · x)`: `g · (s + alpha · y · (1 - s))`.
pub fn swish(cx: &mut Context) -> Result<Gradients, Error> {
    let alpha = float(cx, "alpha", 1.0);
    cx.gradient(|g, x, y| {
        let s = (x * alpha).map("Sigmoid");
        g * (&s + y * one_minus(&s) * alpha)
    })
}

/// `g · (1 - |y|)²`.
pub fn softsign(cx: &mut Context) -> Result<Gradients, Error> {
    cx.gradient(|g, _, y| g * one_minus(&y.map("Abs")).square())
}

/// `g · [x > alpha]`.
pub fn thresholded_relu(cx: &mut Context) -> Result<Gradients, Error> {
    let alpha = float(cx, "alpha", 1.0);
    let input = cx.input(0)?;
    let mask = Expr::from(mask_gt(cx, &input, alpha)?);
    cx.gradient(|g, _, _| g * mask)
}

/// `g · [x < -lambda or x > lambda]`.
pub fn shrink(cx: &mut Context) -> Result<Gradients, Error> {
    let lambda = float(cx, "lambd", 0.5);
    let input = cx.input(0)?;
    let high = Expr::from(mask_gt(cx, &input, lambda)?);
    let low = Expr::from(mask_lt(cx, &input, -lambda)?);
    cx.gradient(|g, _, _| g * (high + low))
}
