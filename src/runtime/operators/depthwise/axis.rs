//! Rows or columns of a depthwise convolution.

/// Rows or columns.
#[derive(Clone, Copy)]
pub struct Axis {
    /// Those of the gradient.
    pub size: usize,
    /// Those of the result.
    pub result: usize,
    /// Each of the gradient's is followed by `stride - 1` zeros.
    pub stride: usize,
    /// Zeros before the first one.
    pub pad: usize,
    /// Those of the weights.
    pub taps: usize,
}

/// The taps that read elements of the gradient, rather than zeros between them, for a place of the result. They are a
/// stride apart, and read neighbouring elements.
#[derive(Clone, Copy)]
pub struct Reach {
    /// The first tap.
    pub tap: usize,
    /// The element that it reads, which may lie outside.
    pub source: isize,
    /// The number of taps.
    pub count: usize,
}

impl Axis {
    /// The taps for a place of the result.
    pub fn reach(&self, place: usize) -> Reach {
        let start = place as isize - self.pad as isize;
        let stride = self.stride as isize;
        let tap = (-start).rem_euclid(stride);
        Reach {
            tap: tap as usize,
            source: (start + tap) / stride,
            count: self.taps.saturating_sub(tap as usize).div_ceil(self.stride),
        }
    }

    /// Those of the taps that read elements of the gradient which exist.
    pub fn reach_inside(&self, place: usize) -> Reach {
        let Reach { tap, source, count } = self.reach(place);
        let skipped = source.min(0).unsigned_abs();
        let source = source.max(0);
        Reach {
            tap: tap + self.stride * skipped,
            source,
            count: (count.saturating_sub(skipped))
                .min(self.size.saturating_sub(source.unsigned_abs())),
        }
    }

    /// Phases of the result: places that are a stride apart, for which the same taps read.
    pub fn phases(&self) -> usize {
        self.stride.min(self.result)
    }

    /// Zeros before a copy of all elements so that every place of the result reads elements of the copy, and the length
    /// of that copy.
    pub fn padded(&self) -> (usize, usize) {
        let reaches = || (0..self.phases()).map(|phase| self.reach(phase));
        let sources = reaches().map(|reach| reach.source);
        let ends = reaches().map(|reach| reach.source + reach.count as isize);
        let before = sources.min().unwrap_or(0).min(0).unsigned_abs();
        let after = ends.max().unwrap_or(0).max(0).unsigned_abs();
        let in_phase = self.result.div_ceil(self.stride);
        (before, before + self.size.max(in_phase + after))
    }
}
