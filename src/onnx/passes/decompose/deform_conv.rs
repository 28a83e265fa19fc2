//! Where pictures are read: grids of places, and convolutions that say for each element where they read it.

use crate::onnx::Elem;
use crate::onnx::passes::decompose::emitter::{Emitter, Skipped};
use crate::onnx::proto::TensorProto;

/// The most numbers of a table of places.
const LARGEST: usize = 1 << 22;

/// The table of places as a constant, if it is not too large. `coordinate` tells a number from its indices.
fn table(
    e: &mut Emitter,
    elem: Elem,
    dims: &[usize],
    coordinate: impl Fn(&[usize]) -> f64,
) -> Result<String, Skipped> {
    let count = dims
        .iter()
        .try_fold(1usize, |count, &dim| count.checked_mul(dim));
    let count = count.filter(|&count| count <= LARGEST);
    let count = count.ok_or_else(|| Skipped(format!("a grid of {dims:?} is too large")))?;
    let mut indices = vec![0; dims.len()];
    let mut values = Vec::with_capacity(count);
    for number in 0..count {
        let mut rest = number;
        for (index, &dim) in indices.iter_mut().zip(dims).rev() {
            *index = rest % dim;
            rest /= dim;
        }
        values.push(coordinate(&indices));
    }
    let dims: Vec<i64> = dims.iter().map(|&dim| dim as i64).collect();
    Ok(e.constant(TensorProto::from_floats("", &dims, elem, &values)?))
}

/// With `p` = (x, y, 1) or (x, y, z, 1), each from -1 to 1, for all places: `p thetaᵀ`.
pub fn affine_grid(e: &mut Emitter) -> Result<(), Skipped> {
    let theta = e.input(0)?;
    let elem = e.elem(theta)?;
    let made = e.dims(e.output(0).unwrap_or_default())?;
    let &[_, ref sizes @ .., axes] = made.as_slice() else {
        return Err(Skipped(format!("it makes {made:?}")));
    };
    if !matches!(axes, 2 | 3) || sizes.len() != axes {
        return Err(Skipped(format!("it makes {made:?}")));
    }
    let corners = e.node.int("align_corners").unwrap_or(0) != 0;
    let dims = [sizes, &[axes + 1]].concat();
    let places = table(e, elem, &dims, |indices| {
        // The last axis of the picture is the first of a place.
        let Some(axis) = axes.checked_sub(indices[axes] + 1) else {
            return 1.0;
        };
        let (index, size) = (indices[axis] as f64, sizes[axis] as f64);
        match corners {
            true => 2.0 * index / (size - 1.0).max(1.0) - 1.0,
            false => (2.0 * index + 1.0) / size - 1.0,
        }
    })?;
    let flat = e.ints(&[1, -1, axes as i64 + 1]);
    let places = e.emit("Reshape", &[&places, &flat], &[]);
    let turned = e.emit("Transpose", &[theta], &[("perm", vec![0i64, 2, 1].into())]);
    let moved = e.emit("MatMul", &[&places, &turned], &[]);
    let sizes = sizes.iter().map(|&size| size as i64);
    let dims: Vec<i64> = [0].into_iter().chain(sizes).chain([axes as i64]).collect();
    let dims = e.ints(&dims);
    e.finish("Reshape", &[&moved, &dims], &[]);
    Ok(())
}

/// A convolution whose elements are read at places moved by offsets, and weighed by a mask.
pub fn deformed_conv(e: &mut Emitter) -> Result<(), Skipped> {
    let (input, weight, offset) = (e.input(0)?, e.input(1)?, e.input(2)?);
    let elem = e.elem(input)?;
    let (dims, filter) = (e.dims(input)?, e.dims(weight)?);
    let made = e.dims(e.output(0).unwrap_or_default())?;
    let (&[_, channels, height, width], &[outputs, _, rows, columns], &[_, _, down, across]) =
        (&dims[..], &filter[..], &made[..])
    else {
        return Err(Skipped(format!("it makes {made:?} of {dims:?}")));
    };
    let list = |name: &str, usual: i64, count: usize| {
        let told = e
            .node
            .ints(name)
            .map_or(vec![usual; count], <[i64]>::to_vec);
        match told.len() == count {
            true => Ok(told),
            false => Err(Skipped(format!("its {name} is {told:?}"))),
        }
    };
    let (strides, dilations) = (list("strides", 1, 2)?, list("dilations", 1, 2)?);
    let pads = list("pads", 0, 4)?;
    let number = |name: &str| usize::try_from(e.node.int(name).unwrap_or(1)).unwrap_or(0);
    let (groups, shifts) = (number("group"), number("offset_group"));
    let divides = |count: usize, by: usize| by > 0 && count.is_multiple_of(by);
    if !divides(channels, groups) || !divides(outputs, groups) || !divides(channels, shifts) {
        let why = format!("{groups} groups and {shifts} of offsets for {channels} channels");
        return Err(Skipped(why));
    }
    let (taps, places) = (rows.saturating_mul(columns), down.saturating_mul(across));
    let reshaped = |e: &mut Emitter, value: &str, dims: &[usize]| {
        let dims = dims.iter().map(|&dim| dim as i64);
        let dims: Vec<i64> = [-1].into_iter().chain(dims).collect();
        let dims = e.ints(&dims);
        e.emit("Reshape", &[value, &dims], &[])
    };
    // Where each element would be read without an offset, from -1 to 1; x before y.
    let sizes = [width, height].map(|size| size.max(1) as f64);
    let still = table(e, elem, &[taps, places, 2], |indices| {
        let &[tap, place, axis] = indices else {
            return 0.0;
        };
        let (tap, place, axis) = match axis {
            0 => (tap % columns, place % across, 1),
            _ => (tap / columns, place / across, 0),
        };
        let at = place as f64 * strides[axis] as f64 + tap as f64 * dilations[axis] as f64
            - pads[axis] as f64;
        (2.0 * at + 1.0) / sizes[1 - axis] - 1.0
    })?;
    let scale = sizes.map(|size| 2.0 / size);
    let scale = e.constant(TensorProto::from_floats("", &[2], elem, &scale)?);
    let moved = reshaped(e, offset, &[taps, 2, places]);
    let moved = e.emit(
        "Transpose",
        &[&moved],
        &[("perm", vec![0i64, 1, 3, 2].into())],
    );
    let exchanged = e.ints(&[1, 0]);
    let moved = e.emit("Gather", &[&moved, &exchanged], &[("axis", 3i64.into())]);
    let moved = e.emit("Mul", &[&moved, &scale], &[]);
    let grid = e.emit("Add", &[&moved, &still], &[]);
    let picture = reshaped(e, input, &[channels / shifts, height, width]);
    let mut read = e.emit("GridSample", &[&picture, &grid], &[]);
    if let Some(mask) = e.optional(4) {
        let mask = reshaped(e, mask, &[1, taps, places]);
        read = e.emit("Mul", &[&read, &mask], &[]);
    }
    let of_group = (channels / groups).saturating_mul(taps);
    let read = reshaped(e, &read, &[groups, of_group, places]);
    let weight = {
        let dims = [groups, outputs / groups, of_group].map(|dim| dim as i64);
        let dims = e.ints(&dims);
        e.emit("Reshape", &[weight, &dims], &[])
    };
    let sums = e.emit("MatMul", &[&weight, &read], &[]);
    let all = [outputs, down, across];
    let Some(bias) = e.optional(3) else {
        let dims: Vec<i64> = [-1].into_iter().chain(all.map(|dim| dim as i64)).collect();
        let dims = e.ints(&dims);
        e.finish("Reshape", &[&sums, &dims], &[]);
        return Ok(());
    };
    let sums = reshaped(e, &sums, &all);
    let column = e.ints(&[outputs as i64, 1, 1]);
    let bias = e.emit("Reshape", &[bias, &column], &[]);
    e.finish("Add", &[&sums, &bias], &[]);
    Ok(())
}
