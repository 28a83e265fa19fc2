//! Operators that rearrange or convert elements: Reshape, Transpose, Cast, Tile, DepthToSpace …

use super::{Context, Error, Gradients};
use crate::onnx::ElementType;

/// For ops whose output holds the input's elements in the same order: `g` with the input's dimensions.
pub fn same_elements(cx: &mut Context) -> Result<Gradients, Error> {
    cx.first_input_only()?;
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let (from, to) = (cx.dims(&cx.output())?, cx.dims(&input)?);
    let gradient = if from == to {
        gradient
    } else {
        cx.reshape(&gradient, &to)
    };
    Ok(vec![Some(gradient)])
}

/// Dropout: `g` at inference; in training `g · mask / (1 - ratio)`.
pub fn dropout(cx: &mut Context) -> Result<Gradients, Error> {
    let ratio = match cx.constant_number(2)?.unwrap_or(0.0) {
        0.0 => 0.0,
        _ => cx.constant_number(1)?.unwrap_or(0.5),
    };
    if ratio == 0.0 {
        return same_elements(cx);
    }
    cx.first_input_only()?;
    let mask = cx.node.output.get(1).filter(|name| !name.is_empty());
    let Some(mask) = mask.cloned() else {
        return Err(cx.unsupported(
            "it is in training mode and does not tell what it drops: export the model for inference",
        ));
    };
    let gradient = cx.grad_output()?;
    let elem = cx.elem(&cx.input(0)?)?;
    let kept = cx.cast(&mask, elem);
    let kept = cx.mul(&gradient, &kept);
    Ok(vec![Some(cx.scale(&kept, elem, 1.0 / (1.0 - ratio))?)])
}

/// `g` cast back.
pub fn cast(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    // Gradients of quantized values are floats.
    let [from, to] = [cx.output(), input].map(|value| match cx.elem(&value) {
        Ok(elem) if !elem.is_float() => Ok(ElementType::F32),
        elem => elem,
    });
    let (from, to) = (from?, to?);
    Ok(vec![Some(if from == to {
        gradient
    } else {
        cx.cast(&gradient, to)
    })])
}

/// `g` under the inverse permutation.
pub fn transpose(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let rank = cx.dims(&input)?.len();
    let reversed: Vec<i64> = (0..rank as i64).rev().collect();
    let permutation = cx.node.ints("perm").unwrap_or(&reversed).to_vec();
    let mut inverse = vec![0i64; rank];
    for (position, &axis) in permutation.iter().enumerate() {
        let axis = cx.resolve_axis(axis, rank)?;
        inverse[axis] = position as i64;
    }
    Ok(vec![Some(cx.emit(
        "Transpose",
        &[&gradient],
        &[("perm", inverse.into())],
    ))])
}

/// `g` cast back; the second input only provides the type, and its gradient is zero.
pub fn cast_like(cx: &mut Context) -> Result<Gradients, Error> {
    if cx.needs_input_grad(0) {
        cast(cx)
    } else {
        Ok(vec![])
    }
}

/// `g`, reversed.
pub fn reverse_sequence(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, lengths) = (cx.grad_output()?, cx.input(1)?);
    let axes = [("batch_axis", 1), ("time_axis", 0)];
    let axes = axes.map(|(name, usual)| (name, cx.node.int(name).unwrap_or(usual).into()));
    Ok(vec![Some(cx.emit(
        "ReverseSequence",
        &[&gradient, &lengths],
        &axes,
    ))])
}

/// `g`, summed over the copies.
pub fn expand(cx: &mut Context) -> Result<Gradients, Error> {
    cx.first_input_only()?;
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let (from, to) = (cx.dims(&cx.output())?, cx.dims(&input)?);
    Ok(vec![Some(cx.sum_to_shape(&gradient, &from, &to)?)])
}

/// `g` as (copies, size) for each axis, summed over the copies.
pub fn tile(cx: &mut Context) -> Result<Gradients, Error> {
    cx.first_input_only()?;
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let (out, dims) = (cx.dims(&cx.output())?, cx.dims(&input)?);
    if out == dims || dims.contains(&0) {
        return Ok(vec![Some(gradient)]);
    }
    let split: Vec<usize> = out
        .iter()
        .zip(&dims)
        .flat_map(|(&out, &size)| [out / size, size])
        .collect();
    let copies: Vec<usize> = (0..dims.len()).map(|axis| 2 * axis).collect();
    let gradient = cx.reshape(&gradient, &split);
    let summed = cx.sum_over(&gradient, &copies);
    Ok(vec![Some(cx.reshape(&summed, &dims))])
}

/// Blocks of pixels back to channels, in either order of the channels.
pub fn depth_to_space(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let (dims, block) = (cx.dims(&input)?, block_size(cx)?);
    let &[runs, channels, height, width] = dims.as_slice() else {
        return Err(cx.unsupported(&format!("its input has dimensions {dims:?}")));
    };
    let outer = channels / (block * block);
    let blocks = cx.reshape(&gradient, &[runs, outer, height, block, width, block]);
    let permutation = match cx.node.string("mode").unwrap_or("DCR") {
        "DCR" => [0, 3, 5, 1, 2, 4],
        "CRD" => [0, 1, 3, 5, 2, 4],
        other => return Err(cx.unsupported(&format!("mode = {other:?}"))),
    };
    let gathered = cx.transpose(&blocks, &permutation);
    Ok(vec![Some(cx.reshape(&gathered, &dims))])
}

/// Channels back to blocks of pixels.
pub fn space_to_depth(cx: &mut Context) -> Result<Gradients, Error> {
    let gradient = cx.grad_output()?;
    let block = block_size(cx)? as i64;
    Ok(vec![Some(cx.emit(
        "DepthToSpace",
        &[&gradient],
        &[("blocksize", block.into())],
    ))])
}

fn block_size(cx: &Context) -> Result<usize, Error> {
    let size = cx.node.int("blocksize").unwrap_or(0);
    match usize::try_from(size) {
        Ok(size) if (1..=4096).contains(&size) => Ok(size),
        _ => Err(cx.unsupported(&format!("blocksize = {size}"))),
    }
}

/// The same triangle of `g` (Trilu).
pub fn trilu(cx: &mut Context) -> Result<Gradients, Error> {
    cx.first_input_only()?;
    let gradient = cx.grad_output()?;
    let diagonal = cx.optional_input(1).unwrap_or_default();
    let upper = cx.node.int("upper").unwrap_or(1);
    Ok(vec![Some(cx.emit(
        "Trilu",
        &[&gradient, &diagonal],
        &[("upper", upper.into())],
    ))])
}

/// The cumulative sum of `g` in the opposite direction.
pub fn cum_sum(cx: &mut Context) -> Result<Gradients, Error> {
    cx.first_input_only()?;
    let (gradient, axis) = (cx.grad_output()?, cx.input(1)?);
    let exclusive = cx.node.int("exclusive").unwrap_or(0);
    let reverse = cx.node.int("reverse").unwrap_or(0);
    let attributes = [
        ("exclusive", exclusive.into()),
        ("reverse", i64::from(reverse == 0).into()),
    ];
    Ok(vec![Some(cx.emit(
        "CumSum",
        &[&gradient, &axis],
        &attributes,
    ))])
}
