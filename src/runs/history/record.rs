//! What is known of a run.

use super::super::Spec;
use serde::{Deserialize, Serialize};

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// All steps were taken.
    Finished,
    /// The user stopped it.
    Stopped,
}

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
    /// The objective before each step.
    pub scores: Vec<f32>,
    /// Seconds that the steps took. Runs of one batch share them.
    pub seconds: f64,
    /// How many runs stepped together.
    pub batch: usize,
    pub ended: Ended,
    /// Seconds since 1970 at the end.
    pub time: u64,
}
