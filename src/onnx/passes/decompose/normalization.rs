//! Layer normalization of the sum of a block and its skip connection.

use crate::onnx::passes::decompose::context::{Context, Skipped};

/// ONNX Runtime's default of `epsilon`.
const EPSILON: f32 = 1e-12;

const STATISTICS: &[(usize, &str)] = &[(1, "mean"), (2, "inv_std_var")];

/// `LayerNormalization(x + skip + bias) · gamma + beta`.
pub fn skip(cx: &mut Context) -> Result<(), Skipped> {
    cx.reject_outputs(STATISTICS)?;
    let gamma = cx.input(2)?;
    let epsilon = cx.node.float("epsilon").unwrap_or(EPSILON);
    let sum = sum(cx, 4)?;
    let beta = cx.optional_input(3).unwrap_or_default();
    let attributes = [("axis", (-1i64).into()), ("epsilon", epsilon.into())];
    cx.emit_output("LayerNormalization", &[&sum, gamma, beta], &attributes)
}

/// With `z = x + skip + bias`: `z / √(mean z² + ε) · gamma`.
pub fn skip_simplified(cx: &mut Context) -> Result<(), Skipped> {
    cx.reject_outputs(STATISTICS)?;
    let gamma = cx.input(2)?;
    let elem = cx.elem(cx.input(0)?)?;
    let epsilon = cx.scalar(elem, cx.node.float("epsilon").unwrap_or(EPSILON).into())?;
    let sum = sum(cx, 3)?;
    let square = cx.emit("Mul", &[&sum, &sum], &[]);
    let axis = cx.ints(&[-1]);
    let mean = cx.emit("ReduceMean", &[&square, &axis], &[]);
    let shifted = cx.emit("Add", &[&mean, &epsilon], &[]);
    let deviation = cx.emit("Sqrt", &[&shifted], &[]);
    let normalized = cx.emit("Div", &[&sum, &deviation], &[]);
    cx.emit_output("Mul", &[&normalized, gamma], &[])
}

/// `x + skip + bias`, with the bias (input `bias`) optional. Produces output 3 if the node has it.
fn sum(cx: &mut Context, bias: usize) -> Result<String, Skipped> {
    let (input, skip) = (cx.input(0)?, cx.input(1)?);
    let shifted = match cx.optional_input(bias) {
        Some(bias) => cx.emit("Add", &[input, bias], &[]),
        None => input.to_owned(),
    };
    let Some(name) = cx.output(3) else {
        return Ok(cx.emit("Add", &[&shifted, skip], &[]));
    };
    cx.emit_as(name, "Add", &[&shifted, skip], &[])?;
    Ok(name.to_owned())
}
