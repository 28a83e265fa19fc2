//! The painter's state of a picture on the screen.

use super::numbers::number;
use crate::terminal::placement::{Area, without};
use std::time::Instant;

/// A picture on the screen.
#[derive(Debug, Clone)]
pub struct OnScreen {
    pub place: u32,
    /// Which of the two numbers of its slot it has.
    pub is_second: bool,
    pub area: Area,
    pub version: u64,
    pub moving: bool,
    /// The quality step it was sent in.
    pub level: usize,
    /// The visible parts of the area: the others are covered or overwritten by text.
    pub parts: Vec<Area>,
    /// Whether text was written on some of its cells although the terminal stores the picture separately: it
    /// may be visible there or not.
    pub is_touched: bool,
    /// The size in pixels that was sent, and its number of placements where pictures have numbers.
    pub size: (u32, u32),
    pub places: usize,
    /// When to try a better quality; only for reduced still pictures.
    pub refinement: Option<Instant>,
}

impl OnScreen {
    /// Whether it is visible in an area or in parts of it.
    pub fn stands_on(&self, area: Area) -> bool {
        self.area == area && !self.parts.is_empty()
    }

    /// Whether exactly these parts are visible.
    pub fn is_seen_on(&self, parts: &[Area]) -> bool {
        !self.is_touched
            && without(parts, &self.parts).is_empty()
            && without(&self.parts, parts).is_empty()
    }

    /// Whether `other` differs only by a better quality.
    pub fn is_refined_by(&self, other: &Self) -> bool {
        let same = |shown: &Self| (shown.version, shown.moving);
        self.refinement.is_some()
            && self.stands_on(other.area)
            && self.is_seen_on(&other.parts)
            && same(self) == same(other)
    }

    /// Its number, where pictures have numbers.
    pub fn number(&self) -> u32 {
        number(2 * self.place + u32::from(self.is_second))
    }
}
