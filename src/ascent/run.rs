//! One run of a batch, and its state between steps.
//!
//! The amount of noise in views depends on how reliably the network recognises the class. Noise from the start would
//! prevent recognition; noise that grows while the class is recognised and shrinks otherwise keeps the task as hard as
//! the picture allows.

use super::random::Random;
use super::settings::KNOBS;
use super::{Error, Settings, Unit};

/// The specification of one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The class, channel or neuron.
    pub unit: Unit,
    /// The seed of its random numbers: equal seeds give equal pictures.
    pub seed: u64,
    /// The settings.
    pub settings: Settings,
    /// Other settings of its first steps, in order; empty if the settings never change. A run with stages cannot share
    /// a batch.
    pub earlier: Vec<Stage>,
}

/// Settings that apply up to a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// The number of the last step to which they apply, from 1.
    pub until: usize,
    pub settings: Settings,
}

impl Run {
    /// A run whose settings never change.
    pub fn new(unit: Unit, seed: u64, settings: Settings) -> Self {
        Self {
            unit,
            seed,
            settings,
            earlier: Vec::new(),
        }
    }

    /// The settings of the next step after `taken` steps.
    pub(super) fn settings_after(&self, taken: usize) -> &Settings {
        let stage = self.earlier.iter().find(|stage| taken < stage.until);
        stage.map_or(&self.settings, |stage| &stage.settings)
    }

    /// The settings of the last of `taken` steps; those of the first step if `taken` is 0.
    pub(super) fn settings_of(&self, taken: usize) -> &Settings {
        self.settings_after(taken.saturating_sub(1))
    }

    /// The run with the settings of the next step after `taken` steps, without stages.
    pub(super) fn after(&self, taken: usize) -> Self {
        Self::new(self.unit, self.seed, self.settings_after(taken).clone())
    }
}

/// Settings that all runs of a batch must share, because they determine the step graph or the octaves.
pub const BATCH_SETTINGS: &[&str] = &[
    "steps",
    "canvas",
    "canvas_scale",
    "octaves",
    "octave_scale",
    "octave_share",
    "objective",
    "levels",
    "mask_method",
    "mask_layer",
];

/// Why a setting cannot change during a run; `None` if it can.
pub fn why_fixed(key: &str) -> Option<&'static str> {
    Some(match key {
        "steps" | "octaves" | "octave_scale" | "octave_share" => {
            "it determines the octaves and their steps"
        }
        "canvas" | "canvas_scale" => "it sets the size of the canvas",
        "objective" => "the scores before and after could not be compared",
        "levels" => "it sets the bands of the pyramid",
        "mask_method" | "mask_layer" => "the class activation map is an average over the steps",
        "noise" => "the run started from its noise",
        "rescue" => "it counts steps from the start of the run",
        _ => return None,
    })
}

/// The first setting that differs and cannot change during a run.
pub fn fixed_difference(a: &Settings, b: &Settings) -> Option<&'static str> {
    let keys = KNOBS.iter().map(|knob| knob.key);
    let mut keys = keys.filter(|key| why_fixed(key).is_some());
    keys.find(|key| a.get(key) != b.get(key))
}

/// The first setting that prevents two runs from sharing a batch.
pub fn difference(a: &Settings, b: &Settings) -> Option<&'static str> {
    let differs = |key: &&&'static str| a.get(key) != b.get(key);
    BATCH_SETTINGS.iter().find(differs).copied()
}

/// Checks that runs can share a batch.
///
/// # Errors
/// [`Error::Mismatch`].
pub(super) fn check_batchable(runs: &[Run]) -> Result<(), Error> {
    for pair in runs.windows(2) {
        if let Some(key) = difference(&pair[0].settings, &pair[1].settings) {
            return Err(Error::Mismatch(key));
        }
    }
    if runs.len() > 1 && runs.iter().any(|run| !run.earlier.is_empty()) {
        return Err(Error::Mismatch("settings that change at a step"));
    }
    runs.iter().try_for_each(check_stages)
}

/// Checks that the stages of a run are in order, and only change settings that may change.
fn check_stages(run: &Run) -> Result<(), Error> {
    let steps = run.settings.steps as usize;
    let mut last = 0;
    for stage in &run.earlier {
        if let Some(key) = fixed_difference(&stage.settings, &run.settings) {
            return Err(Error::Mismatch(key));
        }
        if !(last + 1..steps).contains(&stage.until) {
            return Err(Error::Mismatch(
                "the order of the steps at which settings change",
            ));
        }
        last = stage.until;
    }
    Ok(())
}

/// A run and its state between steps.
pub(super) struct RunState {
    pub run: Run,
    pub random: Random,
    /// Remaining steps with opened rectifiers.
    pub rescue_left: u32,
    /// Whether the last true gradient was zero, so that rectifiers are opened while steps for that remain.
    pub dead: bool,
    /// Whether any step had a gradient.
    pub moved: bool,
    /// How reliably recent steps recognised the class, 0 to 1; always 1 if the objective is not a class.
    pub recognition: f64,
}

/// Increase of [`RunState::recognition`] by a step in which the class was recognised, and decrease by any other step.
const RECOGNISED: f64 = 1.0 / 16.0;
const MISSED: f64 = 1.0 / 8.0;

impl RunState {
    pub fn new(run: &Run, has_class: bool) -> Self {
        Self {
            run: run.after(0),
            random: Random::new(run.seed),
            rescue_left: run.settings.rescue,
            dead: false,
            moved: false,
            recognition: if has_class { 0.0 } else { 1.0 },
        }
    }

    /// Updates the recognition with the probability of the class in a step.
    pub fn recognise(&mut self, probability: f32) {
        let change = if probability > 0.5 {
            RECOGNISED
        } else {
            -MISSED
        };
        self.recognition = (self.recognition + change).clamp(0.0, 1.0);
    }

    /// Whether its next step opens blocked rectifiers.
    pub fn is_rescued(&self) -> bool {
        self.dead && self.rescue_left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(stages: &[usize]) -> Run {
        let stage = |until: &usize| Stage {
            until: *until,
            settings: Settings {
                blur: *until as f64,
                ..Settings::default()
            },
        };
        Run {
            unit: Unit {
                index: 0,
                position: (0, 0),
            },
            seed: 0,
            settings: Settings::default(),
            earlier: stages.iter().map(stage).collect(),
        }
    }

    #[test]
    fn shared_settings_cannot_change_during_a_run() {
        for key in BATCH_SETTINGS {
            assert!(why_fixed(key).is_some(), "{key}");
        }
        assert_eq!(why_fixed("momentum"), None);
    }

    #[test]
    fn each_step_has_the_settings_of_its_stage() {
        let run = run(&[2, 5]);
        let blur = |taken| run.settings_after(taken).blur;
        assert_eq!([0, 1, 2, 4, 5, 9].map(blur), [2.0, 2.0, 5.0, 5.0, 3.0, 3.0]);
        let of = |taken| run.settings_of(taken).blur;
        assert_eq!([0, 2, 3, 5, 6].map(of), [2.0, 2.0, 5.0, 5.0, 3.0]);
    }

    #[test]
    fn stages_follow_one_another_within_the_steps() {
        assert!(check_batchable(&[run(&[1, 175])]).is_ok());
        for wrong in [&[0][..], &[5, 5], &[9, 3], &[176]] {
            assert!(check_batchable(&[run(wrong)]).is_err(), "{wrong:?}");
        }
        assert!(check_batchable(&[run(&[3]), run(&[3])]).is_err());
        let mut other = run(&[3]);
        other.earlier[0].settings.octaves = 2;
        assert!(matches!(
            check_batchable(&[other]),
            Err(Error::Mismatch("octaves"))
        ));
    }
}
