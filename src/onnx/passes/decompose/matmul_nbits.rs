//! Products with weights of a few bits, in blocks that have a scale each.

use crate::onnx::Elem;
use crate::onnx::passes::decompose::emitter::{Emitter, Skipped};
use crate::onnx::proto::TensorProto;

/// `A Wᵀ + bias`, with the weights of a row in blocks along it, whose levels stand packed in bytes, the first in the lowest
/// bits.
pub fn mat_mul(e: &mut Emitter) -> Result<(), Skipped> {
    e.without_inputs(&[(4, "g_idx")])?;
    e.without_flags(&["weight_prepacked"])?;
    let (input, packed, scales) = (e.input(0)?, e.input(1)?, e.input(2)?);
    let elem = e.elem(input)?;
    let number = |name: &str| e.node.int(name).unwrap_or(0);
    let (inner, rows, size) = (number("K"), number("N"), number("block_size"));
    let bits = e.node.int("bits").unwrap_or(4);
    if !matches!(bits, 2 | 4 | 8) || inner < 1 || rows < 1 || size < 1 {
        return Err(Skipped(format!(
            "{bits} bits, K = {inner}, N = {rows}, blocks of {size}"
        )));
    }
    let blocks = inner / size + i64::from(inner % size != 0);
    let levels = unpacked(e, packed, bits)?;
    let levels = reshaped(e, &levels, &[rows, blocks, size]);
    let mut weight = numbers(e, &levels, elem);
    let middle = match e.optional(3) {
        None => e.scalar(elem, f64::from(1u32 << (bits - 1)))?,
        Some(own) if e.elem(own)? != Elem::U8 => reshaped(e, own, &[rows, blocks, 1]),
        Some(own) => {
            let levels = unpacked(e, own, bits)?;
            let levels = reshaped(e, &levels, &[rows, -1, 1]);
            // A row's are whole bytes.
            let (start, end, axis) = (e.ints(&[0]), e.ints(&[blocks]), e.ints(&[1]));
            let levels = e.emit("Slice", &[&levels, &start, &end, &axis], &[]);
            numbers(e, &levels, elem)
        }
    };
    weight = e.emit("Sub", &[&weight, &middle], &[]);
    let scales = reshaped(e, scales, &[rows, blocks, 1]);
    weight = e.emit("Mul", &[&weight, &scales], &[]);
    weight = reshaped(e, &weight, &[rows, -1]);
    let (start, end, axis) = (e.ints(&[0]), e.ints(&[inner]), e.ints(&[1]));
    weight = e.emit("Slice", &[&weight, &start, &end, &axis], &[]);
    weight = e.emit("Transpose", &[&weight], &[("perm", vec![1i64, 0].into())]);
    let Some(bias) = e.optional(5) else {
        e.finish("MatMul", &[input, &weight], &[]);
        return Ok(());
    };
    let product = e.emit("MatMul", &[input, &weight], &[]);
    e.finish("Add", &[&product, bias], &[]);
    Ok(())
}

/// The levels that bytes hold, one after the other on a new last axis.
fn unpacked(e: &mut Emitter, bytes: &str, bits: i64) -> Result<String, Skipped> {
    if bits == 8 {
        return Ok(bytes.to_owned());
    }
    let byte = |e: &mut Emitter, value: u8| {
        e.constant(TensorProto {
            data_type: Elem::U8.code(),
            raw_data: Some(vec![value].into()),
            ..Default::default()
        })
    };
    let (mask, axis) = (byte(e, (1u8 << bits) - 1), e.ints(&[-1]));
    let mut parts = Vec::new();
    for first in (0..8).step_by(bits as usize) {
        let by = byte(e, first);
        let moved = e.emit("BitShift", &[bytes, &by], &[("direction", "RIGHT".into())]);
        let level = e.emit("BitwiseAnd", &[&moved, &mask], &[]);
        parts.push(e.emit("Unsqueeze", &[&level, &axis], &[]));
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    Ok(e.emit("Concat", &parts, &[("axis", (-1i64).into())]))
}

fn numbers(e: &mut Emitter, levels: &str, elem: Elem) -> String {
    e.emit("Cast", &[levels], &[("to", i64::from(elem.code()).into())])
}

fn reshaped(e: &mut Emitter, value: &str, dims: &[i64]) -> String {
    let dims = e.ints(dims);
    e.emit("Reshape", &[value, &dims], &[])
}
