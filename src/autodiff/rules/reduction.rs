//! Sums and means over axes, and what is normalised by them.

use super::{Context, Error, Gradients};

/// `g`, repeated along the reduced axes.
pub fn reduce_sum(cx: &mut Context) -> Result<Gradients, Error> {
    reduced(cx, false)
}

/// `g / n`, repeated along the reduced axes, which hold n elements together.
pub fn reduce_mean(cx: &mut Context) -> Result<Gradients, Error> {
    reduced(cx, true)
}

fn reduced(cx: &mut Context, mean: bool) -> Result<Gradients, Error> {
    cx.only_first()?;
    let (mut gradient, input) = (cx.gradient()?, cx.input(0)?);
    let (dims, elem) = (cx.dims(&input)?, cx.elem(&input)?);
    let axes = reduced_axes(cx, dims.len())?;
    let kept: Vec<usize> = dims
        .iter()
        .enumerate()
        .map(|(axis, &size)| if axes.contains(&axis) { 1 } else { size })
        .collect();
    if mean {
        let count: usize = axes.iter().map(|&axis| dims[axis]).product();
        gradient = cx.scale(&gradient, elem, 1.0 / count as f64)?;
    }
    let gradient = cx.reshape(&gradient, &kept);
    Ok(vec![Some(cx.expand(&gradient, &dims))])
}

/// The axes that a reduction runs over: input 1, all of them if it is missing or empty.
fn reduced_axes(cx: &Context, rank: usize) -> Result<Vec<usize>, Error> {
    let axes = cx.constant_ints(1)?.unwrap_or_default();
    if !axes.is_empty() {
        return axes
            .into_iter()
            .map(|axis| cx.resolve_axis(axis, rank))
            .collect();
    }
    let none = cx.node.int("noop_with_empty_axes").unwrap_or(0) != 0;
    Ok(if none {
        Vec::new()
    } else {
        (0..rank).collect()
    })
}

/// `y · (g - Σ g·y)`, summed along the axis.
pub fn softmax(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, output) = (cx.gradient()?, cx.output());
    let axis = cx.axis("axis", -1, cx.dims(&output)?.len())?;
    let product = cx.mul(&gradient, &output);
    let sum = cx.sum_over(&product, &[axis]);
    let centred = cx.plain("Sub", &[&gradient, &sum]);
    Ok(vec![Some(cx.mul(&output, &centred))])
}

/// `g - exp(y) · Σ g`, summed along the axis.
pub fn log_softmax(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, output) = (cx.gradient()?, cx.output());
    let axis = cx.axis("axis", -1, cx.dims(&output)?.len())?;
    let sum = cx.sum_over(&gradient, &[axis]);
    let probability = cx.plain("Exp", &[&output]);
    let share = cx.mul(&probability, &sum);
    Ok(vec![Some(cx.plain("Sub", &[&gradient, &share]))])
}
