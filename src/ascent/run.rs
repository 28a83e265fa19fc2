//! One run of a batch, and what changes about it from step to step.
//!
//! How surely the network recognises the class decides how much noise the views have. Noise that is there from the start
//! keeps the class from ever being recognised; noise that grows while it is, and shrinks while it is not, keeps the task
//! as hard as the picture allows.

use super::random::Random;
use super::{Error, Settings, Unit};

/// One picture to make.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub unit: Unit,
    pub seed: u64,
    pub settings: Settings,
}

/// Settings that all runs of a batch must share, because they shape the step graph or the plan.
pub const SHARED: &[&str] = &[
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

/// The first setting that keeps two runs from sharing a batch.
pub fn difference(a: &Settings, b: &Settings) -> Option<&'static str> {
    let differs = |key: &&&'static str| a.get(key) != b.get(key);
    SHARED.iter().find(differs).copied()
}

/// Whether runs can share a batch.
pub(super) fn agree(runs: &[Run]) -> Result<(), Error> {
    for pair in runs.windows(2) {
        if let Some(key) = difference(&pair[0].settings, &pair[1].settings) {
            return Err(Error::Mismatch(key));
        }
    }
    Ok(())
}

/// A run, and what changes about it.
pub(super) struct Running {
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

/// What a step adds to [`Running::recognition`] if the class was more probable than not, and what it takes away if not.
const RECOGNISED: f64 = 1.0 / 16.0;
const MISSED: f64 = 1.0 / 8.0;

impl Running {
    pub fn new(run: &Run, has_class: bool) -> Self {
        Self {
            run: run.clone(),
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
