//! Text on a picture: Noto Sans Mono, drawn beforehand in a few sizes by the crate `noto-sans-mono-bitmap`.

use image::{Rgb, RgbImage};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

/// A look of text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Face {
    /// For what is read first.
    Title,
    /// For all else.
    Small,
}

impl Face {
    fn font(self) -> (FontWeight, RasterHeight) {
        match self {
            Self::Title => (FontWeight::Bold, RasterHeight::Size20),
            Self::Small => (FontWeight::Regular, RasterHeight::Size16),
        }
    }

    /// Height of a line, in pixels.
    pub fn height(self) -> u32 {
        self.font().1.val() as u32
    }

    /// Width of every character, in pixels.
    fn advance(self) -> u32 {
        let (weight, height) = self.font();
        get_raster_width(weight, height) as u32
    }

    /// As much of `text` as fits into `width` pixels; what is cut off leaves dots.
    pub fn fit(self, text: &str, width: u32) -> String {
        let most = (width / self.advance()) as usize;
        if text.chars().count() <= most {
            return text.into();
        }
        let kept: String = text.chars().take(most.saturating_sub(DOTS.len())).collect();
        format!("{}{DOTS}", kept.trim_end())
    }

    /// Draws a line of text with its upper left corner at `(x, y)`. Characters that the font lacks become a replacement
    /// sign; what lies outside of the picture is left out.
    pub fn draw(self, canvas: &mut RgbImage, (x, y): (u32, u32), text: &str, colour: Rgb<u8>) {
        let (weight, height) = self.font();
        let replacement = get_raster('\u{fffd}', weight, height);
        for (index, c) in text.chars().enumerate() {
            let left = x + index as u32 * self.advance();
            let Some(glyph) = get_raster(c, weight, height).or(replacement) else {
                continue;
            };
            for (row, coverages) in glyph.rows().enumerate() {
                for (column, coverage) in coverages.iter().enumerate() {
                    let at = (left + column as u32, y + row as u32);
                    if let Some(pixel) = canvas.get_pixel_mut_checked(at.0, at.1) {
                        *pixel = mix(*pixel, colour, *coverage);
                    }
                }
            }
        }
    }
}

/// What stands for text that was cut off; the font has no ellipsis.
const DOTS: &str = "...";

/// `above` over `below`, where it covers `coverage` of 255.
pub(super) fn mix(below: Rgb<u8>, above: Rgb<u8>, coverage: u8) -> Rgb<u8> {
    let coverage = u32::from(coverage);
    let part = |index: usize| {
        let sum = u32::from(below[index]) * (255 - coverage) + u32::from(above[index]) * coverage;
        (sum / 255) as u8
    };
    Rgb([part(0), part(1), part(2)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHITE: Rgb<u8> = Rgb([255; 3]);

    fn ink(text: &str) -> u64 {
        let mut canvas = RgbImage::new(400, 30);
        Face::Title.draw(&mut canvas, (4, 4), text, WHITE);
        canvas.as_raw().iter().map(|&value| u64::from(value)).sum()
    }

    #[test]
    fn text_leaves_ink_and_what_the_font_lacks_leaves_a_sign() {
        assert_eq!(ink(" "), 0);
        assert!(ink("flamingo") > ink("flam"));
        assert!(ink("größe") > ink("gr e"));
        assert_eq!(ink("鳥"), ink("\u{fffd}"));
        assert!(ink("鳥") > 0);
    }

    #[test]
    fn text_beyond_the_edge_is_cut_and_not_an_error() {
        let mut canvas = RgbImage::new(10, 10);
        Face::Small.draw(&mut canvas, (8, 8), "long text", WHITE);
        let width = 12 * Face::Small.advance();
        assert_eq!(Face::Small.fit("twelve chars", width), "twelve chars");
        assert_eq!(Face::Small.fit("thirteen char", width), "thirteen...");
        assert_eq!(Face::Small.fit("text", 0), "...");
    }
}
