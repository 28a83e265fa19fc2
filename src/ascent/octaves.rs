//! The Gaussian pyramid around the ascent: canvas sizes from coarse to fine, and the steps spent on each.

use super::Settings;

/// A canvas size and its number of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Octave {
    pub height: usize,
    pub width: usize,
    pub steps: usize,
}

/// Minimum size of a canvas, in pixels: the Laplacian pyramid needs several levels.
const MIN_SIZE: usize = 16;

/// Maximum size to which `canvas_scale` enlarges a canvas, in pixels.
const MAX_SCALED_SIZE: f64 = 2048.0;

/// The octaves for a picture of `height` × `width` pixels, or of the same aspect ratio if a canvas size is set. The
/// last one has the full canvas. A canvas larger than `height` × `width` adds octaves. Coarse octaves get more steps,
/// see [`Settings::octave_share`].
pub fn octaves(settings: &Settings, height: usize, width: usize) -> Vec<Octave> {
    let longest = height.max(width);
    let size = match settings.canvas as usize {
        0 if settings.canvas_scale == 1.0 => longest,
        0 => (settings.canvas_scale * longest as f64)
            .round()
            .min(MAX_SCALED_SIZE) as usize,
        size => size,
    };
    let scaled = |side: usize| (size * side).div_ceil(longest).max(1);
    let full = (scaled(height), scaled(width));
    // A larger canvas starts equally coarse, with more octaves, so that a single object fills it.
    let larger = (full.0 as f64 / height as f64).max(1.0).ln() / settings.octave_scale.ln();
    let count = settings.octaves as usize + larger.round() as usize;
    let steps = settings.steps as usize;
    // The steps of an octave are those of the finest times a power of the share; the finest takes the rounding
    // remainder.
    let weight = |octave: usize| settings.octave_share.powi((count - 1 - octave) as i32);
    let total: f64 = (0..count).map(weight).sum();
    let until = |octave: usize| {
        let before: f64 = (0..octave).map(weight).sum();
        (before / total * steps as f64).floor() as usize
    };
    (0..count)
        .map(|octave| {
            let shrink = settings.octave_scale.powi((count - 1 - octave) as i32);
            let size =
                |full: usize| ((full as f64 / shrink).round() as usize).max(MIN_SIZE.min(full));
            Octave {
                height: size(full.0),
                width: size(full.1),
                steps: until(octave + 1) - until(octave),
            }
        })
        .filter(|octave| octave.steps > 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_add_up_and_the_last_canvas_is_the_finished_picture() {
        for (steps, count) in [(192, 3), (7, 3), (1, 8), (100, 1)] {
            let settings = Settings {
                steps,
                octaves: count,
                canvas_scale: 1.0,
                ..Settings::default()
            };
            let plan = octaves(&settings, 224, 200);
            assert_eq!(
                plan.iter().map(|octave| octave.steps).sum::<usize>(),
                steps as usize
            );
            let last = plan.last().unwrap();
            assert_eq!((last.height, last.width), (224, 200));
            assert!(plan.is_sorted_by_key(|octave| octave.height));
            assert!(plan.is_sorted_by_key(|octave| std::cmp::Reverse(octave.steps)));
        }
    }

    #[test]
    fn the_share_of_1_gives_every_octave_as_many_steps() {
        let settings = Settings {
            steps: 90,
            octaves: 3,
            octave_share: 1.0,
            canvas_scale: 1.0,
            ..Settings::default()
        };
        let plan = octaves(&settings, 224, 224);
        assert!(plan.iter().all(|octave| octave.steps == 30));
    }

    #[test]
    fn a_scale_multiplies_the_size_that_the_network_sees() {
        let last = |canvas_scale: f64, height: usize, width: usize| {
            let settings = Settings {
                canvas_scale,
                ..Settings::default()
            };
            let last = *octaves(&settings, height, width).last().unwrap();
            (last.height, last.width)
        };
        assert_eq!(last(1.0, 297, 200), (297, 200));
        assert_eq!(last(2.0, 297, 200), (594, 400));
        assert_eq!(last(0.5, 32, 32), (16, 16));
        assert_eq!(last(8.0, 600, 300), (2048, 1024));
        // A larger canvas is kept.
        assert_eq!(last(1.0, 3000, 3000), (3000, 3000));
    }

    #[test]
    fn a_canvas_of_ones_own_keeps_the_proportions() {
        let settings = Settings {
            canvas: 448,
            ..Settings::default()
        };
        let plan = octaves(&settings, 224, 112);
        let last = *plan.last().unwrap();
        assert_eq!((last.height, last.width), (448, 224));
        // It starts about as coarse as the smaller one.
        assert_eq!(plan.len(), 4);
        let settings = Settings {
            canvas_scale: 1.0,
            ..Settings::default()
        };
        let first = octaves(&settings, 224, 112)[0];
        assert!((plan[0].height as f64 / first.height as f64 - 1.0).abs() < 0.2);
    }
}
