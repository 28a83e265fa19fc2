//! Gather and scatter operators, TopK and OneHot.

use super::{Context, Error, Gradients};
use crate::onnx::ElementType;
use crate::onnx::proto::TensorProto;
use crate::onnx::types::resolve_index;

const ADD: (&str, &str) = ("reduction", "add");

/// `g` scatter-added at the gathered positions along the axis.
pub fn gather(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, data, indices) = (cx.grad_output()?, cx.input(0)?, cx.input(1)?);
    let (dims, elem) = (cx.dims(&data)?, cx.elem(&data)?);
    let axis = cx.axis("axis", 0, dims.len())?;
    let outer: usize = dims[..axis].iter().product();
    let inner: usize = dims[axis + 1..].iter().product();
    let taken: usize = cx.dims(&indices)?.iter().product();
    if let (1, Some(tensor)) = (taken, cx.constant(1)) {
        let place = tensor.to_i64()?[0];
        return one_place(cx, &gradient, &dims, axis, place);
    }
    let flat = [outer, dims[axis], inner];
    let updates = [outer, taken, inner];
    let gradient = cx.reshape(&gradient, &updates);
    let indices = cx.reshape(&indices, &[1, taken, 1]);
    let indices = cx.expand(&indices, &updates);
    let zeros = cx.zeros(elem, &flat)?;
    let attributes = [("axis", 1i64.into()), (ADD.0, ADD.1.into())];
    let added = cx.emit(
        "ScatterElements",
        &[&zeros, &indices, &gradient],
        &attributes,
    );
    Ok(vec![Some(cx.reshape(&added, &dims))])
}

/// `g` at one position along an axis, zeros elsewhere.
fn one_place(
    cx: &mut Context,
    gradient: &str,
    dims: &[usize],
    axis: usize,
    place: i64,
) -> Result<Gradients, Error> {
    let size = dims[axis];
    let Some(place) = resolve_index(place, size) else {
        return Err(cx.unsupported(&format!("index {place} along an axis of {size}")));
    };
    let mut one = dims.to_vec();
    one[axis] = 1;
    let gradient = cx.reshape(gradient, &one);
    let mut before = vec![0; dims.len()];
    let mut after = before.clone();
    before[axis] = place as i64;
    after[axis] = (size - 1 - place) as i64;
    Ok(vec![Some(cx.pad(&gradient, &before, &after))])
}

/// `g` scatter-added at the gathered positions.
pub fn gather_elements(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, data, indices) = (cx.grad_output()?, cx.input(0)?, cx.input(1)?);
    let (dims, elem) = (cx.dims(&data)?, cx.elem(&data)?);
    let axis = cx.axis("axis", 0, dims.len())?;
    Ok(vec![Some(scattered(
        cx, &gradient, &indices, &dims, elem, axis,
    )?)])
}

/// `g` added to zeros of the dimensions `dims` at `indices` along `axis`.
fn scattered(
    cx: &mut Context,
    gradient: &str,
    indices: &str,
    dims: &[usize],
    elem: ElementType,
    axis: usize,
) -> Result<String, Error> {
    let zeros = cx.zeros(elem, dims)?;
    let attributes = [("axis", (axis as i64).into()), (ADD.0, ADD.1.into())];
    Ok(cx.emit("ScatterElements", &[&zeros, indices, gradient], &attributes))
}

/// `g` of the values, scatter-added at their source positions.
pub fn top_k(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, data) = (cx.grad_output()?, cx.input(0)?);
    let (dims, elem) = (cx.dims(&data)?, cx.elem(&data)?);
    let axis = cx.axis("axis", -1, dims.len())?;
    let named = cx
        .node
        .output
        .get(1)
        .filter(|name| !name.is_empty())
        .cloned();
    let indices = match named {
        Some(indices) => indices,
        None => {
            let largest = cx.node.int("largest").unwrap_or(1);
            let sorted = cx.node.int("sorted").unwrap_or(1);
            let attributes = [
                ("axis", (axis as i64).into()),
                ("largest", largest.into()),
                ("sorted", sorted.into()),
            ];
            let count = cx.input(1)?;
            let inputs = [data.as_str(), count.as_str()];
            cx.builder
                .emit_many("TopK", &inputs, &attributes, 2)
                .remove(1)
        }
    };
    Ok(vec![Some(scattered(
        cx, &gradient, &indices, &dims, elem, axis,
    )?)])
}

/// `g` scatter-added at the gathered positions. Batch axes become one axis that the indices include.
pub fn gather_nd(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, data, indices) = (cx.grad_output()?, cx.input(0)?, cx.input(1)?);
    let (dims, elem) = (cx.dims(&data)?, cx.elem(&data)?);
    let index_dims = cx.dims(&indices)?;
    let batch_rank = usize::try_from(cx.node.int("batch_dims").unwrap_or(0)).unwrap_or(usize::MAX);
    if batch_rank >= index_dims.len() || batch_rank >= dims.len() {
        return Err(cx.unsupported(&format!("batch_dims = {batch_rank} of {dims:?}")));
    }
    if batch_rank == 0 {
        return Ok(vec![Some(scattered_nd(
            cx, &gradient, &indices, &dims, elem,
        )?)]);
    }
    cx.check_constant(&dims[..batch_rank])?;
    let batch: usize = dims[..batch_rank].iter().product();
    let (coordinates, middle) = index_dims[batch_rank..]
        .split_last()
        .map(|(last, middle)| (*last, middle.to_vec()))
        .unwrap_or_default();
    let with = |last: usize| [&[batch], &middle[..], &[last]].concat();
    let numbers: Vec<i64> = (0..batch as i64).collect();
    let numbers = TensorProto::from_i64("", &[batch as i64], &numbers);
    let numbers = cx.builder.constant(numbers);
    let mut column = vec![1; middle.len() + 2];
    column[0] = batch;
    let numbers = cx.reshape(&numbers, &column);
    let numbers = cx.expand(&numbers, &with(1));
    let indices = cx.reshape(&indices, &with(coordinates));
    let indices = cx.emit("Concat", &[&numbers, &indices], &[("axis", (-1i64).into())]);
    let rest = &dims[batch_rank..];
    let updates = [&[batch], &middle[..], &rest[coordinates.min(rest.len())..]].concat();
    let gradient = cx.reshape(&gradient, &updates);
    let added = scattered_nd(cx, &gradient, &indices, &[&[batch], rest].concat(), elem)?;
    Ok(vec![Some(cx.reshape(&added, &dims))])
}

/// `g` added to zeros of the dimensions `dims` at `indices`, one per slice.
fn scattered_nd(
    cx: &mut Context,
    gradient: &str,
    indices: &str,
    dims: &[usize],
    elem: ElementType,
) -> Result<String, Error> {
    let zeros = cx.zeros(elem, dims)?;
    let add = [(ADD.0, ADD.1.into())];
    Ok(cx.emit("ScatterND", &[&zeros, indices, gradient], &add))
}

/// For the data, `g` with zeros at the updated positions (with `add`: `g`); for the updates, `g` at their positions.
pub fn scatter_elements(cx: &mut Context) -> Result<Gradients, Error> {
    let rank = cx.dims(&cx.input(0)?)?.len();
    let axis = cx.axis("axis", 0, rank)? as i64;
    put(cx, ("ScatterElements", "GatherElements"), Some(axis))
}

/// As [`scatter_elements`].
pub fn scatter_nd(cx: &mut Context) -> Result<Gradients, Error> {
    put(cx, ("ScatterND", "GatherND"), None)
}

fn put(cx: &mut Context, (put, take): (&str, &str), axis: Option<i64>) -> Result<Gradients, Error> {
    let (gradient, data, indices) = (cx.grad_output()?, cx.input(0)?, cx.input(1)?);
    let (updates, elem) = (cx.dims(&cx.input(2)?)?, cx.elem(&data)?);
    let adds = match cx.node.string("reduction").unwrap_or("none") {
        "none" => false,
        "add" => true,
        other => return Err(cx.unsupported(&format!("reduction = {other:?}"))),
    };
    let attributes: Vec<_> = axis.into_iter().map(|axis| ("axis", axis.into())).collect();
    // Input 1, the indices, are integers, which have no gradient.
    cx.for_each_requested(3, |cx, index| match index {
        0 if adds => Ok(gradient.clone()),
        0 => {
            let zeros = cx.zeros(elem, &updates)?;
            Ok(cx.emit(put, &[&gradient, &indices, &zeros], &attributes))
        }
        _ => Ok(cx.emit(take, &[&gradient, &indices], &attributes)),
    })
}

/// For the values off and on: the sums of `g` over their positions.
pub fn one_hot(cx: &mut Context) -> Result<Gradients, Error> {
    if !cx.needs_input_grad(2) {
        return Ok(Vec::new());
    }
    let (gradient, output, values) = (cx.grad_output()?, cx.output(), cx.input(2)?);
    let (rank, elem) = (cx.dims(&output)?.len(), cx.elem(&values)?);
    let axis = cx.axis("axis", -1, rank)? as i64;
    let ends = TensorProto::from_floats("", &[2], elem, &[0.0, 1.0])?;
    let ends = cx.builder.constant(ends);
    let inputs = [cx.input(0)?, cx.input(1)?, ends];
    let inputs = inputs.each_ref().map(String::as_str);
    let on = cx.emit("OneHot", &inputs, &[("axis", axis.into())]);
    let on = cx.mul(&gradient, &on);
    let off = cx.op("Sub", &[&gradient, &on]);
    let all: Vec<usize> = (0..rank).collect();
    let sums = [off, on].map(|part| {
        let sum = cx.sum_over(&part, &all);
        cx.reshape(&sum, &[1])
    });
    let both = cx.emit("Concat", &[&sums[0], &sums[1]], &[("axis", 0i64.into())]);
    Ok(vec![None, None, Some(both)])
}
