//! Normalisation of a sum of what a block made and what went around it.

use crate::onnx::passes::decompose::emitter::{Emitter, Skipped};

/// Without it, ONNX Runtime adds this to the variance.
const EPSILON: f32 = 1e-12;

const STATISTICS: &[(usize, &str)] = &[(1, "mean"), (2, "deviation")];

/// `LayerNormalization(x + skip + bias) · gamma + beta`.
pub fn skip(e: &mut Emitter) -> Result<(), Skipped> {
    e.without_outputs(STATISTICS)?;
    let gamma = e.input(2)?;
    let epsilon = e.node.float("epsilon").unwrap_or(EPSILON);
    let sum = sum(e, 4)?;
    let beta = e.optional(3).unwrap_or_default();
    let attributes = [("axis", (-1i64).into()), ("epsilon", epsilon.into())];
    e.finish("LayerNormalization", &[&sum, gamma, beta], &attributes);
    Ok(())
}

/// With `z = x + skip + bias`: `z / √(mean z² + ε) · gamma`.
pub fn skip_simplified(e: &mut Emitter) -> Result<(), Skipped> {
    e.without_outputs(STATISTICS)?;
    let gamma = e.input(2)?;
    let elem = e.elem(e.input(0)?)?;
    let epsilon = e.scalar(elem, e.node.float("epsilon").unwrap_or(EPSILON).into())?;
    let sum = sum(e, 3)?;
    let square = e.emit("Mul", &[&sum, &sum], &[]);
    let axis = e.ints(&[-1]);
    let mean = e.emit("ReduceMean", &[&square, &axis], &[]);
    let shifted = e.emit("Add", &[&mean, &epsilon], &[]);
    let deviation = e.emit("Sqrt", &[&shifted], &[]);
    let normalised = e.emit("Div", &[&sum, &deviation], &[]);
    e.finish("Mul", &[&normalised, gamma], &[]);
    Ok(())
}

/// `x + skip`, and the bias if it is given; under its own name if the node makes it.
fn sum(e: &mut Emitter, bias: usize) -> Result<String, Skipped> {
    let (input, skip) = (e.input(0)?, e.input(1)?);
    let shifted = match e.optional(bias) {
        Some(bias) => e.emit("Add", &[input, bias], &[]),
        None => input.to_owned(),
    };
    let Some(name) = e.output(3) else {
        return Ok(e.emit("Add", &[&shifted, skip], &[]));
    };
    e.emit_as(name, "Add", &[&shifted, skip], &[]);
    Ok(name.to_owned())
}
