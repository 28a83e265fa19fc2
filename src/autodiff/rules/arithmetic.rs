//! Arithmetic with broadcasting, and functions of one number.

use super::{Context, Error, Gradients};

/// The gradient of input `index`, given that of the broadcast output, summed back to the input's dimensions.
fn back(cx: &mut Context, index: usize, gradient: &str) -> Result<Option<String>, Error> {
    let (from, to) = (cx.dims(&cx.output())?, cx.dims(&cx.input(index)?)?);
    Ok(Some(cx.unbroadcast(gradient, &from, &to)))
}

/// `g` for each of any number of summands.
pub fn sum(cx: &mut Context) -> Result<Gradients, Error> {
    let gradient = cx.gradient()?;
    let inputs = 0..cx.node.input.len();
    inputs
        .map(|index| {
            if cx.wants(index) {
                back(cx, index, &gradient)
            } else {
                Ok(None)
            }
        })
        .collect()
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

/// `g · 1/2 / y`.
pub fn sqrt(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, output) = (cx.gradient()?, cx.output());
    let elem = cx.elem(&output)?;
    let half = cx.scale(&gradient, elem, 0.5)?;
    Ok(vec![Some(cx.plain("Div", &[&half, &output]))])
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
