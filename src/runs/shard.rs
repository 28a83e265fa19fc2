//! Shards: a list of runs divided among processes that need not know of each other.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

/// One of several shards of a list of runs.
///
/// A run belongs to shard `1 + h mod N`, where `h` is the little-endian number of the first eight bytes of the BLAKE3
/// hash of its id (16 hexadecimal digits in ASCII). So every machine comes to the same division, whatever else is in
/// the list, and no run is in two shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Its number, from 0.
    index: u32,
    count: NonZeroU32,
}

/// A text is not `M/N`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected M/N, such as 2/4: M from 1 to N, and N at most {}", u32::MAX)]
pub struct NotAShard;

impl Shard {
    /// Whether the run of this id belongs to it.
    pub fn contains(self, id: &str) -> bool {
        let mut number = [0; 8];
        number.copy_from_slice(&blake3::hash(id.as_bytes()).as_bytes()[..8]);
        u64::from_le_bytes(number) % u64::from(self.count.get()) == u64::from(self.index)
    }
}

impl FromStr for Shard {
    type Err = NotAShard;

    fn from_str(text: &str) -> Result<Self, NotAShard> {
        let (number, count) = text.split_once('/').ok_or(NotAShard)?;
        let number: NonZeroU32 = number.parse().map_err(|_| NotAShard)?;
        let count: NonZeroU32 = count.parse().map_err(|_| NotAShard)?;
        let index = number.get() - 1;
        if number <= count {
            Ok(Self { index, count })
        } else {
            Err(NotAShard)
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{}/{}", self.index + 1, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(text: &str) -> Shard {
        text.parse().unwrap()
    }

    #[test]
    fn every_run_is_in_one_shard_and_the_shards_are_about_equal() {
        let ids: Vec<String> = (0..1000u64).map(|n| format!("{n:016x}")).collect();
        let mut sizes = [0; 4];
        for id in &ids {
            let holding: Vec<usize> = (0..4)
                .filter(|n| shard(&format!("{}/4", n + 1)).contains(id))
                .collect();
            assert_eq!(holding.len(), 1, "{id}");
            sizes[holding[0]] += 1;
        }
        assert!(
            sizes.iter().all(|size| (200..300).contains(size)),
            "{sizes:?}"
        );
        assert!(ids.iter().all(|id| shard("1/1").contains(id)));
    }

    /// Processes of different versions and machines divide one list: the division must never change.
    #[test]
    fn the_division_is_the_same_everywhere() {
        let of = |id: &str| {
            let mut shards = (1..=4).map(|n| shard(&format!("{n}/4")));
            shards.position(|shard| shard.contains(id)).unwrap() + 1
        };
        // By Python's blake3: the numbers are 0x39380c74dbd3b1d3, 0x5857cb2497366780 and 0x8651fcae8792a965.
        let ids = ["8835a6f000000000", "ffffffffffffffff", "0000000000000000"];
        assert_eq!(ids.map(of), [4, 1, 2]);
    }

    #[test]
    fn what_is_no_shard_is_an_error() {
        assert_eq!(shard("2/4").to_string(), "2/4");
        assert_eq!(shard("1/4294967295").to_string(), "1/4294967295");
        assert!(NotAShard.to_string().ends_with("N at most 4294967295"));
        for text in [
            "",
            "1",
            "0/4",
            "5/4",
            "1/0",
            "-1/4",
            "1/4/2",
            "a/b",
            "1/99999999999",
            "1/4294967296",
        ] {
            assert_eq!(text.parse::<Shard>(), Err(NotAShard), "{text}");
        }
    }
}
