//! Operators that are another of ONNX's own, or two of them, by other names.

use crate::onnx::passes::decompose::emitter::{Emitter, Skipped};
use crate::onnx::{Attribute, Elem};

/// The opset in which the modes of GridSample got new names.
const NEW_MODES: i64 = 20;

/// ONNX's own of the same name.
pub fn same(e: &mut Emitter) -> Result<(), Skipped> {
    let inputs = e.node.input.iter().map(String::as_str);
    let inputs: Vec<&str> = inputs.collect();
    e.finish(&e.node.op_type, &inputs, &[]);
    e.with_attributes(e.attributes_but(&[]));
    Ok(())
}

/// The picture at the places of a grid.
pub fn grid_sample(e: &mut Emitter) -> Result<(), Skipped> {
    let mode = match e.node.string("mode").unwrap_or("bilinear") {
        "bilinear" if e.opset() >= NEW_MODES => "linear",
        "bicubic" if e.opset() >= NEW_MODES => "cubic",
        mode => mode,
    };
    e.finish(
        "GridSample",
        &[e.input(0)?, e.input(1)?],
        &[("mode", mode.into())],
    );
    e.with_attributes(e.attributes_but(&["mode"]));
    Ok(())
}

/// A further axis of one position.
pub fn expand_dims(e: &mut Emitter) -> Result<(), Skipped> {
    let to = [("to", i64::from(Elem::I64.code()).into())];
    let axis = e.emit("Cast", &[e.input(1)?], &to);
    let one = e.ints(&[1]);
    let axes = e.emit("Reshape", &[&axis, &one], &[]);
    e.finish("Unsqueeze", &[e.input(0)?, &axes], &[]);
    Ok(())
}

/// As large as told, by cutting off or adding zeros, as much before as behind or one less.
pub fn center_crop_pad(e: &mut Emitter) -> Result<(), Skipped> {
    let input = e.input(0)?;
    let (from, to) = (e.dims(input)?, e.dims(e.output(0).unwrap_or_default())?);
    if from.len() != to.len() {
        return Err(Skipped(format!("it makes {to:?} of {from:?}")));
    }
    let sizes = || from.iter().zip(&to);
    let cut: Vec<i64> = sizes()
        .map(|(&from, &to)| (from.saturating_sub(to) / 2) as i64)
        .collect();
    let ends: Vec<i64> = sizes()
        .zip(&cut)
        .map(|((&from, &to), &cut)| match from > to {
            true => cut.saturating_add(to as i64),
            false => i64::MAX,
        })
        .collect();
    let added = |(&from, &to): (&usize, &usize)| to.saturating_sub(from);
    let before = sizes().map(|pair| (added(pair) / 2) as i64);
    let behind = sizes().map(|pair| (added(pair) - added(pair) / 2) as i64);
    let amounts: Vec<i64> = before.chain(behind).collect();
    let (starts, ends, amounts) = (e.ints(&cut), e.ints(&ends), e.ints(&amounts));
    let cropped = e.emit("Slice", &[input, &starts, &ends], &[]);
    e.finish(
        "Pad",
        &[&cropped, &amounts],
        &[("mode", Attribute::from("constant"))],
    );
    Ok(())
}

/// The positions along an axis, or of all elements in a row, at which a constant condition holds.
pub fn compress(e: &mut Emitter) -> Result<(), Skipped> {
    let condition = e
        .known(e.input(1)?)
        .ok_or("its condition is not constant")?;
    let holds = condition.to_f64()?;
    let places = holds.iter().zip(0i64..).filter(|(holds, _)| **holds != 0.0);
    let places: Vec<i64> = places.map(|(_, place)| place).collect();
    let places = e.ints(&places);
    let (value, axis) = match e.node.int("axis") {
        Some(axis) => (e.input(0)?.to_owned(), axis),
        None => {
            let row = e.ints(&[-1]);
            (e.emit("Reshape", &[e.input(0)?, &row], &[]), 0)
        }
    };
    e.finish("Gather", &[&value, &places], &[("axis", axis.into())]);
    Ok(())
}
