//! The saved state of an ascent, from which another process can continue to the same picture.

use super::Error;
use super::canvas::array4;
use super::octaves::Octave;
use super::random::Random;
use super::run::{Run, RunState};
use super::step_session::StateTensors;
use ndarray::{Array4, s};
use serde::{Deserialize, Serialize};

/// The state of a batch of runs between two steps.
#[derive(Debug, Clone, PartialEq)]
pub struct AscentState {
    pub at: AscentProgress,
    /// The canvases (N, C, h, w) of the octave in `at`.
    pub canvas: Array4<f32>,
    /// The averaged gradients (N, C, h, w).
    pub velocity: Array4<f32>,
    /// The averaged class activation maps (N, 1, h, w); `None` without a mask.
    pub mask: Option<Array4<f32>>,
}

/// The counters of [`AscentState`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AscentProgress {
    /// Steps taken.
    pub step: usize,
    pub octave: usize,
    pub step_in_octave: usize,
    /// Whether the step graph can open blocked rectifiers.
    pub rescue: bool,
    pub runs: Vec<RunProgress>,
}

/// The counters of one run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunProgress {
    /// Number of consumed words of the random stream.
    pub drawn: u64,
    pub rescue_left: u32,
    pub dead: bool,
    pub moved: bool,
    /// See `RunState::recognition`. Missing in files of earlier versions, which had no noise in views.
    #[serde(default)]
    pub recognition: f64,
}

impl AscentState {
    pub(super) fn new(at: AscentProgress, state: StateTensors) -> Self {
        Self {
            at,
            canvas: array4(state.canvas),
            velocity: array4(state.velocity),
            mask: state.mask.map(array4),
        }
    }

    pub(super) fn into_state(self) -> StateTensors {
        StateTensors {
            canvas: self.canvas.into(),
            velocity: self.velocity.into(),
            mask: self.mask.map(Into::into),
        }
    }

    /// The state of the run `run` alone.
    pub fn alone(self, run: usize) -> Self {
        let one = |all: Array4<f32>| all.slice_move(s![run..run + 1, .., .., ..]);
        Self {
            at: AscentProgress {
                runs: vec![self.at.runs[run]],
                ..self.at
            },
            canvas: one(self.canvas),
            velocity: one(self.velocity),
            mask: self.mask.map(one),
        }
    }

    /// Checks that it is a state of `runs` in `octaves`. `is_between`: settings change at this step; the mask
    /// may then be that of the settings before or after.
    ///
    /// # Errors
    /// [`Error::StateMismatch`].
    pub(super) fn check(
        &self,
        runs: &[Run],
        octaves: &[Octave],
        channels: usize,
        has_mask: bool,
        is_between: bool,
    ) -> Result<(), Error> {
        let at = &self.at;
        let octave = octaves
            .get(at.octave)
            .ok_or(Error::StateMismatch("octave"))?;
        let before: usize = octaves[..at.octave].iter().map(|octave| octave.steps).sum();
        let dims = |channels| (runs.len(), channels, octave.height, octave.width);
        let mask = self.mask.as_ref().map(Array4::dim);
        let within = |run: &RunProgress, of: &Run| run.rescue_left <= of.settings.rescue;
        let finite = |array: &Array4<f32>| array.iter().all(|value| value.is_finite());
        let checks = [
            ("number of runs", at.runs.len() == runs.len()),
            ("octave", at.step_in_octave <= octave.steps),
            ("step", at.step == before + at.step_in_octave),
            (
                "recognition",
                at.runs
                    .iter()
                    .all(|run| (0.0..=1.0).contains(&run.recognition)),
            ),
            (
                "rescue",
                at.runs.iter().zip(runs).all(|(run, of)| within(run, of)),
            ),
            ("canvas", self.canvas.dim() == dims(channels)),
            ("velocity", self.velocity.dim() == dims(channels)),
            (
                "mask",
                mask == has_mask.then(|| dims(1))
                    || is_between && mask.is_none_or(|mask| mask == dims(1)),
            ),
            (
                "numbers",
                finite(&self.canvas) && finite(&self.velocity) && self.mask.iter().all(finite),
            ),
        ];
        match checks.iter().find(|(_, holds)| !holds) {
            Some((what, _)) => Err(Error::StateMismatch(what)),
            None => Ok(()),
        }
    }
}

impl RunProgress {
    pub(super) fn from_run(running: &RunState) -> Self {
        Self {
            drawn: running.random.drawn(),
            rescue_left: running.rescue_left,
            dead: running.dead,
            moved: running.moved,
            recognition: running.recognition,
        }
    }

    pub(super) fn restore(self, run: &Run) -> RunState {
        RunState {
            run: run.clone(),
            random: Random::at(run.seed, self.drawn),
            rescue_left: self.rescue_left,
            dead: self.dead,
            moved: self.moved,
            recognition: self.recognition,
        }
    }
}
