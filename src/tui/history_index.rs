//! Index of all finished runs, in memory for lists and marks. The folders on disk are authoritative.

use crate::ascent::{Kind, Objective, Unit};
use crate::runs::history::HistoryEntry;
use crate::runs::history::query::{Filter, SortOrder, select};
use crate::runs::target::Target;
use std::collections::HashMap;

/// The target of a run: model hash, objective and unit.
type Key = (String, Objective, Unit);

fn key(entry: &HistoryEntry) -> Key {
    (
        entry.model_hash.clone(),
        entry.objective.clone(),
        entry.unit,
    )
}

/// The finished runs.
#[derive(Debug, Default)]
pub struct HistoryIndex {
    entries: Vec<HistoryEntry>,
    /// Whether an entry was removed, by index: indices are stable.
    gone: Vec<bool>,
    by_id: HashMap<String, usize>,
    /// The latest run of each target, by index.
    by_target: HashMap<Key, usize>,
    /// Whether the complete history has been read.
    pub complete: bool,
    pub order: SortOrder,
    /// Whether only runs of the open model are listed.
    pub this_model: bool,
}

impl HistoryIndex {
    /// Adds or updates a run.
    pub fn add(&mut self, entry: HistoryEntry) {
        let key = key(&entry);
        let index = match self.by_id.get(&entry.id) {
            Some(&index) => {
                self.entries[index] = entry;
                self.gone[index] = false;
                index
            }
            None => {
                let index = self.entries.len();
                self.by_id.insert(entry.id.clone(), index);
                self.entries.push(entry);
                self.gone.push(false);
                index
            }
        };
        let latest = self.by_target.entry(key).or_insert(index);
        if self.entries[index].time >= self.entries[*latest].time {
            *latest = index;
        }
    }

    /// Removes runs.
    pub fn remove_all(&mut self, ids: &[String]) {
        for id in ids {
            if let Some(&index) = self.by_id.get(id) {
                self.gone[index] = true;
            }
        }
        // A single pass, because each removed run may have been the latest of its target.
        self.by_target.clear();
        for (index, entry) in self.entries.iter().enumerate() {
            if self.gone[index] {
                continue;
            }
            let latest = self.by_target.entry(key(entry)).or_insert(index);
            if entry.time >= self.entries[*latest].time {
                *latest = index;
            }
        }
    }

    /// Whether there is a run of a model.
    pub fn has_run_of(&self, model_hash: &str) -> bool {
        self.entries().any(|entry| entry.model_hash == model_hash)
    }

    /// The run at an index.
    pub fn get(&self, index: usize) -> &HistoryEntry {
        &self.entries[index]
    }

    /// The index of an id.
    pub fn index(&self, id: &str) -> Option<usize> {
        let index = *self.by_id.get(id)?;
        (!self.gone[index]).then_some(index)
    }

    /// The run of an id.
    pub fn find(&self, id: &str) -> Option<&HistoryEntry> {
        self.index(id).map(|index| &self.entries[index])
    }

    /// The latest run of a model's target.
    pub fn of_target(&self, model_hash: &str, target: &Target) -> Option<&HistoryEntry> {
        // Called only for visible items: allocating a key is cheap enough.
        let key = (
            model_hash.to_string(),
            target.objective.clone(),
            target.unit,
        );
        self.by_target.get(&key).map(|&index| &self.entries[index])
    }

    /// The existing runs, unordered.
    fn entries(&self) -> impl Iterator<Item = &HistoryEntry> {
        let entries = self.entries.iter().zip(&self.gone);
        entries.filter(|(_, gone)| !**gone).map(|(entry, _)| entry)
    }

    /// Number of runs of a layer's channels and neurons.
    pub fn channels_of(&self, model_hash: &str, layer: &str) -> usize {
        let is_of = |entry: &&HistoryEntry| {
            let is_channel = matches!(entry.kind(), Kind::Channel | Kind::Neuron);
            is_channel && entry.objective.value == layer && entry.model_hash == model_hash
        };
        self.entries().filter(is_of).count()
    }

    /// The latest run of a model.
    pub fn latest(&self, model_hash: &str) -> Option<&HistoryEntry> {
        let own = self.entries();
        own.filter(|entry| entry.model_hash == model_hash)
            .max_by_key(|entry| entry.time)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries().count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries().next().is_none()
    }

    /// Sets or clears a run's favourite mark.
    pub fn set_favourite(&mut self, id: &str, on: bool) {
        if let Some(&index) = self.by_id.get(id) {
            self.entries[index].favourite = on;
        }
    }

    /// Indices of the matching runs, in the current order.
    pub fn list(&self, search: &str, favourites: bool, model_hash: Option<&str>) -> Vec<usize> {
        let filter = Filter {
            text: search.into(),
            favourites,
            model: model_hash.filter(|_| self.this_model).map(str::to_string),
            kind: None,
            ..Filter::default()
        };
        let mut found = select(&self.entries, &filter, self.order);
        found.retain(|&index| !self.gone[index]);
        found
    }
}
