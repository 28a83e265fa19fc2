//! Operators that read pictures between their elements.

use super::taps::{CUBIC, LINEAR, NEAREST, Padding, Reading, Tap, taps};
use super::{Context, Error, Gradients};
use crate::onnx::Elem;
use crate::onnx::proto::TensorProto;

/// The picture at the places of a grid, whose coordinates run from -1 to 1.
pub fn grid_sample(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, picture, grid) = (cx.gradient()?, cx.input(0)?, cx.input(1)?);
    let (dims, elem, grid_dims) = (cx.dims(&picture)?, cx.elem(&picture)?, cx.dims(&grid)?);
    let axes = dims.len().saturating_sub(2);
    if !(1..=3).contains(&axes) || grid_dims.len() != dims.len() || grid_dims.last() != Some(&axes)
    {
        return Err(cx.form(&format!("picture {dims:?} and grid {grid_dims:?}")));
    }
    let kernel = match cx.node.string("mode").unwrap_or("linear") {
        "linear" | "bilinear" => LINEAR,
        "cubic" | "bicubic" => CUBIC,
        "nearest" => NEAREST,
        other => return Err(cx.form(&format!("mode = {other:?}"))),
    };
    let corners = cx.node.int("align_corners").unwrap_or(0) != 0;
    let padding = match cx.node.string("padding_mode").unwrap_or("zeros") {
        "zeros" => Padding::Zeros,
        "border" => Padding::Border,
        "reflection" => Padding::Reflection(corners),
        other => return Err(cx.form(&format!("padding_mode = {other:?}"))),
    };
    let groups = grid_dims[0];
    let places: usize = grid_dims[1..=axes].iter().product();
    let count = kernel.len().pow(axes as u32);
    let reading = Reading::of(cx, dims, elem, (groups, places), count)?;
    let flat = [groups, places];
    let mut taps_of_axes = Vec::with_capacity(axes);
    let mut reaches = Vec::with_capacity(axes);
    for axis in 0..axes {
        let size = reading.dims[axis + 2];
        // The grid names the last axis first.
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
    let batch: Vec<i64> = (0..groups as i64).collect();
    let batch = cx.ints(&batch);
    let taps = reading.join(cx, taps_of_axes, &batch);
    let gradient = cx.reshape(&gradient, &[groups, reading.dims[1], 1, places]);
    let of_picture = match cx.wants(0) {
        true => Some(reading.of_picture(cx, &taps, &gradient)?),
        false => None,
    };
    if !cx.wants(1) || kernel.len() == 1 {
        return Ok(vec![of_picture, None]);
    }
    let mut columns = Vec::with_capacity(axes);
    let of_coordinates = reading.of_coordinates(cx, &taps, &gradient, &picture);
    for (of_coordinate, reach) in of_coordinates.iter().zip(reaches).rev() {
        let scaled = cx.scale(of_coordinate, elem, reach)?;
        columns.push(cx.reshape(&scaled, &[groups, places, 1]));
    }
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let of_grid = cx.emit("Concat", &columns, &[("axis", 2i64.into())]);
    Ok(vec![of_picture, Some(cx.reshape(&of_grid, &grid_dims))])
}

/// Regions of pictures, cut into bins, each the mean of `sampling_ratio` places an axis; or the largest of what the taps of
/// these places have to say, each its element times its weight.
pub fn roi_align(cx: &mut Context) -> Result<Gradients, Error> {
    cx.only_first()?;
    let (gradient, picture, regions) = (cx.gradient()?, cx.input(0)?, cx.input(1)?);
    let (dims, elem, out) = (
        cx.dims(&picture)?,
        cx.elem(&picture)?,
        cx.dims(&cx.output())?,
    );
    let largest = match cx.node.string("mode").unwrap_or("avg") {
        "avg" => false,
        "max" => true,
        other => return Err(cx.form(&format!("mode = {other:?}"))),
    };
    let ratio = match cx.node.int("sampling_ratio").unwrap_or(0) {
        ratio @ 1..=64 => ratio as usize,
        0 => {
            return Err(
                cx.form("sampling_ratio = 0: how many places it reads depends on its regions")
            );
        }
        other => return Err(cx.form(&format!("sampling_ratio = {other}"))),
    };
    let (&[_, channels, height, width], &[groups, _, rows, columns]) =
        (dims.as_slice(), out.as_slice())
    else {
        return Err(cx.form(&format!("it makes {out:?} of {dims:?}")));
    };
    let places = rows * ratio * columns * ratio;
    let reading = Reading::of(cx, dims, elem, (groups, places), 4)?;
    let half_pixel = cx
        .node
        .string("coordinate_transformation_mode")
        .unwrap_or("half_pixel")
        == "half_pixel";
    let scale = f64::from(cx.node.float("spatial_scale").unwrap_or(1.0));
    let scaled = cx.scale(&regions, elem, scale)?;
    let mut axes = Vec::with_capacity(2);
    // Regions are (left, top, right, bottom).
    for (first, size, bins) in [(1, height, rows), (0, width, columns)] {
        let [start, end] = [first, first + 2].map(|column| {
            let column = cx.int(column);
            let column = cx.emit("Gather", &[&scaled, &column], &[("axis", 1i64.into())]);
            cx.reshape(&column, &[groups, 1])
        });
        let mut extent = cx.plain("Sub", &[&end, &start]);
        let mut from = start;
        if half_pixel {
            let half = cx.scalar(elem, 0.5)?;
            from = cx.plain("Sub", &[&from, &half]);
        } else {
            let one = cx.scalar(elem, 1.0)?;
            extent = cx.plain("Max", &[&extent, &one]);
        }
        let count = bins * ratio;
        let parts: Vec<f64> = (0..count)
            .map(|place| (place as f64 + 0.5) / count as f64)
            .collect();
        let parts = TensorProto::from_floats("", &[1, count as i64], elem, &parts)?;
        let parts = cx.builder.constant(parts);
        let offsets = cx.mul(&extent, &parts);
        let coordinate = cx.add(&from, &offsets);
        let along = match first {
            1 => [groups, count, 1],
            _ => [groups, 1, count],
        };
        let coordinate = cx.reshape(&coordinate, &along);
        axes.push(region_taps(cx, (&coordinate, &along), size, elem)?);
    }
    let batch = cx.input(2)?;
    let taps = reading.join(cx, axes, &batch);
    let bins = cx.reshape(&gradient, &[groups, channels, 1, rows, 1, columns, 1]);
    let spread = if largest {
        let weighed = reading.weighed(cx, &taps, &picture);
        let apart = [groups, channels, 4, rows, ratio, columns, ratio];
        let weighed = cx.reshape(&weighed, &apart);
        let shares = shares_of_largest(cx, &weighed, &[2, 4, 6], elem);
        let spread = cx.mul(&bins, &shares);
        cx.reshape(&spread, &[groups, channels, 4, places])
    } else {
        let share = cx.scale(&bins, elem, 1.0 / (ratio * ratio) as f64)?;
        let spread = cx.expand(&share, &[groups, channels, 1, rows, ratio, columns, ratio]);
        cx.reshape(&spread, &[groups, channels, 1, places])
    };
    Ok(vec![Some(reading.of_picture(cx, &taps, &spread)?)])
}

/// 1 where `value` is the largest over `axes`, shared equally by ties, and 0 elsewhere.
fn shares_of_largest(cx: &mut Context, value: &str, axes: &[usize], elem: Elem) -> String {
    let axes_constant: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
    let axes_constant = cx.ints(&axes_constant);
    let largest = cx.plain("ReduceMax", &[value, &axes_constant]);
    let winners = cx.plain("Equal", &[value, &largest]);
    let winners = cx.cast(&winners, elem);
    let count = cx.sum_over(&winners, axes);
    cx.plain("Div", &[&winners, &count])
}

/// The taps of a coordinate that counts as the outermost element's up to one element outside, and is not read beyond.
fn region_taps(
    cx: &mut Context,
    (coordinate, dims): (&str, &[usize]),
    size: usize,
    elem: Elem,
) -> Result<Vec<Tap>, Error> {
    let (first, last) = (cx.scalar(elem, 0.0)?, cx.scalar(elem, size as f64 - 1.0)?);
    let clipped = cx.plain("Clip", &[coordinate, &first, &last]);
    let middle = cx.scalar(elem, (size as f64 - 1.0) / 2.0)?;
    let distance = cx.plain("Sub", &[coordinate, &middle]);
    let distance = cx.plain("Abs", &[&distance]);
    let reach = cx.scalar(elem, (size as f64 + 1.0) / 2.0)?;
    let inside = cx.plain("LessOrEqual", &[&distance, &reach]);
    let inside = cx.cast(&inside, elem);
    let mut taps = taps(cx, (&clipped, dims), size, (LINEAR, Padding::Border), elem)?;
    for tap in &mut taps {
        tap.weight = cx.mul(&tap.weight, &inside);
    }
    Ok(taps)
}
