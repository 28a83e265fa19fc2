//! Loops over arrays, compiled for the widest vector instructions that the processor has.

/// A loop over arrays.
pub trait Loop {
    /// Performs the loop. `has_fma`: whether `mul_add` is an instruction of the processor.
    ///
    /// Implementations are `#[inline(always)]`, so that they are compiled for the instructions of their caller.
    fn perform(self, has_fma: bool);
}

/// Performs a loop by AVX-512 or AVX2 where the processor has them.
pub fn vectorized(work: impl Loop) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        if has!("avx512f") {
            // SAFETY: the processor has the feature.
            return unsafe { by_avx512(work) };
        }
        if has!("avx2") && has!("fma") {
            // SAFETY: the processor has the features.
            return unsafe { by_avx2(work) };
        }
    }
    // Other processors than those of x86 have fused products everywhere.
    work.perform(cfg!(not(target_arch = "x86_64")));
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn by_avx512(work: impl Loop) {
    work.perform(true);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn by_avx2(work: impl Loop) {
    work.perform(true);
}
