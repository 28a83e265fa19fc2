//! What makes probabilities of a model's class scores, as a card or an exporter states it.

use serde::{Deserialize, Serialize};

/// The function that is applied to the output in which the class scores are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// One class per picture: probabilities that sum to 1.
    Softmax,
    /// Any number of classes per picture, each with a probability of its own.
    Sigmoid,
    /// None: the output is taken as it is.
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
}
