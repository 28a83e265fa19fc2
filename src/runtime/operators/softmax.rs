//! `SoftmaxGradient(result, gradient)`: the input gradient of a softmax along the last axis.
//!
//! - `result`: float32, the result of the softmax
//! - `gradient`: float32, of the shape of `result`
//! - result: float32 of the same shape: `result · (gradient - Σ result · gradient)`, with sums along the last axis

use super::rows::{RowGradient, compute_rows, infer_same_shape, sum};
use crate::onnx::own_operators::SOFTMAX_GRADIENT;
use ort::operator::{
    ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput,
    ShapeInferenceContext,
};
use ort::value::TensorElementType;

/// The operator.
pub(super) struct SoftmaxGradient;

impl Operator for SoftmaxGradient {
    type Kernel<'attr> = SoftmaxKernel;

    fn name(&self) -> &str {
        SOFTMAX_GRADIENT
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [(); 2].map(|()| OperatorInput::required(TensorElementType::Float32))
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn create_kernel<'attr>(&self, _: &KernelContext<'attr>) -> ort::Result<Self::Kernel<'attr>> {
        Ok(SoftmaxKernel)
    }

    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> ort::Result<()> {
        infer_same_shape(context)
    }
}

/// The operator of one node.
pub(super) struct SoftmaxKernel;

impl Kernel for SoftmaxKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        compute_rows(context, SOFTMAX_GRADIENT, &Softmax, 1, None)
    }
}

struct Softmax;

impl RowGradient for Softmax {
    #[inline(always)]
    fn compute(&self, result: &[f32], gradient: &[f32], output: &mut [f32]) {
        let total = sum(result, gradient, |y, g| y * g);
        for ((output, y), g) in output.iter_mut().zip(result).zip(gradient) {
            *output = y * (g - total);
        }
    }
}
