//! Gates: masks of gradients, by a value that is between two bounds or not.

use pulp::Simd;

/// Sets numbers to 0 where a value is not between two bounds.
#[derive(Clone, Copy)]
pub struct Gate<'a, const B: usize> {
    pub value: &'a [[f32; B]],
    pub low: f32,
    pub high: f32,
}

/// A gate of vectors.
pub struct VectorGate<'a, S: Simd> {
    simd: S,
    value: &'a [S::f32s],
    low: S::f32s,
    high: S::f32s,
    /// Whether there is no such bound.
    is_endless: [S::m32s; 2],
}

impl<'a, S: Simd> VectorGate<'a, S> {
    #[inline(always)]
    pub fn new<const B: usize>(simd: S, gate: Gate<'a, B>) -> Self {
        let [low, high] = [gate.low, gate.high].map(|bound| simd.splat_f32s(bound));
        let infinity = simd.splat_f32s(f32::INFINITY);
        let is_endless = [simd.neg_f32s(low), high].map(|bound| simd.equal_f32s(bound, infinity));
        Self {
            simd,
            value: S::as_simd_f32s(gate.value.as_flattened()).0,
            low,
            high,
            is_endless,
        }
    }

    /// `numbers` where the vector `index` of the value is between the bounds (see [`is_between`]), else 0.
    ///
    /// [`is_between`]: super::super::context::is_between
    #[inline(always)]
    pub fn gated(&self, index: usize, numbers: S::f32s) -> S::f32s {
        let Self { simd, .. } = self;
        let value = self.value[index];
        let is_above = simd.or_m32s(simd.less_than_f32s(self.low, value), self.is_endless[0]);
        let is_below = simd.or_m32s(simd.less_than_f32s(value, self.high), self.is_endless[1]);
        let passes = simd.and_m32s(is_above, is_below);
        simd.select_f32s(passes, numbers, simd.splat_f32s(0.0))
    }
}
