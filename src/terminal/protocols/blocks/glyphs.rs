//! Block glyphs, and the parts of a cell that each covers.
//!
//! Parts are numbered from left to right and top to bottom; bit `i` of a pattern is part `i`. Half blocks and
//! quadrants are Block Elements (Unicode 1.1 and 3.2), sextants came with Unicode 13, octants with Unicode 16.
//! Patterns of an older character got no new one: octant patterns outside of the Block Elements have no glyph
//! here, because few fonts and terminals have them, but their complement always does.

use std::fmt;
use std::str::FromStr;

/// How a cell is divided into parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blocks {
    /// Two rows.
    Half,
    /// Two columns, two rows.
    Quadrant,
    /// Two columns, three rows.
    Sextant,
    /// Two columns, four rows.
    Octant,
}

/// Every division and its name in files and the environment, coarse to fine.
pub const BLOCKS: [(Blocks, &str); 4] = [
    (Blocks::Half, "half"),
    (Blocks::Quadrant, "quadrant"),
    (Blocks::Sextant, "sextant"),
    (Blocks::Octant, "octant"),
];

/// A name of no block characters.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("no block characters are called {0:?}; available: auto, half, quadrant, sextant, octant")]
pub struct UnknownBlocks(String);

impl FromStr for Blocks {
    type Err = UnknownBlocks;

    fn from_str(text: &str) -> Result<Self, UnknownBlocks> {
        let found = BLOCKS.iter().find(|(_, name)| *name == text);
        found
            .map(|(blocks, _)| *blocks)
            .ok_or_else(|| UnknownBlocks(text.chars().take(40).collect()))
    }
}

impl Blocks {
    /// Parses the user's choice: a name, or `auto`, which is `None`.
    ///
    /// # Errors
    /// [`UnknownBlocks`].
    pub fn asked(text: &str) -> Result<Option<Self>, UnknownBlocks> {
        match text {
            "auto" => Ok(None),
            name => name.parse().map(Some),
        }
    }

    /// One of these characters, if programs may not know their width: sextants came with Unicode 13 (2020),
    /// octants with Unicode 16 (2024).
    pub fn newer(self) -> Option<char> {
        match self {
            Self::Half | Self::Quadrant => None,
            Self::Sextant => Some('\u{1fb00}'),
            Self::Octant => Some('\u{1cd00}'),
        }
    }
}

impl fmt::Display for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = BLOCKS.iter().find(|(blocks, _)| blocks == self);
        f.write_str(name.map_or("", |(_, name)| name))
    }
}

const HALVES: [char; 4] = [' ', '▀', '▄', '█'];

const QUADRANTS: [char; 16] = [
    ' ', '▘', '▝', '▀', '▖', '▌', '▞', '▛', '▗', '▚', '▐', '▜', '▄', '▙', '▟', '█',
];

/// Sextant patterns that are Block Elements.
const NO_SEXTANTS: [(u8, Option<char>); 4] = [
    (0, Some(' ')),
    (0b01_01_01, Some('▌')),
    (0b10_10_10, Some('▐')),
    (0b11_11_11, Some('█')),
];

/// Octant patterns of older characters.
const NO_OCTANTS: [(u8, Option<char>); 26] = [
    (0b00_00_00_00, Some(' ')),
    (0b00_00_00_01, None),
    (0b00_00_00_10, None),
    (0b00_00_00_11, None),
    (0b00_00_01_01, Some('▘')),
    (0b00_00_10_10, Some('▝')),
    (0b00_00_11_11, Some('▀')),
    (0b00_01_01_00, None),
    (0b00_10_10_00, None),
    (0b00_11_11_11, None),
    (0b01_00_00_00, None),
    (0b01_01_00_00, Some('▖')),
    (0b01_01_01_01, Some('▌')),
    (0b01_01_10_10, Some('▞')),
    (0b01_01_11_11, Some('▛')),
    (0b10_00_00_00, None),
    (0b10_10_00_00, Some('▗')),
    (0b10_10_01_01, Some('▚')),
    (0b10_10_10_10, Some('▐')),
    (0b10_10_11_11, Some('▜')),
    (0b11_00_00_00, Some('▂')),
    (0b11_11_00_00, Some('▄')),
    (0b11_11_01_01, Some('▙')),
    (0b11_11_10_10, Some('▟')),
    (0b11_11_11_00, Some('▆')),
    (0b11_11_11_11, Some('█')),
];

/// BLOCK SEXTANT-1; the others follow in the order of their patterns.
const FIRST_SEXTANT: u32 = 0x1fb00;

/// BLOCK OCTANT-3; the others follow in the order of their patterns.
const FIRST_OCTANT: u32 = 0x1cd00;

impl Blocks {
    /// Parts of the finest division.
    pub const MAX_PARTS: usize = 8;

    /// Columns and rows of parts per cell.
    pub fn parts(self) -> (u32, u32) {
        match self {
            Self::Half => (1, 2),
            Self::Quadrant => (2, 2),
            Self::Sextant => (2, 3),
            Self::Octant => (2, 4),
        }
    }

    /// The complement of a pattern.
    pub(super) fn complement(self, pattern: u8) -> u8 {
        let (across, down) = self.parts();
        let all = u8::MAX >> (8 - across * down);
        !pattern & all
    }

    /// The character that covers exactly the parts of `pattern`. Where there is none, the complement has one.
    pub(super) fn glyph(self, pattern: u8) -> Option<char> {
        let at = usize::from(pattern);
        match self {
            Self::Half => HALVES.get(at).copied(),
            Self::Quadrant => QUADRANTS.get(at).copied(),
            Self::Sextant => in_order(pattern, &NO_SEXTANTS, FIRST_SEXTANT),
            Self::Octant => in_order(pattern, &NO_OCTANTS, FIRST_OCTANT),
        }
    }
}

/// A character of a block with one character per pattern except `others`, starting at `first`.
fn in_order(pattern: u8, others: &[(u8, Option<char>)], first: u32) -> Option<char> {
    let before = others.partition_point(|(other, _)| *other < pattern);
    match others.get(before) {
        Some((other, glyph)) if *other == pattern => *glyph,
        _ => char::from_u32(first + u32::from(pattern) - before as u32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts in the names of U+1FB00 to U+1FB3B (BLOCK SEXTANT-…), from the Unicode Character Database.
    const SEXTANTS: &str = "1 2 12 3 13 23 123 4 14 24 124 34 134 234 1234 5 15 25 125 35 235 1235 45 145 245 1245 345 1345 2345 12345 6 \
        16 26 126 36 136 236 1236 46 146 1246 346 1346 2346 12346 56 156 256 1256 356 1356 2356 12356 456 1456 2456 \
        12456 3456 13456 23456";

    /// The parts in the names of U+1CD00 to U+1CDE5 (BLOCK OCTANT-…), likewise.
    const OCTANTS: &str = "3 23 123 4 14 124 34 134 234 5 15 25 125 135 235 1235 45 145 245 1245 345 1345 2345 12345 6 16 26 126 36 136 \
        236 1236 146 246 1246 346 1346 2346 12346 56 156 256 1256 356 1356 2356 12356 456 1456 2456 12456 3456 13456 \
        23456 17 27 127 37 137 237 1237 47 147 247 1247 347 1347 2347 12347 157 257 1257 357 2357 12357 457 1457 \
        12457 3457 13457 23457 67 167 267 1267 367 1367 2367 12367 467 1467 2467 12467 3467 13467 23467 123467 567 \
        1567 2567 12567 3567 13567 23567 123567 4567 14567 24567 124567 34567 134567 234567 1234567 18 28 128 38 138 \
        238 1238 48 148 248 1248 348 1348 2348 12348 58 158 258 1258 358 1358 2358 12358 458 1458 2458 12458 3458 \
        13458 23458 123458 168 268 1268 368 2368 12368 468 1468 12468 3468 13468 23468 568 1568 2568 12568 3568 \
        13568 23568 123568 4568 14568 24568 124568 34568 134568 234568 1234568 178 278 1278 378 1378 2378 12378 478 \
        1478 2478 12478 3478 13478 23478 123478 578 1578 2578 12578 3578 13578 23578 123578 4578 14578 24578 124578 \
        34578 134578 234578 1234578 678 1678 2678 12678 3678 13678 23678 123678 4678 14678 24678 124678 34678 134678 \
        234678 1234678 15678 25678 125678 35678 235678 1235678 45678 145678 1245678 1345678 2345678";

    fn pattern(parts: &str) -> u8 {
        parts.bytes().map(|part| 1 << (part - b'1')).sum()
    }

    #[test]
    fn sextants_and_octants_are_those_of_unicode() {
        for (blocks, names, first) in [
            (Blocks::Sextant, SEXTANTS, FIRST_SEXTANT),
            (Blocks::Octant, OCTANTS, FIRST_OCTANT),
        ] {
            for (place, parts) in names.split(' ').enumerate() {
                let official = char::from_u32(first + place as u32);
                assert_eq!(blocks.glyph(pattern(parts)), official, "{blocks} {parts}");
            }
        }
        assert_eq!(SEXTANTS.split(' ').count(), 60);
        assert_eq!(OCTANTS.split(' ').count(), 230);
    }

    /// The parts that a Block Element covers in a cell of two columns and `rows` rows, 2 or 4.
    fn covered(glyph: char, rows: u32) -> u8 {
        let (left, right) = (0b01_01_01_01, 0b10_10_10_10);
        let (upper, lower) = (0b00_00_11_11, 0b11_11_00_00);
        let parts = match glyph {
            ' ' => 0,
            '▀' => upper,
            '▄' => lower,
            '▌' => left,
            '▐' => right,
            '█' => 255,
            '▘' => upper & left,
            '▝' => upper & right,
            '▖' => lower & left,
            '▗' => lower & right,
            '▙' => left | lower,
            '▟' => right | lower,
            '▛' => left | upper,
            '▜' => right | upper,
            '▚' => upper & left | lower & right,
            '▞' => upper & right | lower & left,
            '▂' => 0b11_00_00_00,
            '▆' => 0b11_11_11_00,
            other => panic!("{other} is not a Block Element"),
        };
        match rows {
            // The second and the last of four rows.
            2 => (parts >> 2 & 0b11) | (parts >> 4 & 0b11_00),
            _ => parts,
        }
    }

    #[test]
    fn block_elements_cover_what_their_names_say() {
        for (place, glyph) in QUADRANTS.into_iter().enumerate() {
            assert_eq!(usize::from(covered(glyph, 2)), place, "{glyph}");
        }
        for (pattern, glyph) in NO_OCTANTS {
            if let Some(glyph) = glyph {
                assert_eq!(covered(glyph, 4), pattern, "{glyph}");
            }
        }
    }

    #[test]
    fn every_pattern_can_be_shown_by_a_glyph_of_its_own() {
        for (blocks, _) in BLOCKS {
            let (across, down) = blocks.parts();
            let mut seen = std::collections::HashSet::new();
            for pattern in 0..=blocks.complement(0) {
                match blocks.glyph(pattern) {
                    Some(glyph) => assert!(seen.insert(glyph), "{blocks} {pattern:b}"),
                    None => assert!(blocks.glyph(blocks.complement(pattern)).is_some()),
                }
            }
            assert!(seen.len() > 1 << (across * down - 1));
        }
    }

    #[test]
    fn every_division_parses_by_name() {
        for (blocks, name) in BLOCKS {
            assert_eq!(name.parse(), Ok(blocks));
            assert_eq!(blocks.to_string(), name);
        }
        assert_eq!(Blocks::asked("auto"), Ok(None));
        assert_eq!(Blocks::asked("sextant"), Ok(Some(Blocks::Sextant)));
        let problem = "braille".parse::<Blocks>().unwrap_err().to_string();
        assert!(problem.contains("octant"), "{problem}");
    }
}
