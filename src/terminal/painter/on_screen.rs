//! What the painter knows of a picture on the screen.

use super::numbers::number;
use crate::terminal::placement::{Area, without};
use std::time::Instant;

/// A picture on the screen.
#[derive(Debug, Clone)]
pub struct OnScreen {
    pub place: u32,
    /// Which of the two numbers of its place it has.
    pub is_second: bool,
    pub area: Area,
    pub version: u64,
    pub moving: bool,
    /// The step of the quality ladder it was sent in.
    pub level: usize,
    /// The parts of the area where it is seen: text was written over the others, or lies there.
    pub parts: Vec<Area>,
    /// Whether text was written on some of its cells though the terminal has the picture elsewhere: it may be seen there or not.
    pub is_touched: bool,
    /// The size in pixels that it was sent in, and the places it has on a terminal where pictures have numbers.
    pub size: (u32, u32),
    pub places: usize,
    /// When to try a better one; only for a picture that stands still and is not at its best.
    pub refinement: Option<Instant>,
}

impl OnScreen {
    /// Whether it is to be seen on an area, or on parts of it.
    pub fn stands_on(&self, area: Area) -> bool {
        self.area == area && !self.parts.is_empty()
    }

    /// Whether it is seen on these parts and no others.
    pub fn is_seen_on(&self, parts: &[Area]) -> bool {
        !self.is_touched
            && without(parts, &self.parts).is_empty()
            && without(&self.parts, parts).is_empty()
    }

    /// Whether the other one differs in nothing but that it may be finer.
    pub fn is_refined_by(&self, other: &Self) -> bool {
        let same = |shown: &Self| (shown.version, shown.moving);
        self.refinement.is_some()
            && self.stands_on(other.area)
            && self.is_seen_on(&other.parts)
            && same(self) == same(other)
    }

    /// Its number on a terminal where pictures have numbers.
    pub fn number(&self) -> u32 {
        number(2 * self.place + u32::from(self.is_second))
    }
}
