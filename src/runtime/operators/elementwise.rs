//! `Elementwise(input, …)`: a program of element-wise operations in one pass over memory, where standard operators need
//! one pass each.
//!
//! - inputs: float32, at least one; they broadcast to each other as ONNX's
//! - attributes `instructions` and `numbers`: the program, see `program`
//! - attribute `block`: if present, inputs and result (N, C, H, W) are in blocked channels, with memory
//!   (N, C/B, H, W, B), and other inputs are values per channel (N, C, 1, 1) or per sample (N, 1, 1, 1)
//! - result: float32, of the shape to which the inputs broadcast
//!
//! Each operation but `exp`, `erf` and `sigmoid` (see `functions`) rounds as the standard operator does, so results
//! equal those of the nodes that the program replaces.

mod broadcast;
mod evaluator;
mod functions;
pub(super) mod program;

use super::context::{for_each, infer_float32, input, output};
use crate::onnx::own_operators::{BLOCK, ELEMENTWISE};
use broadcast::Broadcast;
use evaluator::{Evaluator, Source};
use ort::operator::{
    ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput,
    ShapeInferenceContext,
};
use ort::value::{Shape, TensorElementType, ValueType};
use program::{INSTRUCTIONS, NUMBERS, Program};

/// Maximum elements that one thread processes at a time.
const PIECE: usize = 1 << 14;

/// Elements of which inputs are copied at a time if they are not contiguous.
const TILE: usize = 1 << 12;

/// The operator.
pub(super) struct Elementwise;

impl Operator for Elementwise {
    type Kernel<'attr> = ElementwiseKernel;

    fn name(&self) -> &str {
        ELEMENTWISE
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [OperatorInput::variadic(1).homogenous(TensorElementType::Float32)]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn create_kernel<'attr>(
        &self,
        context: &KernelContext<'attr>,
    ) -> ort::Result<Self::Kernel<'attr>> {
        let codes: Vec<i64> = context.get(INSTRUCTIONS).unwrap_or_default();
        let numbers: Vec<f32> = context.get(NUMBERS).unwrap_or_default();
        let inputs = context.inputs()?.len();
        match Program::from_attributes(&codes, &numbers) {
            Some(program) if program.inputs() <= inputs => Ok(ElementwiseKernel {
                evaluator: Evaluator::new(&program),
                inputs,
                block: context.get(BLOCK),
            }),
            _ => Err(ort::Error::new(format!(
                "Elementwise has no valid program of {inputs} inputs"
            ))),
        }
    }

    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> ort::Result<()> {
        let inputs = context.inputs();
        infer_broadcast(context, &inputs)
    }
}

/// Gives the output the shape to which inputs of these types broadcast, if it is known.
pub(super) fn infer_broadcast(
    context: &mut ShapeInferenceContext,
    inputs: &[ValueType],
) -> ort::Result<()> {
    match result_dims(inputs) {
        Some(dims) => infer_float32(context, dims),
        None => Ok(()),
    }
}

/// The dimensions to which inputs of these types broadcast, and their names; `None` if a rank is not known.
fn result_dims(inputs: &[ValueType]) -> Option<Vec<(i64, String)>> {
    let mut result: Vec<(i64, String)> = Vec::new();
    for input in inputs {
        let ValueType::Tensor {
            shape,
            dimension_symbols,
            ..
        } = input
        else {
            return None;
        };
        // An unknown rank is given as 0, as is that of a scalar.
        if shape.is_empty() {
            return None;
        }
        let missing = shape.len().saturating_sub(result.len());
        result.splice(0..0, vec![(1, String::new()); missing]);
        let offset = result.len() - shape.len();
        for (known, (dim, symbol)) in result[offset..]
            .iter_mut()
            .zip(shape.iter().zip(dimension_symbols.iter()))
        {
            if known.0 == 1 {
                *known = (*dim, symbol.clone());
            }
        }
    }
    Some(result)
}

/// The operator of one node.
pub(super) struct ElementwiseKernel {
    evaluator: Evaluator,
    inputs: usize,
    /// The number of channels of a block, if the inputs are in blocked channels.
    block: Option<i64>,
}

impl Kernel for ElementwiseKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let values = (0..self.inputs).map(|index| input(context, ELEMENTWISE, index));
        let values: Vec<_> = values.collect::<ort::Result<_>>()?;
        let values = values.iter().map(|value| value.try_extract_tensor::<f32>());
        let values: Vec<(&Shape, &[f32])> = values.collect::<ort::Result<_>>()?;
        let shapes: Vec<&[i64]> = values.iter().map(|(shape, _)| &***shape).collect();
        let broadcast = match self.block {
            Some(block) => Broadcast::blocked(&shapes, block),
            None => Broadcast::new(&shapes),
        };
        let Some(broadcast) = broadcast else {
            return Err(ort::Error::new(format!(
                "Elementwise of inputs of shapes {shapes:?}, which do not broadcast to each other"
            )));
        };
        let mut output = output(context, ELEMENTWISE, broadcast.dims().to_vec())?;
        let (_, output) = output.try_extract_tensor_mut::<f32>()?;
        let is_large = output.len() * self.evaluator.len() > 4 * PIECE;
        // An even number of equal pieces: two threads, or four, finish together.
        let count = output.len().div_ceil(PIECE).next_multiple_of(2).max(2);
        let size = output.len().div_ceil(if is_large { count } else { 1 });
        let size = size.max(1).next_multiple_of(evaluator::BLOCK);
        let pieces = output.chunks_mut(size).enumerate();
        for_each(context, pieces, is_large, |(piece, output)| {
            let mut scratch = self.evaluator.scratch();
            let mut copies = vec![Vec::new(); self.inputs];
            for (index, output) in output.chunks_mut(TILE).enumerate() {
                let start = *piece * size + index * TILE;
                let sources = copies.iter_mut().zip(&values).enumerate();
                let sources: Vec<Source> = sources
                    .map(|(input, (copy, (_, value)))| {
                        broadcast.tile(input, value, start, output.len(), copy)
                    })
                    .collect();
                self.evaluator.evaluate(&sources, &mut scratch, output);
            }
        })
    }
}
