//! One run of a batch, and what changes about it from step to step.
//!
//! How surely the network recognises the class decides how much noise the views have. Noise that is there from the start
//! keeps the class from ever being recognised; noise that grows while it is, and shrinks while it is not, keeps the task
//! as hard as the picture allows.

use super::random::Random;
use super::settings::KNOBS;
use super::{Error, Settings, Unit};

/// One picture to make.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub unit: Unit,
    pub seed: u64,
    pub settings: Settings,
    /// Other settings of its first steps, in their order; empty for a run of one and the same settings. A run with such
    /// stages steps alone.
    pub earlier: Vec<Stage>,
}

/// Settings that hold up to a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// The number of the last step that they hold for, from 1.
    pub until: usize,
    pub settings: Settings,
}

impl Run {
    /// The settings of the step that follows after `taken` steps.
    pub(super) fn settings_after(&self, taken: usize) -> &Settings {
        let stage = self.earlier.iter().find(|stage| taken < stage.until);
        stage.map_or(&self.settings, |stage| &stage.settings)
    }

    /// The settings of the last of `taken` steps; those of the first if none was taken.
    pub(super) fn settings_of(&self, taken: usize) -> &Settings {
        self.settings_after(taken.saturating_sub(1))
    }

    /// The run as it is in the step that follows after `taken` steps, without its other stages.
    pub(super) fn after(&self, taken: usize) -> Self {
        Self {
            unit: self.unit,
            seed: self.seed,
            settings: self.settings_after(taken).clone(),
            earlier: Vec::new(),
        }
    }
}

/// Settings that all runs of a batch must share, because they shape the step graph or the plan.
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

/// Why a setting cannot change once a run has begun; `None` if it can.
pub fn why_fixed(key: &str) -> Option<&'static str> {
    Some(match key {
        "steps" | "octaves" | "octave_scale" | "octave_share" => {
            "it lays out the octaves and their steps"
        }
        "canvas" | "canvas_scale" => "it sets the size of the canvas",
        "objective" => "the scores before and after could not be compared",
        "levels" => "it sets the bands of the pyramid",
        "mask_method" | "mask_layer" => "the class activation map is an average over the steps",
        "noise" => "the run started from its noise",
        "rescue" => "it counts from the start of the run",
        _ => return None,
    })
}

/// The first setting that differs and cannot change once a run has begun.
pub fn fixed_difference(a: &Settings, b: &Settings) -> Option<&'static str> {
    let keys = KNOBS.iter().map(|knob| knob.key);
    let mut keys = keys.filter(|key| why_fixed(key).is_some());
    keys.find(|key| a.get(key) != b.get(key))
}

/// The first setting that keeps two runs from sharing a batch.
pub fn difference(a: &Settings, b: &Settings) -> Option<&'static str> {
    let differs = |key: &&&'static str| a.get(key) != b.get(key);
    BATCH_SETTINGS.iter().find(differs).copied()
}

/// Whether runs can share a batch.
pub(super) fn check_batchable(runs: &[Run]) -> Result<(), Error> {
    for pair in runs.windows(2) {
        if let Some(key) = difference(&pair[0].settings, &pair[1].settings) {
            return Err(Error::Mismatch(key));
        }
    }
    if runs.len() > 1 && runs.iter().any(|run| !run.earlier.is_empty()) {
        return Err(Error::Mismatch("settings that change at a step"));
    }
    runs.iter().try_for_each(follows)
}

/// Whether the stages of a run follow one another, and change nothing that cannot change.
fn follows(run: &Run) -> Result<(), Error> {
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

/// A run, and what changes about it.
pub(super) struct RunState {
    pub run: Run,
    pub random: Random,
    /// Steps that it may still take with blocked rectifiers opened.
    pub rescue_left: u32,
    /// Whether a true gradient was zero, so that rectifiers are to be opened while there are steps left for that.
    pub dead: bool,
    /// Whether any step moved it.
    pub moved: bool,
    /// How surely the network recognises the class of late, 0 to 1; always 1 where the objective is no class.
    pub recognition: f64,
}

/// What a step adds to [`RunState::recognition`] if the class was more probable than not, and what it takes away if not.
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

    /// Takes note of the probability of its class in a step.
    pub fn recognise(&mut self, probability: f32) {
        let change = if probability > 0.5 {
            RECOGNISED
        } else {
            -MISSED
        };
        self.recognition = (self.recognition + change).clamp(0.0, 1.0);
    }

    /// Whether its next step is taken with blocked rectifiers opened.
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
    fn what_a_batch_shares_cannot_change_on_the_way() {
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
