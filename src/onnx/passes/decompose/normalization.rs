//! Layer normalization of the sum of a block and its skip connection.

use crate::onnx::passes::decompose::emitter::{Emitter, Skipped};

/// ONNX Runtime's default of `epsilon`.
const EPSILON: f32 = 1e-12;

const STATISTICS: &[(usize, &str)] = &[(1, "mean"), (2, "inv_std_var")];

/// `LayerNormalization(x + skip + bias) · gamma + beta`.
pub fn skip(e: &mut Emitter) -> Result<(), Skipped> {
    e.reject_outputs(STATISTICS)?;
    let gamma = e.input(2)?;
    let epsilon = e.node.float("epsilon").unwrap_or(EPSILON);
    let sum = sum(e, 4)?;
    let beta = e.optional_input(3).unwrap_or_default();
    let attributes = [("axis", (-1i64).into()), ("epsilon", epsilon.into())];
    e.emit_output("LayerNormalization", &[&sum, gamma, beta], &attributes);
    Ok(())
}

/// With `z = x + skip + bias`: `z / √(mean z² + ε) · gamma`.
pub fn skip_simplified(e: &mut Emitter) -> Result<(), Skipped> {
    e.reject_outputs(STATISTICS)?;
    let gamma = e.input(2)?;
    let elem = e.elem(e.input(0)?)?;
    let epsilon = e.scalar(elem, e.node.float("epsilon").unwrap_or(EPSILON).into())?;
    let sum = sum(e, 3)?;
    let square = e.emit("Mul", &[&sum, &sum], &[]);
    let axis = e.ints(&[-1]);
    let mean = e.emit("ReduceMean", &[&square, &axis], &[]);
    let shifted = e.emit("Add", &[&mean, &epsilon], &[]);
    let deviation = e.emit("Sqrt", &[&shifted], &[]);
    let normalized = e.emit("Div", &[&sum, &deviation], &[]);
    e.emit_output("Mul", &[&normalized, gamma], &[]);
    Ok(())
}

/// `x + skip + bias`, with the bias (input `bias`) optional. Produces output 3 if the node has it.
fn sum(e: &mut Emitter, bias: usize) -> Result<String, Skipped> {
    let (input, skip) = (e.input(0)?, e.input(1)?);
    let shifted = match e.optional_input(bias) {
        Some(bias) => e.emit("Add", &[input, bias], &[]),
        None => input.to_owned(),
    };
    let Some(name) = e.output(3) else {
        return Ok(e.emit("Add", &[&shifted, skip], &[]));
    };
    e.emit_as(name, "Add", &[&shifted, skip], &[]);
    Ok(name.to_owned())
}
