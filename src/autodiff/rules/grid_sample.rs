//! GridSample.

use super::interpolation::{CUBIC, LINEAR, NEAREST, Padding, Sampler, taps};
use super::{Context, Error, Gradients};

/// Samples the input at the positions of a grid, with coordinates from -1 to 1.
pub fn grid_sample(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, input, grid) = (cx.grad_output()?, cx.input(0)?, cx.input(1)?);
    let (dims, elem, grid_dims) = (cx.dims(&input)?, cx.elem(&input)?, cx.dims(&grid)?);
    let axes = dims.len().saturating_sub(2);
    if !(1..=3).contains(&axes) || grid_dims.len() != dims.len() || grid_dims.last() != Some(&axes)
    {
        return Err(cx.unsupported(&format!("input {dims:?} and grid {grid_dims:?}")));
    }
    let kernel = match cx.node.string("mode").unwrap_or("linear") {
        "linear" | "bilinear" => LINEAR,
        "cubic" | "bicubic" => CUBIC,
        "nearest" => NEAREST,
        other => return Err(cx.unsupported(&format!("mode = {other:?}"))),
    };
    let corners = cx.node.int("align_corners").unwrap_or(0) != 0;
    let padding = match cx.node.string("padding_mode").unwrap_or("zeros") {
        "zeros" => Padding::Zeros,
        "border" => Padding::Border,
        "reflection" => Padding::Reflection(corners),
        other => return Err(cx.unsupported(&format!("padding_mode = {other:?}"))),
    };
    let groups = grid_dims[0];
    let places: usize = grid_dims[1..=axes].iter().product();
    let count = kernel.len().pow(axes as u32);
    let reading = Sampler::new(cx, dims, elem, (groups, places), count)?;
    let flat = [groups, places];
    let mut taps_of_axes = Vec::with_capacity(axes);
    let mut reaches = Vec::with_capacity(axes);
    for axis in 0..axes {
        let size = reading.dims[axis + 2];
        // Grid coordinates are (x, y, …): the last axis comes first.
        let column = cx.int(axes as i64 - 1 - axis as i64);
        let column = cx.emit("Gather", &[&grid, &column], &[("axis", (-1i64).into())]);
        let column = cx.reshape(&column, &flat);
        // -1 and 1 are the outermost elements, or the outer edges of those.
        let reach = (size as f64 - f64::from(u8::from(corners))) / 2.0;
        let scaled = cx.scale(&column, elem, reach)?;
        let middle = cx.scalar(elem, (size as f64 - 1.0) / 2.0)?;
        let coordinate = cx.add(&scaled, &middle);
        let taps = taps(cx, (&coordinate, &flat), size, (kernel, padding), elem)?;
        taps_of_axes.push(taps);
        reaches.push(reach);
    }
    cx.check_constant(&[groups])?;
    let batch: Vec<i64> = (0..groups as i64).collect();
    let batch = cx.ints(&batch);
    let taps = reading.join(cx, taps_of_axes, &batch);
    let gradient = cx.reshape(&gradient, &[groups, reading.dims[1], 1, places]);
    // The gradient of the grid is zero where the nearest element is taken.
    let count = if kernel.len() == 1 { 1 } else { 2 };
    cx.for_each_requested(count, |cx, index| {
        if index == 0 {
            return reading.of_input(cx, &taps, &gradient);
        }
        let mut columns = Vec::with_capacity(axes);
        let of_coordinates = reading.of_coordinates(cx, &taps, &gradient, &input);
        for (of_coordinate, &reach) in of_coordinates.iter().zip(&reaches).rev() {
            let scaled = cx.scale(of_coordinate, elem, reach)?;
            columns.push(cx.reshape(&scaled, &[groups, places, 1]));
        }
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let of_grid = cx.emit("Concat", &columns, &[("axis", 2i64.into())]);
        Ok(cx.reshape(&of_grid, &grid_dims))
    })
}
