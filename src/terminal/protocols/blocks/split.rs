//! The split of a cell's parts into two sets, each drawn in its mean colour, that differs least from the parts themselves. All
//! splits are tried: at most 128.

use super::super::super::scale;

/// Two sets of parts and their colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Split {
    /// The parts of the front, as bits; never the last one.
    pub pattern: u8,
    pub front: [u8; 3],
    pub back: [u8; 3],
}

/// How much a difference counts in red, green and blue.
const WEIGHTS: [f32; 3] = [2.0, 4.0, 3.0];

/// As many splits as there are of eight parts.
const MOST_SPLITS: usize = 128;

impl Split {
    /// The best split of `parts`, at most eight. Of equals that with the least pattern, so that a cell of one colour is all
    /// background.
    pub fn best(parts: &[[u8; 3]]) -> Self {
        let pattern = best_pattern(parts);
        let is_front = |part: usize| pattern >> part & 1 == 1;
        let mean = |front: bool| {
            let chosen = parts.iter().enumerate();
            scale::mean(
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

/// With differences `d` from the mean of all `n` parts, the squared error of a split is `Σ d²` less `s² (1/k + 1/(n - k))`,
/// where `s` is the sum of `d` over the `k` parts of the front.
fn best_pattern(parts: &[[u8; 3]]) -> u8 {
    let count = parts.len();
    let share = 1.0 / count as f32;
    let mean: [f32; 3] = std::array::from_fn(|channel| {
        let sum: u32 = parts.iter().map(|part| u32::from(part[channel])).sum();
        sum as f32 * share
    });
    let mut sums = [[0.0_f32; 3]; MOST_SPLITS];
    let mut best = (0.0, 0);
    for pattern in 1..1_usize << (count - 1) {
        let (rest, part) = (pattern & (pattern - 1), pattern.trailing_zeros() as usize);
        let sum: [f32; 3] = std::array::from_fn(|channel| {
            sums[rest][channel] + f32::from(parts[part][channel]) - mean[channel]
        });
        sums[pattern] = sum;
        let square = WEIGHTS[0] * sum[0] * sum[0]
            + WEIGHTS[1] * sum[1] * sum[1]
            + WEIGHTS[2] * sum[2] * sum[2];
        let front = pattern.count_ones() as usize;
        let gain = square * GAINS[front] * GAINS[count - front] * count as f32;
        if gain > best.0 + 1e-3 {
            best = (gain, pattern);
        }
    }
    best.1 as u8
}

/// `1 / k`; their product for `k` and `n - k`, times `n`, is `1/k + 1/(n - k)`.
const GAINS: [f32; 9] = [
    0.0,
    1.0,
    1.0 / 2.0,
    1.0 / 3.0,
    1.0 / 4.0,
    1.0 / 5.0,
    1.0 / 6.0,
    1.0 / 7.0,
    1.0 / 8.0,
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The error of a split, by definition.
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
        fn no_split_is_better(parts in prop::collection::vec(any::<[u8; 3]>(), 4..=8)) {
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
