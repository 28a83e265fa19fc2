//! `MaxPoolGradient(value, gradient)`: the input gradient of a maximum pool with two spatial axes.
//!
//! - `value`: float32 (N, C, H, W), the input of the pool
//! - `gradient`: float32 (N, C, rows, columns) of windows
//! - attributes: `kernel_shape`, `strides`, `pads` and `dilations` of the pool, as ONNX's, none of them optional;
//!   `block`, B: 1 for NCHW, or 8 or 16 for blocked channels (NCHWc), where the memory of each tensor is
//!   (N, C/B, height, width, B)
//! - result: float32 of the shape of `value`
//!
//! The gradient of a window goes to the first of its greatest elements: a later one replaces an earlier one if it is
//! greater, so a NaN is only chosen if it is the first. These are the indices that ONNX Runtime's `MaxPool` returns.
//! What several windows add to an element is added in the order of the windows. A window outside the picture has no
//! element: its gradient goes nowhere.

use super::context::{for_each, input, output, sizes};
use super::pool_windows::{Pool, Span};
use super::vectorized::{Loop, vectorized};
use crate::onnx::own_operators::{BLOCK, MAX_POOL_GRADIENT};
use ort::operator::{
    ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput,
};
use ort::value::TensorElementType;

/// Pixels of a block that one thread computes at a time.
const PIXELS: usize = 1 << 11;

/// The operator.
pub(super) struct MaxPoolGradient;

impl Operator for MaxPoolGradient {
    type Kernel<'attr> = MaxPoolKernel;

    fn name(&self) -> &str {
        MAX_POOL_GRADIENT
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [(); 2].map(|()| OperatorInput::required(TensorElementType::Float32))
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn create_kernel<'attr>(
        &self,
        context: &KernelContext<'attr>,
    ) -> ort::Result<Self::Kernel<'attr>> {
        let ints = |name| -> Vec<i64> { context.get(name).unwrap_or_default() };
        let pool = Pool::new(
            &ints("kernel_shape"),
            &ints("strides"),
            &ints("pads"),
            &ints("dilations"),
        );
        Ok(MaxPoolKernel {
            pool: pool.ok_or_else(|| invalid("a pool with two spatial axes"))?,
            block: context.get(BLOCK).unwrap_or(0),
        })
    }
}

fn invalid(what: &str) -> ort::Error {
    ort::Error::new(format!("{MAX_POOL_GRADIENT} needs {what}"))
}

/// The operator of one node.
pub(super) struct MaxPoolKernel {
    pool: Pool,
    block: i64,
}

impl Kernel for MaxPoolKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        match self.block {
            1 => self.compute_blocks::<1>(context),
            8 => self.compute_blocks::<8>(context),
            16 => self.compute_blocks::<16>(context),
            _ => Err(invalid("blocks of 1, 8 or 16 channels")),
        }
    }
}

impl MaxPoolKernel {
    fn compute_blocks<const B: usize>(&self, context: &ComputeContext) -> ort::Result<()> {
        let [value, gradient] = [0, 1].map(|index| input(context, MAX_POOL_GRADIENT, index));
        let (value, gradient) = (value?, gradient?);
        let (value_shape, value) = value.try_extract_tensor::<f32>()?;
        let (gradient_shape, gradient) = gradient.try_extract_tensor::<f32>()?;
        let misfit = || {
            let shapes = format!("{value_shape} and {gradient_shape}");
            invalid(&format!("a value and a gradient that fit, not {shapes}"))
        };
        let [samples, channels, height, width] = sizes(value_shape).ok_or_else(misfit)?;
        let [others, other_channels, rows, columns] = sizes(gradient_shape).ok_or_else(misfit)?;
        let fits = (samples, channels) == (others, other_channels)
            && channels.is_multiple_of(B)
            && self.pool.fits([height, width], [rows, columns]);
        if !fits {
            return Err(misfit());
        }
        let mut output = output(context, MAX_POOL_GRADIENT, value_shape.to_vec())?;
        let (_, output) = output.try_extract_tensor_mut::<f32>()?;
        if output.is_empty() {
            return Ok(());
        }
        // There are no more windows along an axis than elements of the gradient, which has samples and channels.
        let (rows_of_windows, columns_of_windows) = (
            self.pool.spans(0, height, rows),
            self.pool.spans(1, width, columns),
        );
        let plane = Plane {
            value: value.as_chunks::<B>().0,
            gradient: gradient.as_chunks::<B>().0,
            width,
            rows: &rows_of_windows,
            columns: &columns_of_windows,
        };
        let (pixels, windows) = (height * width, rows * columns);
        // Each thread finds the maxima of all windows that reach into its rows.
        let rows_per_task = (PIXELS / width).max(2 * self.pool.height()).min(height);
        let blocks = output.as_chunks_mut::<B>().0.chunks_mut(pixels).enumerate();
        let tasks = blocks.flat_map(|(block, output)| {
            let plane = Plane {
                value: &plane.value[block * pixels..][..pixels],
                gradient: &plane.gradient[block * windows..][..windows],
                ..plane
            };
            let parts = output.chunks_mut(rows_per_task * width).enumerate();
            parts.map(move |(part, output)| (plane, part * rows_per_task, output))
        });
        let is_large = samples * channels * pixels > B * PIXELS;
        for_each(context, tasks, is_large, |(plane, from, output)| {
            vectorized(Rows {
                plane,
                from: *from,
                output,
            });
        })
    }
}

/// A block of channels of a picture, and its windows.
#[derive(Clone, Copy)]
struct Plane<'a, const B: usize> {
    value: &'a [[f32; B]],
    /// Of each window.
    gradient: &'a [[f32; B]],
    /// Columns of the value.
    width: usize,
    /// Of each row of windows.
    rows: &'a [Span],
    /// Of each column of windows.
    columns: &'a [Span],
}

/// Rows of the result, from one on.
struct Rows<'t, 'p, const B: usize> {
    plane: &'t Plane<'p, B>,
    from: usize,
    output: &'t mut [[f32; B]],
}

impl<const B: usize> Loop for Rows<'_, '_, B> {
    #[inline(always)]
    fn perform(self, _: bool) {
        self.plane.compute(self.from, self.output);
    }
}

impl<const B: usize> Plane<'_, B> {
    /// Computes as many rows as fill `output`, from the row `from` on.
    #[inline(always)]
    fn compute(&self, from: usize, output: &mut [[f32; B]]) {
        let to = from + output.len() / self.width;
        // Elements before this one are sums, those behind it are not yet set.
        let mut cleared = 0;
        let lines = self.gradient.chunks_exact(self.columns.len());
        for (rows, gradient) in self.rows.iter().zip(lines) {
            let inside = rows.within(from, to);
            let Some(last) = inside.places().last() else {
                continue;
            };
            let end = (last + 1 - from) * self.width;
            if let Some(behind) = output.get_mut(cleared..end) {
                behind.fill([0.0; B]);
                cleared = end;
            }
            for (columns, gradient) in self.columns.iter().zip(gradient) {
                // Loops of a known length over adjacent elements are faster.
                match [rows.adjacent(), inside.adjacent(), columns.adjacent()] {
                    _ if columns.len() == 0 => (),
                    [Some(3), Some(3), Some(3)] => {
                        let [rows, columns] = [rows, columns].map(Span::of::<3>);
                        self.add([&rows, &rows, &columns], gradient, from, output);
                    }
                    [Some(2), Some(2), Some(2)] => {
                        let [rows, columns] = [rows, columns].map(Span::of::<2>);
                        self.add([&rows, &rows, &columns], gradient, from, output);
                    }
                    _ => self.add([rows, &inside, columns], gradient, from, output),
                }
            }
        }
        output[cleared..].fill([0.0; B]);
    }

    /// Adds the gradient of a window, which has elements, to one of them in each lane, if it is in the rows `inside`.
    /// The output begins with the row `from`.
    #[inline(always)]
    fn add(
        &self,
        [rows, inside, columns]: [&Span; 3],
        gradient: &[f32; B],
        from: usize,
        output: &mut [[f32; B]],
    ) {
        let maxima = self.maxima(rows, columns);
        let first = rows.first * self.width + columns.first;
        let start = from * self.width;
        // With few elements, each is added to in all lanes: in most of them it keeps its value.
        if inside.len() * columns.len() > B {
            for lane in 0..B {
                let place = first + maxima[lane] as usize;
                if let Some(sums) = output.get_mut(place.wrapping_sub(start)) {
                    sums[lane] += gradient[lane];
                }
            }
            return;
        }
        for row in inside.places() {
            let before = (row - rows.first) * self.width;
            let line = &mut output[first + before - start..][..columns.reach()];
            for column in columns.offsets() {
                let (place, mut sums) = (before + column, line[column]);
                for lane in 0..B {
                    let sum = sums[lane] + gradient[lane];
                    let is_maximum = maxima[lane] == place as u32;
                    sums[lane] = if is_maximum { sum } else { sums[lane] };
                }
                line[column] = sums;
            }
        }
    }

    /// How many places are from the first element of a window to its greatest one, in each lane.
    #[inline(always)]
    fn maxima(&self, rows: &Span, columns: &Span) -> [u32; B] {
        let first = rows.first * self.width + columns.first;
        let (mut greatest, mut maxima) = (self.value[first], [0; B]);
        for row in rows.places() {
            let before = (row - rows.first) * self.width;
            let line = &self.value[first + before..][..columns.reach()];
            for column in columns.offsets() {
                let (place, value) = (before + column, &line[column]);
                for lane in 0..B {
                    let is_greater = value[lane] > greatest[lane];
                    greatest[lane] = if is_greater {
                        value[lane]
                    } else {
                        greatest[lane]
                    };
                    maxima[lane] = if is_greater {
                        place as u32
                    } else {
                        maxima[lane]
                    };
                }
            }
        }
        maxima
    }
}
