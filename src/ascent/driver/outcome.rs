//! What the network makes of the pictures of an ascent: probabilities during the steps, and the outcome of each run.

use super::{Ascent, DEAD_GRADIENT_RMS, floats};
use crate::ascent::run::RunState;
use crate::ascent::step_graph::names;
use crate::ascent::step_randomness::StepRandomness;
use crate::ascent::{Error, Kind, evaluate};
use crate::model::Activation;
use crate::runtime::Tensor;
use ndarray::ArrayViewD;

/// Number of classes in a [`Prediction`].
pub const TOP_CLASSES: usize = 5;

/// The network's prediction for one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The probability of the run's class.
    pub probability: f32,
    /// The [`TOP_CLASSES`] most probable classes with their probabilities, in descending order.
    pub top: Vec<(usize, f32)>,
}

/// The state of a run after its last step.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The objective for the centre crop of the picture, evaluated by the complete network.
    pub score: f32,
    /// The probability of the run's class; `None` if the objective is not a class.
    pub probability: Option<f32>,
    /// The [`TOP_CLASSES`] most probable classes with their probabilities, in descending order; empty if the objective
    /// is not a class.
    pub top: Vec<(usize, f32)>,
    /// Whether the gradient was zero in every step and still is.
    pub dead: bool,
}

impl Ascent<'_> {
    /// Evaluates the current pictures as a classifier sees them, without changing them.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the device fails.
    pub fn outcomes(&mut self) -> Result<Vec<Outcome>, Error> {
        let kept = self.read_state()?;
        self.has_previous = false;
        let branches = self.step_session.branches;
        let still = |run: &RunState| StepRandomness::still(self.frame(run.run.unit), branches);
        let still: Vec<StepRandomness> = self.runs.iter().map(still).collect();
        // Only the true gradient tells whether a run is dead, so all rectifiers stay closed.
        let results = self.run_step(&still, 1.0, &vec![false; self.runs.len()])?;
        self.state.reset(names::CANVAS, &kept.canvas)?;
        self.state.reset(names::VELOCITY, &kept.velocity)?;
        if let Some(mask) = &kept.mask {
            self.state.reset(names::MASK, mask)?;
        }
        let predictions = results.get(2).and_then(|logits| self.predictions(logits));
        let rms = floats(&results[1]);
        self.check_finite("score", self.step, &floats(&results[0]))?;
        let outcome = |(index, score): (usize, f32)| Outcome {
            score,
            probability: predictions.as_ref().map(|all| all[index].probability),
            top: predictions
                .as_ref()
                .map_or_else(Vec::new, |all| all[index].top.clone()),
            dead: !self.runs[index].moved && rms[index] < DEAD_GRADIENT_RMS,
        };
        Ok(floats(&results[0])
            .into_iter()
            .enumerate()
            .map(outcome)
            .collect())
    }

    /// Checks that `numbers`, one per run, are finite.
    ///
    /// # Errors
    /// [`Error::Diverged`] with the first layer that is not finite for the picture before the step.
    pub(super) fn check_finite(
        &self,
        what: &'static str,
        step: usize,
        numbers: &[f32],
    ) -> Result<(), Error> {
        let Some(run) = numbers.iter().position(|number| !number.is_finite()) else {
            return Ok(());
        };
        let (network, value) = (self.network, &self.plan.objective.value);
        let picture = self.picture_before(run)?;
        let picture = network.preprocessing.tensor(&picture, network.size);
        let at = match evaluate::first_not_finite(network, &picture, value, self.device) {
            Some(layer) => format!("the first layer with a value that is not finite is {layer}"),
            None => "every layer is finite for the picture; a smaller step_size may help".into(),
        };
        Err(Error::Diverged {
            what,
            run,
            step,
            at,
        })
    }

    /// The prediction for each run's picture; `None` if the objective is not a class, or scores have no probabilities.
    pub(super) fn predictions(&self, logits: &Tensor) -> Option<Vec<Prediction>> {
        let all = logits.as_f32().into_iter().flat_map(|all| all.outer_iter());
        let activation = self.network.activation();
        let kind = self.plan.objective.kind;
        if activation == Activation::None || !kind.is_of_class() {
            return None;
        }
        let predict = |(run, scores): (&RunState, ArrayViewD<f32>)| {
            let probabilities = activation.probabilities(scores.iter().copied());
            prediction(kind, run.run.unit.index, &probabilities)
        };
        Some(self.runs.iter().zip(all).map(predict).collect())
    }
}

fn prediction(kind: Kind, class: usize, probabilities: &[f32]) -> Prediction {
    Prediction {
        probability: match kind {
            Kind::NotClass => 1.0 - probabilities[class],
            _ => probabilities[class],
        },
        top: evaluate::largest(probabilities.iter().copied(), TOP_CLASSES),
    }
}
