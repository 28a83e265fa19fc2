//! Runs to repeat in another model: the model is opened while other runs continue, and their targets are looked up in
//! it.

use super::load_model::LoadedModel;
use super::{TransferSource, WorkerEvent};
use crate::home::Home;
use crate::runs::target::TargetScope;
use crate::runs::transfer::transferred;
use crate::runs::{Spec, history};
use std::collections::VecDeque;

/// Runs to look up in a model: a card's name or a path.
struct Transfer {
    model: String,
    runs: Vec<TransferSource>,
}

/// What waits to be looked up. Models are opened one after another, so that not all of them are in memory together.
#[derive(Default)]
pub struct Transfers(VecDeque<Transfer>);

impl Transfers {
    /// Adds runs to look up in a model, after those that wait already.
    pub fn push(&mut self, model: String, runs: Vec<TransferSource>) {
        self.0.push_back(Transfer { model, runs });
    }

    /// The model that is needed next.
    pub fn next_model(&self) -> Option<&str> {
        self.0.front().map(|next| next.model.as_str())
    }

    /// Looks the next runs up in their model.
    pub fn look_up_next(&mut self, home: &Home, loaded: &LoadedModel) -> Option<WorkerEvent> {
        let next = self.0.pop_front()?;
        let (specs, problems) = look_up(home, &next.runs, loaded);
        Some(WorkerEvent::Transferred {
            model: loaded.opened.name.clone(),
            opened: Some(loaded.opened.clone()),
            specs,
            problems,
        })
    }

    /// Drops what waits for a model that cannot be opened; `None` if nothing does.
    pub fn give_up(&mut self, model: &str, why: &str) -> Option<WorkerEvent> {
        let waiting = self.0.len();
        self.0.retain(|transfer| transfer.model != model);
        (self.0.len() < waiting).then(|| WorkerEvent::Transferred {
            model: model.into(),
            opened: None,
            specs: Vec::new(),
            problems: vec![why.into()],
        })
    }
}

/// The same runs in another model, and the problems of those that are impossible in it.
fn look_up(home: &Home, runs: &[TransferSource], loaded: &LoadedModel) -> (Vec<Spec>, Vec<String>) {
    let opened = &loaded.opened;
    let parts = TargetScope {
        // A layer of another model may be an internal tensor here.
        layers: &opened.values,
        ..opened.scope()
    };
    let model = (opened.model.as_str(), opened.hash.as_str());
    let (mut specs, mut problems) = (Vec::new(), Vec::new());
    for run in runs {
        let spec = match run {
            TransferSource::Spec(spec) => Ok((**spec).clone()),
            TransferSource::Stored(id) => history::read(home, id)
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
