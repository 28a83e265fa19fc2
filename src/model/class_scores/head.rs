//! How class scores become probabilities.

/// What makes probabilities of class scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Head {
    /// One class per picture: softmax.
    #[default]
    Softmax,
    /// Any number of classes per picture, each with a probability of its own: sigmoid.
    Sigmoid,
    /// None: the scores are shown as they are. They may be of any size.
    Identity,
}

impl Head {
    /// Its name in a card.
    pub fn name(self) -> &'static str {
        match self {
            Self::Softmax => "softmax",
            Self::Sigmoid => "sigmoid",
            Self::Identity => "none",
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
            Self::Identity => scores.collect(),
        }
    }
}
