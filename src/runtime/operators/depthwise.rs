//! `DepthwiseGradient(gradient, weights, gradient_gate?, result_gate?)`: the input gradient of a depthwise convolution
//! of stride 1 or 2 between two activations, in blocked channels (NCHWc). It is a convolution of the gradient, in which
//! `stride - 1` zeros follow each row and column.
//!
//! - `gradient`: float32 (N, C, H, W), whose memory is (N, C/B, H, W, B)
//! - `weights`: float32 (C, 1, h, w), whose memory is (C/B, h, w, B), of at most 64 rows and columns
//! - `gradient_gate`: float32 of the shape of the gradient, blocked; the gradient counts as 0 where it is not between
//!   the two `gradient_bounds`
//! - `result_gate`: the same for the result, with `result_bounds`
//! - attributes: `block`, B, which is 8 or 16; `stride`; `pads` of the convolution, as ONNX's, each less than the
//!   rows or columns of the weights; the bounds
//! - result: float32 `(N, C, stride · H + pads - h + 1, stride · W + pads - w + 1)`, blocked
//!
//! Products are added in the order and with the rounding of ONNX Runtime's convolution. In three nodes, the gradient
//! would be written twice and read twice more.

mod axis;
mod copies;
mod gate;
mod lines;
mod picture;

use super::context::{for_each, input, output, small_integers, small_sizes};
use crate::onnx::own_operators::{
    BLOCK, DEPTHWISE_GRADIENT, GRADIENT_BOUNDS, RESULT_BOUNDS, STRIDE,
};
use axis::Axis;
use gate::Gate;
use lines::Lines;
use ort::operator::{
    ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput,
};
use ort::value::{TensorElementType, ValueRef};
use picture::Picture;
use pulp::Arch;

/// Maximum rows, and columns, of the weights.
const MAX_TAPS: usize = 64;

/// Pixels of a block that one thread computes at a time, at most.
const PIXELS: usize = 1 << 11;

/// The operator.
pub(super) struct DepthwiseGradient;

impl Operator for DepthwiseGradient {
    type Kernel<'attr> = DepthwiseKernel;

    fn name(&self) -> &str {
        DEPTHWISE_GRADIENT
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        let elem = TensorElementType::Float32;
        [
            OperatorInput::required(elem),
            OperatorInput::required(elem),
            OperatorInput::optional(elem),
            OperatorInput::optional(elem),
        ]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn create_kernel<'attr>(
        &self,
        context: &KernelContext<'attr>,
    ) -> ort::Result<Self::Kernel<'attr>> {
        let stride = context.get(STRIDE).unwrap_or(1i64);
        if ![1, 2].contains(&stride) {
            return Err(invalid("a stride of 1 or 2"));
        }
        Ok(DepthwiseKernel {
            block: context.get(BLOCK).unwrap_or(0),
            stride: stride as usize,
            pads: small_integers(context, "pads").ok_or_else(|| invalid("four pads"))?,
            gradient_bounds: bounds(context, GRADIENT_BOUNDS)?,
            result_bounds: bounds(context, RESULT_BOUNDS)?,
        })
    }
}

fn invalid(what: &str) -> ort::Error {
    ort::Error::new(format!("{DEPTHWISE_GRADIENT} needs {what}"))
}

/// The two bounds of a gate, if the node has it.
fn bounds(context: &KernelContext, name: &str) -> ort::Result<Option<[f32; 2]>> {
    let bounds: Option<Vec<f32>> = context.get(name);
    let Some(bounds) = bounds else {
        return Ok(None);
    };
    let two = bounds.try_into();
    two.map(Some)
        .map_err(|_| invalid(&format!("two numbers as {name}")))
}

/// The operator of one node.
pub(super) struct DepthwiseKernel {
    block: i64,
    stride: usize,
    /// Rows before, columns before, rows after, columns after.
    pads: [usize; 4],
    gradient_bounds: Option<[f32; 2]>,
    result_bounds: Option<[f32; 2]>,
}

impl Kernel for DepthwiseKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        match self.block {
            8 => self.compute_blocks::<8>(context),
            16 => self.compute_blocks::<16>(context),
            _ => Err(invalid("blocks of 8 or 16 channels")),
        }
    }
}

impl DepthwiseKernel {
    fn compute_blocks<const B: usize>(&self, context: &ComputeContext) -> ort::Result<()> {
        let [gradient, weights] = [0, 1].map(|index| input(context, DEPTHWISE_GRADIENT, index));
        let (gradient, weights) = (gradient?, weights?);
        let (shape, gradient) = gradient.try_extract_tensor::<f32>()?;
        let (weight_shape, weights) = weights.try_extract_tensor::<f32>()?;
        let misfit = || {
            let text = format!("a gradient and weights that fit, not {shape} and {weight_shape}");
            invalid(&text)
        };
        let [samples, channels, height, width] = small_sizes(shape).ok_or_else(misfit)?;
        let [outputs, 1, taps @ ..] = small_sizes(weight_shape).ok_or_else(misfit)? else {
            return Err(misfit());
        };
        let [rows, columns] =
            [(0, height), (1, width)].map(|(axis, size)| self.axis(axis, size, taps[axis]));
        let (rows, columns) = (rows.ok_or_else(misfit)?, columns.ok_or_else(misfit)?);
        if outputs != channels || !channels.is_multiple_of(B) {
            return Err(misfit());
        }
        let dims = [samples, channels, rows.result, columns.result].map(|size| size as i64);
        let value = |index: usize, bounds: Option<_>| {
            let value = bounds.map(|_| input(context, DEPTHWISE_GRADIENT, index));
            value.transpose()
        };
        let gradient_value = value(2, self.gradient_bounds)?;
        let result_value = value(3, self.result_bounds)?;
        let gradient_gate = gate(gradient_value.as_ref(), self.gradient_bounds, shape)?;
        let result_gate = gate(result_value.as_ref(), self.result_bounds, &dims)?;
        let mut output = output(context, DEPTHWISE_GRADIENT, dims.to_vec())?;
        let (_, output) = output.try_extract_tensor_mut::<f32>()?;
        if output.is_empty() {
            return Ok(());
        }
        let picture = Picture {
            gradient: gradient.as_chunks::<B>().0,
            weights: weights.as_chunks::<B>().0,
            blocks: channels / B,
            rows,
            columns,
            gradient_gate,
            result_gate,
        };
        let output = output.as_chunks_mut::<B>().0;
        let lines = output.len() / columns.result;
        let is_large = output.len() > PIXELS;
        // An even number of equal parts: two threads, or four, finish together.
        let parts = output.len().div_ceil(PIXELS).next_multiple_of(2);
        let per_task = lines.div_ceil(if is_large { parts } else { 1 });
        let tasks = output.chunks_mut(per_task * columns.result).enumerate();
        for_each(context, tasks, is_large, |(task, output)| {
            Arch::new().dispatch(Lines {
                picture: &picture,
                from: *task * per_task,
                output,
            });
        })
    }

    /// The axis of rows, 0, or of columns, 1. `None` if the result has none.
    fn axis(&self, axis: usize, size: usize, taps: usize) -> Option<Axis> {
        let pads = [self.pads[axis], self.pads[axis + 2]];
        let padded = self.stride * size + pads[0] + pads[1];
        let result = (padded + 1).checked_sub(taps)?;
        is_supported(taps, pads).then_some(Axis {
            size,
            result,
            stride: self.stride,
            pad: pads[0],
            taps,
        })
    }
}

/// Whether the operator computes a convolution with so many taps along an axis, and zeros before and after it. What a
/// thread copies is then hardly larger than so many rows of the gradient.
pub(super) fn is_supported(taps: usize, pads: [usize; 2]) -> bool {
    (1..=MAX_TAPS).contains(&taps) && pads.iter().all(|pad| *pad < taps)
}

/// The gate by a value, which must have these dimensions.
fn gate<'v, const B: usize>(
    value: Option<&'v ValueRef>,
    bounds: Option<[f32; 2]>,
    dims: &[i64],
) -> ort::Result<Option<Gate<'v, B>>> {
    let (Some(value), Some([low, high])) = (value, bounds) else {
        return Ok(None);
    };
    let (shape, value) = value.try_extract_tensor::<f32>()?;
    if **shape != *dims {
        return Err(invalid(
            "gates of the shapes of its gradient and its result",
        ));
    }
    Ok(Some(Gate {
        value: value.as_chunks().0,
        low,
        high,
    }))
}
