//! Progress and remaining time of a run. A step on a fine octave costs more than one on a coarse octave, so the
//! remaining time is not proportional to the steps.

use crate::runs::queue::JobId;

/// An active run.
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveRun {
    pub job: JobId,
    /// The first job of its batch.
    pub batch: JobId,
    /// The objective before each reported step: (step, score).
    pub curve: Vec<(f64, f64)>,
    /// The probability of the target class; only for classes.
    pub probability: Option<f32>,
    /// The top classes of the current picture, with their probabilities.
    pub top: Vec<(usize, f32)>,
    pub step: usize,
    pub steps: usize,
    /// Steps per octave, coarse to fine; empty before the start.
    pub octaves: Vec<usize>,
    pub octave: usize,
    /// Whether it has a class activation map.
    pub has_map: bool,
    /// Number of bands of the gradient.
    pub bands: u32,
    pub steps_per_second: f64,
    pub pace: Pace,
}

/// The fraction of a step's cost on the finest octave that does not depend on the number of pixels: the network's.
/// With EfficientNet-Lite0 on a CPU, such a step takes 1.3 to 1.7 times as long as one on the coarsest of three
/// octaves.
const NETWORK: f64 = 0.6;

/// Measured speed of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pace {
    /// The ratio of the sides of consecutive octaves.
    pub scale: f64,
    /// Seconds per step at the end of each octave, or now; `None` if not measured.
    seconds: Vec<Option<f64>>,
}

impl Pace {
    /// For a run that has not started.
    pub fn new(scale: f64) -> Self {
        Self {
            scale,
            seconds: Vec::new(),
        }
    }

    /// Records the speed of an octave.
    pub fn note(&mut self, octave: usize, steps_per_second: f64) {
        if steps_per_second <= 0.0 || !steps_per_second.is_finite() {
            return;
        }
        if self.seconds.len() <= octave {
            self.seconds.resize(octave + 1, None);
        }
        self.seconds[octave] = Some(1.0 / steps_per_second);
    }

    /// Seconds per step on each of `octaves`, coarse to fine: measured, or a constant cost for the network
    /// plus a cost proportional to the pixels. Two measured octaves determine both; with one, [`NETWORK`] is
    /// used. Without a measurement the unit is arbitrary.
    fn costs(&self, octaves: usize) -> Vec<f64> {
        let area = |octave: usize| self.scale.powi(-2 * (octaves - 1 - octave) as i32);
        let measured = |octave: usize| self.seconds.get(octave).copied().flatten();
        let seen: Vec<(f64, f64)> = (0..octaves)
            .filter_map(|octave| Some((area(octave), measured(octave)?)))
            .collect();
        let (fixed, growing) = match seen.as_slice() {
            [] => (NETWORK, 1.0 - NETWORK),
            [(area, seconds)] => {
                let finest = seconds / (NETWORK + (1.0 - NETWORK) * area);
                (finest * NETWORK, finest * (1.0 - NETWORK))
            }
            [.., (coarse, fast), (fine, slow)] => {
                let growing = ((slow - fast) / (fine - coarse)).max(0.0);
                ((slow - growing * fine).max(0.0), growing)
            }
        };
        let cost = |octave: usize| measured(octave).unwrap_or(fixed + growing * area(octave));
        (0..octaves).map(cost).collect()
    }
}

/// The octave, from 0, of the step after `taken` steps. `octaves` are the steps per octave, coarse to fine.
pub fn octave_of(octaves: &[usize], taken: usize) -> usize {
    let ends = octaves.iter().scan(0, |sum, steps| {
        *sum += steps;
        Some(*sum)
    });
    let done = ends.take_while(|end| *end <= taken).count();
    done.min(octaves.len().saturating_sub(1))
}

/// The cost of the steps taken and of those remaining.
fn spent(live: &ActiveRun) -> (f64, f64) {
    let octaves = match live.octaves.as_slice() {
        // Before the start: as with a single octave.
        [] => &[live.steps][..],
        octaves => octaves,
    };
    let mut taken = live.step;
    let (mut done, mut left) = (0.0, 0.0);
    for (steps, cost) in octaves.iter().zip(live.pace.costs(octaves.len())) {
        let here = taken.min(*steps);
        taken -= here;
        done += cost * here as f64;
        left += cost * (steps - here) as f64;
    }
    (done, left)
}

/// The progress of a run, 0 to 1.
pub fn share(live: &ActiveRun) -> f64 {
    match live.steps {
        0 => 0.0,
        steps => (live.step as f64 / steps as f64).min(1.0),
    }
}

/// The remaining seconds of a run; `None` before the first step was timed.
pub fn seconds_left(live: &ActiveRun) -> Option<f64> {
    let is_timed = live.pace.seconds.iter().any(Option::is_some);
    is_timed.then(|| spent(live).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(octaves: &[usize], step: usize) -> ActiveRun {
        ActiveRun {
            batch: 0,
            job: JobId::default(),
            curve: Vec::new(),
            probability: None,
            top: Vec::new(),
            step,
            steps: octaves.iter().sum(),
            octaves: octaves.to_vec(),
            octave: 0,
            has_map: false,
            bands: 1,
            steps_per_second: 0.0,
            pace: Pace::new(2.0),
        }
    }

    fn is_near(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-9
    }

    #[test]
    fn fine_octaves_are_known_to_be_slower_before_they_begin() {
        // A quarter of the pixels: 0.6 + 0.4 / 4 of the finest's cost.
        let mut run = live(&[100, 60], 50);
        assert_eq!(seconds_left(&run), None);
        assert!(is_near(share(&run), 50.0 / 160.0));
        run.pace.note(0, 10.0);
        let left = seconds_left(&run).unwrap();
        assert!(is_near(left, 50.0 / 10.0 + 60.0 / 7.0), "{left}");
    }

    #[test]
    fn two_octaves_tell_how_much_pixels_cost() {
        // Areas 1/16, 1/4, 1; seconds 1.1, 1.4: 1 + 1.6 area.
        let mut run = live(&[10, 10, 10], 15);
        run.pace.note(0, 1.0 / 1.1);
        run.pace.note(1, 1.0 / 1.4);
        let left = seconds_left(&run).unwrap();
        assert!(is_near(left, 5.0 * 1.4 + 10.0 * 2.6), "{left}");
        // A fine octave that is no slower yields no negative cost.
        run.pace.note(1, 5.0);
        assert!(seconds_left(&run).unwrap() > 0.0);
    }

    #[test]
    fn a_run_that_goes_on_is_in_the_octave_of_its_next_step() {
        let octave = |taken| octave_of(&[10, 6, 4], taken);
        assert_eq!([0, 9, 10, 16, 19, 20].map(octave), [0, 0, 1, 2, 2, 2]);
        assert_eq!(octave_of(&[], 3), 0);
    }

    #[test]
    fn what_a_run_did_before_it_was_resumed_counts_without_being_measured() {
        // Resumed on the finest octave: the coarse steps were cheaper, the rest is as slow as the measured step.
        let mut run = live(&[100, 60], 130);
        run.pace.note(1, 10.0);
        let left = seconds_left(&run).unwrap();
        assert!(is_near(left, 30.0 / 10.0), "{left}");
    }

    #[test]
    fn the_ends_are_zero_and_one() {
        for octaves in [&[3, 4][..], &[7], &[]] {
            let mut run = live(octaves, 0);
            run.steps = 7;
            assert_eq!(share(&run), 0.0);
            run.step = 7;
            assert_eq!(share(&run), 1.0);
            run.pace.note(0, 3.0);
            assert_eq!(seconds_left(&run), Some(0.0));
            run.pace.note(0, 0.0);
            run.step = 9;
            assert_eq!(share(&run), 1.0);
        }
    }
}
