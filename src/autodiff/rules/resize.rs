//! Resize is linear and separable: its gradient is a product with one small matrix per axis.
//!
//! The matrices are not computed here. They are the result of a `Resize` of the identity with the same attributes, so
//! that modes, filters and rounding match ONNX Runtime. They are constant and are folded when a session opens.

use super::{Context, Error, Gradients};
use crate::onnx::proto::TensorProto;
use crate::onnx::{Attribute, ElementType};

/// Maximum size of a resized axis.
const MAX_SIZE: usize = 4096;

/// Resizing along one axis.
struct Axis {
    input: usize,
    output: usize,
    /// The node's scale; `None` if it gives sizes.
    scale: Option<f32>,
    /// Start and end of the region (tf_crop_and_resize), as fractions of the axis.
    region: Option<[f32; 2]>,
}

/// `g` times the transpose of each axis' matrix.
pub fn resize(cx: &mut Context) -> Result<Gradients, Error> {
    cx.first_input_only()?;
    let (mut gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let (dims, elem) = (cx.dims(&input)?, cx.elem(&input)?);
    let axes = axes(cx, &dims)?;
    let mut current = cx.dims(&cx.output())?;
    for (place, axis) in axes.iter().enumerate() {
        let unscaled = axis.scale.is_none_or(|scale| scale == 1.0);
        if axis.input == axis.output && unscaled && axis.region.is_none() {
            continue;
        }
        let matrix = matrix(cx, axis, elem)?;
        let outer: usize = current[..place].iter().product();
        let inner: usize = current[place + 1..].iter().product();
        current[place] = axis.input;
        gradient = if inner == 1 {
            let rows = cx.reshape(&gradient, &[outer, axis.output]);
            let turned = cx.transpose(&matrix, &[1, 0]);
            cx.op("MatMul", &[&rows, &turned])
        } else {
            let blocks = cx.reshape(&gradient, &[outer, axis.output, inner]);
            cx.op("MatMul", &[&matrix, &blocks])
        };
        gradient = cx.reshape(&gradient, &current);
    }
    Ok(vec![Some(gradient)])
}

/// One entry per axis of the input.
fn axes(cx: &Context, dims: &[usize]) -> Result<Vec<Axis>, Error> {
    let out = cx.dims(&cx.output())?;
    let all: Vec<i64> = (0..dims.len() as i64).collect();
    let listed = cx.node.ints("axes").unwrap_or(&all).iter();
    let listed: Vec<usize> = listed
        .map(|&axis| cx.resolve_axis(axis, dims.len()))
        .collect::<Result<_, _>>()?;
    let numbers = |index: usize| -> Result<Vec<f32>, Error> {
        if cx.node.input_at(index).is_none() {
            return Ok(Vec::new());
        }
        match cx.constant(index) {
            Some(tensor) => Ok(tensor.to_f32()?),
            None => Err(cx.unsupported(&format!("its input {index} is not a constant"))),
        }
    };
    let scales = match numbers(2)? {
        scales if scales.is_empty() => kept_aspect(cx, dims, &out, &listed)?,
        scales => scales,
    };
    let mode = cx.node.string("coordinate_transformation_mode");
    let regions = match mode {
        Some("tf_crop_and_resize") => numbers(1)?,
        _ => Vec::new(),
    };
    let fits = |count: usize, a_place: usize| count == 0 || count == a_place * listed.len();
    if !fits(scales.len(), 1) || !fits(regions.len(), 2) || out.len() != dims.len() {
        return Err(cx.unsupported("its scales or regions do not fit its axes"));
    }
    if dims.iter().chain(&out).any(|&size| size > MAX_SIZE) {
        return Err(cx.unsupported(&format!("it resizes {dims:?} to {out:?}")));
    }
    let axis = |axis: usize| {
        let place = listed.iter().position(|&other| other == axis);
        let ends = |place: usize| Some([*regions.get(place)?, *regions.get(place + listed.len())?]);
        Axis {
            input: dims[axis],
            output: out[axis],
            scale: place.and_then(|place| scales.get(place).copied()),
            region: place.and_then(ends),
        }
    };
    Ok((0..dims.len()).map(axis).collect())
}

/// The common scale of all listed axes under a keep_aspect_ratio_policy; `None` without one.
fn kept_aspect(
    cx: &Context,
    dims: &[usize],
    out: &[usize],
    listed: &[usize],
) -> Result<Vec<f32>, Error> {
    let larger: fn(f32, f32) -> f32 = match cx.node.string("keep_aspect_ratio_policy") {
        None | Some("stretch") => return Ok(Vec::new()),
        Some("not_larger") => f32::min,
        Some("not_smaller") => f32::max,
        Some(other) => return Err(cx.unsupported(&format!("keep_aspect_ratio_policy = {other:?}"))),
    };
    let sizes = cx.constant_ints(3)?.unwrap_or_default();
    let ratios = listed.iter().zip(&sizes);
    let ratios = ratios.map(|(&axis, &size)| size as f32 / dims[axis] as f32);
    let scale = ratios.reduce(larger).unwrap_or(1.0);
    let reached = |&axis: &usize| (dims[axis] as f32 * scale).floor() as usize == out[axis];
    if listed.iter().all(reached) {
        Ok(vec![scale; listed.len()])
    } else {
        Err(cx.unsupported(&format!("{dims:?} times {scale} is not exact")))
    }
}

/// The matrix (input, output) of an axis: the unit vectors, stacked along a batch axis, after resizing.
fn matrix(cx: &mut Context, axis: &Axis, elem: ElementType) -> Result<String, Error> {
    let size = axis.input;
    let mut identity = vec![0f32; size * size];
    identity
        .iter_mut()
        .step_by(size + 1)
        .for_each(|one| *one = 1.0);
    let identity = TensorProto::from_f32("", &[size as i64, 1, size as i64, 1], &identity);
    let identity = cx.builder.constant(identity);
    let region = match axis.region {
        Some([start, end]) => cx
            .builder
            .floats(&[8], &[0., 0., start, 0., 1., 1., end, 1.]),
        None => String::new(),
    };
    let attributes = attributes(cx, axis);
    let resized = match axis.scale {
        Some(scale) => {
            let scales = cx.builder.floats(&[4], &[1.0, 1.0, scale, 1.0]);
            cx.emit("Resize", &[&identity, &region, &scales], &attributes)
        }
        None => {
            let sizes = cx.ints(&[size as i64, 1, axis.output as i64, 1]);
            cx.emit("Resize", &[&identity, &region, "", &sizes], &attributes)
        }
    };
    let matrix = cx.reshape(&resized, &[size, axis.output]);
    Ok(match elem {
        ElementType::F32 => matrix,
        _ => cx.cast(&matrix, elem),
    })
}

/// The node's attributes without those that select axes; outside of a region there is no gradient.
fn attributes(cx: &Context, axis: &Axis) -> Vec<(&'static str, Attribute)> {
    let node = cx.node;
    let mut attributes = Vec::new();
    for name in ["mode", "coordinate_transformation_mode", "nearest_mode"] {
        let text = node.string(name).map(str::to_owned);
        attributes.extend(text.map(|text| (name, text.into())));
    }
    for name in ["antialias", "exclude_outside"] {
        attributes.extend(node.int(name).map(|value| (name, value.into())));
    }
    let coefficient = node.float("cubic_coeff_a");
    attributes.extend(coefficient.map(|value| ("cubic_coeff_a", value.into())));
    // ONNX Runtime applies the antialiasing filter only where it downsamples, and rejects it on axes that keep their
    // size.
    if axis.input == axis.output {
        attributes.retain(|(name, _)| *name != "antialias");
    }
    attributes
}
