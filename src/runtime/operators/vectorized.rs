//! Loops over arrays, compiled for the widest vector instructions that the processor has.

use pulp::{Arch, Simd, WithSimd};

/// A loop over arrays.
pub trait Loop {
    /// Performs the loop. `has_fma`: whether `mul_add` is an instruction of the processor.
    ///
    /// Implementations are `#[inline(always)]`, so that they are compiled for the instructions of their caller.
    fn perform(self, has_fma: bool);
}

/// Performs a loop by AVX-512 or AVX2 where the processor has them.
pub fn vectorized(work: impl Loop) {
    Arch::new().dispatch(Vectorized(work));
}

struct Vectorized<L>(L);

impl<L: Loop> WithSimd for Vectorized<L> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        // Of the processors of x86, those with AVX2 have fused products. All others have them everywhere.
        self.0
            .perform(cfg!(not(target_arch = "x86_64")) || S::F32_LANES > 4);
    }
}
