//! Which of a model's inputs and outputs are meant, and what its file leaves open, where someone says it beside the model's
//! card.

use super::{Card, ImageSize};
use std::collections::BTreeMap;

/// What is said; it comes before what the card says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelOverrides {
    /// The input that takes the picture.
    pub image_input: Option<String>,
    /// How high and wide the picture is, for a model that leaves it open.
    pub input_size: Option<ImageSize>,
    /// What that is if nobody says it and the pictures at hand have a size.
    pub offered_size: Option<ImageSize>,
    /// The output that holds the class scores.
    pub scores_output: Option<String>,
    /// What further inputs hold everywhere.
    pub feed: BTreeMap<String, f64>,
}

impl ModelOverrides {
    /// Says it in `card`.
    pub fn apply_to(&self, card: &mut Card) {
        let told = |told: &Option<String>, known: &mut Option<String>| {
            if told.is_some() {
                known.clone_from(told);
            }
        };
        told(&self.image_input, &mut card.input);
        told(&self.scores_output, &mut card.output);
        card.input_size = self.input_size.or(card.input_size);
        card.offered_size = self.offered_size;
        let feed = self.feed.iter();
        card.feed
            .extend(feed.map(|(name, number)| (name.clone(), *number)));
    }
}
