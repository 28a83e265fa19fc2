//! Operators that correspond to one or two standard ones.

use crate::onnx::passes::decompose::context::{Context, Skipped};
use crate::onnx::{Attribute, ElementType};

/// The opset in which the modes of GridSample were renamed.
const RENAMED_MODES: i64 = 20;

/// The standard operator of the same name.
pub fn identical(cx: &mut Context) -> Result<(), Skipped> {
    let inputs = cx.node.input.iter().map(String::as_str);
    let inputs: Vec<&str> = inputs.collect();
    cx.emit_output(&cx.node.op_type, &inputs, &[])?;
    cx.add_attributes(cx.attributes_except(&[]));
    Ok(())
}

/// GridSample with the modes of its opset.
pub fn grid_sample(cx: &mut Context) -> Result<(), Skipped> {
    let mode = match cx.node.string("mode").unwrap_or("bilinear") {
        "bilinear" if cx.opset() >= RENAMED_MODES => "linear",
        "bicubic" if cx.opset() >= RENAMED_MODES => "cubic",
        mode => mode,
    };
    cx.emit_output(
        "GridSample",
        &[cx.input(0)?, cx.input(1)?],
        &[("mode", mode.into())],
    )?;
    cx.add_attributes(cx.attributes_except(&["mode"]));
    Ok(())
}

/// Inserts an axis of size 1.
pub fn expand_dims(cx: &mut Context) -> Result<(), Skipped> {
    let to = [("to", i64::from(ElementType::I64.code()).into())];
    let axis = cx.emit("Cast", &[cx.input(1)?], &to);
    let one = cx.ints(&[1]);
    let axes = cx.emit("Reshape", &[&axis, &one], &[]);
    cx.emit_output("Unsqueeze", &[cx.input(0)?, &axes], &[])
}

/// Crops or zero-pads each axis to the output's size, equally at both ends; an odd element goes to the end.
pub fn center_crop_pad(cx: &mut Context) -> Result<(), Skipped> {
    let input = cx.input(0)?;
    let (from, to) = (cx.dims(input)?, cx.dims(cx.output(0).unwrap_or_default())?);
    if from.len() != to.len() {
        return Err(Skipped(format!(
            "its input has dimensions {from:?}, its output {to:?}"
        )));
    }
    let sizes = || from.iter().zip(&to);
    let starts: Vec<i64> = sizes()
        .map(|(&from, &to)| (from.saturating_sub(to) / 2) as i64)
        .collect();
    let ends: Vec<i64> = sizes()
        .zip(&starts)
        .map(|((&from, &to), &start)| {
            if from > to {
                start.saturating_add(to as i64)
            } else {
                i64::MAX
            }
        })
        .collect();
    let added = |(&from, &to): (&usize, &usize)| to.saturating_sub(from);
    let before = sizes().map(|pair| (added(pair) / 2) as i64);
    let after = sizes().map(|pair| (added(pair) - added(pair) / 2) as i64);
    let pads: Vec<i64> = before.chain(after).collect();
    let (starts, ends, pads) = (cx.ints(&starts), cx.ints(&ends), cx.ints(&pads));
    let cropped = cx.emit("Slice", &[input, &starts, &ends], &[]);
    cx.emit_output(
        "Pad",
        &[&cropped, &pads],
        &[("mode", Attribute::from("constant"))],
    )
}

/// The slices along an axis, or the elements of the flattened input, where a constant condition holds.
pub fn compress(cx: &mut Context) -> Result<(), Skipped> {
    let condition = cx
        .constant_value(cx.input(1)?)
        .ok_or("its condition is not constant")?;
    let condition = condition.to_f64()?;
    let indices = condition.iter().zip(0i64..);
    let indices = indices.filter(|(holds, _)| **holds != 0.0);
    let indices: Vec<i64> = indices.map(|(_, index)| index).collect();
    let indices = cx.ints(&indices);
    let (value, axis) = match cx.node.int("axis") {
        Some(axis) => (cx.input(0)?.to_owned(), axis),
        None => {
            let row = cx.ints(&[-1]);
            (cx.emit("Reshape", &[cx.input(0)?, &row], &[]), 0)
        }
    };
    cx.emit_output("Gather", &[&value, &indices], &[("axis", axis.into())])
}
