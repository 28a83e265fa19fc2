//! `Mask(gradient, value)`: the gradient where the value is between two bounds, else 0.
//!
//! - `gradient`, `value`: float32 of the same shape
//! - attributes `low` and `high`: the bounds, which are not between them; absent: none
//! - result: as `gradient`
//!
//! The standard form is a comparison and a product for each bound: up to four passes over memory instead of one.

use super::context::{for_each, input, output};
use crate::onnx::own_operators::MASK;
use ort::operator::{
    ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput,
    ShapeInferenceContext,
};
use ort::value::TensorElementType;

/// Elements that one thread processes at a time: a part of its cache.
const PIECE: usize = 1 << 14;

/// The operator.
pub(super) struct Mask;

impl Operator for Mask {
    type Kernel<'attr> = MaskKernel;

    fn name(&self) -> &str {
        MASK
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [const { OperatorInput::required(TensorElementType::Float32) }; 2]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn create_kernel<'attr>(
        &self,
        context: &KernelContext<'attr>,
    ) -> ort::Result<Self::Kernel<'attr>> {
        Ok(MaskKernel {
            low: context.get("low").unwrap_or(f32::NEG_INFINITY),
            high: context.get("high").unwrap_or(f32::INFINITY),
        })
    }

    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> ort::Result<()> {
        match context.inputs().first() {
            Some(gradient) => context.set_output(0, gradient),
            None => Ok(()),
        }
    }
}

/// The operator of one node.
pub(super) struct MaskKernel {
    low: f32,
    high: f32,
}

impl Kernel for MaskKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let [gradient, value] = [0, 1].map(|index| input(context, MASK, index));
        let (gradient, value) = (gradient?, value?);
        let (shape, gradient) = gradient.try_extract_tensor::<f32>()?;
        let (other, value) = value.try_extract_tensor::<f32>()?;
        if shape != other {
            let text = format!(
                "Mask of a gradient of shape {shape} by a value of shape {other}: they must be equal"
            );
            return Err(ort::Error::new(text));
        }
        let mut output = output(context, MASK, shape.to_vec())?;
        let (_, output) = output.try_extract_tensor_mut::<f32>()?;
        let is_large = output.len() > PIECE;
        let inputs = std::iter::zip(gradient.chunks(PIECE), value.chunks(PIECE));
        let pieces = inputs.zip(output.chunks_mut(PIECE));
        for_each(context, pieces, is_large, |((gradient, value), output)| {
            mask(gradient, value, (self.low, self.high), output);
        })
    }
}

/// Writes `gradient` where `value` is between the bounds, else 0.
fn mask(gradient: &[f32], value: &[f32], (low, high): (f32, f32), output: &mut [f32]) {
    for ((output, gradient), value) in output.iter_mut().zip(gradient).zip(value) {
        let is_inside = (low < *value) & (*value < high);
        // All bits or none. A choice between numbers is compiled to one instruction per element, five times as slow.
        let bits = u32::from(is_inside).wrapping_neg();
        *output = f32::from_bits(gradient.to_bits() & bits);
    }
}
