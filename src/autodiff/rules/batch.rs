//! Batch normalisation, by the statistics of the training data or of the batch itself.

use super::filters::by_channel;
use super::statistics::Statistics;
use super::{Context, Error, Gradients};
use crate::onnx::proto::TensorProto;

/// With running statistics, `n = (x - mean) / d` and `d = √(var + ε)`, a number a channel: `g · scale / d`, and for the
/// parameters, with sums over all but the channels: `Σ g · n`, `Σ g`, `- scale / d · Σ g`, `- scale / 2d² · Σ g · n`.
pub fn batch_normalization(cx: &mut Context) -> Result<Gradients, Error> {
    cx.only_first_output()?;
    let input = cx.input(0)?;
    let (dims, elem) = (cx.dims(&input)?, cx.elem(&input)?);
    let epsilon = f64::from(cx.node.float("epsilon").unwrap_or(1e-5));
    let scale = cx.input(1)?;
    let channels = cx.dims(&scale)?.iter().product::<usize>();
    let mut column = vec![1; dims.len()];
    if column.len() > 1 {
        column[1] = channels;
    }
    let asks = |cx: &Context| (1..cx.wanted.len()).any(|index| cx.wants(index));
    if asks(cx) && (dims.len() < 2 || cx.elem(&scale)? != elem) {
        return Err(cx.form("its parameters are to be differentiated, which are of another type"));
    }
    if cx.node.int("training_mode").unwrap_or(0) != 0 {
        return of_batch(cx, &column, epsilon);
    }
    let gradient = cx.gradient()?;
    let factor = factor(cx, &column, epsilon)?;
    let mut gradients = vec![Some(cx.mul(&gradient, &factor))];
    if asks(cx) {
        let inverse = inverse_deviation(cx, epsilon)?;
        let mean = cx.input(3)?;
        let [mean, along] = [&mean, &inverse].map(|value| cx.reshape(value, &column));
        let centred = cx.plain("Sub", &[&input, &mean]);
        let normalised = cx.mul(&centred, &along);
        let product = cx.mul(&gradient, &normalised);
        let of_scale = by_channel(cx, &product, &dims);
        let of_shift = by_channel(cx, &gradient, &dims);
        let steepness = cx.mul(&scale, &inverse);
        let steepness = cx.plain("Neg", &[&steepness]);
        let of_mean = cx.mul(&steepness, &of_shift);
        let half = cx.scale(&inverse, elem, 0.5)?;
        let curved = cx.mul(&steepness, &half);
        let of_variance = cx.mul(&curved, &of_scale);
        gradients.extend([of_scale, of_shift, of_mean, of_variance].map(Some));
    }
    Ok(gradients)
}

/// In training mode: normalised over all but the channels. The statistics that are given only change what is kept for
/// later.
fn of_batch(cx: &mut Context, column: &[usize], epsilon: f64) -> Result<Gradients, Error> {
    let (gradient, input, scale) = (cx.gradient()?, cx.input(0)?, cx.input(1)?);
    let (dims, elem) = (cx.dims(&input)?, cx.elem(&input)?);
    let statistics = Statistics {
        axes: (0..dims.len()).filter(|&axis| axis != 1).collect(),
        centred: true,
        epsilon,
    };
    let normalised = statistics.normalise(cx, &input, elem)?;
    let scale = cx.reshape(&scale, column);
    let scaled = cx.mul(&gradient, &scale);
    let of_input = statistics.back(cx, &normalised, &scaled);
    let mut gradients = vec![Some(of_input), None, None];
    if cx.wants(1) {
        let product = cx.mul(&gradient, &normalised.value);
        gradients[1] = Some(by_channel(cx, &product, &dims));
    }
    if cx.wants(2) {
        gradients[2] = Some(by_channel(cx, &gradient, &dims));
    }
    Ok(gradients)
}

/// `scale / √(var + ε)`, with the channels at their axis; a constant where both are.
fn factor(cx: &mut Context, column: &[usize], epsilon: f64) -> Result<String, Error> {
    let elem = cx.elem(&cx.input(0)?)?;
    let constants = match (cx.constant(1), cx.constant(4)) {
        (Some(scale), Some(variance)) => Some((scale.to_f64()?, variance.to_f64()?)),
        _ => None,
    };
    let Some((scale, variance)) = constants else {
        let (scale, inverse) = (cx.input(1)?, inverse_deviation(cx, epsilon)?);
        let factor = cx.mul(&scale, &inverse);
        return Ok(cx.reshape(&factor, column));
    };
    let factors: Vec<f64> = scale
        .iter()
        .zip(&variance)
        .map(|(scale, variance)| scale / (variance + epsilon).sqrt())
        .collect();
    let dims: Vec<i64> = column.iter().map(|&dim| dim as i64).collect();
    let factors = TensorProto::from_floats("", &dims, elem, &factors)?;
    Ok(cx.builder.constant(factors))
}

/// `1 / √(var + ε)`.
fn inverse_deviation(cx: &mut Context, epsilon: f64) -> Result<String, Error> {
    let variance = cx.input(4)?;
    let elem = cx.elem(&variance)?;
    let epsilon = cx.scalar(elem, epsilon)?;
    let shifted = cx.add(&variance, &epsilon);
    let deviation = cx.plain("Sqrt", &[&shifted]);
    Ok(cx.plain("Reciprocal", &[&deviation]))
}
