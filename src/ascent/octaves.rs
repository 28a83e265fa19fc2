//! The Gaussian pyramid around the ascent: canvas sizes from coarse to fine, and the steps spent on each.

use super::Settings;

/// One canvas size, and how many steps are taken on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Octave {
    pub height: usize,
    pub width: usize,
    pub steps: usize,
}

/// A canvas is never smaller than this: the pyramid needs something to decompose.
const SMALLEST: usize = 16;

/// The octaves of a picture of `height` × `width`, or of the same proportions if a canvas size is set. The last has the full
/// canvas. All have the same number of steps but for a remainder, which the last ones take.
pub fn octaves(settings: &Settings, height: usize, width: usize) -> Vec<Octave> {
    let full = match settings.canvas as usize {
        0 => (height, width),
        size => {
            let longest = height.max(width);
            (
                (size * height).div_ceil(longest),
                (size * width).div_ceil(longest),
            )
        }
    };
    let count = settings.octaves as usize;
    let steps = settings.steps as usize;
    (0..count)
        .map(|octave| {
            let shrink = settings.octave_scale.powi((count - 1 - octave) as i32);
            let size =
                |full: usize| ((full as f64 / shrink).round() as usize).max(SMALLEST.min(full));
            Octave {
                height: size(full.0),
                width: size(full.1),
                steps: (octave + 1) * steps / count - octave * steps / count,
            }
        })
        .filter(|octave| octave.steps > 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_add_up_and_the_last_canvas_is_the_networks_input() {
        for (steps, count) in [(192, 3), (7, 3), (1, 8), (100, 1)] {
            let settings = Settings {
                steps,
                octaves: count,
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
        }
    }

    #[test]
    fn a_canvas_of_ones_own_keeps_the_proportions() {
        let settings = Settings {
            canvas: 448,
            ..Settings::default()
        };
        let last = *octaves(&settings, 224, 112).last().unwrap();
        assert_eq!((last.height, last.width), (448, 224));
    }
}
