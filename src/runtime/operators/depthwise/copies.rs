//! Copied rows of the gradient, gated and between zeros, so that no column is special and all vectors are aligned.

use super::axis::Reach;
use super::gate::VectorGate;
use super::picture::Picture;
use pulp::Simd;

/// Alignment of vectors, in numbers.
const ALIGNMENT: usize = 16;

/// As many copies as rows of the weights read, and one more. That one is the row which is needed next: it is copied
/// while others are multiplied, so that neither memory nor arithmetic waits for the other. Sizes are in vectors.
pub struct Copies<'a, S: Simd> {
    /// All rows of the gradient, of one block of channels after the other.
    gradient: &'a [S::f32s],
    gate: Option<VectorGate<'a, S>>,
    /// Rows of a block.
    rows: usize,
    /// The size of a row.
    length: usize,
    numbers: Vec<f32>,
    /// Numbers before the first that is aligned.
    unaligned: usize,
    /// The number of copies.
    count: usize,
    /// The size of a copy, with the zeros around it.
    copy_length: usize,
    /// Zeros before each row.
    before: usize,
    block: usize,
    /// The first row of the block that is not copied.
    next: usize,
    /// How much of it is copied.
    copied: usize,
    is_next_needed: bool,
}

impl<'a, S: Simd> Copies<'a, S> {
    #[inline(always)]
    pub fn new<const B: usize>(simd: S, picture: &Picture<'a, B>) -> Self {
        let Picture { rows, columns, .. } = picture;
        let parts = B / S::F32_LANES;
        let (before, length) = columns.padded();
        let count = rows.taps.div_ceil(rows.stride) + 1;
        let numbers = vec![0.0; ALIGNMENT + count * length * B];
        let unaligned = numbers.as_ptr().align_offset(ALIGNMENT * size_of::<f32>());
        Self {
            gradient: S::as_simd_f32s(picture.gradient.as_flattened()).0,
            gate: (picture.gradient_gate).map(|gate| VectorGate::new(simd, gate)),
            rows: rows.size,
            length: columns.size * parts,
            numbers,
            unaligned: unaligned.min(ALIGNMENT),
            count,
            copy_length: length * parts,
            before: before * parts,
            block: usize::MAX,
            next: 0,
            copied: 0,
            is_next_needed: false,
        }
    }

    /// Copies the rows of a block that `reach` reads, if they are not there yet. `following` is what is read after
    /// them.
    #[inline(always)]
    pub fn provide(&mut self, block: usize, reach: &Reach, following: &Reach) {
        let end = |reach: &Reach| reach.source.unsigned_abs() + reach.count;
        let first = reach.source.unsigned_abs();
        if self.block != block {
            self.block = block;
            self.next = first;
        }
        self.next = self.next.max(first);
        while self.next < end(reach) {
            self.copy_row();
        }
        self.is_next_needed = self.next < end(following);
    }

    /// Copies up to so many vectors of the row that is needed next, if there is one.
    #[inline(always)]
    pub fn copy_ahead(&mut self, vectors: usize) {
        if self.is_next_needed && self.copied < self.length {
            self.copy(vectors);
        }
    }

    /// Copies the rest of the row that is needed next, if there is one.
    #[inline(always)]
    pub fn finish(&mut self) {
        if self.is_next_needed {
            self.copy_row();
        }
    }

    /// A copied row, with the zeros around it.
    #[inline(always)]
    pub fn row(&self, row: usize) -> &[S::f32s] {
        let copies = S::as_simd_f32s(&self.numbers[self.unaligned..]).0;
        &copies[row % self.count * self.copy_length..][..self.copy_length]
    }

    /// The place in a copied row of a vector that may be one of the zeros before it.
    #[inline(always)]
    pub fn place(&self, vector: isize) -> usize {
        self.before.wrapping_add_signed(vector)
    }

    #[inline(always)]
    fn copy_row(&mut self) {
        self.copy(self.length);
        self.next += 1;
        self.copied = 0;
    }

    /// Copies up to so many vectors of the next row.
    #[inline(always)]
    fn copy(&mut self, vectors: usize) {
        let part = self.copied..self.length.min(self.copied + vectors);
        let start = (self.block * self.rows + self.next) * self.length;
        let place = self.next % self.count * self.copy_length + self.before;
        let copies = S::as_mut_simd_f32s(&mut self.numbers[self.unaligned..]).0;
        let copy = &mut copies[place..][part.clone()];
        let vectors = &self.gradient[start..][part.clone()];
        match &self.gate {
            None => copy.copy_from_slice(vectors),
            Some(gate) => {
                for ((place, vector), index) in copy.iter_mut().zip(vectors).zip(part.clone()) {
                    *place = gate.gated(start + index, *vector);
                }
            }
        }
        self.copied = part.end;
    }
}
