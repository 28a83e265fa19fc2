//! Layer, instance, group, RMS, mean-variance and Lp normalization.
//!
//! All have the form `y = scale · n(x) + bias`, where `n` normalizes groups of elements to mean 0 and mean square 1.
//! With `h` the gradient of `n(x)` and means taken over a group, the gradient of x is `(h - mean h - n · mean(h · n)) /
//! deviation`. If no mean is subtracted from x, the term `mean h` is dropped.

use super::{Context, Error, Gradients, conv_weights};
use crate::onnx::ElementType;

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
    pub value: String,
    /// The reciprocal of the deviation.
    inverse: String,
}

impl Statistics {
    pub fn normalise(
        &self,
        cx: &mut Context,
        value: &str,
        elem: ElementType,
    ) -> Result<Normalised, Error> {
        let centred = if self.centred {
            let mean = cx.mean_over(value, &self.axes);
            cx.op("Sub", &[value, &mean])
        } else {
            value.to_owned()
        };
        let square = cx.mul(&centred, &centred);
        let variance = cx.mean_over(&square, &self.axes);
        let epsilon = cx.scalar(elem, self.epsilon)?;
        let shifted = cx.add(&variance, &epsilon);
        let deviation = cx.op("Sqrt", &[&shifted]);
        let inverse = cx.op("Reciprocal", &[&deviation]);
        let value = cx.mul(&centred, &inverse);
        Ok(Normalised { value, inverse })
    }

    /// The gradient of the input of the normalization, given that of its output.
    pub fn back(&self, cx: &mut Context, normalised: &Normalised, gradient: &str) -> String {
        let product = cx.mul(gradient, &normalised.value);
        let mean = cx.mean_over(&product, &self.axes);
        let along = cx.mul(&normalised.value, &mean);
        let mut rest = cx.op("Sub", &[gradient, &along]);
        if self.centred {
            let mean = cx.mean_over(gradient, &self.axes);
            rest = cx.op("Sub", &[&rest, &mean]);
        }
        cx.mul(&rest, &normalised.inverse)
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
    let normalised = statistics.normalise(cx, &input, elem)?;
    let mut gradients = vec![None, None, None];
    if cx.needs_input_grad(0) {
        gradients[0] = of_normalised(cx, &statistics, &normalised)?;
    }
    let Some(gradient) = cx.gradients[0].clone() else {
        return Ok(gradients);
    };
    if cx.needs_input_grad(1) {
        let product = cx.mul(&gradient, &normalised.value);
        let to = cx.dims(&scale)?;
        gradients[1] = Some(cx.sum_to_shape(&product, &dims, &to)?);
    }
    if cx.needs_input_grad(2) {
        let to = cx.dims(&cx.input(2)?)?;
        gradients[2] = Some(cx.sum_to_shape(&gradient, &dims, &to)?);
    }
    Ok(gradients)
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
        let scaled = cx.mul(&gradient, &scale);
        parts.push(statistics.back(cx, normalised, &scaled));
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
        let shared = cx.scale(&gradient, elem, share)?;
        parts.push(cx.expand(&shared, &dims));
    }
    if let Some(gradient) = kept(cx, 2) {
        let shared = cx.scale(&gradient, elem, -share)?;
        let square = cx.mul(&normalised.inverse, &normalised.inverse);
        let steepness = cx.mul(&shared, &square);
        parts.push(cx.mul(&normalised.value, &steepness));
    }
    let sum = parts.into_iter().reduce(|sum, part| cx.add(&sum, &part));
    Ok(sum)
}

/// InstanceNormalization: over the spatial axes, with one scale per channel.
pub fn instance_normalization(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, input, scale) = (cx.grad_output()?, cx.input(0)?, cx.input(1)?);
    let (dims, elem) = (cx.dims(&input)?, cx.elem(&input)?);
    let statistics = Statistics {
        axes: (2..dims.len()).collect(),
        centred: true,
        epsilon: f64::from(cx.node.float("epsilon").unwrap_or(1e-5)),
    };
    let normalised = statistics.normalise(cx, &input, elem)?;
    let mut by_channel = vec![1; dims.len()];
    by_channel[1] = dims[1];
    let scale = cx.reshape(&scale, &by_channel);
    let scaled = cx.mul(&gradient, &scale);
    let of_input = statistics.back(cx, &normalised, &scaled);
    let product = cx.mul(&gradient, &normalised.value);
    let [of_scale, of_shift] =
        [product, gradient].map(|value| conv_weights::by_channel(cx, &value, &dims));
    Ok([of_input, of_scale, of_shift].map(Some).into())
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
    let apart = [dims[0], groups, dims[1] / groups, area];
    let scales: usize = cx.dims(&scale)?.iter().product();
    let scale = cx.reshape(&scale, &[1, groups, scales / groups, 1]);
    let gradient = cx.reshape(&gradient, &apart);
    let scaled = cx.mul(&gradient, &scale);
    let input = cx.reshape(&input, &apart);
    let statistics = Statistics {
        axes: vec![2, 3],
        centred: true,
        epsilon: f64::from(cx.node.float("epsilon").unwrap_or(1e-5)),
    };
    let normalised = statistics.normalise(cx, &input, elem)?;
    let of_input = statistics.back(cx, &normalised, &scaled);
    let of_input = cx.reshape(&of_input, &dims);
    let product = cx.mul(&gradient, &normalised.value);
    let others: &[usize] = match scales == groups {
        true => &[0, 2, 3],
        false => &[0, 3],
    };
    let [of_scale, of_shift] = [product, gradient].map(|value| {
        let sums = cx.sum_over(&value, others);
        cx.reshape(&sums, &[scales])
    });
    Ok([of_input, of_scale, of_shift].map(Some).into())
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
    Ok(vec![Some(statistics.back(cx, &normalised, &gradient))])
}

/// `y = x / |x|` along an axis, with the norm of order 1 or 2: `(g - d · Σ g·y) / |x|`, where `d` is the derivative of
/// the norm: sign x, or y.
pub fn lp_normalization(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, input, output) = (cx.grad_output()?, cx.input(0)?, cx.output());
    let (dims, elem) = (cx.dims(&input)?, cx.elem(&input)?);
    let axis = cx.axis("axis", -1, dims.len())?;
    let (reduce, slope) = match cx.node.int("p").unwrap_or(2) {
        1 => ("ReduceL1", cx.op("Sign", &[&input])),
        2 => ("ReduceL2", output.clone()),
        other => return Err(cx.unsupported(&format!("p = {other}"))),
    };
    let axes = cx.ints(&[axis as i64]);
    let norm = cx.emit(reduce, &[&input, &axes], &[("keepdims", 1i64.into())]);
    let product = cx.mul(&gradient, &output);
    let sum = cx.sum_over(&product, &[axis]);
    let along = cx.mul(&slope, &sum);
    let rest = cx.op("Sub", &[&gradient, &along]);
    Ok(vec![Some(cx.div_or_zero(&rest, &norm, elem)?)])
}
