//! Layer, instance, group, RMS, mean-variance and Lp normalization.
//!
//! All have the form `y = scale · n(x) + bias`, where `n` normalizes groups of elements to mean 0 and mean square 1.
//! With `h` the gradient of `n(x)` and means taken over a group, the gradient of x is `(h - mean h - n · mean(h · n)) /
//! deviation`. If no mean is subtracted from x, the term `mean h` is dropped.

use super::{Context, Error, Gradients, conv_weights};
use crate::autodiff::formula::Expr;
use crate::onnx::ElementType;
use crate::onnx::own_operators::{CENTRED, EPSILON, LAYER_NORMALIZATION_GRADIENT};

/// How groups of elements are normalized.
pub(super) struct Statistics {
    /// The axes that form one group.
    pub axes: Vec<usize>,
    /// Whether their mean is subtracted first.
    pub centred: bool,
    /// Added to the mean square.
    pub epsilon: f64,
}

/// Groups of elements with mean 0 (if centred) and mean square 1.
pub(super) struct Normalised {
    pub value: Expr,
    /// The reciprocal of the deviation.
    inverse: Expr,
}

impl Statistics {
    pub fn normalise(
        &self,
        cx: &mut Context,
        value: &str,
        elem: ElementType,
    ) -> Result<Normalised, Error> {
        let x = Expr::from(value);
        let centred = if self.centred {
            &x - x.mean(&self.axes)
        } else {
            x
        };
        let centred = Expr::from(cx.eval_as(elem, centred)?);
        let variance = centred.square().mean(&self.axes);
        let inverse = (variance + self.epsilon).sqrt().map("Reciprocal");
        let inverse = Expr::from(cx.eval_as(elem, inverse)?);
        let value = cx.eval_as(elem, centred * &inverse)?.into();
        Ok(Normalised { value, inverse })
    }

    /// The gradient of the input of the normalization, given that of its output, `h`.
    pub fn back(&self, normalised: &Normalised, h: &Expr) -> Expr {
        let n = &normalised.value;
        let mut rest = h - n * (h * n).mean(&self.axes);
        if self.centred {
            rest = rest - h.mean(&self.axes);
        }
        rest * &normalised.inverse
    }

    /// The gradients of input, scale and bias of a normalization with one scale and bias per channel. `column` are the
    /// dimensions with which the scale broadcasts to the input.
    pub fn of_scaled_channels(
        &self,
        cx: &mut Context,
        column: &[usize],
    ) -> Result<Gradients, Error> {
        let (gradient, input, scale) = (cx.grad_output()?, cx.input(0)?, cx.input(1)?);
        let (dims, elem) = (cx.dims(&input)?, cx.elem(&input)?);
        let normalised = self.normalise(cx, &input, elem)?;
        let g = Expr::from(gradient.as_str());
        cx.for_each_requested(3, |cx, index| match index {
            0 => {
                let h = &g * cx.reshape(&scale, column);
                cx.eval(self.back(&normalised, &h))
            }
            1 => {
                let product = cx.eval(&g * &normalised.value)?;
                Ok(conv_weights::by_channel(cx, &product, &dims))
            }
            _ => Ok(conv_weights::by_channel(cx, &gradient, &dims)),
        })
    }
}

/// LayerNormalization: over the last axes, with element-wise scale and bias.
pub fn layer_normalization(cx: &mut Context) -> Result<Gradients, Error> {
    over_last_axes(cx, true)
}

/// As [`layer_normalization`], without mean and bias.
pub fn rms_normalization(cx: &mut Context) -> Result<Gradients, Error> {
    over_last_axes(cx, false)
}

fn over_last_axes(cx: &mut Context, centred: bool) -> Result<Gradients, Error> {
    if !centred {
        cx.first_output_only()?;
    }
    let (input, scale) = (cx.input(0)?, cx.input(1)?);
    let (dims, elem) = (cx.dims(&input)?, cx.elem(&input)?);
    let first = cx.axis("axis", -1, dims.len())?;
    let statistics = Statistics {
        axes: (first..dims.len()).collect(),
        centred,
        epsilon: f64::from(cx.node.float("epsilon").unwrap_or(1e-5)),
    };
    if let Some(gradient) = by_own_operator(cx, &statistics)? {
        return Ok(vec![Some(gradient)]);
    }
    let normalised = statistics.normalise(cx, &input, elem)?;
    let mut gradients = vec![None, None, None];
    if cx.needs_input_grad(0) {
        gradients[0] = of_normalised(cx, &statistics, &normalised)?;
    }
    let Some(gradient) = cx.gradients[0].clone() else {
        return Ok(gradients);
    };
    if cx.needs_input_grad(1) {
        let product = cx.eval(Expr::from(gradient.as_str()) * &normalised.value)?;
        let to = cx.dims(&scale)?;
        gradients[1] = Some(cx.sum_to_shape(&product, &dims, &to)?);
    }
    if cx.needs_input_grad(2) {
        let to = cx.dims(&cx.input(2)?)?;
        gradients[2] = Some(cx.sum_to_shape(&gradient, &dims, &to)?);
    }
    Ok(gradients)
}

/// The gradient of the input by one operator, if the device has it, nothing else is requested, and the objective
/// depends on no output but the first.
fn by_own_operator(cx: &mut Context, statistics: &Statistics) -> Result<Option<String>, Error> {
    let (input, scale) = (cx.input(0)?, cx.input(1)?);
    let sizes = cx.dims(&input)?;
    let row: usize = statistics.axes.iter().map(|&axis| sizes[axis]).product();
    let count: usize = cx.dims(&scale)?.iter().product();
    let fits = row == count && cx.has_own_operators(&input)? && cx.has_own_operators(&scale)?;
    let is_simple = cx.needs_grad.iter().skip(1).all(|needed| !needed)
        && cx.gradients.iter().skip(1).all(Option::is_none);
    let Some(gradient) = cx.gradients[0].clone().filter(|_| fits && is_simple) else {
        return Ok(None);
    };
    let attributes = [
        (EPSILON, (statistics.epsilon as f32).into()),
        (CENTRED, i64::from(statistics.centred).into()),
    ];
    let inputs = [input.as_str(), scale.as_str(), gradient.as_str()];
    let operator = LAYER_NORMALIZATION_GRADIENT;
    Ok(Some(cx.builder.emit_own(operator, &inputs, &attributes)))
}

/// The gradient of the input from the gradients of all outputs: the result, the mean (`g / count`) and the inverse
/// standard deviation (`- g · n / (count · deviation²)`).
fn of_normalised(
    cx: &mut Context,
    statistics: &Statistics,
    normalised: &Normalised,
) -> Result<Option<String>, Error> {
    let (input, scale) = (cx.input(0)?, cx.input(1)?);
    let (dims, elem) = (cx.dims(&input)?, cx.elem(&input)?);
    let count: usize = statistics.axes.iter().map(|&axis| dims[axis]).product();
    let share = 1.0 / count as f64;
    let mut parts = Vec::new();
    if let Some(gradient) = cx.gradients[0].clone() {
        let h = Expr::from(gradient) * scale;
        parts.push(statistics.back(normalised, &h));
    }
    // Both statistics are float32 for every input type.
    let kept = |cx: &mut Context, index: usize| {
        let gradient = cx.gradients.get(index).cloned().flatten()?;
        let is_same = cx.elem(&cx.node.output[index]).ok() == Some(elem);
        Some(if is_same {
            gradient
        } else {
            cx.cast(&gradient, elem)
        })
    };
    if let Some(gradient) = kept(cx, 1) {
        let shared = cx.eval_as(elem, Expr::from(gradient) * share)?;
        parts.push(cx.expand(&shared, &dims).into());
    }
    if let Some(gradient) = kept(cx, 2) {
        let steepness = Expr::from(gradient) * -share * normalised.inverse.square();
        parts.push(&normalised.value * steepness);
    }
    let sum = parts.into_iter().reduce(|sum, part| sum + part);
    sum.map(|sum| cx.eval_as(elem, sum)).transpose()
}

/// InstanceNormalization: over the spatial axes, with one scale per channel.
pub fn instance_normalization(cx: &mut Context) -> Result<Gradients, Error> {
    let dims = cx.dims(&cx.input(0)?)?;
    let statistics = Statistics {
        axes: (2..dims.len()).collect(),
        centred: true,
        epsilon: f64::from(cx.node.float("epsilon").unwrap_or(1e-5)),
    };
    let mut column = vec![1; dims.len()];
    column[1] = dims[1];
    statistics.of_scaled_channels(cx, &column)
}

/// GroupNormalization: over the spatial axes and groups of channels, with one scale per channel (opset 18: per group).
pub fn group_normalization(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, input, scale) = (cx.grad_output()?, cx.input(0)?, cx.input(1)?);
    let (dims, elem) = (cx.dims(&input)?, cx.elem(&input)?);
    let groups = cx.node.int("num_groups").unwrap_or(0);
    let groups = usize::try_from(groups)
        .ok()
        .filter(|&groups| groups > 0 && dims.len() > 1 && dims[1].is_multiple_of(groups));
    let Some(groups) = groups else {
        return Err(cx.unsupported(&format!(
            "its groups do not divide the channels of {dims:?}"
        )));
    };
    let area: usize = dims[2..].iter().product();
    let grouped = [dims[0], groups, dims[1] / groups, area];
    let scales: usize = cx.dims(&scale)?.iter().product();
    let scale = cx.reshape(&scale, &[1, groups, scales / groups, 1]);
    let gradient = cx.reshape(&gradient, &grouped);
    let g = Expr::from(gradient.as_str());
    let h = &g * scale;
    let input = cx.reshape(&input, &grouped);
    let statistics = Statistics {
        axes: vec![2, 3],
        centred: true,
        epsilon: f64::from(cx.node.float("epsilon").unwrap_or(1e-5)),
    };
    let normalised = statistics.normalise(cx, &input, elem)?;
    let others: &[usize] = if scales == groups {
        &[0, 2, 3]
    } else {
        &[0, 3]
    };
    let per_scale = |cx: &mut Context, value: &str| {
        let sums = cx.sum_over(value, others);
        cx.reshape(&sums, &[scales])
    };
    cx.for_each_requested(3, |cx, index| match index {
        0 => {
            let of_groups = cx.eval(statistics.back(&normalised, &h))?;
            Ok(cx.reshape(&of_groups, &dims))
        }
        1 => {
            let product = cx.eval(&g * &normalised.value)?;
            Ok(per_scale(cx, &product))
        }
        _ => Ok(per_scale(cx, &gradient)),
    })
}

/// MeanVarianceNormalization: over the given axes, without scale.
pub fn mean_variance_normalization(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let (dims, elem) = (cx.dims(&input)?, cx.elem(&input)?);
    let axes = cx.node.ints("axes").unwrap_or(&[0, 2, 3]).to_vec();
    let axes = axes
        .into_iter()
        .map(|axis| cx.resolve_axis(axis, dims.len()));
    let statistics = Statistics {
        axes: axes.collect::<Result<_, _>>()?,
        centred: true,
        // The operator adds 1e-9 to the deviation.
        epsilon: 1e-18,
    };
    let normalised = statistics.normalise(cx, &input, elem)?;
    let gradient = statistics.back(&normalised, &gradient.into());
    Ok(vec![Some(cx.eval(gradient)?)])
}

/// `y = x / |x|` along an axis, with the norm of order 1 or 2: `(g - d · Σ g·y) / |x|`, where `d` is the derivative of
/// the norm: sign x, or y.
pub fn lp_normalization(cx: &mut Context) -> Result<Gradients, Error> {
    let axis = cx.axis("axis", -1, cx.dims(&cx.input(0)?)?.len())?;
    let (norm, slope): (_, fn(&Expr, &Expr) -> Expr) = match cx.node.int("p").unwrap_or(2) {
        1 => ("ReduceL1", |x, _| x.map("Sign")),
        2 => ("ReduceL2", |_, y| y.clone()),
        other => return Err(cx.unsupported(&format!("p = {other}"))),
    };
    cx.gradient(|g, x, y| {
        let rest = g - slope(x, y) * (g * y).sum(&[axis]);
        rest.div_or_zero(x.reduce(norm, &[axis]))
    })
}
