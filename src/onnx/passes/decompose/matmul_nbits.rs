//! Matrix products with block-quantized weights of 2, 4 or 8 bits.

use crate::onnx::ElementType;
use crate::onnx::passes::decompose::context::{Context, Skipped};
use crate::onnx::proto::TensorProto;

/// `A Wᵀ + bias`, where the rows of W are quantized in blocks of `block_size`, each with a scale and a zero point.
/// Quantized values are packed into bytes, the first in the lowest bits.
pub fn mat_mul(cx: &mut Context) -> Result<(), Skipped> {
    cx.reject_inputs(&[(4, "g_idx")])?;
    cx.reject_flags(&["weight_prepacked"])?;
    let (input, packed, scales) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let elem = cx.elem(input)?;
    let number = |name: &str| cx.node.int(name).unwrap_or(0);
    let (inner, rows, size) = (number("K"), number("N"), number("block_size"));
    let bits = cx.node.int("bits").unwrap_or(4);
    if !matches!(bits, 2 | 4 | 8) || inner < 1 || rows < 1 || size < 1 {
        return Err(Skipped(format!(
            "bits = {bits}, K = {inner}, N = {rows}, block_size = {size}"
        )));
    }
    let blocks = inner / size + i64::from(inner % size != 0);
    let quantized = unpack(cx, packed, bits)?;
    let quantized = reshape(cx, &quantized, &[rows, blocks, size]);
    let mut weight = cast(cx, &quantized, elem);
    let zero_point = match cx.optional_input(3) {
        None => cx.scalar(elem, f64::from(1u32 << (bits - 1)))?,
        Some(packed) if cx.elem(packed)? != ElementType::U8 => {
            reshape(cx, packed, &[rows, blocks, 1])
        }
        Some(packed) => {
            let zero_points = unpack(cx, packed, bits)?;
            let zero_points = reshape(cx, &zero_points, &[rows, -1, 1]);
            // Each row is padded to a whole number of bytes.
            let (start, end, axis) = (cx.ints(&[0]), cx.ints(&[blocks]), cx.ints(&[1]));
            let zero_points = cx.emit("Slice", &[&zero_points, &start, &end, &axis], &[]);
            cast(cx, &zero_points, elem)
        }
    };
    weight = cx.emit("Sub", &[&weight, &zero_point], &[]);
    let scales = reshape(cx, scales, &[rows, blocks, 1]);
    weight = cx.emit("Mul", &[&weight, &scales], &[]);
    weight = reshape(cx, &weight, &[rows, -1]);
    let (start, end, axis) = (cx.ints(&[0]), cx.ints(&[inner]), cx.ints(&[1]));
    weight = cx.emit("Slice", &[&weight, &start, &end, &axis], &[]);
    weight = cx.emit("Transpose", &[&weight], &[("perm", vec![1i64, 0].into())]);
    let Some(bias) = cx.optional_input(5) else {
        return cx.emit_output("MatMul", &[input, &weight], &[]);
    };
    let product = cx.emit("MatMul", &[input, &weight], &[]);
    cx.emit_output("Add", &[&product, bias], &[])
}

/// Unpacks `bits`-bit values from bytes along a new last axis.
fn unpack(cx: &mut Context, bytes: &str, bits: i64) -> Result<String, Skipped> {
    if bits == 8 {
        return Ok(bytes.to_owned());
    }
    let byte = |cx: &mut Context, value: u8| {
        cx.constant(TensorProto {
            data_type: ElementType::U8.code(),
            raw_data: Some(vec![value].into()),
            ..Default::default()
        })
    };
    let (mask, axis) = (byte(cx, (1u8 << bits) - 1), cx.ints(&[-1]));
    let mut values = Vec::new();
    for offset in (0..8).step_by(bits as usize) {
        let shift = byte(cx, offset);
        let shifted = cx.emit(
            "BitShift",
            &[bytes, &shift],
            &[("direction", "RIGHT".into())],
        );
        let value = cx.emit("BitwiseAnd", &[&shifted, &mask], &[]);
        values.push(cx.emit("Unsqueeze", &[&value, &axis], &[]));
    }
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    Ok(cx.emit("Concat", &values, &[("axis", (-1i64).into())]))
}

fn cast(cx: &mut Context, value: &str, elem: ElementType) -> String {
    cx.emit("Cast", &[value], &[("to", i64::from(elem.code()).into())])
}

fn reshape(cx: &mut Context, value: &str, dims: &[i64]) -> String {
    let dims = cx.ints(dims);
    cx.emit("Reshape", &[value, &dims], &[])
}
