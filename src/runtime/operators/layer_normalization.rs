//! `LayerNormalizationGradient(value, scale, gradient)`: the input gradient of layer or RMS normalization.
//!
//! - `value`: float32, the input of the normalization; its last axes are normalized
//! - `scale`: float32, with as many elements as the axes that are normalized
//! - `gradient`: float32, of the shape of `value`
//! - attributes: `epsilon`, added to the mean square; `centred`, 1 if the mean is subtracted first, else 0
//! - result: float32 of the shape of `value`
//!
//! With `h = gradient · scale`, `n` the normalized value and means over a row: `(h - mean h - n · mean(h · n)) /
//! deviation`, without `mean h` if no mean is subtracted from the value.

use super::context::input;
use super::rows::{RowGradient, compute_rows, infer_same_shape, sum};
use crate::onnx::own_operators::{CENTRED, EPSILON, LAYER_NORMALIZATION_GRADIENT};
use ort::operator::{
    ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput,
    ShapeInferenceContext,
};
use ort::value::TensorElementType;

/// The operator.
pub(super) struct LayerNormalizationGradient;

impl Operator for LayerNormalizationGradient {
    type Kernel<'attr> = LayerNormalizationKernel;

    fn name(&self) -> &str {
        LAYER_NORMALIZATION_GRADIENT
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [(); 3].map(|()| OperatorInput::required(TensorElementType::Float32))
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn create_kernel<'attr>(
        &self,
        context: &KernelContext<'attr>,
    ) -> ort::Result<Self::Kernel<'attr>> {
        let invalid = || ort::Error::new("LayerNormalizationGradient lacks an attribute");
        Ok(LayerNormalizationKernel {
            epsilon: context.get(EPSILON).ok_or_else(invalid)?,
            centred: context.get::<i64>(CENTRED).ok_or_else(invalid)? != 0,
        })
    }

    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> ort::Result<()> {
        infer_same_shape(context)
    }
}

/// The operator of one node.
pub(super) struct LayerNormalizationKernel {
    epsilon: f32,
    centred: bool,
}

impl Kernel for LayerNormalizationKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let scale = input(context, LAYER_NORMALIZATION_GRADIENT, 1)?;
        let (_, scale) = scale.try_extract_tensor::<f32>()?;
        let rule = Normalization {
            scale,
            epsilon: self.epsilon,
            centred: self.centred,
        };
        compute_rows(
            context,
            LAYER_NORMALIZATION_GRADIENT,
            &rule,
            2,
            Some(scale.len()),
        )
    }
}

struct Normalization<'a> {
    scale: &'a [f32],
    epsilon: f32,
    centred: bool,
}

impl RowGradient for Normalization<'_> {
    #[inline(always)]
    fn compute(&self, value: &[f32], gradient: &[f32], output: &mut [f32]) {
        let share = 1.0 / value.len() as f32;
        let mean = if self.centred {
            sum(value, value, |x, _| x) * share
        } else {
            0.0
        };
        let square = sum(value, value, |x, _| (x - mean) * (x - mean)) * share;
        let inverse = 1.0 / (square + self.epsilon).sqrt();
        for ((h, g), scale) in output.iter_mut().zip(gradient).zip(self.scale) {
            *h = g * scale;
        }
        let mean_h = if self.centred {
            sum(output, output, |h, _| h) * share
        } else {
            0.0
        };
        let mean_product = sum(output, value, |h, x| h * ((x - mean) * inverse)) * share;
        for (h, x) in output.iter_mut().zip(value) {
            *h = (*h - mean_h - (x - mean) * inverse * mean_product) * inverse;
        }
    }
}
