//! Resizing: linear in the picture and separable, so that its gradient is a product with one small matrix an axis.
//!
//! The matrices are not computed here: a `Resize` of the identity with the same attributes has them as its result, so
//! that every mode, filter and rounding is ONNX Runtime's own. They are constant, and are folded when a session opens.

use super::{Context, Error, Gradients};
use crate::onnx::proto::TensorProto;
use crate::onnx::{Attribute, Elem};

/// The largest axis that is resized.
const LARGEST: usize = 4096;

/// How one axis is resized.
struct Axis {
    input: usize,
    output: usize,
    /// The scale that the node tells; `None` if it tells sizes.
    scale: Option<f32>,
    /// Start and end of what is resized, as fractions of the axis.
    region: Option<[f32; 2]>,
}

/// `g` times the transpose of each axis' matrix.
pub fn resize(cx: &mut Context) -> Result<Gradients, Error> {
    cx.only_first()?;
    let (mut gradient, input) = (cx.gradient()?, cx.input(0)?);
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
            cx.plain("MatMul", &[&rows, &turned])
        } else {
            let blocks = cx.reshape(&gradient, &[outer, axis.output, inner]);
            cx.plain("MatMul", &[&matrix, &blocks])
        };
        gradient = cx.reshape(&gradient, &current);
    }
    Ok(vec![Some(gradient)])
}

/// One entry an axis of the input.
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
            None => Err(cx.form(&format!("its input {index} is not a constant"))),
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
        return Err(cx.form("its scales or regions do not fit its axes"));
    }
    if dims.iter().chain(&out).any(|&size| size > LARGEST) {
        return Err(cx.form(&format!("it resizes {dims:?} to {out:?}")));
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

/// The scale that all listed axes share if the sizes are only bounds; none if they are to be reached.
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
        Some(other) => return Err(cx.form(&format!("keep_aspect_ratio_policy = {other:?}"))),
    };
    let sizes = cx.constant_ints(3)?.unwrap_or_default();
    let ratios = listed.iter().zip(&sizes);
    let ratios = ratios.map(|(&axis, &size)| size as f32 / dims[axis] as f32);
    let scale = ratios.reduce(larger).unwrap_or(1.0);
    let reached = |&axis: &usize| (dims[axis] as f32 * scale).floor() as usize == out[axis];
    match listed.iter().all(reached) {
        true => Ok(vec![scale; listed.len()]),
        false => Err(cx.form(&format!("it rounds {dims:?} times {scale} up"))),
    }
}

/// The matrix (input, output) of an axis: what becomes of each unit vector, which lie along a batch axis.
fn matrix(cx: &mut Context, axis: &Axis, elem: Elem) -> Result<String, Error> {
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
        Elem::F32 => matrix,
        _ => cx.cast(&matrix, elem),
    })
}

/// The node's own attributes, but for those that tell which axes; outside of a region there is no gradient.
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
    // ONNX Runtime filters only where it shrinks, and refuses to on an axis that it does not resize.
    if axis.input == axis.output {
        attributes.retain(|(name, _)| *name != "antialias");
    }
    attributes
}
