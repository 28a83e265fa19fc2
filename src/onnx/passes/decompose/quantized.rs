//! Quantized operators as DequantizeLinear, the standard operator, and QuantizeLinear. Sums of integers become sums of
//! floats, so that the result may differ by one quantization step.

use crate::onnx::passes::decompose::context::{Context, Skipped};
use crate::onnx::{Attribute, ElementType};

/// Dequantizes three consecutive inputs (quantized value, scale, zero point), the first of index `first`. `axis` is the
/// axis of a scale that is not a scalar.
fn dequantized(cx: &mut Context, first: usize, axis: Option<i64>) -> Result<String, Skipped> {
    dequantized_inputs(cx, [first, first + 1, first + 2], axis)
}

/// Like [`dequantized`], with the indices of the three inputs.
pub(super) fn dequantized_inputs(
    cx: &mut Context,
    inputs: [usize; 3],
    axis: Option<i64>,
) -> Result<String, Skipped> {
    let [quantized, scale, zero_point] = inputs;
    let (quantized, scale) = (cx.input(quantized)?, cx.input(scale)?);
    let zero_point = cx.optional_input(zero_point).unwrap_or_default();
    let is_per_axis = !is_scalar(cx, scale)?;
    let attributes: Vec<_> = match axis.filter(|_| is_per_axis) {
        Some(axis) => vec![("axis", axis.into())],
        None => vec![],
    };
    Ok(cx.emit(
        "DequantizeLinear",
        &[quantized, scale, zero_point],
        &attributes,
    ))
}

/// Whether a value has a single element.
fn is_scalar(cx: &Context, value: &str) -> Result<bool, Skipped> {
    Ok(cx.dims(value)?.iter().all(|&dim| dim == 1))
}

/// Emits the output: `value` quantized with the scale and zero point that are the inputs `first` and `first + 1`.
fn quantize_output(cx: &mut Context, value: &str, first: usize) -> Result<(), Skipped> {
    let scale = cx.input(first)?;
    let zero_point = cx.optional_input(first + 1).unwrap_or_default();
    // Without a zero point, QuantizeLinear outputs uint8.
    if zero_point.is_empty() && cx.elem(cx.output(0).unwrap_or_default())? != ElementType::U8 {
        return Err("its output is signed and has no zero point".into());
    }
    cx.emit_output("QuantizeLinear", &[value, scale, zero_point], &[])
}

/// Dequantizes a bias, whose scale is the product of the input and the weight scale (input indices `scales`).
fn bias(cx: &mut Context, bias: &str, scales: [usize; 2]) -> Result<String, Skipped> {
    let [a, b] = [cx.input(scales[0])?, cx.input(scales[1])?];
    let elem = cx.elem(a)?;
    let cast = cx.emit("Cast", &[bias], &[("to", i64::from(elem.code()).into())]);
    let scale = cx.emit("Mul", &[a, b], &[]);
    Ok(cx.emit("Mul", &[&cast, &scale], &[]))
}

/// Inputs: quantized value, scale and zero point of x and w, scale and zero point of y, bias. The scale of w may be per
/// channel.
pub fn conv(cx: &mut Context) -> Result<(), Skipped> {
    let input = dequantized(cx, 0, None)?;
    let weight = dequantized(cx, 3, Some(0))?;
    let bias = match cx.optional_input(8) {
        Some(quantized) => bias(cx, quantized, [1, 4])?,
        None => String::new(),
    };
    let result = apply(cx, "Conv", &[&input, &weight, &bias])?;
    quantize_output(cx, &result, 6)
}

/// Applies the standard operator to dequantized inputs. The fused node may have the channels last (`channels_last`).
fn apply(cx: &mut Context, op: &str, inputs: &[&str]) -> Result<String, Skipped> {
    let attributes = cx.attributes_except(&["channels_last", "opset"]);
    if cx.node.int("channels_last").unwrap_or(0) == 0 {
        let result = cx.emit_unrounded(op, inputs)?;
        cx.add_attributes(attributes);
        return Ok(result);
    }
    let (to_first, to_last) = channel_permutations(cx)?;
    let mut inputs = inputs.to_vec();
    let transposed = cx.emit("Transpose", &inputs[..1], &[("perm", to_first.into())]);
    inputs[0] = &transposed;
    let result = cx.emit(op, &inputs, &[]);
    cx.add_attributes(attributes);
    let result = cx.emit_unrounded("Transpose", &[&result])?;
    cx.add_attributes(vec![Attribute::Ints(to_last).named("perm")]);
    Ok(result)
}

/// The permutations from channels-last to channels-first and back, for the rank of input 0.
fn channel_permutations(cx: &Context) -> Result<(Vec<i64>, Vec<i64>), Skipped> {
    let rank = cx.dims(cx.input(0)?)?.len() as i64;
    if rank < 3 {
        return Err(Skipped(format!("its input has rank {rank}")));
    }
    let to_first = [0, rank - 1].into_iter().chain(1..rank - 1);
    let to_last = [0].into_iter().chain(2..rank).chain([1]);
    Ok((to_first.collect(), to_last.collect()))
}

/// Max pooling of quantized values, channels last.
pub fn max_pool(cx: &mut Context) -> Result<(), Skipped> {
    let (to_first, to_last) = channel_permutations(cx)?;
    let transposed = cx.emit("Transpose", &[cx.input(0)?], &[("perm", to_first.into())]);
    let pooled = cx.emit("MaxPool", &[&transposed], &[]);
    cx.add_attributes(cx.attributes_except(&[]));
    cx.emit_output("Transpose", &[&pooled], &[("perm", to_last.into())])
}

/// Inputs: a condition; quantized value, scale and zero point of both operands; scale and zero point of the result.
pub fn select(cx: &mut Context) -> Result<(), Skipped> {
    let [a, b] = [dequantized(cx, 1, None)?, dequantized(cx, 4, None)?];
    let result = cx.emit_unrounded("Where", &[cx.input(0)?, &a, &b])?;
    quantize_output(cx, &result, 7)
}

/// As [`unary`]. Before opset 13, softmax coerced its input to 2-D, which makes no difference only for the last axis.
pub fn softmax(cx: &mut Context) -> Result<(), Skipped> {
    let rank = cx.dims(cx.input(0)?)?.len() as i64;
    let axis = cx.node.int("axis").unwrap_or(-1);
    let is_last = axis == -1 || axis == rank - 1;
    if !is_last && cx.node.int("opset").unwrap_or(0) < 13 {
        return Err(Skipped(format!(
            "axis = {axis} with the semantics of an opset before 13"
        )));
    }
    unary(cx)
}

/// Inputs a, b, y as for [`conv`]; the scale of b may be per column.
pub fn mat_mul(cx: &mut Context) -> Result<(), Skipped> {
    if !is_scalar(cx, cx.input(1)?)? {
        return Err("its first factor has a scale per row".into());
    }
    let a = dequantized(cx, 0, None)?;
    let b = dequantized(cx, 3, Some(-1))?;
    let result = cx.emit_unrounded("MatMul", &[&a, &b])?;
    quantize_output(cx, &result, 6)
}

/// Inputs: quantized a and b, their scales, their zero points, a bias. The output is not quantized.
pub fn mat_mul_to_float(cx: &mut Context) -> Result<(), Skipped> {
    if !is_scalar(cx, cx.input(2)?)? {
        return Err("its first factor has a scale per row".into());
    }
    let a = dequantized_inputs(cx, [0, 2, 4], None)?;
    let b = dequantized_inputs(cx, [1, 3, 5], Some(-1))?;
    product_with_bias(cx, &a, &b, 6)
}

/// Inputs: a, which is quantized dynamically; quantized value, scale and zero point of b; a bias. The output is not
/// quantized.
pub fn dynamic_mat_mul(cx: &mut Context) -> Result<(), Skipped> {
    let quantized = cx.emit_many("DynamicQuantizeLinear", &[cx.input(0)?], &[], 3);
    let quantized: Vec<&str> = quantized.iter().map(String::as_str).collect();
    let a = cx.emit("DequantizeLinear", &quantized, &[]);
    let b = dequantized_inputs(cx, [1, 2, 3], Some(-1))?;
    product_with_bias(cx, &a, &b, 4)
}

fn product_with_bias(cx: &mut Context, a: &str, b: &str, bias: usize) -> Result<(), Skipped> {
    let Some(bias) = cx.optional_input(bias) else {
        return cx.emit_output("MatMul", &[a, b], &[]);
    };
    let product = cx.emit("MatMul", &[a, b], &[]);
    cx.emit_output("Add", &[&product, bias], &[])
}

/// Inputs a, b, bias, y as for [`conv`]; without a scale of y, the output is not quantized.
pub fn gemm(cx: &mut Context) -> Result<(), Skipped> {
    let transposed = cx.node.int("transB").unwrap_or(0) != 0;
    let a = dequantized(cx, 0, None)?;
    let b = dequantized(cx, 3, Some(i64::from(!transposed)))?;
    let alpha = cx.node.float("alpha").unwrap_or(1.0);
    let bias = match cx.optional_input(6) {
        Some(_) if alpha != 1.0 => return Err("alpha scales its bias".into()),
        Some(quantized) => bias(cx, quantized, [1, 4])?,
        None => String::new(),
    };
    let inputs = [a.as_str(), &b, &bias];
    if cx.optional_input(7).is_none() {
        cx.emit_output("Gemm", &inputs, &[])?;
        cx.add_attributes(cx.attributes_except(&[]));
        return Ok(());
    }
    let result = cx.emit_unrounded("Gemm", &inputs)?;
    cx.add_attributes(cx.attributes_except(&[]));
    quantize_output(cx, &result, 7)
}

/// Inputs: quantized value, scale and zero point of both operands; scale and zero point of the result.
pub fn binary(cx: &mut Context) -> Result<(), Skipped> {
    let [a, b] = [dequantized(cx, 0, None)?, dequantized(cx, 3, None)?];
    let result = cx.emit_unrounded(&float_op(cx), &[&a, &b])?;
    quantize_output(cx, &result, 6)
}

/// Inputs: quantized value, scale and zero point of the operand; scale and zero point of the result.
pub fn unary(cx: &mut Context) -> Result<(), Skipped> {
    let input = dequantized(cx, 0, None)?;
    let result = apply(cx, &float_op(cx), &[&input])?;
    quantize_output(cx, &result, 3)
}

/// The standard operator that corresponds to a `QLinear` one.
fn float_op(cx: &Context) -> String {
    let op = &cx.node.op_type;
    op.strip_prefix("QLinear").unwrap_or(op).to_owned()
}

/// Inputs: scale and zero point of the result; quantized value, scale and zero point of each operand.
pub fn concat(cx: &mut Context) -> Result<(), Skipped> {
    let starts = (2..cx.node.input.len()).step_by(3);
    let parts = starts.map(|first| dequantized(cx, first, None));
    let parts: Vec<String> = parts.collect::<Result<_, _>>()?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let result = cx.emit_unrounded("Concat", &parts)?;
    cx.add_attributes(cx.attributes_except(&[]));
    quantize_output(cx, &result, 0)
}

/// The standard operator of the same name.
pub fn quantize(cx: &mut Context) -> Result<(), Skipped> {
    standard(cx, cx.output(0).unwrap_or_default())
}

/// As [`quantize`].
pub fn dequantize(cx: &mut Context) -> Result<(), Skipped> {
    standard(cx, cx.input(0)?)
}

/// `quantized` is the name of the quantized value.
fn standard(cx: &mut Context, quantized: &str) -> Result<(), Skipped> {
    // The standard operator supports other types only in newer opsets.
    if !matches!(cx.elem(quantized)?, ElementType::U8 | ElementType::I8) {
        return Err("its quantized values are neither int8 nor uint8".into());
    }
    let inputs = [
        cx.input(0)?,
        cx.input(1)?,
        cx.optional_input(2).unwrap_or_default(),
    ];
    cx.emit_output(&cx.node.op_type, &inputs, &[])?;
    cx.add_attributes(cx.attributes_except(&[]));
    Ok(())
}
