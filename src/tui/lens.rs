//! Magnification of the full-screen picture.

use super::list_state::Motion;
use image::{RgbImage, imageops};
use std::sync::Arc;

/// Maximum magnification, as a power of two.
const MAX_POWER: u32 = 4;

/// The visible part of a picture: a window with its aspect ratio, `2^power` times smaller.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Lens {
    power: u32,
    /// The window's position, 0 (left, top) to 1 (right, bottom).
    place: (f32, f32),
}

impl Lens {
    /// The magnification factor.
    pub fn magnification(self) -> u32 {
        1 << self.power
    }

    /// Doubles or halves the magnification about the centre. Returns whether it changed.
    pub fn magnify(&mut self, more: bool) -> bool {
        let power = match more {
            true if self.power < MAX_POWER => self.power + 1,
            false if self.power > 0 => self.power - 1,
            _ => return false,
        };
        let before = self.magnification() as f32;
        self.power = power;
        let after = self.magnification() as f32;
        let moved = |place: f32| match power {
            0 => 0.0,
            _ => {
                let middle = (place * (before - 1.0) + 0.5) / before;
                ((middle * after - 0.5) / (after - 1.0)).clamp(0.0, 1.0)
            }
        };
        self.place = (moved(self.place.0), moved(self.place.1));
        true
    }

    /// Moves the window by a quarter of its size, or to an edge. Returns whether it moved.
    pub fn pan(&mut self, motion: Motion) -> bool {
        if self.power == 0 {
            return false;
        }
        let before = *self;
        let step = 0.25 / (self.magnification() - 1) as f32;
        let (x, y) = &mut self.place;
        match motion {
            Motion::Left => *x -= step,
            Motion::Right => *x += step,
            Motion::Up => *y -= step,
            Motion::Down => *y += step,
            Motion::PageUp => *y -= 4.0 * step,
            Motion::PageDown => *y += 4.0 * step,
            Motion::Top => (*x, *y) = (0.0, 0.0),
            Motion::Bottom => (*x, *y) = (1.0, 1.0),
        }
        (*x, *y) = (x.clamp(0.0, 1.0), y.clamp(0.0, 1.0));
        *self != before
    }

    /// The visible part of a picture, at least one pixel.
    pub fn crop(self, picture: &RgbImage) -> RgbImage {
        let side = |whole: u32| (whole / self.magnification()).max(1).min(whole);
        let (width, height) = (side(picture.width()), side(picture.height()));
        let first = |whole: u32, side: u32, place: f32| ((whole - side) as f32 * place).round();
        let x = first(picture.width(), width, self.place.0) as u32;
        let y = first(picture.height(), height, self.place.1) as u32;
        imageops::crop_imm(picture, x, y, width, height).to_image()
    }
}

/// A magnified part of a picture, cached because an unchanged picture must not be sent to the terminal again.
#[derive(Debug, Clone)]
pub struct Magnified {
    source: Arc<RgbImage>,
    lens: Lens,
    pub picture: Arc<RgbImage>,
}

impl Magnified {
    pub fn new(source: &Arc<RgbImage>, lens: Lens) -> Self {
        Self {
            source: Arc::clone(source),
            lens,
            picture: Arc::new(lens.crop(source)),
        }
    }

    /// Whether it is this part of this picture.
    pub fn is_of(&self, source: &Arc<RgbImage>, lens: Lens) -> bool {
        Arc::ptr_eq(&self.source, source) && self.lens == lens
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn picture() -> RgbImage {
        RgbImage::from_fn(64, 32, |x, y| image::Rgb([x as u8, y as u8, 0]))
    }

    #[test]
    fn the_middle_stays_in_the_middle_and_the_ends_are_reached() {
        let mut lens = Lens::default();
        assert!(!lens.magnify(false) && !lens.pan(Motion::Right));
        lens.magnify(true);
        let seen = lens.crop(&picture());
        assert_eq!(
            (seen.dimensions(), seen.get_pixel(0, 0).0),
            ((32, 16), [16, 8, 0])
        );
        lens.magnify(true);
        assert_eq!(lens.crop(&picture()).get_pixel(0, 0).0, [24, 12, 0]);
        assert!(lens.pan(Motion::Bottom));
        let seen = lens.crop(&picture());
        assert_eq!(seen.get_pixel(15, 7).0, [63, 31, 0]);
        assert!(!lens.pan(Motion::Down) && lens.pan(Motion::Up));
    }

    proptest! {
        #[test]
        fn what_is_seen_lies_in_the_picture(
            width in 1u32..40, height in 1u32..40, keys in proptest::collection::vec(0usize..6, 0..30),
        ) {
            let picture = RgbImage::new(width, height);
            let mut lens = Lens::default();
            for key in keys {
                match key {
                    0 | 1 => drop(lens.magnify(key == 0)),
                    2 => drop(lens.pan(Motion::Left)),
                    3 => drop(lens.pan(Motion::Right)),
                    4 => drop(lens.pan(Motion::Down)),
                    _ => drop(lens.pan(Motion::Top)),
                }
                let seen = lens.crop(&picture);
                prop_assert!(seen.width() >= 1 && seen.width() <= width);
                prop_assert!(seen.height() >= 1 && seen.height() <= height);
            }
        }
    }
}
