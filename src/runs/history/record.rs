//! The record of a run.

use crate::runs::Spec;
use crate::runs::format::percent;
use crate::runs::judging::Verdict;
use crate::text::safe;
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

/// The minimum probability at which a class counts as reached.
pub const REACHED: f32 = 0.5;

/// The record of a run.
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
    /// Whether the probability of the target is at least [`REACHED`]. Only for
    /// classes; not in records of earlier versions.
    #[serde(default)]
    pub reached: Option<bool>,
    /// The most probable classes of the finished picture and their probabilities, the largest first. Only for classes;
    /// not in records of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<(usize, f32)>,
    /// The verdicts of other models.
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
    /// The same number, if the picture may depend on it: on a GPU, and on the CPU for some networks. `None` for a run
    /// that stepped alone, or whose picture is the same as if it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<usize>,
    /// The ids of those runs in their order, this one among them: of a branch, those that stepped with the run that it
    /// was branched from. Not in records of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub companions: Vec<String>,
    pub ended: EndReason,
    /// Seconds since 1970 at the end.
    pub time: u64,
}

impl Record {
    /// Advice if the class was not reached: one line; `None` if it was reached, or if that is not known.
    pub fn advice(&self) -> Option<String> {
        let probability = self.probability.filter(|_| self.reached == Some(false))?;
        Some(format!(
            "{} was not reached: its probability is {}; another --seed, --set stochastic_depth=0 or more --steps may help",
            safe(&self.spec.target),
            percent(probability)
        ))
    }
}
