//! Indices of operators: negative indices, and slices with start, end and step.

use crate::onnx::types::{from_front, resolve_index};

/// Maximum number of individually selected indices of an axis.
pub const MAX_PICKED: usize = 1 << 12;

/// Resolves indices that may be negative; `None` if one is out of range.
pub fn resolve_indices(indices: &[i64], extent: usize) -> Option<Vec<usize>> {
    let indices = indices.iter();
    indices.map(|&index| resolve_index(index, extent)).collect()
}

/// The indices of a slice of an axis.
pub struct Cut {
    pub first: usize,
    pub count: usize,
    step: i64,
}

impl Cut {
    /// `None` if the slice is empty.
    pub fn new(extent: usize, start: i64, end: i64, step: i64) -> Option<Self> {
        let all = extent as i64;
        let (start, end) = (from_front(start, extent), from_front(end, extent));
        let (first, length) = match step {
            0 => return None,
            1.. => (start.clamp(0, all), end.clamp(0, all) - start.clamp(0, all)),
            _ => (
                start.min(all - 1),
                start.min(all - 1) - end.clamp(-1, all - 1),
            ),
        };
        let length = usize::try_from(length).ok().filter(|&length| length > 0)?;
        Some(Self {
            first: usize::try_from(first).ok()?,
            count: length.div_ceil(usize::try_from(step.unsigned_abs()).ok()?),
            step,
        })
    }

    /// Whether less than a step is cut off before the first and after the last index.
    pub fn covers(&self, extent: usize) -> bool {
        let step = usize::try_from(self.step).unwrap_or(usize::MAX);
        self.first < step && extent <= self.first + self.count.saturating_mul(step)
    }

    /// All indices; `None` if there are too many.
    pub fn indices(&self) -> Option<Vec<usize>> {
        let at = |index: usize| usize::try_from(self.first as i64 + index as i64 * self.step).ok();
        let is_few = self.count <= MAX_PICKED;
        is_few
            .then(|| (0..self.count).map(at).collect::<Option<_>>())
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_take_what_onnx_says() {
        let taken = |start, end, step| Cut::new(7, start, end, step)?.indices();
        let end = i64::MAX;
        for (slice, expected) in [
            ((0, end, 1), Some(vec![0, 1, 2, 3, 4, 5, 6])),
            ((1, -1, 1), Some(vec![1, 2, 3, 4, 5])),
            ((-2, end, 1), Some(vec![5, 6])),
            ((1, end, 2), Some(vec![1, 3, 5])),
            ((-1, i64::MIN, -3), Some(vec![6, 3, 0])),
            ((2, 0, -1), Some(vec![2, 1])),
            ((5, 2, 1), None),
            ((0, end, 0), None),
        ] {
            let (start, end, step) = slice;
            assert_eq!(taken(start, end, step), expected, "{slice:?}");
        }
        let covers = |start, end, step| Cut::new(7, start, end, step).unwrap().covers(7);
        assert!(covers(0, i64::MAX, 2) && covers(1, i64::MAX, 2));
        assert!(!covers(2, i64::MAX, 2) && !covers(0, 4, 2));
    }
}
