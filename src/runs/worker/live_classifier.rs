//! Classifies the watched picture from time to time, with a session of its own, where the objective is not a class and
//! the step graph has no class scores.

use crate::ascent::evaluate::{Classifier, largest};
use crate::ascent::{Error, Overlay, TOP_CLASSES};
use crate::model::{Activation, Network};
use crate::runs::batch::Batch;
use crate::runtime::Device;
use std::time::{Duration, Instant};

/// Minimum time between two classifications.
const PAUSE: Duration = Duration::from_secs(1);

/// Classification takes at most one part in this many of the total time.
const SHARE: u32 = 20;

/// Classifies one run of a batch at a time.
pub struct LiveClassifier<'n> {
    network: &'n Network,
    device: Device,
    /// Opened for the first classification.
    classifier: Option<Classifier<&'n Network>>,
    due: Option<Instant>,
    /// The run that was classified last, and its top classes.
    last: Option<(usize, Vec<(usize, f32)>)>,
}

impl<'n> LiveClassifier<'n> {
    pub fn new(network: &'n Network, device: Device) -> Self {
        let has_probabilities =
            network.logits().is_some() && network.activation() != Activation::None;
        Self {
            network,
            device,
            classifier: None,
            due: has_probabilities.then(Instant::now),
            last: None,
        }
    }

    /// The most probable classes of a run's picture and their probabilities, the largest first: current or recent.
    pub fn of(&mut self, batch: &Batch, run: usize) -> Option<(usize, &[(usize, f32)])> {
        let start = Instant::now();
        let is_new = self.last.as_ref().is_none_or(|(last, _)| *last != run);
        // After a failure it is not tried again.
        if self.due.is_some_and(|due| is_new || start >= due) {
            match self.ask(batch, run) {
                Ok(top) => {
                    self.last = Some((run, top));
                    self.due = Some(Instant::now() + PAUSE.max(start.elapsed() * SHARE));
                }
                Err(problem) => {
                    tracing::warn!(%problem, "the picture cannot be classified");
                    self.due = None;
                    self.last = None;
                }
            }
        }
        let last = self.last.as_ref();
        last.map(|(run, top)| (*run, top.as_slice()))
    }

    fn ask(&mut self, batch: &Batch, run: usize) -> Result<Vec<(usize, f32)>, Error> {
        let Some(picture) = batch.ascent().view(run, Overlay::Plain)? else {
            return Ok(Vec::new());
        };
        let network = self.network;
        let classifier = match &mut self.classifier {
            Some(open) => open,
            none => none.insert(Classifier::open(network, self.device)?),
        };
        let input = network.preprocessing.tensor(&picture, network.size);
        Ok(largest(classifier.probabilities(input)?, TOP_CLASSES))
    }
}
