//! The function from class scores to probabilities.

use serde::{Deserialize, Serialize};

/// The function from class scores to probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// One class per picture: probabilities that sum to 1.
    #[default]
    Softmax,
    /// Any number of classes per picture, each with an independent probability.
    Sigmoid,
    /// None: scores are used unchanged. Their range is arbitrary.
    None,
}

impl Activation {
    /// Its name in model cards.
    pub fn name(self) -> &'static str {
        match self {
            Self::Softmax => "softmax",
            Self::Sigmoid => "sigmoid",
            Self::None => "none",
        }
    }

    /// The probability of every class, computed in double precision. Not finite if the scores are not.
    pub fn probabilities(self, scores: impl Iterator<Item = f32> + Clone) -> Vec<f32> {
        match self {
            Self::Softmax => {
                let largest = scores.clone().fold(f32::NEG_INFINITY, f32::max);
                let powers: Vec<f64> = scores
                    .map(|score| f64::from(score - largest).exp())
                    .collect();
                let total: f64 = powers.iter().sum();
                powers.iter().map(|power| (power / total) as f32).collect()
            }
            Self::Sigmoid => scores
                .map(|score| (1.0 / (1.0 + f64::from(-score).exp())) as f32)
                .collect(),
            Self::None => scores.collect(),
        }
    }
}
