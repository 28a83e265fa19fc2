//! Opens models for runs, exploration and transfers, on threads of their own.

use super::WorkerEvent;
use super::load_model::{self, LoadedModel};
use super::thread::{Message, Opening, WorkerThread, catch};
use std::sync::Arc;

/// Maximum number of open networks: the one that runs, and the one that is explored.
const MAX_OPEN: usize = 2;

impl WorkerThread {
    /// Begins to open a model, unless it is being opened. One that is to be shown takes the place of those before it.
    pub fn open(&mut self, asked: String, is_shown: bool) {
        if is_shown {
            for opening in &mut self.openings {
                opening.is_shown = false;
            }
        }
        let mut openings = self.openings.iter_mut();
        if let Some(opening) = openings.find(|opening| opening.asked == asked) {
            opening.is_shown |= is_shown;
            return;
        }
        let (home, provider) = (self.home.clone(), self.wanted.provider);
        let options = self.options.clone();
        let (mailbox, sender) = (self.mailbox.clone(), self.sender.clone());
        let model = asked.clone();
        let load = move || {
            let load = || load_model::load(&home, &model, provider, &options, &mailbox);
            let result = catch(load).map(Arc::new);
            let asked = model;
            // It fails only if the worker has ended.
            let _ = sender.send(Message::Loaded { asked, result });
        };
        let thread = std::thread::Builder::new().name("opening".into());
        let opening = Opening {
            asked: asked.clone(),
            is_shown,
        };
        self.openings.push(opening);
        if let Err(problem) = thread.spawn(load) {
            self.loaded(asked, Err(format!("no thread can be started: {problem}")));
        }
    }

    pub fn loaded(&mut self, asked: String, result: Result<Arc<LoadedModel>, String>) {
        let place = self
            .openings
            .iter()
            .position(|opening| opening.asked == asked);
        let is_shown = place.is_some_and(|place| self.openings.swap_remove(place).is_shown);
        match result {
            Ok(loaded) => {
                self.device = Some(loaded.device());
                if is_shown {
                    self.mailbox
                        .post(WorkerEvent::Opened(loaded.opened.clone()));
                }
                self.networks.retain(|other| !other.is(&asked));
                self.networks.push(loaded);
                let surplus = self.networks.len().saturating_sub(MAX_OPEN);
                self.networks.drain(..surplus);
                self.photos.keep(&self.networks);
            }
            Err(why) => {
                if is_shown {
                    let (model, why) = (asked.clone(), why.clone());
                    self.mailbox.post(WorkerEvent::OpenFailed { model, why });
                }
                if let Some(report) = self.transfers.give_up(&asked, &why) {
                    self.mailbox.post(report);
                }
                self.unopened = Some((asked, why));
            }
        }
        self.continue_transfers();
    }

    /// Looks up what can be; where the next model is not open, it is opened.
    pub fn continue_transfers(&mut self) {
        while let Some(model) = self.transfers.next_model() {
            let mut networks = self.networks.iter();
            let Some(loaded) = networks.find(|loaded| loaded.is(model)) else {
                let model = model.to_string();
                return self.open(model, false);
            };
            if let Some(report) = self.transfers.look_up_next(&self.home, loaded) {
                self.mailbox.post(report);
            }
        }
    }
}
