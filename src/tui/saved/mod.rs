//! The view state of each model, restored when the model is opened again. Everything is saved by name, so that it is
//! found in a changed list; names that no longer exist are omitted.
//!
//! - [`mod@file`]: the file of saved view states

pub mod file;

use super::browser::{Browser, Tab};
use super::layer_tree::Row;
use crate::runs::worker::ModelInfo;
use crate::setting_value::SettingValue;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Minimum time between two writes of the file.
pub const PAUSE: Duration = Duration::from_secs(5);

/// Maximum number of saved models, the latest.
const MAX_MODELS: usize = 50;

/// Maximum number of saved unfolded scopes per model.
pub const MAX_SCOPES: usize = 300;

/// The saved view states of all models, the latest used last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SavedState {
    models: Vec<SavedModel>,
}

/// The view state of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedModel {
    /// Content hash of the model.
    pub model: String,
    /// What reopens it from any working directory: an absolute path or a card's name. Missing in files of earlier
    /// versions.
    #[serde(default)]
    pub name: Option<String>,
    pub tab: Tab,
    /// The row of the tree of layers under the cursor.
    pub row: Option<SavedRow>,
    /// The unfolded scopes.
    pub open: Vec<String>,
    /// The layer whose channels are listed, and the channel under the cursor.
    pub channels: Option<(String, usize)>,
    /// Whether lists are shown as grids.
    pub grid: bool,
    /// Whether internal tensors are listed, too.
    pub all_layers: bool,
    /// Index and name of the class under the cursor.
    pub class: Option<(usize, String)>,
    /// Ids of the finished runs under the cursors of history and favourites.
    pub history: Option<String>,
    pub favourite: Option<String>,
    /// Id of the run whose picture is shown.
    pub shown: Option<String>,
    pub preset: String,
    pub seed: u64,
    /// The settings that differ from the preset.
    pub changes: BTreeMap<String, SettingValue>,
}

/// A row of the tree of layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SavedRow {
    Layer(String),
    Scope(String),
}

impl SavedState {
    /// The saved state of a model.
    pub fn of(&self, hash: &str) -> Option<&SavedModel> {
        self.models.iter().find(|model| model.model == hash)
    }

    /// The model that was used last.
    pub fn last(&self) -> Option<&SavedModel> {
        self.models.last()
    }

    /// Saves a model, replacing its earlier state; of too many, the one not used for longest is dropped.
    pub fn put(&mut self, model: SavedModel) {
        self.models.retain(|other| other.model != model.model);
        self.models.push(model);
        let surplus = self.models.len().saturating_sub(MAX_MODELS);
        self.models.drain(..surplus);
    }
}

impl SavedModel {
    /// Restores tab, scopes, layers, channels and class in a browser that lists `opened`.
    pub fn browse(&self, browser: &mut Browser, opened: &ModelInfo) {
        browser.tab = self.tab;
        let names = browser.tree.names();
        let scope = |name: &String| names.iter().position(|other| other == name);
        browser.unfold(self.open.iter().filter_map(scope));
        let layer = |name: &String| {
            let mut layers = opened.layers.iter();
            layers.position(|layer| layer.name == *name)
        };
        match &self.row {
            Some(SavedRow::Layer(name)) => {
                if let Some(index) = layer(name)
                    && !browser.go_to_row(Row::Layer(index))
                {
                    browser.unfold_to(index);
                }
            }
            Some(SavedRow::Scope(name)) => {
                if let Some(scope) = scope(name) {
                    browser.go_to_row(Row::Scope(scope));
                }
            }
            None => {}
        }
        if let Some((name, channel)) = &self.channels
            && let Some(index) = layer(name)
        {
            browser.show_channels(index, opened.layers[index].channels());
            browser.go_to_channel(*channel);
        }
        if let Some((index, name)) = &self.class {
            let classes = &opened.classes;
            let is_same = |index: &usize| classes.name(*index) == Some(name.as_str());
            let found = Some(*index).filter(is_same);
            let found = found.or_else(|| (0..classes.len()).find(is_same));
            found.map(|class| browser.classes.go_to(class));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn model(hash: &str) -> SavedModel {
        SavedModel {
            model: hash.into(),
            name: Some("toy".into()),
            tab: Tab::History,
            row: Some(SavedRow::Scope("blocks.1".into())),
            open: vec!["blocks.0".into()],
            channels: Some(("blocks.0/conv".into(), 7)),
            grid: true,
            all_layers: false,
            class: Some((1, "goldfish".into())),
            history: Some("8835a6f0".into()),
            favourite: None,
            shown: Some("8835a6f0".into()),
            preset: "draft".into(),
            seed: u64::MAX,
            changes: BTreeMap::from([("steps".into(), 80.0.into())]),
        }
    }

    #[test]
    fn a_file_of_an_earlier_version_names_no_model() {
        let mut text = serde_json::to_value(model("a")).unwrap();
        text.as_object_mut().unwrap().remove("name");
        let read: SavedModel = serde_json::from_value(text).unwrap();
        assert_eq!(read.name, None);
    }

    #[test]
    fn the_models_used_last_are_kept() {
        let mut saved = SavedState::default();
        for number in 0..MAX_MODELS + 3 {
            saved.put(model(&number.to_string()));
        }
        saved.put(model("5"));
        assert_eq!(saved.models.len(), MAX_MODELS);
        assert!(saved.of("2").is_none() && saved.of("3").is_some());
        assert_eq!(saved.models.last(), saved.of("5"));
    }
}
