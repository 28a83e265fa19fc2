//! What is known of a run.

use super::super::Spec;
use super::super::format::percent;
use super::super::judging::Verdict;
use crate::text::shown;
use serde::{Deserialize, Serialize};

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// All steps were taken.
    Finished,
    /// The user stopped it.
    Stopped,
}

/// The probability from which on a picture counts as one of what was climbed.
pub const REACHED: f32 = 0.5;

/// What is known of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub id: String,
    pub spec: Spec,
    /// Where it ran: `cpu`, `cuda:0`, …
    pub provider: String,
    /// Ziggurat's version and ONNX Runtime's.
    pub versions: [String; 2],
    /// The objective of the finished picture.
    pub score: f32,
    /// The probability of the class; only for classes.
    pub probability: Option<f32>,
    /// Whether the network takes the picture for what was climbed: its probability is at least [`REACHED`]. Only for
    /// classes; not in records of earlier versions.
    #[serde(default)]
    pub reached: Option<bool>,
    /// The most probable classes of the finished picture and their probabilities, the largest first. Only for classes;
    /// not in records of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<(usize, f32)>,
    /// What other models say of the picture, if any were asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<Verdict>,
    /// Steps on each octave, coarse to fine; not in records of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub octaves: Vec<usize>,
    /// The objective before each step.
    pub scores: Vec<f32>,
    /// Seconds that the steps took. Runs of one batch share them.
    pub seconds: f64,
    /// How many runs stepped together.
    pub batch: usize,
    /// The same, if made alone the picture may look different: on a GPU, and on the CPU for some networks. Not there for a
    /// run that stepped alone or is the same as if it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<usize>,
    /// The ids of those runs in their order, this one among them: of a branch, those that stepped with the run that it was
    /// branched from. Not in records of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub companions: Vec<String>,
    pub ended: EndReason,
    /// Seconds since 1970 at the end.
    pub time: u64,
}

impl Record {
    /// What to try where the network does not take the picture for what was climbed: one line; `None` if it does, or if
    /// that is not known.
    pub fn advice(&self) -> Option<String> {
        let probability = self.probability.filter(|_| self.reached == Some(false))?;
        Some(format!(
            "{} was not reached: its probability is {}; another --seed, --set stochastic_depth=0 or more --steps may help",
            shown(&self.spec.target),
            percent(probability)
        ))
    }
}
