//! Orders pictures so that neighbours look similar.

use image::{RgbImage, imageops};

/// Rows and columns of the raster on which pictures are compared.
const SIDE: u32 = 6;

/// Features of a picture for comparison: per cell of a raster the lightness, two colour differences, and the
/// variation of lightness, which separates smooth from textured.
#[derive(Debug, Clone, PartialEq)]
pub struct PictureFeatures(Vec<f32>);

impl PictureFeatures {
    /// The features of a picture with at least one pixel.
    pub fn from_picture(picture: &RgbImage) -> Self {
        let fine = imageops::thumbnail(picture, SIDE * 8, SIDE * 8);
        let pixels = |row: u32, column: u32| {
            let (fine, top, left) = (&fine, row * 8, column * 8);
            (0..64).map(move |at| fine.get_pixel(left + at % 8, top + at / 8).0.map(f32::from))
        };
        let lightness = |[r, g, b]: [f32; 3]| 0.299 * r + 0.587 * g + 0.114 * b;
        let mut look = Vec::new();
        for row in 0..SIDE {
            for column in 0..SIDE {
                let mean = |value: &dyn Fn([f32; 3]) -> f32| {
                    pixels(row, column).map(value).sum::<f32>() / 64.0
                };
                let light = mean(&lightness);
                let variance = mean(&|pixel| (lightness(pixel) - light).powi(2));
                look.extend([
                    light,
                    // Colour weighs more than lightness in human comparison.
                    2.0 * mean(&|[r, g, _]| r - g),
                    2.0 * mean(&|[r, g, b]| (r + g) / 2.0 - b),
                    variance.sqrt(),
                ]);
            }
        }
        Self(look)
    }

    /// Squared distance of two feature vectors.
    fn distance(&self, other: &Self) -> f32 {
        let pairs = self.0.iter().zip(&other.0);
        pairs.map(|(a, b)| (a - b).powi(2)).sum()
    }
}

/// A greedy order that starts with the first item; each next item is the most similar to the last.
pub fn order(features: Vec<(usize, PictureFeatures)>) -> Vec<usize> {
    let mut rest = features;
    if rest.is_empty() {
        return Vec::new();
    }
    let mut last = rest.remove(0);
    let mut order = vec![last.0];
    while let Some((place, _)) = rest
        .iter()
        .map(|(_, look)| look.distance(&last.1))
        .enumerate()
        .min_by(|a, b| a.1.total_cmp(&b.1))
    {
        last = rest.swap_remove(place);
        order.push(last.0);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn neighbours_are_similar() {
        let plain = |colour| RgbImage::from_pixel(40, 30, Rgb(colour));
        let striped = RgbImage::from_fn(40, 30, |x, _| match x % 2 {
            0 => Rgb([250, 0, 0]),
            _ => Rgb([90, 0, 0]),
        });
        let pictures = [
            plain([250, 0, 0]),
            plain([0, 0, 250]),
            plain([240, 20, 10]),
            plain([10, 20, 240]),
            striped,
        ];
        let features = pictures
            .iter()
            .map(PictureFeatures::from_picture)
            .enumerate()
            .collect();
        assert_eq!(order(features), [0, 2, 4, 3, 1]);
        assert!(order(Vec::new()).is_empty());
    }
}
