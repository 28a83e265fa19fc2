//! Operators on levels: the levels become numbers, ONNX's own operator works on those, and its result is rounded to
//! levels again. Sums that were exact in integers are rounded as floats are, so that a level may be missed by one.

use crate::onnx::passes::decompose::emitter::{Emitter, Skipped};
use crate::onnx::{Attribute, Elem};

/// The numbers that three inputs (levels, scale, zero point) from `first` on stand for.
fn numbers(e: &mut Emitter, first: usize, axis: Option<i64>) -> Result<String, Skipped> {
    numbers_of(e, [first, first + 1, first + 2], axis)
}

/// The numbers that levels, scale and zero point stand for, which are the inputs of these numbers.
pub(super) fn numbers_of(
    e: &mut Emitter,
    inputs: [usize; 3],
    axis: Option<i64>,
) -> Result<String, Skipped> {
    let [levels, scale, zero_point] = inputs;
    let (levels, scale) = (e.input(levels)?, e.input(scale)?);
    let zero_point = e.optional(zero_point).unwrap_or_default();
    let several = !is_one(e, scale)?;
    let attributes: Vec<_> = match axis.filter(|_| several) {
        Some(axis) => vec![("axis", axis.into())],
        None => vec![],
    };
    Ok(e.emit(
        "DequantizeLinear",
        &[levels, scale, zero_point],
        &attributes,
    ))
}

/// Whether a value that the node reads is a single number.
fn is_one(e: &Emitter, value: &str) -> Result<bool, Skipped> {
    Ok(e.dims(value)?.iter().all(|&dim| dim == 1))
}

/// Rounds to levels of the scale and zero point that are inputs from `first` on.
fn round(e: &mut Emitter, value: &str, first: usize) -> Result<(), Skipped> {
    let scale = e.input(first)?;
    let zero_point = e.optional(first + 1).unwrap_or_default();
    // Without one, ONNX's own operator makes levels of uint8.
    if zero_point.is_empty() && e.elem(e.output(0).unwrap_or_default())? != Elem::U8 {
        return Err("its levels have a sign and no zero point".into());
    }
    e.finish("QuantizeLinear", &[value, scale, zero_point], &[]);
    Ok(())
}

/// Numbers of a bias of whole multiples of both scales' product.
fn bias(e: &mut Emitter, bias: &str, scales: [usize; 2]) -> Result<String, Skipped> {
    let [a, b] = [e.input(scales[0])?, e.input(scales[1])?];
    let elem = e.elem(a)?;
    let whole = e.emit("Cast", &[bias], &[("to", i64::from(elem.code()).into())]);
    let unit = e.emit("Mul", &[a, b], &[]);
    Ok(e.emit("Mul", &[&whole, &unit], &[]))
}

/// Inputs x, w, y as levels, scale and zero point (of y only the latter two), and a bias; a scale of w may be one a channel.
pub fn conv(e: &mut Emitter) -> Result<(), Skipped> {
    let input = numbers(e, 0, None)?;
    let weight = numbers(e, 3, Some(0))?;
    let bias = match e.optional(8) {
        Some(levels) => bias(e, levels, [1, 4])?,
        None => String::new(),
    };
    let made = operated(e, "Conv", &[&input, &weight, &bias])?;
    round(e, &made, 6)
}

/// What ONNX's own operator, whose channels come first, makes of numbers; the node's may come last.
fn operated(e: &mut Emitter, op: &str, inputs: &[&str]) -> Result<String, Skipped> {
    let attributes = e.attributes_but(&["channels_last", "opset"]);
    if e.node.int("channels_last").unwrap_or(0) == 0 {
        let made = e.emit_unrounded(op, inputs);
        e.with_attributes(attributes);
        return Ok(made);
    }
    let (first, last) = orders(e)?;
    let mut inputs = inputs.to_vec();
    let turned = e.emit("Transpose", &inputs[..1], &[("perm", first.into())]);
    inputs[0] = &turned;
    let made = e.emit(op, &inputs, &[]);
    e.with_attributes(attributes);
    let made = e.emit_unrounded("Transpose", &[&made]);
    e.with_attributes(vec![Attribute::Ints(last).named("perm")]);
    Ok(made)
}

/// The orders of axes that bring the channels of input 0 from the end to the front, and back.
fn orders(e: &Emitter) -> Result<(Vec<i64>, Vec<i64>), Skipped> {
    let rank = e.dims(e.input(0)?)?.len() as i64;
    if rank < 3 {
        return Err(Skipped(format!("it has {rank} axes")));
    }
    let first = [0, rank - 1].into_iter().chain(1..rank - 1);
    let last = [0].into_iter().chain(2..rank).chain([1]);
    Ok((first.collect(), last.collect()))
}

/// The largest levels of each window; channels come last.
pub fn max_pool(e: &mut Emitter) -> Result<(), Skipped> {
    let (first, last) = orders(e)?;
    let turned = e.emit("Transpose", &[e.input(0)?], &[("perm", first.into())]);
    let largest = e.emit("MaxPool", &[&turned], &[]);
    e.with_attributes(e.attributes_but(&[]));
    e.finish("Transpose", &[&largest], &[("perm", last.into())]);
    Ok(())
}

/// A condition, and two operands and the result, three inputs each but for the result's levels.
pub fn select(e: &mut Emitter) -> Result<(), Skipped> {
    let [a, b] = [numbers(e, 1, None)?, numbers(e, 4, None)?];
    let made = e.emit_unrounded("Where", &[e.input(0)?, &a, &b]);
    round(e, &made, 7)
}

/// As [`unary`]; before opset 13, everything from the axis on was one row.
pub fn softmax(e: &mut Emitter) -> Result<(), Skipped> {
    let rank = e.dims(e.input(0)?)?.len() as i64;
    let axis = e.node.int("axis").unwrap_or(-1);
    let is_last = axis == -1 || axis == rank - 1;
    if !is_last && e.node.int("opset").unwrap_or(0) < 13 {
        return Err(Skipped(format!(
            "axis = {axis} in the form of an old opset"
        )));
    }
    unary(e)
}

/// Inputs a, b, y as for [`conv`]; a scale of b may be one a column.
pub fn mat_mul(e: &mut Emitter) -> Result<(), Skipped> {
    if !is_one(e, e.input(1)?)? {
        return Err("it has a scale for each row".into());
    }
    let a = numbers(e, 0, None)?;
    let b = numbers(e, 3, Some(-1))?;
    let made = e.emit_unrounded("MatMul", &[&a, &b]);
    round(e, &made, 6)
}

/// Inputs a and b as levels, then their scales, their zero points, and a bias; the result is not rounded.
pub fn mat_mul_to_float(e: &mut Emitter) -> Result<(), Skipped> {
    if !is_one(e, e.input(2)?)? {
        return Err("it has a scale for each row".into());
    }
    let a = numbers_of(e, [0, 2, 4], None)?;
    let b = numbers_of(e, [1, 3, 5], Some(-1))?;
    product_with_bias(e, &a, &b, 6)
}

/// Inputs a as numbers, which are rounded to levels on the way, b as levels, its scale and zero point, and a bias.
pub fn dynamic_mat_mul(e: &mut Emitter) -> Result<(), Skipped> {
    let rounded = e.emit_many("DynamicQuantizeLinear", &[e.input(0)?], &[], 3);
    let rounded: Vec<&str> = rounded.iter().map(String::as_str).collect();
    let a = e.emit("DequantizeLinear", &rounded, &[]);
    let b = numbers_of(e, [1, 2, 3], Some(-1))?;
    product_with_bias(e, &a, &b, 4)
}

fn product_with_bias(e: &mut Emitter, a: &str, b: &str, bias: usize) -> Result<(), Skipped> {
    let Some(bias) = e.optional(bias) else {
        e.finish("MatMul", &[a, b], &[]);
        return Ok(());
    };
    let product = e.emit("MatMul", &[a, b], &[]);
    e.finish("Add", &[&product, bias], &[]);
    Ok(())
}

/// Inputs a, b, c, y as for [`conv`], where c is the bias; without y's, the result is not rounded.
pub fn gemm(e: &mut Emitter) -> Result<(), Skipped> {
    let transposed = e.node.int("transB").unwrap_or(0) != 0;
    let a = numbers(e, 0, None)?;
    let b = numbers(e, 3, Some(i64::from(!transposed)))?;
    let alpha = e.node.float("alpha").unwrap_or(1.0);
    let bias = match e.optional(6) {
        Some(_) if alpha != 1.0 => return Err("alpha scales its bias".into()),
        Some(levels) => bias(e, levels, [1, 4])?,
        None => String::new(),
    };
    let inputs = [a.as_str(), &b, &bias];
    if e.optional(7).is_none() {
        e.finish("Gemm", &inputs, &[]);
        e.with_attributes(e.attributes_but(&[]));
        return Ok(());
    }
    let made = e.emit_unrounded("Gemm", &inputs);
    e.with_attributes(e.attributes_but(&[]));
    round(e, &made, 7)
}

/// Two operands and the result, three inputs each.
pub fn binary(e: &mut Emitter) -> Result<(), Skipped> {
    let [a, b] = [numbers(e, 0, None)?, numbers(e, 3, None)?];
    let made = e.emit_unrounded(&plain_op(e), &[&a, &b]);
    round(e, &made, 6)
}

/// One operand and the result.
pub fn unary(e: &mut Emitter) -> Result<(), Skipped> {
    let input = numbers(e, 0, None)?;
    let made = operated(e, &plain_op(e), &[&input])?;
    round(e, &made, 3)
}

/// The operator on numbers.
fn plain_op(e: &Emitter) -> String {
    let op = &e.node.op_type;
    op.strip_prefix("QLinear").unwrap_or(op).to_owned()
}

/// Scale and zero point of the result, then the parts, three inputs each.
pub fn concat(e: &mut Emitter) -> Result<(), Skipped> {
    let starts = (2..e.node.input.len()).step_by(3);
    let parts = starts.map(|first| numbers(e, first, None));
    let parts: Vec<String> = parts.collect::<Result<_, _>>()?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let made = e.emit_unrounded("Concat", &parts);
    e.with_attributes(e.attributes_but(&[]));
    round(e, &made, 0)
}

/// ONNX's own operator under the other name.
pub fn quantize(e: &mut Emitter) -> Result<(), Skipped> {
    rename(e, e.output(0).unwrap_or_default())
}

/// As [`quantize`].
pub fn dequantize(e: &mut Emitter) -> Result<(), Skipped> {
    rename(e, e.input(0)?)
}

fn rename(e: &mut Emitter, levels: &str) -> Result<(), Skipped> {
    // ONNX's own has levels of other sizes only in newer opsets.
    if !matches!(e.elem(levels)?, Elem::U8 | Elem::I8) {
        return Err("its levels are not of 8 bits".into());
    }
    let inputs = [e.input(0)?, e.input(1)?, e.optional(2).unwrap_or_default()];
    e.finish(&e.node.op_type, &inputs, &[]);
    e.with_attributes(e.attributes_but(&[]));
    Ok(())
}
