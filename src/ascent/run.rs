//! One run of a batch, and what changes about it from step to step.

use super::random::Random;
use super::views::View;
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
}

impl Running {
    pub fn new(run: &Run) -> Self {
        Self {
            run: run.clone(),
            random: Random::new(run.seed),
            rescue_left: run.settings.rescue,
            dead: false,
            moved: false,
        }
    }

    /// Whether its next step is taken with blocked rectifiers opened.
    pub fn is_rescued(&self) -> bool {
        self.dead && self.rescue_left > 0
    }
}

/// What chance has in a step of a run.
#[derive(Clone)]
pub(super) struct Draw {
    /// What the network sees of the canvas.
    pub view: View,
    /// What each residual branch is multiplied by: 0 if it is left out.
    pub branches: Vec<f32>,
}
