//! `Resample(value, rows, columns)`: `rows · value · columns` with matrices that are mostly zeros, as those are that
//! resize, blur or sample along an axis.
//!
//! - `value`: float32 (N, C, h, w)
//! - `rows`: float32 (H, h), or (N, 1, H, h) with a matrix per sample
//! - `columns`: float32 (w, W), or (N, 1, w, W)
//! - attributes `transpose_rows` and `transpose_columns`: 1 if the matrix is given transposed, else 0 or absent
//! - result: float32 (N, C, H, W)
//!
//! Each result is a sum over the weights of its row and column, in their order: it depends neither on the batch nor on
//! the number of threads.

use super::banded::{Bands, LANES};
use super::context::{for_each, infer_float32, input, output};
use crate::onnx::own_operators::RESAMPLE;
use ort::operator::{
    ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput,
    ShapeInferenceContext,
};
use ort::value::{Shape, SymbolicDimensions, TensorElementType, ValueType};

/// Maximum multiplications of one thread; for fewer, a second one costs more than it gains.
const MAX_SERIAL: usize = 50_000;

/// The operator.
pub(super) struct Resample;

impl Operator for Resample {
    type Kernel<'attr> = ResampleKernel;

    fn name(&self) -> &str {
        RESAMPLE
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [const { OperatorInput::required(TensorElementType::Float32) }; 3]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn create_kernel<'attr>(
        &self,
        context: &KernelContext<'attr>,
    ) -> ort::Result<Self::Kernel<'attr>> {
        let is_set = |name: &str| context.get::<i64>(name) == Some(1);
        Ok(ResampleKernel {
            transpose: [is_set("transpose_rows"), is_set("transpose_columns")],
        })
    }

    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> ort::Result<()> {
        let is_set = |name: &str| matches!(context.attr::<i64>(name), Ok(1));
        let transpose = [is_set("transpose_rows"), is_set("transpose_columns")];
        let inputs = context.inputs();
        let types: Vec<(&Shape, &SymbolicDimensions)> =
            inputs.iter().filter_map(dimensions).collect();
        let &[value, rows, columns] = types.as_slice() else {
            return Ok(());
        };
        let rank = |(shape, _): (&Shape, _)| shape.len();
        // An unknown rank is given as 0.
        if rank(value) != 4 || rank(rows) < 2 || rank(columns) < 2 {
            return Ok(());
        }
        let axes = [
            (value, 0),
            (value, 1),
            (rows, rank(rows) - 2 + usize::from(transpose[0])),
            (columns, rank(columns) - 1 - usize::from(transpose[1])),
        ];
        let dims = axes.map(|((shape, symbols), axis)| (shape[axis], symbols[axis].clone()));
        infer_float32(context, dims)
    }
}

/// The dimensions of a tensor, and their names.
fn dimensions(value: &ValueType) -> Option<(&Shape, &SymbolicDimensions)> {
    match value {
        ValueType::Tensor {
            shape,
            dimension_symbols,
            ..
        } => Some((shape, dimension_symbols)),
        _ => None,
    }
}

/// The operator of one node.
pub(super) struct ResampleKernel {
    /// Whether the rows and the columns are given transposed.
    transpose: [bool; 2],
}

impl Kernel for ResampleKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let [value, rows, columns] = [0, 1, 2].map(|index| input(context, RESAMPLE, index));
        let (value, rows, columns) = (value?, rows?, columns?);
        let (shape, value) = value.try_extract_tensor::<f32>()?;
        let &[samples, channels, height, width] = sizes(shape).as_slice() else {
            return Err(ort::Error::new(format!(
                "Resample of a value of shape {shape}: it must have four axes"
            )));
        };
        let rows = matrices(
            rows.try_extract_tensor()?,
            samples,
            (height, self.transpose[0]),
        )?;
        // The rows of the transpose of `columns` are weights of elements of a row of `value`.
        let columns = matrices(
            columns.try_extract_tensor()?,
            samples,
            (width, !self.transpose[1]),
        )?;
        let (new_height, new_width) = (rows.len(), columns.len());
        let dims = [samples, channels, new_height, new_width].map(|size| size as i64);
        let mut output = output(context, RESAMPLE, dims.to_vec())?;
        let (_, output) = output.try_extract_tensor_mut::<f32>()?;
        if output.is_empty() || height == 0 || width == 0 {
            output.fill(0.0);
            return Ok(());
        }
        // About as many multiplications, for the two or three weights that most rows have.
        let is_large = 3 * (value.len() + output.len()) > MAX_SERIAL;
        let planes = value.chunks_exact(height * width);
        let results = output.chunks_exact_mut(new_height * new_width);
        let planes = planes.zip(results).enumerate();
        let tasks = planes.flat_map(|(index, (plane, result))| {
            let blocks = result.chunks_mut(LANES * new_width).enumerate();
            blocks.map(move |(block, result)| (index / channels, plane, block * LANES, result))
        });
        for_each(context, tasks, is_large, |(sample, plane, from, result)| {
            let (rows, columns) = (rows.of(*sample), columns.of(*sample));
            Bands::product(rows, plane, width, columns, *from, result);
        })
    }
}

/// The matrix of each sample, or the one that all of them share.
struct Matrices {
    /// At least one; all of the same size.
    bands: Vec<Bands>,
}

impl Matrices {
    /// Rows of each matrix.
    fn len(&self) -> usize {
        self.bands[0].len()
    }

    fn of(&self, sample: usize) -> &Bands {
        &self.bands[if self.bands.len() == 1 { 0 } else { sample }]
    }
}

/// The bands of the matrices in a tensor, whose rows read `size` elements each; `transpose`: the columns of the tensor
/// are those rows.
fn matrices(
    (shape, values): (&Shape, &[f32]),
    samples: usize,
    (size, transpose): (usize, bool),
) -> ort::Result<Matrices> {
    let dims = sizes(shape);
    let (count, rows, columns) = match dims[..] {
        [rows, columns] => (1, rows, columns),
        [count, 1, rows, columns] if count == samples || count == 1 => (count, rows, columns),
        _ => (0, 0, 0),
    };
    let reads = if transpose { rows } else { columns };
    if count == 0 || reads != size {
        return Err(ort::Error::new(format!(
            "Resample of {samples} samples with {size} elements along an axis by matrices of shape {shape}"
        )));
    }
    let read = if transpose {
        Bands::from_columns
    } else {
        Bands::from_rows
    };
    let matrix = |index: usize| {
        read(
            &values[index * rows * columns..][..rows * columns],
            (rows, columns),
        )
    };
    Ok(Matrices {
        bands: (0..count).map(matrix).collect(),
    })
}

fn sizes(shape: &Shape) -> Vec<usize> {
    shape
        .iter()
        .map(|size| usize::try_from(*size).unwrap_or(0))
        .collect()
}
