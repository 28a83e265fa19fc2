//! Batch normalization with running statistics (inference) or batch statistics (training mode).

use super::conv_weights::by_channel;
use super::norm::Statistics;
use super::{Context, Error, Gradients};
use crate::autodiff::formula::Expr;
use crate::onnx::proto::TensorProto;

/// With running statistics, `n = (x - mean) / d` and `d = √(var + ε)`, one number per channel: `g · scale / d`, and for
/// the parameters, with sums over all but the channels: `Σ g · n`, `Σ g`, `- scale / d · Σ g`, `- scale / 2d² · Σ g ·
/// n`.
pub fn batch_normalization(cx: &mut Context) -> Result<Gradients, Error> {
    cx.first_output_only()?;
    let input = cx.input(0)?;
    let (dims, elem) = (cx.dims(&input)?, cx.elem(&input)?);
    let epsilon = f64::from(cx.node.float("epsilon").unwrap_or(1e-5));
    let scale = cx.input(1)?;
    let channels = cx.dims(&scale)?.iter().product::<usize>();
    let mut column = vec![1; dims.len()];
    if column.len() > 1 {
        column[1] = channels;
    }
    let needs_parameter_grads =
        |cx: &Context| (1..cx.needs_grad.len()).any(|index| cx.needs_input_grad(index));
    if needs_parameter_grads(cx) && (dims.len() < 2 || cx.elem(&scale)? != elem) {
        return Err(cx.unsupported(
            "the gradients of parameters of another element type are not implemented",
        ));
    }
    if cx.node.int("training_mode").unwrap_or(0) != 0 {
        return of_batch(cx, &column, epsilon);
    }
    let gradient = cx.grad_output()?;
    let g = Expr::from(gradient.as_str());
    let factor = Expr::from(factor(cx, &column, epsilon)?);
    let mut gradients = vec![Some(cx.eval(&g * factor)?)];
    if needs_parameter_grads(cx) {
        let inverse = inverse_deviation(cx, epsilon)?;
        let mean = cx.input(3)?;
        let [mean, along] = [&mean, &inverse].map(|value| cx.reshape(value, &column));
        let normalised = (Expr::from(input) - mean) * along;
        let product = cx.eval(g * normalised)?;
        let of_scale = by_channel(cx, &product, &dims);
        let of_shift = by_channel(cx, &gradient, &dims);
        let inverse = Expr::from(inverse);
        let steepness = cx.eval(-(Expr::from(scale) * &inverse))?;
        let of_mean = cx.mul(&steepness, &of_shift);
        let curved = Expr::from(steepness) * (inverse * 0.5);
        let of_variance = cx.eval(curved * of_scale.as_str())?;
        gradients.extend([of_scale, of_shift, of_mean, of_variance].map(Some));
    }
    Ok(gradients)
}

/// Training mode: normalized over all axes but the channels. The given statistics only affect the running averages.
fn of_batch(cx: &mut Context, column: &[usize], epsilon: f64) -> Result<Gradients, Error> {
    let statistics = Statistics {
        axes: (0..column.len()).filter(|&axis| axis != 1).collect(),
        centred: true,
        epsilon,
    };
    statistics.of_scaled_channels(cx, column)
}

/// `scale / √(var + ε)`, shaped to broadcast over the channel axis; a constant if both inputs are.
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
    let deviation = (Expr::from(variance) + epsilon).sqrt();
    cx.eval_as(elem, deviation.map("Reciprocal"))
}
