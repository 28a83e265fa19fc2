//! The loop over rows of the result. Each row of the gradient is copied once, gated and with zeros around it, so that
//! no column is special and all vectors are aligned. As many copies are kept as rows of the weights read.

use super::super::context::is_between;
use super::axis::{Axis, Reach};
use pulp::{Simd, WithSimd};

/// Vectors that are added up together, at most. Their sums stay in registers.
const VECTORS: usize = 8;

/// Alignment of vectors, in numbers.
const ALIGNMENT: usize = 16;

/// The operands, in blocks of `B` channels.
pub struct Picture<'a, const B: usize> {
    pub gradient: &'a [[f32; B]],
    pub weights: &'a [[f32; B]],
    /// Blocks of channels.
    pub blocks: usize,
    pub rows: Axis,
    pub columns: Axis,
    pub gradient_gate: Option<Gate<'a, B>>,
    pub result_gate: Option<Gate<'a, B>>,
}

/// Sets numbers to 0 where a value is not between two bounds.
#[derive(Clone, Copy)]
pub struct Gate<'a, const B: usize> {
    pub value: &'a [[f32; B]],
    pub low: f32,
    pub high: f32,
}

impl<const B: usize> Gate<'_, B> {
    /// The numbers of the pixel `index`.
    #[inline(always)]
    fn kept(&self, index: usize, mut numbers: [f32; B]) -> [f32; B] {
        let value = &self.value[index];
        for lane in 0..B {
            // All bits or none. A choice between numbers would be compiled to one instruction per number.
            let bits = u32::from(is_between(value[lane], self.low, self.high)).wrapping_neg();
            numbers[lane] = f32::from_bits(numbers[lane].to_bits() & bits);
        }
        numbers
    }
}

/// Rows of the result: of one block of channels after the other.
pub struct Lines<'a, 'p, const B: usize> {
    pub picture: &'p Picture<'p, B>,
    /// The first row, counted from the first one of the first block.
    pub from: usize,
    pub output: &'a mut [[f32; B]],
}

/// Computes the rows.
impl<const B: usize> WithSimd for Lines<'_, '_, B> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            picture,
            from,
            output,
        } = self;
        let Picture { rows, columns, .. } = picture;
        let layout = Layout::new(rows, columns, (S::F32_LANES / B).max(1));
        let [copy_size, weight_size, sum_size] =
            [layout.copies * layout.length, layout.weights, layout.sums].map(|pixels| pixels * B);
        let mut scratch = vec![0.0; ALIGNMENT + copy_size + weight_size + sum_size];
        let unaligned = scratch.as_ptr().align_offset(ALIGNMENT * size_of::<f32>());
        let (copies, rest) = scratch[unaligned.min(ALIGNMENT)..].split_at_mut(copy_size);
        let (weights, rest) = rest.split_at_mut(weight_size);
        let sums = &mut rest[..sum_size];
        let mut copied = None;
        for (index, line) in output.chunks_mut(columns.result).enumerate() {
            let (block, row) = ((from + index) / rows.result, (from + index) % rows.result);
            let reach = rows.reach_inside(row);
            let first = reach.source.unsigned_abs();
            let end = first + reach.count;
            let next = match copied {
                Some((of, next)) if of == block => first.max(next),
                _ => {
                    picture.repeat_weights(block, layout.repeated, weights.as_chunks_mut::<B>().0);
                    first
                }
            };
            for source in next..end {
                let place = source % layout.copies * layout.length + layout.before;
                let copy = &mut copies.as_chunks_mut::<B>().0[place..][..columns.size];
                picture.copy_row(block * rows.size + source, copy);
            }
            copied = Some((block, end.max(next)));
            for phase in 0..columns.phases() {
                let products = Products {
                    simd,
                    copies,
                    weights,
                    layout: &layout,
                    columns_of_weights: columns.taps,
                    strides: [rows.stride, columns.stride],
                    reach: [reach, columns.reach(phase)],
                };
                products.add_up::<B>(sums);
                picture.write(from + index, phase, sums.as_chunks().0, line);
            }
        }
    }
}

impl<const B: usize> Picture<'_, B> {
    /// Writes each of a block's weights so many times in a row.
    #[inline(always)]
    fn repeat_weights(&self, block: usize, times: usize, repeated: &mut [[f32; B]]) {
        let taps = self.rows.taps * self.columns.taps;
        let weights = &self.weights[block % self.blocks * taps..][..taps];
        for (copies, weight) in repeated.chunks_exact_mut(times).zip(weights) {
            copies.fill(*weight);
        }
    }

    /// Copies a row of the gradient, counted from the first one of the first block.
    #[inline(always)]
    fn copy_row(&self, row: usize, copy: &mut [[f32; B]]) {
        let start = row * self.columns.size;
        let pixels = &self.gradient[start..][..self.columns.size];
        let Some(gate) = self.gradient_gate else {
            copy.copy_from_slice(pixels);
            return;
        };
        for (index, (copy, pixel)) in copy.iter_mut().zip(pixels).enumerate() {
            *copy = gate.kept(start + index, *pixel);
        }
    }

    /// Writes the sums of a phase of a row, counted from the first one of the first block.
    #[inline(always)]
    fn write(&self, row: usize, phase: usize, sums: &[[f32; B]], line: &mut [[f32; B]]) {
        let start = row * self.columns.result;
        let places = line.iter_mut().enumerate();
        let places = places.skip(phase).step_by(self.columns.stride).zip(sums);
        let Some(gate) = self.result_gate else {
            places.for_each(|((_, place), sum)| *place = *sum);
            return;
        };
        for ((index, place), sum) in places {
            *place = gate.kept(start + index, *sum);
        }
    }
}

/// Sizes of what a thread copies, in pixels of a block.
struct Layout {
    /// Rows of the gradient.
    copies: usize,
    /// Pixels of a copied row, with the zeros around it.
    length: usize,
    /// Zeros before each row.
    before: usize,
    /// How often each weight is repeated to fill a vector.
    repeated: usize,
    /// All weights.
    weights: usize,
    /// Sums of a phase, in full vectors.
    sums: usize,
}

impl Layout {
    /// `per_vector`: pixels that a vector holds.
    #[inline(always)]
    fn new(rows: &Axis, columns: &Axis, per_vector: usize) -> Self {
        let sums = columns.in_phase().next_multiple_of(per_vector);
        let reaches = || (0..columns.phases()).map(|phase| columns.reach(phase));
        let sources = reaches().map(|reach| reach.source);
        let ends = reaches().map(|reach| reach.source + reach.count as isize);
        let before = sources.min().unwrap_or(0).min(0).unsigned_abs();
        let after = ends.max().unwrap_or(0).max(0).unsigned_abs();
        Self {
            copies: rows.taps.div_ceil(rows.stride),
            length: before + columns.size.max(sums + after),
            before,
            repeated: per_vector,
            weights: rows.taps * columns.taps * per_vector,
            sums,
        }
    }
}

/// Products of weights and copied rows that are added up for a phase of a row of the result.
struct Products<'a, S> {
    simd: S,
    copies: &'a [f32],
    weights: &'a [f32],
    layout: &'a Layout,
    columns_of_weights: usize,
    /// Of rows and columns.
    strides: [usize; 2],
    reach: [Reach; 2],
}

impl<S: Simd> Products<'_, S> {
    #[inline(always)]
    fn add_up<const B: usize>(&self, sums: &mut [f32]) {
        let sums = S::as_mut_simd_f32s(sums).0;
        let vectors = sums.len();
        for from in (0..vectors).step_by(VECTORS) {
            match vectors - from {
                1 => self.add_vectors::<B, 1>(from, sums),
                2 => self.add_vectors::<B, 2>(from, sums),
                3 => self.add_vectors::<B, 3>(from, sums),
                4 => self.add_vectors::<B, 4>(from, sums),
                5 => self.add_vectors::<B, 5>(from, sums),
                6 => self.add_vectors::<B, 6>(from, sums),
                7 => self.add_vectors::<B, 7>(from, sums),
                _ => self.add_vectors::<B, VECTORS>(from, sums),
            }
        }
    }

    /// Adds up the products of `V` vectors of the row.
    #[inline(always)]
    fn add_vectors<const B: usize, const V: usize>(&self, from: usize, results: &mut [S::f32s]) {
        let Self {
            simd,
            layout,
            reach: [rows, columns],
            ..
        } = *self;
        // Vectors of a pixel, each with weights of its own.
        let parts = (B / S::F32_LANES).max(1);
        let weights = S::as_simd_f32s(self.weights).0;
        let mut sums = [simd.splat_f32s(0.0); V];
        for row in 0..rows.count {
            let source = (rows.source.unsigned_abs() + row) % layout.copies;
            let copy = &self.copies[source * layout.length * B..][..layout.length * B];
            let row_tap = (rows.tap + row * self.strides[0]) * self.columns_of_weights;
            for column in 0..columns.count {
                let tap = row_tap + columns.tap + column * self.strides[1];
                let weights = &weights[tap * parts..][..parts];
                // No column lies further to the left than the zeros.
                let source = layout.before.wrapping_add_signed(columns.source) + column;
                let values = &copy[source * B + from * S::F32_LANES..][..V * S::F32_LANES];
                let values = S::as_simd_f32s(values).0;
                let values: [S::f32s; V] = std::array::from_fn(|vector| values[vector]);
                for vector in 0..V {
                    let weight = weights[(from + vector) % parts];
                    sums[vector] = simd.mul_add_e_f32s(weight, values[vector], sums[vector]);
                }
            }
        }
        results[from..][..V].copy_from_slice(&sums);
    }
}
