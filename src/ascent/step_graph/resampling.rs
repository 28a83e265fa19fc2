//! Resampling in a step graph: products with a matrix per axis.

use super::Step;
use crate::onnx::own_operators::RESAMPLE;

/// A matrix that multiplies along an axis: float32 (rows, columns), or (N, 1, rows, columns) with one per run.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    value: &'a str,
    rank: usize,
    transposed: bool,
}

impl<'a> Matrix<'a> {
    /// A matrix that all runs share: (rows, columns).
    pub fn shared(value: &'a str) -> Self {
        let (rank, transposed) = (2, false);
        Self {
            value,
            rank,
            transposed,
        }
    }

    /// A matrix per run: (N, 1, rows, columns).
    pub fn per_run(value: &'a str) -> Self {
        let (rank, transposed) = (4, false);
        Self {
            value,
            rank,
            transposed,
        }
    }

    /// Its transpose.
    pub fn transposed(self) -> Self {
        Self {
            transposed: !self.transposed,
            ..self
        }
    }
}

impl Step {
    /// `rows · value · columns` for `value` (N, C, h, w): by one operator where the device has it, else by matrix
    /// products.
    pub(super) fn resampled(&mut self, value: &str, rows: Matrix, columns: Matrix) -> String {
        if self.device.own_operators {
            let flag = |matrix: Matrix| i64::from(matrix.transposed).into();
            let attributes = [
                ("transpose_rows", flag(rows)),
                ("transpose_columns", flag(columns)),
            ];
            let inputs = [value, rows.value, columns.value];
            return self.builder.emit_own(RESAMPLE, &inputs, &attributes);
        }
        let columns = self.oriented(columns);
        let narrow = self.plain("MatMul", &[value, &columns]);
        let is_shared = rows.rank == 2;
        let mut rows = self.oriented(rows);
        if is_shared {
            rows = self.repeated(&rows);
        }
        self.plain("MatMul", &[&rows, &narrow])
    }

    /// The matrix as a value, transposed if it is.
    fn oriented(&mut self, matrix: Matrix) -> String {
        if !matrix.transposed {
            return matrix.value.into();
        }
        let mut perm: Vec<i64> = (0..matrix.rank as i64).collect();
        perm.swap(matrix.rank - 2, matrix.rank - 1);
        self.builder
            .emit("Transpose", &[matrix.value], &[("perm", perm.into())])
    }

    /// A matrix (…, rows, columns) that multiplies values (N, C, H, W), repeated for each of the batch and each channel
    /// where the device needs equal batch dimensions.
    pub(super) fn repeated(&mut self, matrix: &str) -> String {
        if !self.device.strided_products {
            return matrix.into();
        }
        let dims = [self.runs as i64, self.channels as i64, 1, 1];
        let dims = self.builder.ints(&dims);
        self.plain("Expand", &[matrix, &dims])
    }
}
