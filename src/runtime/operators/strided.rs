//! `StridedGradient(gradient, weights, value?)`: the input gradient of a depthwise convolution of stride 2, in blocked
//! channels (NCHWc). It is a convolution of the gradient with a zero after each row and column, which are not stored.
//!
//! - `gradient`: float32 (N, C, H, W), whose memory is (N, C/B, H, W, B)
//! - `weights`: float32 (C, 1, h, w), whose memory is (C/B, h, w, B)
//! - `value`: float32 of the shape of the result, blocked; the result is 0 where it is not between `low` and `high`
//! - attributes: `block`, B, which is 8 or 16; `pads` of the convolution, as ONNX's; `low` and `high`
//! - result: float32 (N, C, 2H + pads - h + 1, 2W + pads - w + 1), blocked
//!
//! Products are added in the order and with the rounding of ONNX Runtime's convolution.

use super::context::{for_each, input, is_between, output, small_integers, small_sizes};
use super::vectorized::{Loop, vectorized};
use crate::onnx::own_operators::{BLOCK, STRIDED_GRADIENT};
use ort::operator::{
    ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput,
};
use ort::value::TensorElementType;

/// Pixels of a block that one thread computes at a time.
const PIXELS: usize = 1 << 11;

/// The operator.
pub(super) struct StridedGradient;

impl Operator for StridedGradient {
    type Kernel<'attr> = StridedKernel;

    fn name(&self) -> &str {
        STRIDED_GRADIENT
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        let elem = TensorElementType::Float32;
        [
            OperatorInput::required(elem),
            OperatorInput::required(elem),
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
        let pads = small_integers(context, "pads").ok_or_else(|| invalid("four pads"))?;
        Ok(StridedKernel {
            block: context.get(BLOCK).unwrap_or(0),
            pads,
            bounds: (
                context.get("low").unwrap_or(f32::NEG_INFINITY),
                context.get("high").unwrap_or(f32::INFINITY),
            ),
            has_value: context.inputs()?.len() > 2,
        })
    }
}

fn invalid(what: &str) -> ort::Error {
    ort::Error::new(format!("{STRIDED_GRADIENT} needs {what}"))
}

/// The operator of one node.
pub(super) struct StridedKernel {
    block: i64,
    /// Rows before, columns before, rows after, columns after.
    pads: [usize; 4],
    bounds: (f32, f32),
    has_value: bool,
}

impl Kernel for StridedKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        match self.block {
            8 => self.compute_blocks::<8>(context),
            16 => self.compute_blocks::<16>(context),
            _ => Err(invalid("blocks of 8 or 16 channels")),
        }
    }
}

impl StridedKernel {
    fn compute_blocks<const B: usize>(&self, context: &ComputeContext) -> ort::Result<()> {
        let [gradient, weights] = [0, 1].map(|index| input(context, STRIDED_GRADIENT, index));
        let (gradient, weights) = (gradient?, weights?);
        let (shape, gradient) = gradient.try_extract_tensor::<f32>()?;
        let (weight_shape, weights) = weights.try_extract_tensor::<f32>()?;
        let misfit = || {
            let text = format!("a gradient and weights that fit, not {shape} and {weight_shape}");
            invalid(&text)
        };
        let [samples, channels, height, width] = small_sizes(shape).ok_or_else(misfit)?;
        let [outputs, 1, rows, columns] = small_sizes(weight_shape).ok_or_else(misfit)? else {
            return Err(misfit());
        };
        let [top, left, bottom, right] = self.pads;
        let reach = |size: usize, pads: usize, taps: usize| (2 * size + pads + 1).checked_sub(taps);
        let (Some(new_height), Some(new_width)) = (
            reach(height, top + bottom, rows),
            reach(width, left + right, columns),
        ) else {
            return Err(misfit());
        };
        if outputs != channels || !channels.is_multiple_of(B) {
            return Err(misfit());
        }
        let dims = [samples, channels, new_height, new_width].map(|size| size as i64);
        let value = (self.has_value)
            .then(|| input(context, STRIDED_GRADIENT, 2))
            .transpose()?;
        let value = value
            .as_ref()
            .map(|value| value.try_extract_tensor::<f32>());
        let value = value.transpose()?;
        if value.as_ref().is_some_and(|(shape, _)| ***shape != dims) {
            return Err(invalid("a value of the shape of its result"));
        }
        let mut output = output(context, STRIDED_GRADIENT, dims.to_vec())?;
        let (_, output) = output.try_extract_tensor_mut::<f32>()?;
        if output.is_empty() {
            return Ok(());
        }
        let (gradient, weights) = (gradient.as_chunks::<B>().0, weights.as_chunks::<B>().0);
        let value = value.map(|(_, value)| value.as_chunks::<B>().0);
        let pixels = new_height * new_width;
        let rows_per_task = (PIXELS / new_width).max(1);
        let blocks = output.as_chunks_mut::<B>().0.chunks_mut(pixels).enumerate();
        let tasks = blocks.flat_map(|(block, output)| {
            let plane = Plane {
                gradient: &gradient[block * height * width..][..height * width],
                height,
                width,
                weights: &weights[block % (channels / B) * rows * columns..][..rows * columns],
                taps: (rows, columns),
                pads: (top, left),
                bounds: self.bounds,
            };
            let value = value.map(|value| &value[block * pixels..][..pixels]);
            let parts = output.chunks_mut(rows_per_task * new_width).enumerate();
            parts.map(move |(part, output)| {
                let from = part * rows_per_task;
                let value = value.map(|value| &value[from * new_width..][..output.len()]);
                let rows = Rows {
                    plane,
                    from,
                    width: new_width,
                    value,
                };
                (rows, output)
            })
        });
        let is_large = samples * channels * pixels > B * PIXELS;
        for_each(context, tasks, is_large, |(rows, output)| {
            vectorized((&*rows, &mut **output));
        })
    }
}

/// A block of channels of a picture.
#[derive(Clone, Copy)]
struct Plane<'a, const B: usize> {
    gradient: &'a [[f32; B]],
    height: usize,
    width: usize,
    weights: &'a [[f32; B]],
    /// Rows and columns of the weights.
    taps: (usize, usize),
    /// Rows and columns before the first ones.
    pads: (usize, usize),
    bounds: (f32, f32),
}

/// Rows of the result.
struct Rows<'a, const B: usize> {
    plane: Plane<'a, B>,
    /// The first row.
    from: usize,
    /// Columns of the result.
    width: usize,
    /// The value that masks these rows.
    value: Option<&'a [[f32; B]]>,
}

/// Computes as many rows as fill the second.
impl<const B: usize> Loop for (&Rows<'_, B>, &mut [[f32; B]]) {
    #[inline(always)]
    fn perform(self, has_fma: bool) {
        let (this, output) = self;
        let plane = &this.plane;
        let (_, columns) = plane.taps;
        let (low, high) = plane.bounds;
        for (index, line) in output.chunks_mut(this.width).enumerate() {
            let rows: Vec<_> =
                taps(this.from + index, plane.pads.0, plane.taps.0, plane.height).collect();
            for (column, result) in line.iter_mut().enumerate() {
                let mut sum = [0.0; B];
                for &(row, source) in &rows {
                    let (weights, gradient) = (
                        &plane.weights[row * columns..],
                        &plane.gradient[source * plane.width..],
                    );
                    for (tap, source) in taps(column, plane.pads.1, columns, plane.width) {
                        let (weight, gradient) = (&weights[tap], &gradient[source]);
                        for lane in 0..B {
                            sum[lane] = if has_fma {
                                weight[lane].mul_add(gradient[lane], sum[lane])
                            } else {
                                weight[lane] * gradient[lane] + sum[lane]
                            };
                        }
                    }
                }
                if let Some(value) = this.value {
                    let value = &value[index * this.width + column];
                    for lane in 0..B {
                        let is_inside = is_between(value[lane], low, high);
                        let bits = u32::from(is_inside).wrapping_neg();
                        sum[lane] = f32::from_bits(sum[lane].to_bits() & bits);
                    }
                }
                *result = sum;
            }
        }
    }
}

/// Along an axis, the taps that read an element of the gradient rather than a zero for a place in the result, and that
/// element.
#[inline(always)]
fn taps(
    place: usize,
    pad: usize,
    taps: usize,
    size: usize,
) -> impl Iterator<Item = (usize, usize)> {
    let first = if place < pad {
        pad - place
    } else {
        (place - pad) % 2
    };
    (first..taps)
        .step_by(2)
        .map(move |tap| (tap, (place + tap - pad) / 2))
        .take_while(move |(_, source)| *source < size)
}
