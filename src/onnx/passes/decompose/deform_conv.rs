//! Sampling at computed positions: affine grids and deformable convolution.

use crate::onnx::ElementType;
use crate::onnx::passes::decompose::context::{Context, Skipped};
use crate::onnx::proto::TensorProto;

/// Maximum elements of a constant grid.
const MAX_GRID: usize = 1 << 22;

/// A constant tensor of dimensions `dims` with elements `value(indices)`, if it is not too large.
fn grid(
    cx: &mut Context,
    elem: ElementType,
    dims: &[usize],
    value: impl Fn(&[usize]) -> f64,
) -> Result<String, Skipped> {
    let count = dims
        .iter()
        .try_fold(1usize, |count, &dim| count.checked_mul(dim));
    let count = count.filter(|&count| count <= MAX_GRID);
    let count =
        count.ok_or_else(|| Skipped(format!("a grid of dimensions {dims:?} is too large")))?;
    let mut indices = vec![0; dims.len()];
    let mut values = Vec::with_capacity(count);
    for flat_index in 0..count {
        let mut remaining = flat_index;
        for (index, &dim) in indices.iter_mut().zip(dims).rev() {
            *index = remaining % dim;
            remaining /= dim;
        }
        values.push(value(&indices));
    }
    let dims: Vec<i64> = dims.iter().map(|&dim| dim as i64).collect();
    Ok(cx.constant(TensorProto::from_floats("", &dims, elem, &values)?))
}

/// `p thetaᵀ` for the homogeneous coordinates `p` = (x, y, 1) or (x, y, z, 1) of all positions, each from -1 to 1.
pub fn affine_grid(cx: &mut Context) -> Result<(), Skipped> {
    let theta = cx.input(0)?;
    let elem = cx.elem(theta)?;
    let output = cx.dims(cx.output(0).unwrap_or_default())?;
    let &[_, ref sizes @ .., axes] = output.as_slice() else {
        return Err(Skipped(format!("its output has dimensions {output:?}")));
    };
    if !matches!(axes, 2 | 3) || sizes.len() != axes {
        return Err(Skipped(format!("its output has dimensions {output:?}")));
    }
    let corners = cx.node.int("align_corners").unwrap_or(0) != 0;
    let dims = [sizes, &[axes + 1]].concat();
    let base = grid(cx, elem, &dims, |indices| {
        // Coordinates are in reverse order of the axes.
        let Some(axis) = axes.checked_sub(indices[axes] + 1) else {
            return 1.0;
        };
        let (index, size) = (indices[axis] as f64, sizes[axis] as f64);
        if corners {
            2.0 * index / (size - 1.0).max(1.0) - 1.0
        } else {
            (2.0 * index + 1.0) / size - 1.0
        }
    })?;
    let flat = cx.ints(&[1, -1, axes as i64 + 1]);
    let base = cx.emit("Reshape", &[&base, &flat], &[]);
    let transposed = cx.emit("Transpose", &[theta], &[("perm", vec![0i64, 2, 1].into())]);
    let product = cx.emit("MatMul", &[&base, &transposed], &[]);
    let sizes = sizes.iter().map(|&size| size as i64);
    let dims: Vec<i64> = [0].into_iter().chain(sizes).chain([axes as i64]).collect();
    let dims = cx.ints(&dims);
    cx.emit_output("Reshape", &[&product, &dims], &[])
}

/// Deformable convolution: a GridSample at positions shifted by offsets, times the mask, then a matrix product with the
/// weights.
pub fn deform_conv(cx: &mut Context) -> Result<(), Skipped> {
    let (input, weight, offset) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let elem = cx.elem(input)?;
    let (dims, weight_dims) = (cx.dims(input)?, cx.dims(weight)?);
    let output = cx.dims(cx.output(0).unwrap_or_default())?;
    let (
        &[_, channels, height, width],
        &[outputs, _, rows, columns],
        &[_, _, output_height, output_width],
    ) = (&dims[..], &weight_dims[..], &output[..])
    else {
        return Err(Skipped(format!(
            "its input has dimensions {dims:?}, its output {output:?}"
        )));
    };
    let list = |name: &str, default: i64, count: usize| {
        let values = cx
            .node
            .ints(name)
            .map_or(vec![default; count], <[i64]>::to_vec);
        if values.len() == count {
            Ok(values)
        } else {
            Err(Skipped(format!("{name} = {values:?}")))
        }
    };
    let (strides, dilations) = (list("strides", 1, 2)?, list("dilations", 1, 2)?);
    let pads = list("pads", 0, 4)?;
    let int_attribute = |name: &str| usize::try_from(cx.node.int(name).unwrap_or(1)).unwrap_or(0);
    let (groups, offset_groups) = (int_attribute("group"), int_attribute("offset_group"));
    let divides = |count: usize, by: usize| by > 0 && count.is_multiple_of(by);
    if !divides(channels, groups) || !divides(outputs, groups) || !divides(channels, offset_groups)
    {
        let why =
            format!("{groups} groups and {offset_groups} offset groups for {channels} channels");
        return Err(Skipped(why));
    }
    let (taps, positions) = (
        rows.saturating_mul(columns),
        output_height.saturating_mul(output_width),
    );
    let reshaped = |cx: &mut Context, value: &str, dims: &[usize]| {
        let dims = dims.iter().map(|&dim| dim as i64);
        let dims: Vec<i64> = [-1].into_iter().chain(dims).collect();
        let dims = cx.ints(&dims);
        cx.emit("Reshape", &[value, &dims], &[])
    };
    // Sampling positions without offsets, from -1 to 1; x before y.
    let sizes = [width, height].map(|size| size.max(1) as f64);
    let base = grid(cx, elem, &[taps, positions, 2], |indices| {
        let &[tap, position, axis] = indices else {
            return 0.0;
        };
        let (tap, position, axis) = match axis {
            0 => (tap % columns, position % output_width, 1),
            _ => (tap / columns, position / output_width, 0),
        };
        let index = position as f64 * strides[axis] as f64 + tap as f64 * dilations[axis] as f64
            - pads[axis] as f64;
        (2.0 * index + 1.0) / sizes[1 - axis] - 1.0
    })?;
    let scale = sizes.map(|size| 2.0 / size);
    let scale = cx.constant(TensorProto::from_floats("", &[2], elem, &scale)?);
    let offsets = reshaped(cx, offset, &[taps, 2, positions]);
    let offsets = cx.emit(
        "Transpose",
        &[&offsets],
        &[("perm", vec![0i64, 1, 3, 2].into())],
    );
    let reversed = cx.ints(&[1, 0]);
    let offsets = cx.emit("Gather", &[&offsets, &reversed], &[("axis", 3i64.into())]);
    let offsets = cx.emit("Mul", &[&offsets, &scale], &[]);
    let grid = cx.emit("Add", &[&offsets, &base], &[]);
    let images = reshaped(cx, input, &[channels / offset_groups, height, width]);
    let mut samples = cx.emit("GridSample", &[&images, &grid], &[]);
    if let Some(mask) = cx.optional_input(4) {
        let mask = reshaped(cx, mask, &[1, taps, positions]);
        samples = cx.emit("Mul", &[&samples, &mask], &[]);
    }
    let group_size = (channels / groups).saturating_mul(taps);
    let samples = reshaped(cx, &samples, &[groups, group_size, positions]);
    let weight = {
        let dims = [groups, outputs / groups, group_size].map(|dim| dim as i64);
        let dims = cx.ints(&dims);
        cx.emit("Reshape", &[weight, &dims], &[])
    };
    let sums = cx.emit("MatMul", &[&weight, &samples], &[]);
    let output_dims = [outputs, output_height, output_width];
    let Some(bias) = cx.optional_input(3) else {
        let dims: Vec<i64> = [-1]
            .into_iter()
            .chain(output_dims.map(|dim| dim as i64))
            .collect();
        let dims = cx.ints(&dims);
        return cx.emit_output("Reshape", &[&sums, &dims], &[]);
    };
    let sums = reshaped(cx, &sums, &output_dims);
    let column = cx.ints(&[outputs as i64, 1, 1]);
    let bias = cx.emit("Reshape", &[bias, &column], &[]);
    cx.emit_output("Add", &[&sums, &bias], &[])
}
