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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::operators::context::is_between;
    use pulp::{Arch, WithSimd};

    /// Gates 1 by each number of a block.
    struct Gated<'a>(Gate<'a, 16>);

    impl WithSimd for Gated<'_> {
        type Output = [f32; 16];

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> [f32; 16] {
            let gate = VectorGate::new(simd, self.0);
            let mut result = [1.0; 16];
            for (index, vector) in S::as_mut_simd_f32s(&mut result).0.iter_mut().enumerate() {
                *vector = gate.gated(index, *vector);
            }
            result
        }
    }

    #[test]
    fn numbers_pass_where_the_value_is_between_the_bounds() {
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        let value = [
            -inf, -7.0, -6.0, -5.9, -1e-45, -0.0, 0.0, 1e-45, 0.5, 1.0, 5.9, 6.0, 6.1, 1e38, inf,
            nan,
        ];
        for [low, high] in [
            [0.0, 6.0],
            [0.0, inf],
            [-inf, 6.0],
            [-inf, inf],
            [6.0, 0.0],
            [nan, 6.0],
        ] {
            let gate = Gate {
                value: &[value],
                low,
                high,
            };
            let expected = value.map(|value| f32::from(is_between(value, low, high)));
            assert_eq!(Arch::new().dispatch(Gated(gate)), expected, "{low}..{high}");
        }
    }
}
