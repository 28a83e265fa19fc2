//! The loop over rows of the result.

use super::axis::Reach;
use super::copies::Copies;
use super::gate::VectorGate;
use super::picture::Picture;
use pulp::{Scalar, Simd, WithSimd};

/// Vectors that are added up together, at most. Their sums stay in registers.
const VECTORS: usize = 8;

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
        // Does not happen for ONNX Runtime's graphs, whose blocks are as large as the processor's vectors.
        if S::F32_LANES > B {
            return self.with_simd(Scalar::new());
        }
        let Self {
            picture,
            from,
            output,
        } = self;
        let (rows, columns) = (&picture.rows, &picture.columns);
        let mut copies = Copies::new(simd, picture);
        let gate = picture.result_gate.map(|gate| VectorGate::new(simd, gate));
        for (index, line) in output.chunks_mut(columns.result).enumerate() {
            let (block, row) = ((from + index) / rows.result, (from + index) % rows.result);
            let reach = rows.reach_inside(row);
            let following = rows.reach_inside((row + 1).min(rows.result - 1));
            copies.provide(block, &reach, &following);
            for phase in 0..columns.phases() {
                let products = Products {
                    simd,
                    weights: picture.weights_of(block),
                    columns_of_weights: columns.taps,
                    strides: [rows.stride, columns.stride],
                    reach: [reach, columns.reach(phase)],
                    phase,
                    gate: gate.as_ref(),
                    first_pixel: (from + index) * columns.result,
                };
                products.write(&mut copies, line);
            }
            copies.finish();
        }
    }
}

/// Products of weights and copied rows that are added up for a phase of a row of the result.
struct Products<'a, S: Simd, const B: usize> {
    simd: S,
    /// Those of the block.
    weights: &'a [[f32; B]],
    columns_of_weights: usize,
    /// Of rows and columns.
    strides: [usize; 2],
    reach: [Reach; 2],
    phase: usize,
    gate: Option<&'a VectorGate<'a, S>>,
    /// The first pixel of the row, counted from the first one of the first block.
    first_pixel: usize,
}

impl<S: Simd, const B: usize> Products<'_, S, B> {
    /// Vectors of a pixel, each with weights of its own.
    const PARTS: usize = B / S::F32_LANES;

    /// Writes the pixels of the phase into the row.
    #[inline(always)]
    fn write(&self, copies: &mut Copies<S>, line: &mut [[f32; B]]) {
        let pixels = line.len().saturating_sub(self.phase);
        let vectors = pixels.div_ceil(self.strides[1]) * Self::PARTS;
        let line = S::as_mut_simd_f32s(line.as_flattened_mut()).0;
        for from in (0..vectors).step_by(VECTORS) {
            copies.copy_ahead(VECTORS);
            match vectors - from {
                1 => self.write_vectors::<1>(from, copies, line),
                2 => self.write_vectors::<2>(from, copies, line),
                3 => self.write_vectors::<3>(from, copies, line),
                4 => self.write_vectors::<4>(from, copies, line),
                5 => self.write_vectors::<5>(from, copies, line),
                6 => self.write_vectors::<6>(from, copies, line),
                7 => self.write_vectors::<7>(from, copies, line),
                _ => self.write_vectors::<VECTORS>(from, copies, line),
            }
        }
    }

    /// Writes `V` vectors of the phase.
    #[inline(always)]
    fn write_vectors<const V: usize>(&self, from: usize, copies: &Copies<S>, line: &mut [S::f32s]) {
        let [rows, columns] = self.reach;
        let weights = S::as_simd_f32s(self.weights.as_flattened()).0;
        let first = copies.place(columns.source * Self::PARTS as isize) + from;
        let mut sums = [self.simd.splat_f32s(0.0); V];
        for row in 0..rows.count {
            let copy = copies.row(rows.source.unsigned_abs() + row);
            let row_tap = (rows.tap + row * self.strides[0]) * self.columns_of_weights;
            for column in 0..columns.count {
                let tap = row_tap + columns.tap + column * self.strides[1];
                let weights = &weights[tap * Self::PARTS..][..Self::PARTS];
                let values = &copy[first + column * Self::PARTS..][..V];
                for vector in 0..V {
                    let weight = weights[(from + vector) % Self::PARTS];
                    sums[vector] = (self.simd).mul_add_e_f32s(weight, values[vector], sums[vector]);
                }
            }
        }
        for (vector, sum) in (from..).zip(sums) {
            let pixel = self.phase + vector / Self::PARTS * self.strides[1];
            let place = pixel * Self::PARTS + vector % Self::PARTS;
            line[place] = match self.gate {
                Some(gate) => gate.gated(self.first_pixel * Self::PARTS + place, sum),
                None => sum,
            };
        }
    }
}
