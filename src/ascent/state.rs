//! An ascent at rest: all that it takes to go on later, in another process, to the same picture.

use super::Error;
use super::canvas::array4;
use super::octaves::Octave;
use super::random::Random;
use super::run::{Run, RunState};
use super::step_session::StateTensors;
use ndarray::{Array4, s};
use serde::{Deserialize, Serialize};

/// Where a batch of runs stands between two steps.
#[derive(Debug, Clone, PartialEq)]
pub struct AscentState {
    pub at: AscentProgress,
    /// The canvases (N, C, h, w) of the octave that `at` names.
    pub canvas: Array4<f32>,
    /// The averaged gradients (N, C, h, w).
    pub velocity: Array4<f32>,
    /// The averaged class activation maps (N, 1, h, w), where the ascent has a mask.
    pub mask: Option<Array4<f32>>,
}

/// The small part of [`AscentState`]: counters.
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

/// The small part of one run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunProgress {
    /// How many words of the random stream are used up.
    pub drawn: u64,
    pub rescue_left: u32,
    pub dead: bool,
    pub moved: bool,
    /// See `RunState::recognition`; earlier versions had no noise in their views.
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

    /// The run number `run` without its companions.
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

    /// Whether it is a place on the way of `runs` through `octaves`. `is_between` says that their settings change there: it
    /// may have a mask or none then, as these settings say or those before.
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
    pub(super) fn of(running: &RunState) -> Self {
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
