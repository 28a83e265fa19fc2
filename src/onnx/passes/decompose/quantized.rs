//! Quantized operators as DequantizeLinear, the standard operator, and QuantizeLinear. Sums of integers become sums of
//! floats, so that the result may differ by one quantization step.

use crate::onnx::passes::decompose::emitter::{Emitter, Skipped};
use crate::onnx::{Attribute, ElementType};

/// Dequantizes three consecutive inputs (quantized value, scale, zero point), the first of index `first`. `axis` is the
/// axis of a scale that is not a scalar.
fn dequantized(e: &mut Emitter, first: usize, axis: Option<i64>) -> Result<String, Skipped> {
    dequantized_inputs(e, [first, first + 1, first + 2], axis)
}

/// Like [`dequantized`], with the indices of the three inputs.
pub(super) fn dequantized_inputs(
    e: &mut Emitter,
    inputs: [usize; 3],
    axis: Option<i64>,
) -> Result<String, Skipped> {
    let [quantized, scale, zero_point] = inputs;
    let (quantized, scale) = (e.input(quantized)?, e.input(scale)?);
    let zero_point = e.optional_input(zero_point).unwrap_or_default();
    let is_per_axis = !is_scalar(e, scale)?;
    let attributes: Vec<_> = match axis.filter(|_| is_per_axis) {
        Some(axis) => vec![("axis", axis.into())],
        None => vec![],
    };
    Ok(e.emit(
        "DequantizeLinear",
        &[quantized, scale, zero_point],
        &attributes,
    ))
}

/// Whether a value has a single element.
fn is_scalar(e: &Emitter, value: &str) -> Result<bool, Skipped> {
    Ok(e.dims(value)?.iter().all(|&dim| dim == 1))
}

/// Emits the output: `value` quantized with the scale and zero point that are the inputs `first` and `first + 1`.
fn quantize_output(e: &mut Emitter, value: &str, first: usize) -> Result<(), Skipped> {
    let scale = e.input(first)?;
    let zero_point = e.optional_input(first + 1).unwrap_or_default();
    // Without a zero point, QuantizeLinear outputs uint8.
    if zero_point.is_empty() && e.elem(e.output(0).unwrap_or_default())? != ElementType::U8 {
        return Err("its output is signed and has no zero point".into());
    }
    e.emit_output("QuantizeLinear", &[value, scale, zero_point], &[]);
    Ok(())
}

/// Dequantizes a bias, whose scale is the product of the input and the weight scale (input indices `scales`).
fn bias(e: &mut Emitter, bias: &str, scales: [usize; 2]) -> Result<String, Skipped> {
    let [a, b] = [e.input(scales[0])?, e.input(scales[1])?];
    let elem = e.elem(a)?;
    let cast = e.emit("Cast", &[bias], &[("to", i64::from(elem.code()).into())]);
    let scale = e.emit("Mul", &[a, b], &[]);
    Ok(e.emit("Mul", &[&cast, &scale], &[]))
}

/// Inputs: quantized value, scale and zero point of x and w, scale and zero point of y, bias. The scale of w may be per
/// channel.
pub fn conv(e: &mut Emitter) -> Result<(), Skipped> {
    let input = dequantized(e, 0, None)?;
    let weight = dequantized(e, 3, Some(0))?;
    let bias = match e.optional_input(8) {
        Some(quantized) => bias(e, quantized, [1, 4])?,
        None => String::new(),
    };
    let result = apply(e, "Conv", &[&input, &weight, &bias])?;
    quantize_output(e, &result, 6)
}

/// Applies the standard operator to dequantized inputs. The fused node may have the channels last (`channels_last`).
fn apply(e: &mut Emitter, op: &str, inputs: &[&str]) -> Result<String, Skipped> {
    let attributes = e.attributes_except(&["channels_last", "opset"]);
    if e.node.int("channels_last").unwrap_or(0) == 0 {
        let result = e.emit_unrounded(op, inputs);
        e.add_attributes(attributes);
        return Ok(result);
    }
    let (to_first, to_last) = channel_permutations(e)?;
    let mut inputs = inputs.to_vec();
    let transposed = e.emit("Transpose", &inputs[..1], &[("perm", to_first.into())]);
    inputs[0] = &transposed;
    let result = e.emit(op, &inputs, &[]);
    e.add_attributes(attributes);
    let result = e.emit_unrounded("Transpose", &[&result]);
    e.add_attributes(vec![Attribute::Ints(to_last).named("perm")]);
    Ok(result)
}

/// The permutations from channels-last to channels-first and back, for the rank of input 0.
fn channel_permutations(e: &Emitter) -> Result<(Vec<i64>, Vec<i64>), Skipped> {
    let rank = e.dims(e.input(0)?)?.len() as i64;
    if rank < 3 {
        return Err(Skipped(format!("its input has rank {rank}")));
    }
    let to_first = [0, rank - 1].into_iter().chain(1..rank - 1);
    let to_last = [0].into_iter().chain(2..rank).chain([1]);
    Ok((to_first.collect(), to_last.collect()))
}

/// Max pooling of quantized values, channels last.
pub fn max_pool(e: &mut Emitter) -> Result<(), Skipped> {
    let (to_first, to_last) = channel_permutations(e)?;
    let transposed = e.emit("Transpose", &[e.input(0)?], &[("perm", to_first.into())]);
    let pooled = e.emit("MaxPool", &[&transposed], &[]);
    e.add_attributes(e.attributes_except(&[]));
    e.emit_output("Transpose", &[&pooled], &[("perm", to_last.into())]);
    Ok(())
}

/// Inputs: a condition; quantized value, scale and zero point of both operands; scale and zero point of the result.
pub fn select(e: &mut Emitter) -> Result<(), Skipped> {
    let [a, b] = [dequantized(e, 1, None)?, dequantized(e, 4, None)?];
    let result = e.emit_unrounded("Where", &[e.input(0)?, &a, &b]);
    quantize_output(e, &result, 7)
}

/// As [`unary`]. Before opset 13, softmax coerced its input to 2-D, which makes no difference only for the last axis.
pub fn softmax(e: &mut Emitter) -> Result<(), Skipped> {
    let rank = e.dims(e.input(0)?)?.len() as i64;
    let axis = e.node.int("axis").unwrap_or(-1);
    let is_last = axis == -1 || axis == rank - 1;
    if !is_last && e.node.int("opset").unwrap_or(0) < 13 {
        return Err(Skipped(format!(
            "axis = {axis} with the semantics of an opset before 13"
        )));
    }
    unary(e)
}

/// Inputs a, b, y as for [`conv`]; the scale of b may be per column.
pub fn mat_mul(e: &mut Emitter) -> Result<(), Skipped> {
    if !is_scalar(e, e.input(1)?)? {
        return Err("its first factor has a scale per row".into());
    }
    let a = dequantized(e, 0, None)?;
    let b = dequantized(e, 3, Some(-1))?;
    let result = e.emit_unrounded("MatMul", &[&a, &b]);
    quantize_output(e, &result, 6)
}

/// Inputs: quantized a and b, their scales, their zero points, a bias. The output is not quantized.
pub fn mat_mul_to_float(e: &mut Emitter) -> Result<(), Skipped> {
    if !is_scalar(e, e.input(2)?)? {
        return Err("its first factor has a scale per row".into());
    }
    let a = dequantized_inputs(e, [0, 2, 4], None)?;
    let b = dequantized_inputs(e, [1, 3, 5], Some(-1))?;
    product_with_bias(e, &a, &b, 6)
}

/// Inputs: a, which is quantized dynamically; quantized value, scale and zero point of b; a bias. The output is not
/// quantized.
pub fn dynamic_mat_mul(e: &mut Emitter) -> Result<(), Skipped> {
    let quantized = e.emit_many("DynamicQuantizeLinear", &[e.input(0)?], &[], 3);
    let quantized: Vec<&str> = quantized.iter().map(String::as_str).collect();
    let a = e.emit("DequantizeLinear", &quantized, &[]);
    let b = dequantized_inputs(e, [1, 2, 3], Some(-1))?;
    product_with_bias(e, &a, &b, 4)
}

fn product_with_bias(e: &mut Emitter, a: &str, b: &str, bias: usize) -> Result<(), Skipped> {
    let Some(bias) = e.optional_input(bias) else {
        e.emit_output("MatMul", &[a, b], &[]);
        return Ok(());
    };
    let product = e.emit("MatMul", &[a, b], &[]);
    e.emit_output("Add", &[&product, bias], &[]);
    Ok(())
}

/// Inputs a, b, bias, y as for [`conv`]; without a scale of y, the output is not quantized.
pub fn gemm(e: &mut Emitter) -> Result<(), Skipped> {
    let transposed = e.node.int("transB").unwrap_or(0) != 0;
    let a = dequantized(e, 0, None)?;
    let b = dequantized(e, 3, Some(i64::from(!transposed)))?;
    let alpha = e.node.float("alpha").unwrap_or(1.0);
    let bias = match e.optional_input(6) {
        Some(_) if alpha != 1.0 => return Err("alpha scales its bias".into()),
        Some(quantized) => bias(e, quantized, [1, 4])?,
        None => String::new(),
    };
    let inputs = [a.as_str(), &b, &bias];
    if e.optional_input(7).is_none() {
        e.emit_output("Gemm", &inputs, &[]);
        e.add_attributes(e.attributes_except(&[]));
        return Ok(());
    }
    let result = e.emit_unrounded("Gemm", &inputs);
    e.add_attributes(e.attributes_except(&[]));
    quantize_output(e, &result, 7)
}

/// Inputs: quantized value, scale and zero point of both operands; scale and zero point of the result.
pub fn binary(e: &mut Emitter) -> Result<(), Skipped> {
    let [a, b] = [dequantized(e, 0, None)?, dequantized(e, 3, None)?];
    let result = e.emit_unrounded(&float_op(e), &[&a, &b]);
    quantize_output(e, &result, 6)
}

/// Inputs: quantized value, scale and zero point of the operand; scale and zero point of the result.
pub fn unary(e: &mut Emitter) -> Result<(), Skipped> {
    let input = dequantized(e, 0, None)?;
    let result = apply(e, &float_op(e), &[&input])?;
    quantize_output(e, &result, 3)
}

/// The standard operator that corresponds to a `QLinear` one.
fn float_op(e: &Emitter) -> String {
    let op = &e.node.op_type;
    op.strip_prefix("QLinear").unwrap_or(op).to_owned()
}

/// Inputs: scale and zero point of the result; quantized value, scale and zero point of each operand.
pub fn concat(e: &mut Emitter) -> Result<(), Skipped> {
    let starts = (2..e.node.input.len()).step_by(3);
    let parts = starts.map(|first| dequantized(e, first, None));
    let parts: Vec<String> = parts.collect::<Result<_, _>>()?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let result = e.emit_unrounded("Concat", &parts);
    e.add_attributes(e.attributes_except(&[]));
    quantize_output(e, &result, 0)
}

/// The standard operator of the same name.
pub fn quantize(e: &mut Emitter) -> Result<(), Skipped> {
    standard(e, e.output(0).unwrap_or_default())
}

/// As [`quantize`].
pub fn dequantize(e: &mut Emitter) -> Result<(), Skipped> {
    standard(e, e.input(0)?)
}

/// `quantized` is the name of the quantized value.
fn standard(e: &mut Emitter, quantized: &str) -> Result<(), Skipped> {
    // The standard operator supports other types only in newer opsets.
    if !matches!(e.elem(quantized)?, ElementType::U8 | ElementType::I8) {
        return Err("its quantized values are neither int8 nor uint8".into());
    }
    let inputs = [
        e.input(0)?,
        e.input(1)?,
        e.optional_input(2).unwrap_or_default(),
    ];
    e.emit_output(&e.node.op_type, &inputs, &[]);
    e.add_attributes(e.attributes_except(&[]));
    Ok(())
}
