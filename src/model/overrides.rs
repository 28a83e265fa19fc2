//! Overrides of a model's card, from the command line or the user interface: its inputs and outputs, and values that
//! the file leaves open.

use super::{Card, ImageSize};
use std::collections::BTreeMap;

/// Overrides of a card.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelOverrides {
    /// The image input.
    pub image_input: Option<String>,
    /// Height and width of the image input, for a model that leaves them open.
    pub input_size: Option<ImageSize>,
    /// The size to use if none is specified, from the pictures that are processed.
    pub offered_size: Option<ImageSize>,
    /// The output with the class scores.
    pub scores_output: Option<String>,
    /// The values of other inputs, by name.
    pub feed: BTreeMap<String, f64>,
}

impl ModelOverrides {
    /// Applies the overrides to `card`.
    pub fn apply_to(&self, card: &mut Card) {
        let replace = |new: &Option<String>, current: &mut Option<String>| {
            if new.is_some() {
                current.clone_from(new);
            }
        };
        replace(&self.image_input, &mut card.input);
        replace(&self.scores_output, &mut card.output);
        card.input_size = self.input_size.or(card.input_size);
        card.offered_size = self.offered_size;
        let feed = self.feed.iter();
        card.feed
            .extend(feed.map(|(name, number)| (name.clone(), *number)));
    }
}
