//! What can be laid over the panels.

use super::command::{COMMANDS, Context};
use super::fuzzy;
use super::listing::Listing;
use super::photo::Photo;
use crate::runs::Record;
use std::path::{Path, PathBuf};

/// One thing laid over the panels.
#[derive(Debug, Clone)]
pub enum Popup {
    /// Every key, or those of the commands that match a filter.
    Help { scroll: usize, filter: String },
    /// Commands that match the line that is being typed.
    Palette(Palette),
    /// The settings of the next runs; the row that is selected.
    Settings { cursor: usize },
    /// A finished run with all its settings.
    Details {
        id: String,
        /// Comes later.
        record: Option<Box<Record>>,
        scroll: usize,
    },
    /// Models to choose from.
    Models(Picker),
    /// Finished runs side by side.
    Compare(Compare),
    /// A photo, and what the network's channels make of it.
    Photo(Box<Photo>),
    /// What was said.
    Messages { scroll: usize },
}

/// Two to nine runs side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compare {
    pub ids: Vec<String>,
    /// The first two take turns in one place.
    pub blink: bool,
}

/// Most runs that are compared.
pub const MOST_COMPARED: usize = 9;

/// A file or folder to choose, or a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// A card's name, and what it says.
    Card {
        name: String,
        here: bool,
    },
    Folder(PathBuf),
    File(PathBuf),
}

/// The model picker.
#[derive(Debug, Clone)]
pub struct Picker {
    pub folder: PathBuf,
    pub choices: Vec<Choice>,
    /// The choices that match the line that is being typed.
    pub list: Listing,
    /// Why the folder could not be listed.
    pub problem: Option<String>,
}

impl Choice {
    /// What it is called in the picker: folders end in `/`, and the one above is `../`.
    pub fn label(&self, folder: &Path) -> String {
        let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into());
        match self {
            Self::Card { name, .. } => name.clone(),
            Self::Folder(path) if folder.parent() == Some(path) => "../".into(),
            Self::Folder(path) => format!("{}/", name(path).unwrap_or_else(String::new)),
            Self::File(path) => name(path).unwrap_or_default(),
        }
    }
}

impl Picker {
    /// Lists the choices that match a text.
    pub fn filter(&mut self, text: &str) {
        let labels = self.choices.iter().map(|choice| choice.label(&self.folder));
        let labels: Vec<String> = labels.collect();
        let found = fuzzy::matches(text, labels.iter().map(String::as_str));
        self.list.set_rows(found);
        self.list.go_to_row(0);
    }
}

/// The command palette.
#[derive(Debug, Clone)]
pub struct Palette {
    /// The commands that can be given, as indices into [`COMMANDS`].
    offered: Vec<usize>,
    /// Those that match the line that is being typed, as indices into [`COMMANDS`].
    pub list: Listing,
}

impl Palette {
    /// A palette of these commands, as indices into [`COMMANDS`]: what moves the cursor comes last, what belongs to one
    /// context first.
    pub fn new(mut offered: Vec<usize>) -> Self {
        offered.sort_by_key(|&index| {
            let entry = &COMMANDS[index];
            let is_general = entry.context == Context::Everywhere;
            (is_general, entry.command.is_motion())
        });
        let mut palette = Self {
            offered,
            list: Listing::default(),
        };
        palette.filter("");
        palette
    }

    /// Lists the commands that match a text: by their names first, then by what the help says of them.
    pub fn filter(&mut self, text: &str) {
        let names = self.offered.iter().map(|&index| COMMANDS[index].name);
        let by_name = fuzzy::matches(text, names).into_iter();
        let mut found: Vec<usize> = by_name.map(|place| self.offered[place]).collect();
        let wanted = text.trim().to_lowercase();
        let by_help = |index: &usize| COMMANDS[*index].help.to_lowercase().contains(&wanted);
        let others = self.offered.iter().copied().filter(by_help);
        let others: Vec<usize> = others.filter(|index| !found.contains(index)).collect();
        found.extend(others);
        self.list.set_rows(found);
        self.list.go_to_row(0);
    }
}
