//! Runs that are to be made in another model: it is opened, behind whatever runs, and what they climb is looked up in it.

use super::bench::Bench;
use super::opening::Loaded;
use super::{Origin, Report};
use crate::runs::target::Parts;
use crate::runs::transfer::transferred;
use crate::runs::{Spec, history};
use std::collections::VecDeque;

/// Runs to look up in a model: a card's name or a path.
struct Transfer {
    model: String,
    runs: Vec<Origin>,
}

/// What waits to be looked up. Models are opened one after another, so that not all of them are in memory together.
#[derive(Default)]
pub struct Transfers(VecDeque<Transfer>);

impl Bench {
    /// Looks runs up in a model, after those that wait already.
    pub fn transfer(&mut self, model: String, runs: Vec<Origin>) {
        self.transfers.0.push_back(Transfer { model, runs });
        self.go_on_with_transfers();
    }

    /// Looks up what can be; where the next model is not open, it is opened.
    pub fn go_on_with_transfers(&mut self) {
        while let Some(next) = self.transfers.0.front() {
            let Some(loaded) = self.networks.iter().find(|loaded| loaded.is(&next.model)) else {
                let model = next.model.clone();
                return self.open(model, false);
            };
            let (specs, problems) = self.look_up(&next.runs, loaded);
            self.mailbox.post(Report::Transferred {
                model: loaded.opened.name.clone(),
                opened: Some(loaded.opened.clone()),
                specs,
                problems,
            });
            self.transfers.0.pop_front();
        }
    }

    /// Gives up what waits for a model that cannot be opened.
    pub fn give_up_transfers(&mut self, model: &str, why: &str) {
        let waiting = self.transfers.0.len();
        self.transfers.0.retain(|transfer| transfer.model != model);
        if self.transfers.0.len() < waiting {
            self.mailbox.post(Report::Transferred {
                model: model.into(),
                opened: None,
                specs: Vec::new(),
                problems: vec![why.into()],
            });
        }
    }

    fn look_up(&self, runs: &[Origin], loaded: &Loaded) -> (Vec<Spec>, Vec<String>) {
        let opened = &loaded.opened;
        let parts = Parts {
            // A layer of another model may be none that people would call so here.
            layers: &opened.values,
            ..opened.parts()
        };
        let model = (opened.model.as_str(), opened.hash.as_str());
        let (mut specs, mut problems) = (Vec::new(), Vec::new());
        for run in runs {
            let spec = match run {
                Origin::Spec(spec) => Ok((**spec).clone()),
                Origin::Kept(id) => history::read(&self.home, id)
                    .map(|record| record.spec)
                    .map_err(|problem| problem.to_string()),
            };
            let found = spec.and_then(|spec| {
                transferred(&spec, model, parts).map_err(|problem| problem.to_string())
            });
            match found {
                Ok(spec) => specs.push(spec),
                Err(problem) => problems.push(problem),
            }
        }
        (specs, problems)
    }
}
