//! Arithmetic with broadcasting, and element-wise functions.

use super::{Context, Error, Gradients};
use crate::autodiff::lowering::blocked::FeatureMaps;
use crate::onnx::ElementType;

/// The gradient of input `index`, given that of the broadcast output, summed back to the input's dimensions.
fn sum_to_input(cx: &mut Context, index: usize, gradient: &str) -> Result<Option<String>, Error> {
    let (from, to) = (cx.dims(&cx.output())?, cx.dims(&cx.input(index)?)?);
    Ok(Some(cx.sum_to_shape(gradient, &from, &to)?))
}

/// `g` for each summand.
pub fn sum(cx: &mut Context) -> Result<Gradients, Error> {
    let gradient = cx.grad_output()?;
    for_each_requested(cx, |cx, index| sum_to_input(cx, index, &gradient))
}

/// `g / n` for each of n inputs.
pub fn mean(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, elem) = (cx.grad_output()?, cx.elem(&cx.output())?);
    let share = cx.scale(&gradient, elem, 1.0 / cx.node.input.len() as f64)?;
    for_each_requested(cx, |cx, index| sum_to_input(cx, index, &share))
}

/// Applies `rule` to each input whose gradient is requested.
fn for_each_requested(
    cx: &mut Context,
    mut rule: impl FnMut(&mut Context, usize) -> Result<Option<String>, Error>,
) -> Result<Gradients, Error> {
    (0..cx.node.input.len())
        .map(|index| match cx.needs_input_grad(index) {
            true => rule(cx, index),
            false => Ok(None),
        })
        .collect()
}

/// Maximum or minimum: `g`, divided equally among the inputs that equal `y`.
pub fn extreme(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, output) = (cx.grad_output()?, cx.output());
    let elem = cx.elem(&output)?;
    let mut masks = Vec::with_capacity(cx.node.input.len());
    for index in 0..cx.node.input.len() {
        let same = cx.op("Equal", &[&cx.input(index)?, &output]);
        masks.push(cx.cast(&same, elem));
    }
    let all: Vec<&str> = masks.iter().map(String::as_str).collect();
    let count = cx.op("Sum", &all);
    let share = cx.op("Div", &[&gradient, &count]);
    for_each_requested(cx, |cx, index| {
        let part = cx.mul(&share, &masks[index]);
        sum_to_input(cx, index, &part)
    })
}

/// `g` where the condition is true for the second input, and where it is false for the third.
pub fn select(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, condition) = (cx.grad_output()?, cx.input(0)?);
    let zero = cx.scalar(cx.elem(&cx.output())?, 0.0)?;
    for_each_requested(cx, |cx, index| {
        let part = match index {
            1 => cx.op("Where", &[&condition, &gradient, &zero]),
            _ => cx.op("Where", &[&condition, &zero, &gradient]),
        };
        sum_to_input(cx, index, &part)
    })
}

/// The remainder of a division by a value that does not depend on the source: `g`.
pub fn remainder(cx: &mut Context) -> Result<Gradients, Error> {
    cx.first_input_only()?;
    let gradient = cx.grad_output()?;
    Ok(vec![sum_to_input(cx, 0, &gradient)?])
}

/// `g`, and `-g` for the second.
pub fn sub(cx: &mut Context) -> Result<Gradients, Error> {
    let gradient = cx.grad_output()?;
    let first = if cx.needs_input_grad(0) {
        sum_to_input(cx, 0, &gradient)?
    } else {
        None
    };
    let second = if cx.needs_input_grad(1) {
        let negative = cx.op("Neg", &[&gradient]);
        sum_to_input(cx, 1, &negative)?
    } else {
        None
    };
    Ok(vec![first, second])
}

/// `g · b` and `g · a`.
pub fn mul(cx: &mut Context) -> Result<Gradients, Error> {
    let gradient = cx.grad_output()?;
    let mut gradients = vec![None, None];
    for (index, other) in [(0, 1), (1, 0)] {
        if cx.needs_input_grad(index) {
            let mut factor = cx.input(other)?;
            if let Some(maps) = scaled_maps(cx, other)? {
                factor = maps.repeat_over_positions(cx.builder, &factor, 1.0);
            }
            let product = cx.mul(&gradient, &factor);
            gradients[index] = match scaled_maps(cx, index)? {
                Some(maps) => Some(maps.sum_over_positions(cx.builder, &product)),
                None => sum_to_input(cx, index, &product)?,
            };
        }
    }
    Ok(gradients)
}

/// The feature maps (N, C, H, W) that input `index` of a product, (N, C, 1, 1), scales per channel, depending on the source
/// (squeeze and excitation); `None` if it is anything else, or they cannot be blocked.
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
    let (gradient, divisor, output) = (cx.grad_output()?, cx.input(1)?, cx.output());
    let quotient = cx.op("Div", &[&gradient, &divisor]);
    let first = if cx.needs_input_grad(0) {
        sum_to_input(cx, 0, &quotient)?
    } else {
        None
    };
    let second = if cx.needs_input_grad(1) {
        let product = cx.mul(&quotient, &output);
        let negative = cx.op("Neg", &[&product]);
        sum_to_input(cx, 1, &negative)?
    } else {
        None
    };
    Ok(vec![first, second])
}

/// `g · b · a^(b-1)` and `g · y · ln a`.
pub fn pow(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, base, exponent, output) =
        (cx.grad_output()?, cx.input(0)?, cx.input(1)?, cx.output());
    let elem = cx.elem(&base)?;
    let exponent = match cx.elem(&exponent)? {
        same if same == elem => exponent,
        _ => cx.emit(
            "Cast",
            &[&exponent],
            &[("to", i64::from(elem.code()).into())],
        ),
    };
    let first = if cx.needs_input_grad(0) {
        let one = cx.scalar(elem, 1.0)?;
        let lower = cx.op("Sub", &[&exponent, &one]);
        let power = cx.op("Pow", &[&base, &lower]);
        let slope = cx.mul(&power, &exponent);
        let product = cx.mul(&gradient, &slope);
        sum_to_input(cx, 0, &product)?
    } else {
        None
    };
    let second = if cx.needs_input_grad(1) {
        let log = cx.op("Log", &[&base]);
        let slope = cx.mul(&output, &log);
        let product = cx.mul(&gradient, &slope);
        sum_to_input(cx, 1, &product)?
    } else {
        None
    };
    Ok(vec![first, second])
}

/// `-g`.
pub fn neg(cx: &mut Context) -> Result<Gradients, Error> {
    let gradient = cx.grad_output()?;
    Ok(vec![Some(cx.op("Neg", &[&gradient]))])
}

/// `g · sign x`.
pub fn abs(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let sign = cx.op("Sign", &[&input]);
    Ok(vec![Some(cx.mul(&gradient, &sign))])
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
    let (gradient, output) = (cx.grad_output()?, cx.output());
    let elem = cx.elem(&output)?;
    let half = cx.scale(&gradient, elem, 0.5)?;
    let least = cx.scalar(elem, extremes(elem).0)?;
    let root = cx.op("Max", &[&output, &least]);
    Ok(vec![Some(cx.op("Div", &[&half, &root]))])
}

/// `g · y`.
pub fn exp(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, output) = (cx.grad_output()?, cx.output());
    Ok(vec![Some(cx.mul(&gradient, &output))])
}

/// `g / x`.
pub fn log(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    Ok(vec![Some(cx.op("Div", &[&gradient, &input]))])
}

/// `g · 2/√π · exp(-x²)`.
pub fn erf(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let elem = cx.elem(&input)?;
    let square = cx.mul(&input, &input);
    let exponent = cx.op("Neg", &[&square]);
    let bell = cx.op("Exp", &[&exponent]);
    let slope = cx.scale(&bell, elem, std::f64::consts::FRAC_2_SQRT_PI)?;
    Ok(vec![Some(cx.mul(&gradient, &slope))])
}

/// `-g · y²`; 0 where `g` is, at 0 too.
pub fn reciprocal(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, output) = (cx.grad_output()?, cx.output());
    let elem = cx.elem(&output)?;
    let most = cx.scalar(elem, extremes(elem).1)?;
    let square = cx.mul(&output, &output);
    let square = cx.op("Min", &[&square, &most]);
    let product = cx.mul(&gradient, &square);
    Ok(vec![Some(cx.op("Neg", &[&product]))])
}
