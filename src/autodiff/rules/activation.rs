//! Element-wise activations of one input.

use super::{Context, Error, Gradients};
use crate::autodiff::lowering::{mask_gt, mask_lt, one_minus, scaled_mask};
use crate::onnx::ElementType;

/// `g · [y > 0]`. With a redirect weight r, a blocked unit passes `r · max(g, 0)` (see
/// [`Options::redirect`](crate::autodiff::Options)).
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
    let (gradient, output) = (cx.grad_output()?, cx.output());
    let mut passed = gradient.clone();
    if let Some(max) = cx.constant_number(2)?.filter(|max| max.is_finite()) {
        let mask = mask_lt(cx, &output, max)?;
        passed = cx.mul(&passed, &mask);
    }
    if let Some(min) = cx.constant_number(1)?.filter(|min| min.is_finite()) {
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
    let elem = cx.elem(&cx.output())?;
    let blocked = one_minus(cx, mask, elem)?;
    let upward = cx.op("Relu", &[gradient]);
    let upward = cx.mul(&upward, &blocked);
    let weighted = cx.mul(&upward, &weight);
    Ok(cx.add(&passed, &weighted))
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
    let alpha = f64::from(cx.node.float("alpha").unwrap_or(0.01));
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let elem = cx.elem(&input)?;
    let scaled = cx.scale(&gradient, elem, alpha)?;
    let positive = positive(cx, &input, elem)?;
    Ok(vec![Some(cx.op("Where", &[&positive, &gradient, &scaled]))])
}

/// `g` where `x` > 0, else `slope · g`; for the slope, `g · min(x, 0)`.
pub fn p_relu(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, input, slope) = (cx.grad_output()?, cx.input(0)?, cx.input(1)?);
    let elem = cx.elem(&input)?;
    let positive = positive(cx, &input, elem)?;
    let of_input = if cx.needs_input_grad(0) {
        let scaled = cx.mul(&gradient, &slope);
        Some(cx.op("Where", &[&positive, &gradient, &scaled]))
    } else {
        None
    };
    let of_slope = if cx.needs_input_grad(1) {
        let zero = cx.scalar(elem, 0.0)?;
        let negative = cx.op("Where", &[&positive, &zero, &input]);
        let product = cx.mul(&gradient, &negative);
        let (from, to) = (cx.dims(&input)?, cx.dims(&slope)?);
        Some(cx.sum_to_shape(&product, &from, &to)?)
    } else {
        None
    };
    Ok(vec![of_input, of_slope])
}

fn positive(cx: &mut Context, value: &str, elem: ElementType) -> Result<String, Error> {
    let zero = cx.scalar(elem, 0.0)?;
    Ok(cx.op("Greater", &[value, &zero]))
}

/// `g · y · (1 - y)`.
pub fn sigmoid(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, output) = (cx.grad_output()?, cx.output());
    let elem = cx.elem(&output)?;
    let rest = one_minus(cx, &output, elem)?;
    let slope = cx.mul(&output, &rest);
    Ok(vec![Some(cx.mul(&gradient, &slope))])
}

/// `g · (1 - y²)`.
pub fn tanh(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, output) = (cx.grad_output()?, cx.output());
    let square = cx.mul(&output, &output);
    let elem = cx.elem(&output)?;
    let slope = one_minus(cx, &square, elem)?;
    Ok(vec![Some(cx.mul(&gradient, &slope))])
}

/// `g · alpha · [0 < y < 1]`.
pub fn hard_sigmoid(cx: &mut Context) -> Result<Gradients, Error> {
    let alpha = f64::from(cx.node.float("alpha").unwrap_or(0.2));
    let (gradient, output) = (cx.grad_output()?, cx.output());
    let elem = cx.elem(&output)?;
    let inner = inner_mask(cx, &output)?;
    let slope = scaled_mask(cx, &inner, elem, alpha)?;
    Ok(vec![Some(cx.mul(&gradient, &slope))])
}

/// With `h = clamp(x/6 + 1/2, 0, 1)` and `y = x · h`: `g · (h + x/6 · [0 < h < 1])`.
pub fn hard_swish(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let elem = cx.elem(&input)?;
    let sixth = 1f32 / 6.0;
    let attributes = [("alpha", sixth.into()), ("beta", 0.5f32.into())];
    let gate = cx.emit("HardSigmoid", &[&input], &attributes);
    // The mask is computed from x rather than from the gate, which is not a value of the original graph: -3 < x < 3.
    let (low, high) = (mask_gt(cx, &input, -3.0)?, mask_lt(cx, &input, 3.0)?);
    let inner = cx.mul(&low, &high);
    let inner = scaled_mask(cx, &inner, elem, f64::from(sixth))?;
    let sloped = cx.mul(&input, &inner);
    let slope = cx.add(&gate, &sloped);
    Ok(vec![Some(cx.mul(&gradient, &slope))])
}

/// 1 where 0 < `value` < 1.
fn inner_mask(cx: &mut Context, value: &str) -> Result<String, Error> {
    let (low, high) = (mask_gt(cx, value, 0.0)?, mask_lt(cx, value, 1.0)?);
    Ok(cx.mul(&low, &high))
}

/// `g` where `x` > 0, else `g · (y + alpha)`.
pub fn elu(cx: &mut Context) -> Result<Gradients, Error> {
    let alpha = f64::from(cx.node.float("alpha").unwrap_or(1.0));
    let (gradient, input, output) = (cx.grad_output()?, cx.input(0)?, cx.output());
    let elem = cx.elem(&input)?;
    let alpha = cx.scalar(elem, alpha)?;
    let slope = cx.add(&output, &alpha);
    let scaled = cx.mul(&gradient, &slope);
    let positive = positive(cx, &input, elem)?;
    Ok(vec![Some(cx.op("Where", &[&positive, &gradient, &scaled]))])
}

/// `g · sigmoid(x)`.
pub fn softplus(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let slope = cx.op("Sigmoid", &[&input]);
    Ok(vec![Some(cx.mul(&gradient, &slope))])
}

/// Exact: `g · (Φ(x) + x · φ(x))`, with the normal distribution Φ and its density φ.
/// Approximate `tanh`: with `t = tanh(√(2/π) · (x + 0.044715 x³))`,
/// `g · (1 + t)/2 + g · x · (1 - t²)/2 · √(2/π) · (1 + 0.134145 x²)`.
pub fn gelu(cx: &mut Context) -> Result<Gradients, Error> {
    let slope = match cx.node.string("approximate").unwrap_or("none") {
        "none" => gelu_slope_exact(cx)?,
        "tanh" => gelu_slope_tanh(cx)?,
        other => return Err(cx.unsupported(&format!("approximate = {other:?}"))),
    };
    let gradient = cx.grad_output()?;
    Ok(vec![Some(cx.mul(&gradient, &slope))])
}

fn gelu_slope_exact(cx: &mut Context) -> Result<String, Error> {
    let input = cx.input(0)?;
    let elem = cx.elem(&input)?;
    let scaled = cx.scale(&input, elem, std::f64::consts::FRAC_1_SQRT_2)?;
    let error = cx.op("Erf", &[&scaled]);
    let (one, half) = (cx.scalar(elem, 1.0)?, cx.scalar(elem, 0.5)?);
    let doubled = cx.add(&error, &one);
    let distribution = cx.mul(&doubled, &half);
    let square = cx.mul(&input, &input);
    let exponent = cx.scale(&square, elem, -0.5)?;
    let bell = cx.op("Exp", &[&exponent]);
    let density = cx.scale(&bell, elem, 1.0 / (2.0 * std::f64::consts::PI).sqrt())?;
    let weighted = cx.mul(&input, &density);
    Ok(cx.add(&distribution, &weighted))
}

fn gelu_slope_tanh(cx: &mut Context) -> Result<String, Error> {
    let input = cx.input(0)?;
    let elem = cx.elem(&input)?;
    let root = (2.0 / std::f64::consts::PI).sqrt();
    let (one, half) = (cx.scalar(elem, 1.0)?, cx.scalar(elem, 0.5)?);
    let square = cx.mul(&input, &input);
    let cubic = cx.scale(&square, elem, 0.044715)?;
    let cubic = cx.add(&cubic, &one);
    let inner = cx.mul(&input, &cubic);
    let inner = cx.scale(&inner, elem, root)?;
    let tanh = cx.op("Tanh", &[&inner]);
    let first = cx.add(&tanh, &one);
    let tanh_square = cx.mul(&tanh, &tanh);
    let rest = one_minus(cx, &tanh_square, elem)?;
    let inner_slope = cx.scale(&square, elem, 3.0 * 0.044715)?;
    let inner_slope = cx.add(&inner_slope, &one);
    let inner_slope = cx.scale(&inner_slope, elem, root)?;
    let second = cx.mul(&rest, &inner_slope);
    let second = cx.mul(&input, &second);
    let sum = cx.add(&first, &second);
    Ok(cx.mul(&sum, &half))
}

/// `g` where `x` > 0, else `g · (y/alpha + 1)`.
pub fn celu(cx: &mut Context) -> Result<Gradients, Error> {
    let alpha = f64::from(cx.node.float("alpha").unwrap_or(1.0));
    saturating(cx, 1.0, 1.0 / alpha, 1.0)
}

/// `g · gamma` where `x` > 0, else `g · (y + gamma · alpha)`.
pub fn selu(cx: &mut Context) -> Result<Gradients, Error> {
    let alpha = f64::from(cx.node.float("alpha").unwrap_or(1.673_263_2));
    let gamma = f64::from(cx.node.float("gamma").unwrap_or(1.050_701));
    saturating(cx, gamma, 1.0, gamma * alpha)
}

/// `g · above` where `x` > 0, else `g · (factor · y + offset)`.
fn saturating(cx: &mut Context, above: f64, factor: f64, offset: f64) -> Result<Gradients, Error> {
    let (gradient, input, output) = (cx.grad_output()?, cx.input(0)?, cx.output());
    let elem = cx.elem(&input)?;
    let offset = cx.scalar(elem, offset)?;
    let slope = cx.scale(&output, elem, factor)?;
    let slope = cx.add(&slope, &offset);
    let (above, positive) = (cx.scalar(elem, above)?, positive(cx, &input, elem)?);
    let slope = cx.op("Where", &[&positive, &above, &slope]);
    Ok(vec![Some(cx.mul(&gradient, &slope))])
}

/// With `t = tanh(softplus(x))`: `g · (t + x · (1 - t²) · sigmoid(x))`.
pub fn mish(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let elem = cx.elem(&input)?;
    let softplus = cx.op("Softplus", &[&input]);
    let tanh = cx.op("Tanh", &[&softplus]);
    let square = cx.mul(&tanh, &tanh);
    let rest = one_minus(cx, &square, elem)?;
    let sigmoid = cx.op("Sigmoid", &[&input]);
    let inner = cx.mul(&rest, &sigmoid);
    let inner = cx.mul(&input, &inner);
    let slope = cx.add(&tanh, &inner);
    Ok(vec![Some(cx.mul(&gradient, &slope))])
}

/// With `s = sigmoid(alpha · x)`: `g · (s + alpha · y · (1 - s))`.
pub fn swish(cx: &mut Context) -> Result<Gradients, Error> {
    let alpha = f64::from(cx.node.float("alpha").unwrap_or(1.0));
    let (gradient, input, output) = (cx.grad_output()?, cx.input(0)?, cx.output());
    let elem = cx.elem(&input)?;
    let scaled = cx.scale(&input, elem, alpha)?;
    let sigmoid = cx.op("Sigmoid", &[&scaled]);
    let rest = one_minus(cx, &sigmoid, elem)?;
    let rest = cx.mul(&output, &rest);
    let rest = cx.scale(&rest, elem, alpha)?;
    let slope = cx.add(&sigmoid, &rest);
    Ok(vec![Some(cx.mul(&gradient, &slope))])
}

/// `g · (1 - |y|)²`.
pub fn softsign(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, output) = (cx.grad_output()?, cx.output());
    let elem = cx.elem(&output)?;
    let size = cx.op("Abs", &[&output]);
    let rest = one_minus(cx, &size, elem)?;
    let slope = cx.mul(&rest, &rest);
    Ok(vec![Some(cx.mul(&gradient, &slope))])
}

/// `g · [x > alpha]`.
pub fn thresholded_relu(cx: &mut Context) -> Result<Gradients, Error> {
    let alpha = f64::from(cx.node.float("alpha").unwrap_or(1.0));
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let mask = mask_gt(cx, &input, alpha)?;
    Ok(vec![Some(cx.mul(&gradient, &mask))])
}

/// `g · [x < -lambda or x > lambda]`.
pub fn shrink(cx: &mut Context) -> Result<Gradients, Error> {
    let lambda = f64::from(cx.node.float("lambd").unwrap_or(0.5));
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let (high, low) = (mask_gt(cx, &input, lambda)?, mask_lt(cx, &input, -lambda)?);
    let mask = cx.add(&high, &low);
    Ok(vec![Some(cx.mul(&gradient, &mask))])
}
