//! A colour in the notation of themes, the contrast of two colours, and the nearest colour of smaller palettes.

use crate::terminal::protocols::blocks::ANSI;
use palette::color_difference::{EuclideanDistance, Wcag21RelativeContrast};
use palette::{FromColor, GetHue, Oklab, Oklch, Srgb};
use std::str::FromStr;

/// A colour of a theme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// The terminal's default colour.
    Default,
    /// One of the terminal's palette of 256; the user defines the first 16.
    Indexed(u8),
    /// Red, green, blue.
    Rgb([u8; 3]),
}

/// A text that is not a colour.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} is not a colour; write \"#rrggbb\", a number from 0 to 255, a name such as \"red\", \"bright-blue\" or \"default\", or one from [colours]",
    crate::text::quoted(.0)
)]
pub struct NoColour(String);

/// The names of the first eight of the palette; the next eight are the same with `bright-` before them.
const NAMES: [&str; 8] = [
    "black", "red", "green", "yellow", "blue", "magenta", "cyan", "white",
];

/// From this chroma on, hue matters more than lightness.
const COLOURFUL: f32 = 0.05;

/// The colours of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gamut {
    /// The palette's cube and greys, without its first 16, which can have any colour.
    Palette256,
    /// The first 16 of the palette.
    Palette16,
}

impl Colour {
    /// Red, green, blue, if known: not for the terminal's own colour, and by xterm's defaults for the first 16.
    pub fn rgb(self) -> Option<[u8; 3]> {
        match self {
            Self::Default => None,
            Self::Rgb(rgb) => Some(rgb),
            Self::Indexed(index @ 0..16) => Some(ANSI[usize::from(index)]),
            Self::Indexed(index @ 16..232) => {
                let level = |place: u8| match place % 6 {
                    0 => 0,
                    step => 55 + 40 * step,
                };
                let place = index - 16;
                Some([level(place / 36), level(place / 6), level(place)])
            }
            Self::Indexed(index) => Some([8 + 10 * (index - 232); 3]),
        }
    }

    /// The nearest colour of `gamut`, preferably one with a contrast of at least `least` to `ground`.
    pub fn nearest(self, gamut: Gamut, ground: Option<Self>, least: f32) -> Self {
        if let (Self::Indexed(0..16), Gamut::Palette16) | (Self::Indexed(16..), Gamut::Palette256) =
            (self, gamut)
        {
            return self;
        }
        let Some(rgb) = self.rgb() else {
            return self;
        };
        let indices = match gamut {
            Gamut::Palette256 => 16..=255,
            Gamut::Palette16 => 0..=15u8,
        };
        let reads = |other: &Self| match ground.and_then(|ground| contrast(*other, ground)) {
            Some(contrast) => contrast >= least,
            None => true,
        };
        let all: Vec<Self> = indices.map(Self::Indexed).collect();
        let legible: Vec<Self> = all.iter().copied().filter(reads).collect();
        let candidates = if legible.is_empty() { all } else { legible };
        let distance = |other: &Self| {
            other
                .rgb()
                .map_or(f32::MAX, |other| distance(rgb, other, gamut))
        };
        candidates
            .into_iter()
            .min_by(|a, b| distance(a).total_cmp(&distance(b)))
            .unwrap_or(self)
    }
}

/// The contrast of two colours as WCAG 2.1 defines it, 1 to 21; `None` if one is the terminal's own.
pub fn contrast(a: Colour, b: Colour) -> Option<f32> {
    Some(srgb(a.rgb()?).relative_contrast(srgb(b.rgb()?)))
}

fn srgb([red, green, blue]: [u8; 3]) -> Srgb<f32> {
    Srgb::new(red, green, blue).into_format()
}

/// The perceptual difference of two colours.
fn distance(wanted: [u8; 3], offered: [u8; 3], gamut: Gamut) -> f32 {
    let (wanted, offered) = (
        Oklab::from_color(srgb(wanted)),
        Oklab::from_color(srgb(offered)),
    );
    let (from, to) = (Oklch::from_color(wanted), Oklch::from_color(offered));
    // Among sixteen colours, the nearest to a pastel is a grey, which would lose the meaning of its hue.
    if gamut == Gamut::Palette16 && from.chroma >= COLOURFUL {
        let grey = to.chroma < COLOURFUL;
        let hue = (from.get_hue() - to.get_hue()).into_radians().abs();
        return hue + (from.l - to.l).abs() / 2.0 + if grey { 10.0 } else { 0.0 };
    }
    wanted.distance(offered)
}

impl FromStr for Colour {
    type Err = NoColour;

    /// `#rrggbb`, a name, or an index into the palette.
    fn from_str(text: &str) -> Result<Self, NoColour> {
        hexadecimal(text)
            .or_else(|| name(text))
            .or_else(|| text.parse().ok().map(Self::Indexed))
            .ok_or_else(|| NoColour(text.into()))
    }
}

fn hexadecimal(text: &str) -> Option<Colour> {
    let digits = text.strip_prefix('#')?;
    let hexadecimal = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = hexadecimal.then(|| u32::from_str_radix(digits, 16).ok())??;
    let [_, red, green, blue] = number.to_be_bytes();
    Some(Colour::Rgb([red, green, blue]))
}

fn name(text: &str) -> Option<Colour> {
    let text = text.to_ascii_lowercase();
    let (name, bright) = match text.strip_prefix("bright-") {
        Some(name) => (name, 8),
        None => (text.as_str(), 0),
    };
    match (name, bright) {
        ("default", 0) => Some(Colour::Default),
        ("grey" | "gray", 0) => Some(Colour::Indexed(8)),
        _ => {
            let index = NAMES.iter().position(|known| *known == name)?;
            Some(Colour::Indexed(index as u8 + bright))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colour(text: &str) -> Colour {
        text.parse().unwrap()
    }

    #[test]
    fn colours_are_written_as_numbers_as_names_and_in_hexadecimal() {
        assert_eq!(colour("#Ff9bAB"), Colour::Rgb([255, 155, 171]));
        assert_eq!(colour("Bright-Blue"), Colour::Indexed(12));
        assert_eq!(colour("grey"), Colour::Indexed(8));
        assert_eq!(colour("255"), Colour::Indexed(255));
        assert_eq!(colour("default"), Colour::Default);
        for text in [
            "",
            "#fff",
            "#gggggg",
            "#+12345",
            "256",
            "-1",
            "bright-grey",
            "pink",
            "#é0000",
        ] {
            assert!(text.parse::<Colour>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_palette_is_the_one_that_terminals_have() {
        assert_eq!(Colour::Indexed(16).rgb(), Some([0, 0, 0]));
        assert_eq!(Colour::Indexed(110).rgb(), Some([135, 175, 215]));
        assert_eq!(Colour::Indexed(231).rgb(), Some([255, 255, 255]));
        assert_eq!(Colour::Indexed(232).rgb(), Some([8, 8, 8]));
        assert_eq!(Colour::Indexed(255).rgb(), Some([238, 238, 238]));
    }

    #[test]
    fn contrast_is_that_of_the_web_guidelines() {
        let (black, white) = (colour("#000000"), colour("#ffffff"));
        assert!((contrast(black, white).unwrap() - 21.0).abs() < 0.01);
        assert!((contrast(colour("#777777"), white).unwrap() - 4.48).abs() < 0.01);
        assert_eq!(contrast(black, Colour::Default), None);
    }

    #[test]
    fn every_colour_of_a_palette_is_its_own_nearest() {
        for index in 0..=255 {
            let own = Colour::Indexed(index);
            let gamut = if index < 16 {
                Gamut::Palette16
            } else {
                Gamut::Palette256
            };
            assert_eq!(own.nearest(gamut, None, 1.0), own);
            let seen = Colour::Rgb(own.rgb().unwrap()).nearest(gamut, None, 1.0);
            assert_eq!(seen.rgb(), own.rgb());
        }
    }

    #[test]
    fn pastels_keep_their_hue_and_text_stays_legible() {
        let near = |text: &str| colour(text).nearest(Gamut::Palette16, None, 1.0);
        assert!(matches!(near("#a3d9a5"), Colour::Indexed(2 | 10)));
        assert!(matches!(near("#9cc4f5"), Colour::Indexed(4 | 12)));
        assert!(matches!(near("#f2c27b"), Colour::Indexed(3 | 11)));
        assert!(matches!(near("#17151a"), Colour::Indexed(0)));
        let black = Colour::Indexed(0);
        let blue = colour("#3030e0").nearest(Gamut::Palette16, Some(black), 4.5);
        assert!(contrast(blue, black).unwrap() >= 4.5);
        assert_eq!(
            Colour::Default.nearest(Gamut::Palette16, None, 4.5),
            Colour::Default
        );
    }
}
