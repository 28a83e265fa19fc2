//! The part of a picture within the crop of the preprocessing.

use super::{Fit, InputSize, Preprocessing};

/// Maximum aspect ratio of the resized region. The ends of longer pictures are cut off first, instead of filling memory
/// before they are cropped.
const MAX_ASPECT: u32 = 16;

/// Rounding tolerance of computed lengths, in pixels.
pub(super) const ROUNDING: f64 = 1e-2;

/// A rectangle of a picture, in pixels of the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

impl Window {
    /// The complete picture.
    pub fn entire(width: u32, height: u32) -> Self {
        Self {
            left: 0.0,
            top: 0.0,
            width: width.into(),
            height: height.into(),
        }
    }

    /// Width and height, rounded to pixels.
    pub fn size(self) -> (u32, u32) {
        (self.width.round() as u32, self.height.round() as u32)
    }

    /// The rectangle, moved by `left` and `top`.
    pub fn moved(self, left: u32, top: u32) -> Self {
        Self {
            left: self.left + f64::from(left),
            top: self.top + f64::from(top),
            ..self
        }
    }
}

/// The geometry of cropping and resizing a picture to the size of an input.
pub(super) struct Placement {
    /// The resized region: left, top, width and height in the picture.
    pub region: [u32; 4],
    /// Width and height after that.
    pub resized: (u32, u32),
    /// Left and top of the crop after resizing.
    pub cut: (u32, u32),
}

impl Placement {
    /// `None` for a picture of exactly the input's size, which is not resized.
    pub fn new(
        preprocessing: &Preprocessing,
        (width, height): (u32, u32),
        size: InputSize,
    ) -> Option<Self> {
        if (width, height) == (size.width, size.height) {
            return None;
        }
        let cover = |input: u32| f64::from(preprocessing.uncropped(input));
        if preprocessing.fit == Fit::Squash {
            let (wide, high) = (cover(size.width) as u32, cover(size.height) as u32);
            return Some(Self::middle([0, 0, width, height], (wide, high), size));
        }
        let longest = width.min(height).saturating_mul(MAX_ASPECT);
        let (wide, high) = (width.min(longest), height.min(longest));
        let region = [(width - wide) / 2, (height - high) / 2, wide, high];
        let (width, height) = (f64::from(wide), f64::from(high));
        let scale = (cover(size.width) / width).max(cover(size.height) / height);
        // The longer side is truncated as in torchvision, but never below the size of the input.
        let side = |length: f64, least: u32| ((length * scale + ROUNDING) as u32).max(least);
        let (wide, high) = (side(width, size.width), side(height, size.height));
        Some(Self::middle(region, (wide, high), size))
    }

    /// The centre crop of a resized region.
    fn middle(region: [u32; 4], (wide, high): (u32, u32), size: InputSize) -> Self {
        Self {
            region,
            resized: (wide, high),
            cut: (half(wide - size.width), half(high - size.height)),
        }
    }

    /// The crop in pixels of the picture.
    pub fn window(&self, size: InputSize) -> Window {
        let [left, top, wide, high] = self.region;
        let across = f64::from(wide) / f64::from(self.resized.0);
        let down = f64::from(high) / f64::from(self.resized.1);
        let seen = Window {
            left: f64::from(self.cut.0) * across,
            top: f64::from(self.cut.1) * down,
            width: f64::from(size.width) * across,
            height: f64::from(size.height) * down,
        };
        seen.moved(left, top)
    }
}

/// Half of a border, rounded half to even as in torchvision.
fn half(border: u32) -> u32 {
    let below = border / 2;
    below + u32::from(border % 2 == 1 && below % 2 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage};
    use proptest::prelude::*;

    fn window(width: u32, height: u32, size: (u32, u32)) -> Window {
        let size = InputSize::new(3, size.1, size.0).unwrap();
        Preprocessing::IMAGENET.window((width, height), size)
    }

    #[test]
    fn a_squashed_picture_is_complete() {
        let size = InputSize::new(3, 160, 160).unwrap();
        let squash = |crop: f32| Preprocessing {
            fit: Fit::Squash,
            crop,
            ..Preprocessing::UNITS
        };
        for sides in [(300, 200), (200, 300), (160, 160), (4000, 10)] {
            let seen = squash(1.0).window(sides, size);
            assert_eq!(seen, Window::entire(sides.0, sides.1));
        }
        let seen = squash(0.8).window((300, 200), size);
        assert_eq!((seen.left, seen.top), (30.0, 20.0));
        assert_eq!((seen.width, seen.height), (240.0, 160.0));
    }

    #[test]
    fn a_long_picture_is_cropped_to_its_centre() {
        assert_eq!(window(224, 224, (224, 224)), Window::entire(224, 224));
        let seen = window(1800, 600, (224, 224));
        assert_eq!((seen.left, seen.top), (637.5, 37.5));
        assert_eq!((seen.width, seen.height), (525.0, 525.0));
        // The ends of an even longer picture are cut off first.
        let seen = window(100, 4000, (224, 224));
        assert!((seen.top + seen.height / 2.0 - 2000.0).abs() < 1.0);
    }

    proptest! {
        #[test]
        fn the_window_matches_the_tensor(
            sides in (20u32..200, 20u32..200),
            size in (8u32..64, 8u32..64),
        ) {
            let (width, height) = sides;
            // Red is the column, green the row, each of the picture.
            let ramp = |place: u32, side: u32| ((f64::from(place) + 0.5) / f64::from(side) * 255.0) as u8;
            let picture = RgbImage::from_fn(width, height, |x, y| Rgb([ramp(x, width), ramp(y, height), 0]));
            let units = Preprocessing::UNITS;
            let input = InputSize::new(3, size.1, size.0).unwrap();
            let tensor = units.tensor(&picture, input);
            let seen = units.window(sides, input);
            let (row, column) = (size.1 as usize / 2, size.0 as usize / 2);
            let across = seen.left + seen.width * (column as f64 + 0.5) / f64::from(size.0);
            let down = seen.top + seen.height * (row as f64 + 0.5) / f64::from(size.1);
            let found = [0, 1].map(|channel| f64::from(tensor[(0, channel, row, column)]));
            prop_assert!((found[0] - across / f64::from(width)).abs() < 0.03);
            prop_assert!((found[1] - down / f64::from(height)).abs() < 0.03);
        }
    }
}
