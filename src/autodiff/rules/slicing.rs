//! Concat, Split, Slice and Pad.

use super::{Context, Error, Gradients};
use crate::onnx::ElementType;
use crate::onnx::types::from_front;

/// Maximum number of scattered elements: their indices are a constant of the gradient graph.
const MAX_SCATTER: usize = 1 << 25;

/// Maximum padding along an axis: beyond any real model, and far from overflow.
const MAX_AMOUNT: u64 = 1 << 40;

/// Concat: the slice of `g` for each input.
pub fn concat(cx: &mut Context) -> Result<Gradients, Error> {
    let gradient = cx.grad_output()?;
    let axis = cx.axis("axis", 0, cx.dims(&cx.output())?.len())?;
    let mut start = 0;
    let mut gradients = Vec::with_capacity(cx.node.input.len());
    for index in 0..cx.node.input.len() {
        let end = start + cx.dims(&cx.input(index)?)?[axis] as i64;
        let wanted = cx.needs_input_grad(index);
        gradients.push(wanted.then(|| part(cx, &gradient, axis, start, end)));
        start = end;
    }
    Ok(gradients)
}

fn part(cx: &mut Context, value: &str, axis: usize, start: i64, end: i64) -> String {
    let [start, end, axis] = [start, end, axis as i64].map(|number| cx.ints(&[number]));
    cx.op("Slice", &[value, &start, &end, &axis])
}

/// Split: the concatenated gradients; zeros for outputs that the objective does not depend on.
pub fn split(cx: &mut Context) -> Result<Gradients, Error> {
    let input = cx.input(0)?;
    let elem = cx.elem(&input)?;
    let axis = cx.axis("axis", 0, cx.dims(&input)?.len())?;
    let outputs = cx.node.output.clone();
    let mut parts = Vec::with_capacity(outputs.len());
    for (index, output) in outputs.iter().enumerate() {
        parts.push(match cx.gradients[index].clone() {
            Some(gradient) => gradient,
            None => {
                let dims = cx.dims(output)?;
                cx.zeros(elem, &dims)?
            }
        });
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let joined = cx.emit("Concat", &parts, &[("axis", (axis as i64).into())]);
    Ok(vec![Some(joined)])
}

/// Slice: `g` at the selected elements, zeros elsewhere.
pub fn slice(cx: &mut Context) -> Result<Gradients, Error> {
    cx.first_input_only()?;
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let (dims, out, elem) = (cx.dims(&input)?, cx.dims(&cx.output())?, cx.elem(&input)?);
    let needed = |values: Option<Vec<i64>>| values.unwrap_or_default();
    let (starts, axes) = (needed(cx.constant_ints(1)?), cx.constant_ints(3)?);
    let steps = cx
        .constant_ints(4)?
        .unwrap_or_else(|| vec![1; starts.len()]);
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    if axes.len() != starts.len() || steps.len() != starts.len() {
        return Err(cx.unsupported("its starts, axes and steps differ in length"));
    }
    let mut first = vec![0i64; dims.len()];
    let mut stride = vec![1i64; dims.len()];
    for ((&axis, &start), &step) in axes.iter().zip(&starts).zip(&steps) {
        let axis = cx.resolve_axis(axis, dims.len())?;
        let size = dims[axis] as i64;
        let largest = if step < 0 { size - 1 } else { size };
        first[axis] = from_front(start, dims[axis]).clamp(0, largest.max(0));
        // One element has no next one.
        stride[axis] = if out[axis] == 1 { 1 } else { step };
    }
    let is_strided = stride.iter().any(|&step| step != 1);
    // Dimensions that contradict the operator are reported below.
    let is_inside = |axis: usize| {
        let last = stride[axis].saturating_mul(out[axis] as i64 - 1);
        stride[axis] > 0 && out[axis] > 0 && last.saturating_add(first[axis]) < dims[axis] as i64
    };
    let gradient = if !is_strided || (0..dims.len()).all(is_inside) {
        let (spread, size) = spread(cx, &gradient, &out, &stride);
        let after = (0..dims.len()).map(|axis| dims[axis] as i64 - size[axis] as i64 - first[axis]);
        let after: Vec<i64> = after.collect();
        cx.pad(&spread, &first, &after)
    } else {
        let source = |axis: usize, position: usize| {
            first[axis].saturating_add(stride[axis].saturating_mul(position as i64))
        };
        let indices = flat_indices(cx, &dims, &out, source)?;
        scatter(cx, &gradient, elem, &dims, indices)?
    };
    Ok(vec![Some(gradient)])
}

/// `value`, of dimensions `dims`, with zeros between neighbours and after the last one, and its dimensions. The
/// distance of neighbours along an axis is the stride, which is positive.
fn spread(cx: &mut Context, value: &str, dims: &[usize], stride: &[i64]) -> (String, Vec<usize>) {
    let (mut value, mut dims) = (value.to_owned(), dims.to_vec());
    for axis in 0..dims.len() {
        if stride[axis] == 1 {
            continue;
        }
        let mut single = dims.clone();
        single.insert(axis + 1, 1);
        let mut zeros = vec![0; single.len()];
        let before = zeros.clone();
        zeros[axis + 1] = stride[axis] - 1;
        value = cx.reshape(&value, &single);
        value = cx.pad(&value, &before, &zeros);
        dims[axis] *= stride[axis] as usize;
        value = cx.reshape(&value, &dims);
    }
    (value, dims)
}

/// Pad: the inner part of `g`. For modes that repeat elements (reflect, edge, wrap), the gradients of the copies are
/// added.
pub fn pad(cx: &mut Context) -> Result<Gradients, Error> {
    cx.first_input_only()?;
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let (dims, out, elem) = (cx.dims(&input)?, cx.dims(&cx.output())?, cx.elem(&input)?);
    let amounts = cx.constant_ints(1)?.unwrap_or_default();
    let all: Vec<i64> = (0..dims.len() as i64).collect();
    let axes = cx.constant_ints(3)?.unwrap_or(all);
    if amounts.len() != 2 * axes.len() {
        return Err(cx.unsupported(&format!("{} pads for {} axes", amounts.len(), axes.len())));
    }
    let mut before = vec![0i64; dims.len()];
    for (&axis, &amount) in axes.iter().zip(&amounts) {
        let axis = cx.resolve_axis(axis, dims.len())?;
        if amount.unsigned_abs() > MAX_AMOUNT {
            return Err(cx.unsupported(&format!("it pads by {amount}")));
        }
        before[axis] = amount;
    }
    let repeat: fn(i64, i64) -> i64 = match cx.node.string("mode").unwrap_or("constant") {
        "constant" => {
            return Ok(vec![Some(unpad(cx, &gradient, &dims, &out, &before))]);
        }
        "edge" => |position, size| position.clamp(0, size - 1),
        "wrap" => |position, size| position.rem_euclid(size),
        "reflect" => |position, size| {
            let period = (2 * size - 2).max(1);
            let folded = position.rem_euclid(period);
            folded.min(period - folded)
        },
        other => return Err(cx.unsupported(&format!("mode = {other:?}"))),
    };
    let source =
        |axis: usize, position: usize| repeat(position as i64 - before[axis], dims[axis] as i64);
    let indices = flat_indices(cx, &dims, &out, source)?;
    let gradient = scatter(cx, &gradient, elem, &dims, indices)?;
    Ok(vec![Some(gradient)])
}

/// Crops constant padding; where negative padding cropped elements, zeros are inserted.
fn unpad(
    cx: &mut Context,
    gradient: &str,
    dims: &[usize],
    out: &[usize],
    before: &[i64],
) -> String {
    let after = |axis: usize| out[axis] as i64 - dims[axis] as i64 - before[axis];
    let after: Vec<i64> = (0..dims.len()).map(|axis| -after(axis)).collect();
    let before: Vec<i64> = before.iter().map(|amount| -amount).collect();
    cx.pad(gradient, &before, &after)
}

/// For each element of a tensor of dimensions `out`, in order, its flat source index in a tensor of dimensions `dims`.
///
/// # Errors
/// [`Error::Unsupported`] if there are more than [`MAX_SCATTER`], or an index is out of range.
fn flat_indices(
    cx: &Context,
    dims: &[usize],
    out: &[usize],
    source: impl Fn(usize, usize) -> i64,
) -> Result<Vec<i64>, Error> {
    if out.iter().product::<usize>() > MAX_SCATTER || dims.contains(&0) {
        return Err(cx.unsupported(&format!("input {dims:?} and output {out:?} are too large")));
    }
    let mut flat = vec![0i64];
    for axis in 0..dims.len() {
        let sources: Vec<i64> = (0..out[axis])
            .map(|position| source(axis, position))
            .collect();
        let inside = 0..dims[axis] as i64;
        if let Some(outside) = sources.iter().find(|source| !inside.contains(source)) {
            let size = inside.end;
            return Err(cx.unsupported(&format!("it reads element {outside} of an axis of {size}")));
        }
        flat = flat
            .iter()
            .flat_map(|outer| {
                sources
                    .iter()
                    .map(move |inner| outer * dims[axis] as i64 + inner)
            })
            .collect();
    }
    Ok(flat)
}

/// Scatter-adds each element of `g` at its flat index in a tensor of zeros.
fn scatter(
    cx: &mut Context,
    gradient: &str,
    elem: ElementType,
    dims: &[usize],
    indices: Vec<i64>,
) -> Result<String, Error> {
    let indices = cx.ints(&indices);
    let flat = cx.ints(&[-1]);
    let updates = cx.op("Reshape", &[gradient, &flat]);
    let zeros = cx.zeros(elem, &[dims.iter().product()])?;
    let attributes = [("axis", 0i64.into()), ("reduction", "add".into())];
    let scattered = cx.emit(
        "ScatterElements",
        &[&zeros, &indices, &updates],
        &attributes,
    );
    Ok(cx.reshape(&scattered, dims))
}
