//! Resizing without antialiasing, the default of OpenCV and TensorFlow.

use super::Filter;
use image::{GenericImageView, Rgb, RgbImage};

/// `picture` resized, each pixel interpolated between its nearest neighbours, also when shrinking.
pub(super) fn without_antialiasing<P>(
    picture: &P,
    (width, height): (u32, u32),
    filter: Filter,
) -> RgbImage
where
    P: GenericImageView<Pixel = Rgb<u8>>,
{
    let columns = places(picture.width(), width, filter);
    let rows = places(picture.height(), height, filter);
    RgbImage::from_fn(width, height, |x, y| {
        let (column, row) = (columns[x as usize], rows[y as usize]);
        let corner = |x: u32, y: u32| picture.get_pixel(x, y).0.map(f32::from);
        let above = mixed(
            corner(column.before, row.before),
            corner(column.behind, row.before),
            column.share,
        );
        let below = mixed(
            corner(column.before, row.behind),
            corner(column.behind, row.behind),
            column.share,
        );
        Rgb(mixed(above, below, row.share).map(|value| value.round() as u8))
    })
}

/// The two pixels of a line around a sample, and the interpolation weight of the second.
#[derive(Clone, Copy)]
struct Sample {
    before: u32,
    behind: u32,
    share: f32,
}

/// The positions of `samples` on a line of `pixels`. Pixel centres are at half-integers.
fn places(pixels: u32, samples: u32, filter: Filter) -> Vec<Sample> {
    let scale = f64::from(pixels) / f64::from(samples);
    let last = pixels - 1;
    let place = |sample: u32| match filter {
        Filter::Nearest => {
            let pixel = ((f64::from(sample) + 0.5) * scale) as u32;
            Sample {
                before: pixel.min(last),
                behind: pixel.min(last),
                share: 0.0,
            }
        }
        Filter::Bilinear | Filter::Bicubic => {
            let centre = ((f64::from(sample) + 0.5) * scale - 0.5).clamp(0.0, f64::from(last));
            let before = centre as u32;
            Sample {
                before,
                behind: (before + 1).min(last),
                share: centre.fract() as f32,
            }
        }
    };
    (0..samples).map(place).collect()
}

fn mixed(one: [f32; 3], other: [f32; 3], share: f32) -> [f32; 3] {
    std::array::from_fn(|channel| one[channel] + share * (other[channel] - one[channel]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row of brightnesses.
    fn row(values: &[u8]) -> RgbImage {
        RgbImage::from_fn(values.len() as u32, 1, |x, _| Rgb([values[x as usize]; 3]))
    }

    fn resized(values: &[u8], width: u32, filter: Filter) -> Vec<u8> {
        let picture = without_antialiasing(&row(values), (width, 1), filter);
        picture.pixels().map(|pixel| pixel[0]).collect()
    }

    #[test]
    fn samples_lie_between_their_nearest_pixels() {
        let line = [0, 40, 80, 120, 160, 200];
        assert_eq!(resized(&line, 6, Filter::Bilinear), line);
        assert_eq!(resized(&line, 3, Filter::Bilinear), [20, 100, 180]);
        // Two of six: the centres are pixels 1 and 4, the other four are ignored.
        assert_eq!(
            resized(&[9, 40, 9, 9, 160, 9], 2, Filter::Bilinear),
            [40, 160]
        );
        assert_eq!(resized(&[0, 100], 4, Filter::Bilinear), [0, 25, 75, 100]);
        assert_eq!(resized(&line, 2, Filter::Nearest), [40, 160]);
        assert_eq!(resized(&[7], 3, Filter::Nearest), [7, 7, 7]);
    }
}
