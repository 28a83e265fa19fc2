//! Arithmetic with broadcasting, and functions of one number.

use super::{Context, Error, Gradients};
use crate::onnx::Elem;

/// The gradient of input `index`, given that of the broadcast output, summed back to the input's dimensions.
fn back(cx: &mut Context, index: usize, gradient: &str) -> Result<Option<String>, Error> {
    let (from, to) = (cx.dims(&cx.output())?, cx.dims(&cx.input(index)?)?);
    Ok(Some(cx.unbroadcast(gradient, &from, &to)?))
}

/// `g` for each of any number of summands.
pub fn sum(cx: &mut Context) -> Result<Gradients, Error> {
    let gradient = cx.gradient()?;
    for_each_wanted(cx, |cx, index| back(cx, index, &gradient))
}

/// `g / n` for each of n numbers.
pub fn mean(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, elem) = (cx.gradient()?, cx.elem(&cx.output())?);
    let share = cx.scale(&gradient, elem, 1.0 / cx.node.input.len() as f64)?;
    for_each_wanted(cx, |cx, index| back(cx, index, &share))
}

/// What `rule` makes for the inputs whose gradients are asked for.
fn for_each_wanted(
    cx: &mut Context,
    mut rule: impl FnMut(&mut Context, usize) -> Result<Option<String>, Error>,
) -> Result<Gradients, Error> {
    (0..cx.node.input.len())
        .map(|index| match cx.wants(index) {
            true => rule(cx, index),
            false => Ok(None),
        })
        .collect()
}

/// The largest (or smallest) of several numbers: `g`, shared equally by those that equal `y`.
pub fn extreme(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, output) = (cx.gradient()?, cx.output());
    let elem = cx.elem(&output)?;
    let mut masks = Vec::with_capacity(cx.node.input.len());
    for index in 0..cx.node.input.len() {
        let same = cx.plain("Equal", &[&cx.input(index)?, &output]);
        masks.push(cx.cast(&same, elem));
    }
    let all: Vec<&str> = masks.iter().map(String::as_str).collect();
    let count = cx.plain("Sum", &all);
    let share = cx.plain("Div", &[&gradient, &count]);
    for_each_wanted(cx, |cx, index| {
        let part = cx.mul(&share, &masks[index]);
        back(cx, index, &part)
    })
}

/// `g` where the condition holds for the second input, and where it does not for the third.
pub fn select(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, condition) = (cx.gradient()?, cx.input(0)?);
    let zero = cx.scalar(cx.elem(&cx.output())?, 0.0)?;
    for_each_wanted(cx, |cx, index| {
        let part = match index {
            1 => cx.plain("Where", &[&condition, &gradient, &zero]),
            _ => cx.plain("Where", &[&condition, &zero, &gradient]),
        };
        back(cx, index, &part)
    })
}

/// The remainder of a division by what does not depend on the input: `g`.
pub fn remainder(cx: &mut Context) -> Result<Gradients, Error> {
    cx.only_first()?;
    let gradient = cx.gradient()?;
    Ok(vec![back(cx, 0, &gradient)?])
}

/// `g`, and `-g` for the second.
pub fn sub(cx: &mut Context) -> Result<Gradients, Error> {
    let gradient = cx.gradient()?;
    let first = if cx.wants(0) {
        back(cx, 0, &gradient)?
    } else {
        None
    };
    let second = if cx.wants(1) {
        let negative = cx.plain("Neg", &[&gradient]);
        back(cx, 1, &negative)?
    } else {
        None
    };
    Ok(vec![first, second])
}

/// `g · b` and `g · a`.
pub fn mul(cx: &mut Context) -> Result<Gradients, Error> {
    let gradient = cx.gradient()?;
    let mut gradients = vec![None, None];
    for (index, other) in [(0, 1), (1, 0)] {
        if cx.wants(index) {
            let factor = cx.input(other)?;
            let product = cx.mul(&gradient, &factor);
            gradients[index] = back(cx, index, &product)?;
        }
    }
    Ok(gradients)
}

/// `g / b` and `-g · y / b`.
pub fn div(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, divisor, output) = (cx.gradient()?, cx.input(1)?, cx.output());
    let quotient = cx.plain("Div", &[&gradient, &divisor]);
    let first = if cx.wants(0) {
        back(cx, 0, &quotient)?
    } else {
        None
    };
    let second = if cx.wants(1) {
        let product = cx.mul(&quotient, &output);
        let negative = cx.plain("Neg", &[&product]);
        back(cx, 1, &negative)?
    } else {
        None
    };
    Ok(vec![first, second])
}

/// `g · b · a^(b-1)` and `g · y · ln a`.
pub fn pow(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, base, exponent, output) =
        (cx.gradient()?, cx.input(0)?, cx.input(1)?, cx.output());
    let elem = cx.elem(&base)?;
    let exponent = match cx.elem(&exponent)? {
        same if same == elem => exponent,
        _ => cx.emit(
            "Cast",
            &[&exponent],
            &[("to", i64::from(elem.code()).into())],
        ),
    };
    let first = if cx.wants(0) {
        let one = cx.scalar(elem, 1.0)?;
        let lower = cx.plain("Sub", &[&exponent, &one]);
        let power = cx.plain("Pow", &[&base, &lower]);
        let slope = cx.mul(&power, &exponent);
        let product = cx.mul(&gradient, &slope);
        back(cx, 0, &product)?
    } else {
        None
    };
    let second = if cx.wants(1) {
        let log = cx.plain("Log", &[&base]);
        let slope = cx.mul(&output, &log);
        let product = cx.mul(&gradient, &slope);
        back(cx, 1, &product)?
    } else {
        None
    };
    Ok(vec![first, second])
}

/// `-g`.
pub fn neg(cx: &mut Context) -> Result<Gradients, Error> {
    let gradient = cx.gradient()?;
    Ok(vec![Some(cx.plain("Neg", &[&gradient]))])
}

/// `g · sign x`.
pub fn abs(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, input) = (cx.gradient()?, cx.input(0)?);
    let sign = cx.plain("Sign", &[&input]);
    Ok(vec![Some(cx.mul(&gradient, &sign))])
}

/// The smallest and the largest normal number of a type. What comes back to the root of zero or to its reciprocal is often
/// nothing, because a limit lies behind (`x · min(1/|x|, limit)`): a slope that stays finite leaves it at nothing.
fn extremes(elem: Elem) -> (f64, f64) {
    match elem {
        Elem::F64 => (f64::MIN_POSITIVE, f64::MAX),
        _ => (f32::MIN_POSITIVE.into(), f32::MAX.into()),
    }
}

/// `g · 1/2 / y`; 0 where `g` is, at 0 too.
pub fn sqrt(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, output) = (cx.gradient()?, cx.output());
    let elem = cx.elem(&output)?;
    let half = cx.scale(&gradient, elem, 0.5)?;
    let least = cx.scalar(elem, extremes(elem).0)?;
    let root = cx.plain("Max", &[&output, &least]);
    Ok(vec![Some(cx.plain("Div", &[&half, &root]))])
}

/// `g · y`.
pub fn exp(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, output) = (cx.gradient()?, cx.output());
    Ok(vec![Some(cx.mul(&gradient, &output))])
}

/// `g / x`.
pub fn log(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, input) = (cx.gradient()?, cx.input(0)?);
    Ok(vec![Some(cx.plain("Div", &[&gradient, &input]))])
}

/// `g · 2/√π · exp(-x²)`.
pub fn erf(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, input) = (cx.gradient()?, cx.input(0)?);
    let elem = cx.elem(&input)?;
    let square = cx.mul(&input, &input);
    let exponent = cx.plain("Neg", &[&square]);
    let bell = cx.plain("Exp", &[&exponent]);
    let slope = cx.scale(&bell, elem, std::f64::consts::FRAC_2_SQRT_PI)?;
    Ok(vec![Some(cx.mul(&gradient, &slope))])
}

/// `-g · y²`; 0 where `g` is, at 0 too.
pub fn reciprocal(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, output) = (cx.gradient()?, cx.output());
    let elem = cx.elem(&output)?;
    let most = cx.scalar(elem, extremes(elem).1)?;
    let square = cx.mul(&output, &output);
    let square = cx.plain("Min", &[&square, &most]);
    let product = cx.mul(&gradient, &square);
    Ok(vec![Some(cx.plain("Neg", &[&product]))])
}
