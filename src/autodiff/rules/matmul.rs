//! Matrix products.

use super::{Context, Error, Gradients};

/// `Y = alpha · A' B' + beta · C`, where A' and B' may be transposed.
pub fn gemm(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, a, b) = (cx.grad_output()?, cx.input(0)?, cx.input(1)?);
    let elem = cx.elem(&a)?;
    let alpha = cx.node.float("alpha").unwrap_or(1.0);
    let beta = f64::from(cx.node.float("beta").unwrap_or(1.0));
    let trans_a = cx.node.int("transA").unwrap_or(0) != 0;
    let trans_b = cx.node.int("transB").unwrap_or(0) != 0;
    let product = |cx: &mut Context, left: (&str, bool), right: (&str, bool)| {
        let attributes = [
            ("alpha", alpha.into()),
            ("transA", i64::from(left.1).into()),
            ("transB", i64::from(right.1).into()),
        ];
        cx.emit("Gemm", &[left.0, right.0], &attributes)
    };
    let g = gradient.as_str();
    cx.for_each_requested(3, |cx, index| {
        Ok(match index {
            0 if trans_a => product(cx, (&b, trans_b), (g, true)),
            0 => product(cx, (g, false), (&b, !trans_b)),
            1 if trans_b => product(cx, (g, true), (&a, trans_a)),
            1 => product(cx, (&a, !trans_a), (g, false)),
            _ => {
                let scaled = cx.scale(g, elem, beta)?;
                cx.sum_to_input(index, &scaled)?
            }
        })
    })
}

/// `g Bᵀ` and `Aᵀ g`, summed over broadcast batch axes. Vectors are matrices of one row (A) or column (B).
pub fn mat_mul(cx: &mut Context) -> Result<Gradients, Error> {
    let (a, b) = (cx.input(0)?, cx.input(1)?);
    products(cx, &a, &b)
}

/// As [`mat_mul`], where `a` and `b` are the node's first two inputs as numbers.
pub(super) fn products(cx: &mut Context, a: &str, b: &str) -> Result<Gradients, Error> {
    let gradient = cx.grad_output()?;
    let (dims_a, dims_b) = (cx.dims(&cx.input(0)?)?, cx.dims(&cx.input(1)?)?);
    if dims_a.is_empty() || dims_b.is_empty() {
        return Err(cx.unsupported(&format!("it multiplies {dims_a:?} and {dims_b:?}")));
    }
    let mut matrix_a = dims_a.clone();
    let mut matrix_b = dims_b.clone();
    if matrix_a.len() == 1 {
        matrix_a.insert(0, 1);
    }
    if matrix_b.len() == 1 {
        matrix_b.push(1);
    }
    let (rows, inner) = (matrix_a[matrix_a.len() - 2], matrix_a[matrix_a.len() - 1]);
    let columns = matrix_b[matrix_b.len() - 1];
    let output = cx.dims(&cx.output())?;
    let vectors = usize::from(dims_a.len() == 1) + usize::from(dims_b.len() == 1);
    let batch_rank = (output.len() + vectors).checked_sub(2);
    let batch_rank = batch_rank.ok_or_else(|| cx.unsupported(&format!("it makes {output:?}")))?;
    let batch = &output[..batch_rank];
    let with = |tail: [usize; 2]| [batch, &tail[..]].concat();
    let gradient = reshaped(cx, &gradient, &output, &with([rows, columns]));
    cx.for_each_requested(2, |cx, index| {
        if index == 0 {
            let right = transposed(cx, b, &dims_b, &matrix_b);
            let product = cx.op("MatMul", &[&gradient, &right]);
            let summed = cx.sum_to_shape(&product, &with([rows, inner]), &matrix_a)?;
            Ok(reshaped(cx, &summed, &matrix_a, &dims_a))
        } else {
            let left = transposed(cx, a, &dims_a, &matrix_a);
            let product = cx.op("MatMul", &[&left, &gradient]);
            let summed = cx.sum_to_shape(&product, &with([inner, columns]), &matrix_b)?;
            Ok(reshaped(cx, &summed, &matrix_b, &dims_b))
        }
    })
}

fn reshaped(cx: &mut Context, value: &str, from: &[usize], to: &[usize]) -> String {
    if from == to {
        value.into()
    } else {
        cx.reshape(value, to)
    }
}

/// The matrices of a value with their two axes exchanged.
fn transposed(cx: &mut Context, value: &str, from: &[usize], matrices: &[usize]) -> String {
    let value = reshaped(cx, value, from, matrices);
    let rank = matrices.len() as i64;
    let mut permutation: Vec<i64> = (0..rank).collect();
    permutation.swap(rank as usize - 2, rank as usize - 1);
    cx.emit("Transpose", &[&value], &[("perm", permutation.into())])
}
