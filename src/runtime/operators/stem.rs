//! `StemGradient(gradient, weights)`: the input gradient of a convolution of a picture with few channels, as a network
//! begins with. It is a transposed convolution without bias.
//!
//! - `gradient`: float32 (N, C, H, W)
//! - `weights`: float32 (C, h, w, c), with at most [`MAX_CHANNELS`] channels c
//! - attributes: `strides`, `pads` and `output_padding` as those of ONNX's `ConvTranspose`, none of them optional
//! - result: float32 (N, c, rows, columns), where rows are `strides[0]` (H - 1) + `output_padding[0]` + h less the pads
//!
//! Columns of the result that are a stride apart are computed together: they read neighbouring columns of the gradient,
//! with the same weights. The gradient of each row is copied with zeros around it, so that no column is special.

use super::context::{for_each, input, output, small_integers, small_sizes};
use crate::onnx::own_operators::STEM_GRADIENT;
use ort::operator::{
    ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput,
};
use ort::value::TensorElementType;
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// Maximum channels of the result: the sums of several vectors of columns stay in registers.
pub(super) const MAX_CHANNELS: usize = 4;

/// Vectors that are added up together, at most.
const VECTORS: usize = 4;

/// Channels of the gradient that are added up before those of other columns are: few enough that their rows stay in the
/// first cache of a processor.
const CHANNELS: usize = 16;

/// Rows of the result that one thread computes at a time, per row of the weights.
const ROWS_PER_TAP: usize = 4;

/// Maximum elements of a gradient that one thread computes.
const SMALL: usize = 1 << 13;

/// The operator.
pub(super) struct StemGradient;

impl Operator for StemGradient {
    type Kernel<'attr> = StemKernel;

    fn name(&self) -> &str {
        STEM_GRADIENT
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
        let strides = small_integers(context, "strides").ok_or_else(|| invalid("two strides"))?;
        if strides.contains(&0) {
            return Err(invalid("strides of at least 1"));
        }
        Ok(StemKernel {
            strides,
            pads: small_integers(context, "pads").ok_or_else(|| invalid("four pads"))?,
            output_padding: small_integers(context, "output_padding")
                .ok_or_else(|| invalid("two numbers of output padding"))?,
        })
    }
}

fn invalid(what: &str) -> ort::Error {
    ort::Error::new(format!("{STEM_GRADIENT} needs {what}"))
}

/// The operator of one node.
pub(super) struct StemKernel {
    /// Of rows and columns.
    strides: [usize; 2],
    /// Rows before, columns before, rows after, columns after.
    pads: [usize; 4],
    output_padding: [usize; 2],
}

impl Kernel for StemKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let [gradient, weights] = [0, 1].map(|index| input(context, STEM_GRADIENT, index));
        let (gradient, weights) = (gradient?, weights?);
        let (shape, gradient) = gradient.try_extract_tensor::<f32>()?;
        let (weight_shape, weights) = weights.try_extract_tensor::<f32>()?;
        let misfit = || {
            invalid(&format!(
                "a gradient and weights that fit, not {shape} and {weight_shape}"
            ))
        };
        let [samples, depth, height, width] = small_sizes(shape).ok_or_else(misfit)?;
        let [filters, taps @ .., channels] = small_sizes(weight_shape).ok_or_else(misfit)?;
        let [rows, columns] =
            [(0, height), (1, width)].map(|(axis, size)| self.axis(axis, size, taps[axis]));
        let (rows, columns) = (rows.ok_or_else(misfit)?, columns.ok_or_else(misfit)?);
        if filters != depth || !(1..=MAX_CHANNELS).contains(&channels) {
            return Err(misfit());
        }
        let dims = [samples, channels, rows.result, columns.result].map(|size| size as i64);
        let mut output = output(context, STEM_GRADIENT, dims.to_vec())?;
        let (_, output) = output.try_extract_tensor_mut::<f32>()?;
        if output.is_empty() {
            return Ok(());
        }
        let picture = Picture {
            gradient,
            weights,
            depth,
            rows,
            columns,
        };
        match channels {
            1 => picture.compute::<1>(context, output),
            2 => picture.compute::<2>(context, output),
            3 => picture.compute::<3>(context, output),
            _ => picture.compute::<4>(context, output),
        }
    }
}

impl StemKernel {
    /// The axis of rows, 0, or of columns, 1. `None` if the result has none.
    fn axis(&self, axis: usize, size: usize, taps: usize) -> Option<Axis> {
        let (stride, added) = (self.strides[axis], self.output_padding[axis]);
        let reach = stride * size.checked_sub(1)? + added + taps;
        let result = reach.checked_sub(self.pads[axis] + self.pads[axis + 2])?;
        // More than a stride would only add zeros.
        (taps > 0 && added < stride).then_some(Axis {
            size,
            result,
            stride,
            pad: self.pads[axis],
            taps,
        })
    }
}

/// Rows or columns.
#[derive(Clone, Copy)]
struct Axis {
    /// Those of the gradient.
    size: usize,
    /// Those of the result.
    result: usize,
    stride: usize,
    /// Those before the first one that the result lacks.
    pad: usize,
    /// Those of the weights.
    taps: usize,
}

impl Axis {
    /// The taps that reach a place of the result, and the places of the gradient from which they do, of which some lie
    /// outside.
    #[inline(always)]
    fn taps(&self, place: usize) -> impl Iterator<Item = (usize, isize)> {
        let place = place + self.pad;
        let stride = self.stride;
        let reaching = (place % stride..self.taps).step_by(stride);
        reaching.map(move |tap| (tap, (place as isize - tap as isize) / stride as isize))
    }

    /// The first and the last place of the gradient, inside of it, which reach places `from` to `to`, excluded, of the
    /// result.
    fn sources(&self, from: usize, to: usize) -> Range<usize> {
        let first = (from + self.pad).saturating_sub(self.taps - 1);
        let last = (to - 1 + self.pad) / self.stride;
        first.div_ceil(self.stride).min(self.size)..(last + 1).min(self.size)
    }

    /// The first places of the phases of the result: places that are a stride apart from each other.
    fn phases(&self) -> Range<usize> {
        0..self.stride.min(self.result)
    }

    /// Places of the result that are a stride apart from each other, the first of them being `phase`.
    fn in_phase(&self, phase: usize) -> usize {
        (self.result.saturating_sub(phase)).div_ceil(self.stride)
    }
}

/// The operands.
struct Picture<'a> {
    gradient: &'a [f32],
    weights: &'a [f32],
    /// Channels of the gradient.
    depth: usize,
    rows: Axis,
    columns: Axis,
}

impl Picture<'_> {
    fn compute<const C: usize>(
        &self,
        context: &ComputeContext,
        output: &mut [f32],
    ) -> ort::Result<()> {
        let band = ROWS_PER_TAP * self.rows.taps;
        let bands = self.rows.result.div_ceil(band);
        let samples = output.len() / (C * self.rows.result * self.columns.result);
        let mut tasks: Vec<Band<C>> = (0..samples * bands)
            .map(|index| Band {
                picture: self,
                sample: index / bands,
                from: index % bands * band,
                lines: std::array::from_fn(|_| Vec::new()),
            })
            .collect();
        for (index, line) in output.chunks_mut(self.columns.result).enumerate() {
            let (plane, row) = (index / self.rows.result, index % self.rows.result);
            tasks[plane / C * bands + row / band].lines[plane % C].push(line);
        }
        let is_large = self.gradient.len() > SMALL;
        for_each(context, tasks.into_iter(), is_large, |band| {
            Arch::new().dispatch(band);
        })
    }
}

/// Rows of the gradient with zeros before and after each of them.
struct Padded {
    /// (C, rows, length)
    values: Vec<f32>,
    rows: Range<usize>,
    length: usize,
    /// Zeros before each row.
    before: usize,
}

impl Padded {
    /// The place in a row of a column of the gradient.
    #[inline(always)]
    fn column(&self, source: isize) -> usize {
        // No column lies further to the left than the zeros.
        self.before.wrapping_add_signed(source)
    }

    /// The place of a row of the gradient; `None` if it lies outside.
    #[inline(always)]
    fn row(&self, source: isize) -> Option<usize> {
        let source = usize::try_from(source).ok()?;
        self.rows
            .contains(&source)
            .then(|| source - self.rows.start)
    }
}

impl Picture<'_> {
    /// Rows of a sample with as many zeros as the weights reach over their ends. A multiple of `lanes` columns is read.
    fn padded(&self, sample: usize, rows: Range<usize>, lanes: usize) -> Padded {
        let width = self.columns.size;
        let reach = || {
            self.columns
                .phases()
                .flat_map(|phase| self.columns.taps(phase))
                .map(|(_, source)| source)
        };
        let before = reach().min().unwrap_or(0).min(0).unsigned_abs();
        let after = reach().max().unwrap_or(0).max(0).unsigned_abs();
        let read = self.columns.in_phase(0).next_multiple_of(lanes) + after;
        let length = before + read.max(width);
        let mut values = vec![0.0; self.depth * rows.len() * length];
        let height = self.rows.size;
        for (index, line) in values.chunks_mut(length).enumerate() {
            let (channel, row) = (index / rows.len(), rows.start + index % rows.len());
            let start = ((sample * self.depth + channel) * height + row) * width;
            line[before..before + width].copy_from_slice(&self.gradient[start..start + width]);
        }
        Padded {
            values,
            rows,
            length,
            before,
        }
    }
}

/// Rows of the result, in each of its channels.
struct Band<'a, 'p, const C: usize> {
    picture: &'p Picture<'p>,
    sample: usize,
    /// The first row.
    from: usize,
    lines: [Vec<&'a mut [f32]>; C],
}

/// Computes the rows.
impl<const C: usize> WithSimd for &mut Band<'_, '_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Picture {
            rows,
            columns,
            weights,
            ..
        } = self.picture;
        let count = self.lines[0].len();
        let sources = rows.sources(self.from, self.from + count);
        let padded = self.picture.padded(self.sample, sources, S::F32_LANES);
        let phases = columns.phases().map(|phase| {
            let taps = columns.taps(phase);
            taps.map(|(tap, source)| (tap, padded.column(source)))
                .collect()
        });
        let phases: Vec<Vec<_>> = phases.collect();
        let length = columns.in_phase(0).next_multiple_of(S::F32_LANES);
        // (phases, C, length)
        let mut sums = vec![0.0; phases.len() * C * length];
        for index in 0..count {
            let row_taps = rows.taps(self.from + index);
            let row_taps = row_taps.filter_map(|(tap, source)| Some((tap, padded.row(source)?)));
            let row_taps: Vec<_> = row_taps.collect();
            sums.fill(0.0);
            for from in (0..self.picture.depth).step_by(CHANNELS) {
                for (column_taps, sums) in phases.iter().zip(sums.chunks_exact_mut(C * length)) {
                    let sum = Sum {
                        simd,
                        padded: &padded,
                        weights: weights.as_chunks::<C>().0,
                        channels: from..(from + CHANNELS).min(self.picture.depth),
                        taps: [rows.taps, columns.taps],
                        reaching: [&row_taps, column_taps],
                    };
                    sum.add_to(sums);
                }
            }
            for (phase, sums) in sums.chunks_exact(C * length).enumerate() {
                for (lines, sums) in self.lines.iter_mut().zip(sums.chunks_exact(length)) {
                    let places = lines[index].iter_mut().skip(phase).step_by(columns.stride);
                    places.zip(sums).for_each(|(place, sum)| *place = *sum);
                }
            }
        }
    }
}

/// Sums of products for columns of a row of the result that are a stride apart from each other.
struct Sum<'a, S: Simd, const C: usize> {
    simd: S,
    padded: &'a Padded,
    /// (C, h, w), each a number for each channel of the result.
    weights: &'a [[f32; C]],
    /// The channels of the gradient that are added up.
    channels: Range<usize>,
    /// Rows and columns of the weights.
    taps: [usize; 2],
    /// Those of the weights that reach the columns, each with the place of the gradient in its rows.
    reaching: [&'a [(usize, usize)]; 2],
}

impl<S: Simd, const C: usize> Sum<'_, S, C> {
    /// Adds the products to `sums`, which has a row of full vectors for each channel of the result.
    #[inline(always)]
    fn add_to(&self, sums: &mut [f32]) {
        let (sums, _) = S::as_mut_simd_f32s(sums);
        let vectors = sums.len() / C;
        for from in (0..vectors).step_by(VECTORS) {
            match vectors - from {
                1 => self.add_vectors::<1>(from, vectors, sums),
                2 => self.add_vectors::<2>(from, vectors, sums),
                3 => self.add_vectors::<3>(from, vectors, sums),
                _ => self.add_vectors::<VECTORS>(from, vectors, sums),
            }
        }
    }

    /// Adds the products of `V` of the `vectors` of each row.
    #[inline(always)]
    fn add_vectors<const V: usize>(&self, from: usize, vectors: usize, results: &mut [S::f32s]) {
        let Self {
            simd,
            padded,
            taps: [rows, columns],
            reaching: [row_taps, column_taps],
            ..
        } = *self;
        let column = from * S::F32_LANES;
        let place = |channel: usize, vector: usize| channel * vectors + from + vector;
        let mut sums: [[S::f32s; V]; C] = std::array::from_fn(|channel| {
            std::array::from_fn(|vector| results[place(channel, vector)])
        });
        let size = padded.rows.len() * padded.length;
        for channel in self.channels.clone() {
            let plane = &padded.values[channel * size..][..size];
            let weights = &self.weights[channel * rows * columns..][..rows * columns];
            for &(row_tap, row) in row_taps {
                let line = &plane[row * padded.length..][..padded.length];
                let weights = &weights[row_tap * columns..][..columns];
                for &(tap, start) in column_taps {
                    let values = &line[column + start..][..V * S::F32_LANES];
                    let values = S::as_simd_f32s(values).0;
                    let values: [S::f32s; V] = std::array::from_fn(|vector| values[vector]);
                    for channel in 0..C {
                        let weight = simd.splat_f32s(weights[tap][channel]);
                        for vector in 0..V {
                            let sum = &mut sums[channel][vector];
                            *sum = simd.mul_add_e_f32s(weight, values[vector], *sum);
                        }
                    }
                }
            }
        }
        for (channel, sums) in sums.into_iter().enumerate() {
            for (vector, sum) in sums.into_iter().enumerate() {
                results[place(channel, vector)] = sum;
            }
        }
    }
}
