//! Picture numbers, which all programs on a terminal share: they start at random to avoid collisions. Only their
//! highest and lowest bytes are not 0, as placeholders require.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Lowest bytes in use: the first 16 colours are the user's and are not always passed on unchanged.
const LOW: std::ops::Range<u32> = 16..256;

/// Highest bytes in use: some terminals support no numbers above 2³¹.
const HIGH: std::ops::Range<u32> = 1..128;

/// Number of picture numbers.
const COUNT: u32 = (HIGH.end - HIGH.start) * (LOW.end - LOW.start);

/// The first index of this process.
static FIRST: LazyLock<u32> = LazyLock::new(|| RandomState::new().build_hasher().finish() as u32);

/// Count of indices that this process has used.
static USED: AtomicU32 = AtomicU32::new(0);

/// The number for an index.
pub fn number(index: u32) -> u32 {
    USED.fetch_max(index + 1, Ordering::Relaxed);
    nth(FIRST.wrapping_add(index))
}

/// All numbers used by this process.
pub fn used() -> Vec<u32> {
    (0..unused())
        .map(|index| nth(FIRST.wrapping_add(index)))
        .collect()
}

/// The first unused index.
pub fn unused() -> u32 {
    USED.load(Ordering::Relaxed)
}

fn nth(index: u32) -> u32 {
    let index = index % COUNT;
    let lows = LOW.end - LOW.start;
    ((HIGH.start + index / lows) << 24) | (LOW.start + index % lows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn numbers_are_a_high_byte_and_a_colour_and_repeat_late() {
        let numbers: BTreeSet<u32> = (7..7 + COUNT).map(nth).collect();
        assert_eq!(numbers.len(), COUNT as usize);
        for number in numbers {
            let [high, second, third, low] = number.to_be_bytes();
            assert!((1..128).contains(&high) && (second, third) == (0, 0) && low >= 16);
        }
    }

    #[test]
    fn what_was_used_is_known() {
        let number = number(3);
        assert!(used().contains(&number) && unused() >= 4);
    }
}
