//! Matrix products with block-quantized weights of 2, 4 or 8 bits.

use crate::onnx::ElementType;
use crate::onnx::passes::decompose::emitter::{Emitter, Skipped};
use crate::onnx::proto::TensorProto;

/// `A Wᵀ + bias`, where the rows of W are quantized in blocks of `block_size`, each with a scale and a zero point.
/// Quantized values are packed into bytes, the first in the lowest bits.
pub fn mat_mul(e: &mut Emitter) -> Result<(), Skipped> {
    e.reject_inputs(&[(4, "g_idx")])?;
    e.reject_flags(&["weight_prepacked"])?;
    let (input, packed, scales) = (e.input(0)?, e.input(1)?, e.input(2)?);
    let elem = e.elem(input)?;
    let number = |name: &str| e.node.int(name).unwrap_or(0);
    let (inner, rows, size) = (number("K"), number("N"), number("block_size"));
    let bits = e.node.int("bits").unwrap_or(4);
    if !matches!(bits, 2 | 4 | 8) || inner < 1 || rows < 1 || size < 1 {
        return Err(Skipped(format!(
            "bits = {bits}, K = {inner}, N = {rows}, block_size = {size}"
        )));
    }
    let blocks = inner / size + i64::from(inner % size != 0);
    let quantized = unpack(e, packed, bits)?;
    let quantized = reshape(e, &quantized, &[rows, blocks, size]);
    let mut weight = cast(e, &quantized, elem);
    let zero_point = match e.optional_input(3) {
        None => e.scalar(elem, f64::from(1u32 << (bits - 1)))?,
        Some(packed) if e.elem(packed)? != ElementType::U8 => {
            reshape(e, packed, &[rows, blocks, 1])
        }
        Some(packed) => {
            let zero_points = unpack(e, packed, bits)?;
            let zero_points = reshape(e, &zero_points, &[rows, -1, 1]);
            // Each row is padded to a whole number of bytes.
            let (start, end, axis) = (e.ints(&[0]), e.ints(&[blocks]), e.ints(&[1]));
            let zero_points = e.emit("Slice", &[&zero_points, &start, &end, &axis], &[]);
            cast(e, &zero_points, elem)
        }
    };
    weight = e.emit("Sub", &[&weight, &zero_point], &[]);
    let scales = reshape(e, scales, &[rows, blocks, 1]);
    weight = e.emit("Mul", &[&weight, &scales], &[]);
    weight = reshape(e, &weight, &[rows, -1]);
    let (start, end, axis) = (e.ints(&[0]), e.ints(&[inner]), e.ints(&[1]));
    weight = e.emit("Slice", &[&weight, &start, &end, &axis], &[]);
    weight = e.emit("Transpose", &[&weight], &[("perm", vec![1i64, 0].into())]);
    let Some(bias) = e.optional_input(5) else {
        e.emit_output("MatMul", &[input, &weight], &[]);
        return Ok(());
    };
    let product = e.emit("MatMul", &[input, &weight], &[]);
    e.emit_output("Add", &[&product, bias], &[]);
    Ok(())
}

/// Unpacks `bits`-bit values from bytes along a new last axis.
fn unpack(e: &mut Emitter, bytes: &str, bits: i64) -> Result<String, Skipped> {
    if bits == 8 {
        return Ok(bytes.to_owned());
    }
    let byte = |e: &mut Emitter, value: u8| {
        e.add_constant(TensorProto {
            data_type: ElementType::U8.code(),
            raw_data: Some(vec![value].into()),
            ..Default::default()
        })
    };
    let (mask, axis) = (byte(e, (1u8 << bits) - 1), e.ints(&[-1]));
    let mut values = Vec::new();
    for offset in (0..8).step_by(bits as usize) {
        let shift = byte(e, offset);
        let shifted = e.emit(
            "BitShift",
            &[bytes, &shift],
            &[("direction", "RIGHT".into())],
        );
        let value = e.emit("BitwiseAnd", &[&shifted, &mask], &[]);
        values.push(e.emit("Unsqueeze", &[&value, &axis], &[]));
    }
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    Ok(e.emit("Concat", &values, &[("axis", (-1i64).into())]))
}

fn cast(e: &mut Emitter, value: &str, elem: ElementType) -> String {
    e.emit("Cast", &[value], &[("to", i64::from(elem.code()).into())])
}

fn reshape(e: &mut Emitter, value: &str, dims: &[i64]) -> String {
    let dims = e.ints(dims);
    e.emit("Reshape", &[value, &dims], &[])
}
