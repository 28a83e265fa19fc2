//! Operators that correspond to one or two standard ones.

use crate::onnx::passes::decompose::emitter::{Emitter, Skipped};
use crate::onnx::{Attribute, ElementType};

/// The opset in which the modes of GridSample were renamed.
const RENAMED_MODES: i64 = 20;

/// The standard operator of the same name.
pub fn identical(e: &mut Emitter) -> Result<(), Skipped> {
    let inputs = e.node.input.iter().map(String::as_str);
    let inputs: Vec<&str> = inputs.collect();
    e.emit_output(&e.node.op_type, &inputs, &[]);
    e.add_attributes(e.attributes_except(&[]));
    Ok(())
}

/// GridSample with the modes of its opset.
pub fn grid_sample(e: &mut Emitter) -> Result<(), Skipped> {
    let mode = match e.node.string("mode").unwrap_or("bilinear") {
        "bilinear" if e.opset() >= RENAMED_MODES => "linear",
        "bicubic" if e.opset() >= RENAMED_MODES => "cubic",
        mode => mode,
    };
    e.emit_output(
        "GridSample",
        &[e.input(0)?, e.input(1)?],
        &[("mode", mode.into())],
    );
    e.add_attributes(e.attributes_except(&["mode"]));
    Ok(())
}

/// Inserts an axis of size 1.
pub fn expand_dims(e: &mut Emitter) -> Result<(), Skipped> {
    let to = [("to", i64::from(ElementType::I64.code()).into())];
    let axis = e.emit("Cast", &[e.input(1)?], &to);
    let one = e.ints(&[1]);
    let axes = e.emit("Reshape", &[&axis, &one], &[]);
    e.emit_output("Unsqueeze", &[e.input(0)?, &axes], &[]);
    Ok(())
}

/// Crops or zero-pads each axis to the output's size, equally at both ends; an odd element goes to the end.
pub fn center_crop_pad(e: &mut Emitter) -> Result<(), Skipped> {
    let input = e.input(0)?;
    let (from, to) = (e.dims(input)?, e.dims(e.output(0).unwrap_or_default())?);
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
    let (starts, ends, pads) = (e.ints(&starts), e.ints(&ends), e.ints(&pads));
    let cropped = e.emit("Slice", &[input, &starts, &ends], &[]);
    e.emit_output(
        "Pad",
        &[&cropped, &pads],
        &[("mode", Attribute::from("constant"))],
    );
    Ok(())
}

/// The slices along an axis, or the elements of the flattened input, where a constant condition holds.
pub fn compress(e: &mut Emitter) -> Result<(), Skipped> {
    let condition = e
        .constant_value(e.input(1)?)
        .ok_or("its condition is not constant")?;
    let condition = condition.to_f64()?;
    let indices = condition.iter().zip(0i64..);
    let indices = indices.filter(|(holds, _)| **holds != 0.0);
    let indices: Vec<i64> = indices.map(|(_, index)| index).collect();
    let indices = e.ints(&indices);
    let (value, axis) = match e.node.int("axis") {
        Some(axis) => (e.input(0)?.to_owned(), axis),
        None => {
            let row = e.ints(&[-1]);
            (e.emit("Reshape", &[e.input(0)?, &row], &[]), 0)
        }
    };
    e.emit_output("Gather", &[&value, &indices], &[("axis", axis.into())]);
    Ok(())
}
