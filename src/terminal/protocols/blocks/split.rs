//! Splits a cell's parts into two sets, each drawn in its mean colour, with the least error. All splits are tried:
//! at most 128.

use crate::terminal::resize;

/// Two sets of parts and their colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Split {
    /// The parts of the foreground, as bits; never the last one.
    pub pattern: u8,
    pub front: [u8; 3],
    pub back: [u8; 3],
}

/// Weights of red, green and blue differences.
const WEIGHTS: [f32; 3] = [2.0, 4.0, 3.0];

/// Number of splits of eight parts.
const MAX_SPLITS: usize = 128;

impl Split {
    /// The best split of `parts`, at most eight. Ties go to the smallest pattern, so that a uniform cell is
    /// background only.
    pub fn best(parts: &[[u8; 3]]) -> Self {
        let pattern = best_pattern(parts);
        let is_front = |part: usize| pattern >> part & 1 == 1;
        let mean = |front: bool| {
            let chosen = parts.iter().enumerate();
            resize::mean(
                chosen
                    .filter(|(part, _)| is_front(*part) == front)
                    .map(|(_, colour)| *colour),
            )
        };
        let back = mean(false);
        Self {
            pattern,
            front: if pattern == 0 { back } else { mean(true) },
            back,
        }
    }
}

/// With differences `d` from the mean of all `n` parts, the squared error of a split is `Σ d²` less `s² (1/k +
/// 1/(n - k))`, where `s` is the sum of `d` over the `k` foreground parts. Loops over arrays are vectorized.
fn best_pattern(parts: &[[u8; 3]]) -> u8 {
    let (count, splits) = (parts.len(), 1 << (parts.len() - 1));
    let mut gains = [0.0_f32; MAX_SPLITS];
    for (channel, weight) in WEIGHTS.into_iter().enumerate() {
        let total: u32 = parts.iter().map(|part| u32::from(part[channel])).sum();
        let mean = total as f32 / count as f32;
        let mut sums = [0.0_f32; MAX_SPLITS];
        for (part, colour) in parts[..count - 1].iter().enumerate() {
            let difference = f32::from(colour[channel]) - mean;
            // Patterns with this part, after all patterns of the previous parts.
            let (without, with) = sums.split_at_mut(1 << part);
            for (with, without) in with.iter_mut().zip(without) {
                *with = *without + difference;
            }
        }
        for (gain, sum) in gains[..splits].iter_mut().zip(&sums) {
            *gain += weight * sum * sum;
        }
    }
    let mut best = (0.0, 0);
    for (pattern, (gain, factor)) in gains[..splits].iter().zip(&FACTORS[count]).enumerate() {
        let gain = gain * factor;
        if gain > best.0 + 1e-3 {
            best = (gain, pattern as u8);
        }
    }
    best.1
}

/// `1/k + 1/(n - k)` for `n` parts and each pattern of `k` of them.
static FACTORS: [[f32; MAX_SPLITS]; 9] = {
    let mut factors = [[0.0; MAX_SPLITS]; 9];
    let mut parts = 2;
    while parts < factors.len() {
        let mut pattern = 1;
        while pattern < 1 << (parts - 1) {
            let front = (pattern as u32).count_ones();
            factors[parts][pattern] = 1.0 / front as f32 + 1.0 / (parts as u32 - front) as f32;
            pattern += 1;
        }
        parts += 1;
    }
    factors
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The error of a split, by its definition.
    fn error(parts: &[[u8; 3]], pattern: u8) -> f32 {
        let of = |set: bool| {
            let chosen: Vec<&[u8; 3]> = parts
                .iter()
                .enumerate()
                .filter(|(part, _)| (pattern >> part & 1 == 1) == set)
                .map(|(_, colour)| colour)
                .collect();
            let channel = |channel: usize| {
                let values: Vec<f32> = chosen.iter().map(|part| f32::from(part[channel])).collect();
                let mean = values.iter().sum::<f32>() / values.len().max(1) as f32;
                let squares = values.iter().map(|value| (value - mean).powi(2));
                WEIGHTS[channel] * squares.sum::<f32>()
            };
            (0..3).map(channel).sum::<f32>()
        };
        of(true) + of(false)
    }

    proptest! {
        #[test]
        fn the_best_split_has_the_least_error(parts in prop::collection::vec(any::<[u8; 3]>(), 4..=8)) {
            let found = error(&parts, Split::best(&parts).pattern);
            for pattern in 0..1_u16 << (parts.len() - 1) {
                prop_assert!(found <= error(&parts, pattern as u8) * 1.0001 + 0.1);
            }
        }
    }

    #[test]
    fn two_colours_are_kept_as_they_are() {
        let (a, b) = ([200, 10, 0], [0, 30, 90]);
        let split = Split::best(&[a, b, b, a, a, b, b, b]);
        assert_eq!(
            (split.pattern, split.front, split.back),
            (0b0001_1001, a, b)
        );
        let flat = Split::best(&[a; 6]);
        assert_eq!((flat.pattern, flat.back), (0, a));
    }
}
