//! What can be laid over the panels.

use super::command::COMMANDS;
use super::fuzzy;
use super::listing::Listing;
use crate::runs::Record;
use std::path::PathBuf;

/// One thing laid over the panels.
#[derive(Debug, Clone)]
pub enum Popup {
    /// Every key.
    Help { scroll: usize },
    /// Commands whose name matches the line that is being typed.
    Palette(Listing),
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
    pub list: Listing,
    /// Why the folder could not be listed.
    pub problem: Option<String>,
}

/// The palette's list for a line: indices into the table of commands.
pub fn palette(text: &str) -> Listing {
    let mut list = Listing::default();
    list.set_rows(fuzzy::matches(
        text,
        COMMANDS.iter().map(|entry| entry.name),
    ));
    list
}
