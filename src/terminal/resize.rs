//! Resizing of pictures. Smaller sizes are area averages in linear light, so that fine bright detail does not
//! darken; larger sizes are interpolated.

use image::RgbImage;
use std::sync::LazyLock;

/// Entries of the table from linear light to sRGB: fine enough that all 256 values survive a round trip.
const STEPS: usize = 1 << 14;

static LINEAR: LazyLock<[f32; 256]> =
    LazyLock::new(|| std::array::from_fn(|value| to_linear(value as f32 / 255.0)));
static ENCODED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let encode = |step| (255.0 * from_linear(step as f32 / (STEPS - 1) as f32)).round() as u8;
    (0..STEPS).map(encode).collect()
});

/// sRGB's transfer function, 0 to 1.
fn to_linear(value: f32) -> f32 {
    match value <= 0.04045 {
        true => value / 12.92,
        false => ((value + 0.055) / 1.055).powf(2.4),
    }
}

fn from_linear(value: f32) -> f32 {
    match value <= 0.003_130_8 {
        true => value * 12.92,
        false => 1.055 * value.powf(1.0 / 2.4) - 0.055,
    }
}

/// The mean of colours in linear light; black if there are none.
pub(super) fn mean(colours: impl Iterator<Item = [u8; 3]>) -> [u8; 3] {
    let (mut sum, mut count) = ([0.0_f32; 3], 0.0);
    for colour in colours {
        for (sum, value) in sum.iter_mut().zip(colour) {
            *sum += LINEAR[usize::from(value)];
        }
        count += 1.0;
    }
    sum.map(|sum| encoded(sum / f32::max(count, 1.0)))
}

/// The sRGB value of a linear value, 0 to 1.
fn encoded(linear: f32) -> u8 {
    ENCODED[(linear.clamp(0.0, 1.0) * (STEPS - 1) as f32).round() as usize]
}

/// `picture`, stretched to another size. A side of 0 counts as 1.
pub fn resize(picture: &RgbImage, width: u32, height: u32) -> RgbImage {
    let (width, height) = (width.max(1), height.max(1));
    if picture.dimensions() == (width, height) {
        return picture.clone();
    }
    if picture.width() == 0 || picture.height() == 0 {
        return RgbImage::new(width, height);
    }
    let linear: Vec<f32> = picture
        .as_raw()
        .iter()
        .map(|value| LINEAR[usize::from(*value)])
        .collect();
    let columns = taps(picture.width() as usize, width as usize);
    let rows = taps(picture.height() as usize, height as usize);
    let line = picture.width() as usize * 3;
    let narrow = linear.chunks_exact(line).flat_map(|row| {
        columns.iter().flat_map(move |tap| {
            std::array::from_fn::<f32, 3, _>(|channel| {
                let pixels = row[3 * tap.first..].iter().skip(channel).step_by(3);
                tap.weights
                    .iter()
                    .zip(pixels)
                    .map(|(weight, value)| weight * value)
                    .sum()
            })
        })
    });
    let narrow: Vec<f32> = narrow.collect();
    let line = width as usize * 3;
    let mut bytes = Vec::with_capacity(line * height as usize);
    let mut sums = vec![0.0_f32; line];
    for tap in &rows {
        sums.fill(0.0);
        for (weight, row) in tap
            .weights
            .iter()
            .zip(narrow.chunks_exact(line).skip(tap.first))
        {
            sums.iter_mut()
                .zip(row)
                .for_each(|(sum, value)| *sum += weight * value);
        }
        bytes.extend(sums.iter().map(|sum| encoded(*sum)));
    }
    RgbImage::from_raw(width, height, bytes).expect("as many bytes as pixels were computed")
}

/// Each pixel of `picture` as a block of equal pixels: coarse, but short to encode.
pub fn enlarge(picture: &RgbImage, width: u32, height: u32) -> RgbImage {
    let at = |place: u32, from: u32, to: u32| {
        (u64::from(place) * u64::from(from) / u64::from(to)) as u32
    };
    RgbImage::from_fn(width, height, |x, y| {
        *picture.get_pixel(
            at(x, picture.width(), width),
            at(y, picture.height(), height),
        )
    })
}

/// The source pixels, from `first`, of a target pixel. The weights add up to 1.
struct Tap {
    first: usize,
    weights: Vec<f32>,
}

fn taps(from: usize, to: usize) -> Vec<Tap> {
    let scale = from as f64 / to as f64;
    let tap = |index: usize| match to < from {
        true => average(index as f64 * scale, (index + 1) as f64 * scale, from),
        false => between((index as f64 + 0.5) * scale - 0.5, from),
    };
    (0..to).map(tap).collect()
}

/// The pixels between two positions, weighted by their overlap.
fn average(start: f64, end: f64, from: usize) -> Tap {
    let first = (start as usize).min(from - 1);
    let last = (end.ceil() as usize).clamp(first + 1, from);
    let share =
        |pixel: usize| (end.min(pixel as f64 + 1.0) - start.max(pixel as f64)).max(0.0) as f32;
    let weights: Vec<f32> = (first..last).map(share).collect();
    let sum: f32 = weights.iter().sum();
    Tap {
        first,
        weights: weights.iter().map(|weight| weight / sum).collect(),
    }
}

/// The two pixels beside a position.
fn between(place: f64, from: usize) -> Tap {
    let place = place.clamp(0.0, (from - 1) as f64);
    let first = place as usize;
    let part = (place - first as f64) as f32;
    let weights = match first + 1 < from {
        true => vec![1.0 - part, part],
        false => vec![1.0],
    };
    Tap { first, weights }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;
    use proptest::prelude::*;

    #[test]
    fn black_and_white_average_to_the_grey_of_half_the_light() {
        let stripes = RgbImage::from_fn(8, 8, |x, _| Rgb([255 * (x % 2) as u8; 3]));
        let small = resize(&stripes, 4, 4);
        assert!(
            small.pixels().all(|pixel| *pixel == Rgb([188; 3])),
            "{:?}",
            small.get_pixel(0, 0)
        );
    }

    #[test]
    fn larger_pictures_are_smooth_or_blocks_as_asked() {
        let edge = RgbImage::from_fn(2, 1, |x, _| Rgb([255 * x as u8; 3]));
        let smooth: Vec<u8> = resize(&edge, 6, 1)
            .pixels()
            .map(|pixel| pixel.0[0])
            .collect();
        assert!(smooth.is_sorted() && smooth[0] == 0 && smooth[5] == 255 && smooth[2] > 0);
        let blocks: Vec<u8> = enlarge(&edge, 6, 2)
            .pixels()
            .map(|pixel| pixel.0[0])
            .collect();
        assert_eq!(blocks[..6], [0, 0, 0, 255, 255, 255]);
    }

    proptest! {
        #[test]
        fn a_plain_colour_stays_the_same_in_every_size(
            colour in any::<[u8; 3]>(), from in (1..40_u32, 1..40_u32), to in (0..60_u32, 0..60_u32),
        ) {
            let resized = resize(&RgbImage::from_pixel(from.0, from.1, Rgb(colour)), to.0, to.1);
            prop_assert_eq!(resized.dimensions(), (to.0.max(1), to.1.max(1)));
            for pixel in resized.pixels() {
                let off = (0..3).map(|c| pixel.0[c].abs_diff(colour[c])).max();
                prop_assert!(off <= Some(1), "{:?} {:?}", pixel, colour);
            }
        }
    }
}
