//! What makes probabilities of a model's class scores.

use serde::{Deserialize, Serialize};

/// The function that makes probabilities of class scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// One class per picture: probabilities that sum to 1.
    #[default]
    Softmax,
    /// Any number of classes per picture, each with a probability of its own.
    Sigmoid,
    /// None: the scores are taken as they are. They may be of any size.
    None,
}

impl Activation {
    /// Its name, as cards have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Softmax => "softmax",
            Self::Sigmoid => "sigmoid",
            Self::None => "none",
        }
    }

    /// The probability of every class from the class scores, in double precision. They are not finite where the scores
    /// are not.
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
