//! Popups over the panels.

use super::command::{COMMANDS, Context};
use super::forms::{Completion, FORMS};
use super::fuzzy;
use super::list_state::{ListState, Motion};
use super::photo::Photo;
use super::prompt::PromptKind;
use crate::ascent::settings::{GROUPS, Knob, in_groups};
use crate::runs::Record;
use crate::runs::worker::{ModelInfo, TransferSource};
use std::path::{Path, PathBuf};

/// A popup.
#[derive(Debug, Clone)]
pub enum Popup {
    /// Every key, or those of the commands that match a filter.
    Help { scroll: usize, filter: String },
    /// Commands that match the line in the prompt.
    Palette(Palette),
    /// The settings of the next runs, filtered.
    Settings(Knobs),
    /// A finished run with all its settings.
    Details {
        id: String,
        /// `None` until it is read.
        record: Option<Box<Record>>,
        scroll: usize,
    },
    /// Models to choose from.
    Models(Picker),
    /// Finished runs side by side.
    Compare(Compare),
    /// The photos that were opened, as a list.
    Photos,
    /// A photo and the network's most active channels.
    Photo(Box<Photo>),
    /// The message log.
    Messages { scroll: usize },
}

/// The listed settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Knobs {
    /// The selected setting, as an index into [`in_groups`].
    pub cursor: usize,
    /// The filter, matched against key, help and title of the group.
    pub filter: String,
}

impl Knobs {
    /// The listed settings, as indices into [`in_groups`].
    pub fn listed(&self) -> Vec<usize> {
        let wanted = self.filter.trim().to_lowercase();
        let matches = |knob: &Knob| {
            let group = GROUPS.iter().find(|group| group.keys.contains(&knob.key));
            let title = group.map_or("", |group| group.title);
            let mut texts = [knob.key, knob.help, title].into_iter();
            texts.any(|text| text.to_lowercase().contains(&wanted))
        };
        let knobs = in_groups().into_iter().enumerate();
        let listed = knobs.filter(|(_, knob)| matches(knob));
        listed.map(|(index, _)| index).collect()
    }

    /// The selected setting; `None` if none matches the filter.
    pub fn selected(&self) -> Option<&'static Knob> {
        let is_listed = self.listed().contains(&self.cursor);
        in_groups().get(self.cursor).copied().filter(|_| is_listed)
    }

    /// Sets the filter and selects the first setting whose key matches, otherwise the first.
    pub fn set_filter(&mut self, filter: String) {
        self.filter = filter;
        let wanted = self.filter.trim().to_lowercase();
        if wanted.is_empty() {
            return;
        }
        let (listed, all) = (self.listed(), in_groups());
        let by_key = listed
            .iter()
            .find(|index| all[**index].key.contains(&wanted));
        self.cursor = by_key.or(listed.first()).copied().unwrap_or(self.cursor);
    }

    /// Moves among the listed settings; `page` is the number of visible ones.
    pub fn move_cursor(&mut self, motion: Motion, page: usize) {
        let listed = self.listed();
        let mut rows = ListState::new(listed.len());
        let at = listed.iter().position(|index| *index == self.cursor);
        rows.go_to_row(at.unwrap_or(0));
        rows.move_cursor(motion, page);
        if let Some(index) = listed.get(rows.cursor()) {
            self.cursor = *index;
        }
    }
}

/// Two to [`MAX_COMPARED`](super::picture_cache::MAX_COMPARED) runs side by side, in the order of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compare {
    pub ids: Vec<String>,
    /// Whether the first two alternate in one place.
    pub blink: bool,
}

/// An entry of the model picker: a file, a folder or a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// A card's name and description.
    Card {
        name: String,
        here: bool,
    },
    Folder(PathBuf),
    File(PathBuf),
}

/// The purpose of the model picker.
#[derive(Debug, Clone, Default)]
pub enum Purpose {
    /// Opening one model.
    #[default]
    Open,
    /// Running these runs in one or several models.
    Run(Vec<TransferSource>),
}

/// The model picker.
#[derive(Debug, Clone)]
pub struct Picker {
    pub purpose: Purpose,
    pub folder: PathBuf,
    pub choices: Vec<Choice>,
    /// The choices that match the prompt.
    pub list: ListState,
    /// Why the folder could not be listed.
    pub problem: Option<String>,
}

impl Choice {
    /// Whether it is the open model.
    pub fn is(&self, open: Option<&ModelInfo>) -> bool {
        let open = open.map(|open| open.model.as_str());
        match self {
            Self::Card { name, .. } => open == Some(name),
            Self::File(path) => open.is_some_and(|open| path == Path::new(open)),
            Self::Folder(_) => false,
        }
    }

    /// The label in the picker: folders end in `/`, the parent is `../`.
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
    /// The kind of prompt below it.
    pub fn asked(&self) -> PromptKind {
        match self.purpose {
            Purpose::Open => PromptKind::Model,
            Purpose::Run(_) => PromptKind::OtherModels,
        }
    }

    /// Toggles the mark of the selected model; returns whether models can be marked here.
    pub fn toggle_mark(&mut self) -> bool {
        let takes_several = matches!(self.purpose, Purpose::Run(_));
        let selected = self.list.selected().map(|index| &self.choices[index]);
        if takes_several && !matches!(selected, None | Some(Choice::Folder(_))) {
            self.list.toggle_mark();
        }
        takes_several
    }

    /// Lists the choices that match a text and selects the first. For runs in other models than `open`,
    /// selects the first other model.
    pub fn filter(&mut self, text: &str, open: Option<&ModelInfo>) {
        let labels = self.choices.iter().map(|choice| choice.label(&self.folder));
        let labels: Vec<String> = labels.collect();
        let found = fuzzy::matches(text, labels.iter().map(String::as_str));
        let is_other = |index: &usize| match &self.choices[*index] {
            Choice::Folder(_) => false,
            choice => !choice.is(open),
        };
        let other = match self.purpose {
            Purpose::Run(_) => found.iter().position(is_other),
            Purpose::Open => None,
        };
        self.list.set_rows(found);
        self.list.go_to_row(other.unwrap_or(0));
    }
}

/// The command palette.
#[derive(Debug, Clone)]
pub struct Palette {
    offered: Vec<Offered>,
    /// The matches of the line.
    pub rows: Vec<PaletteRow>,
    /// The rows, by index.
    pub list: ListState,
    /// Whether the row under the cursor is performed rather than the typed line.
    pub is_chosen: bool,
}

/// An available command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// Its index in [`COMMANDS`].
    pub index: usize,
    /// Its keys.
    pub keys: Vec<String>,
}

/// A row of the palette.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaletteRow {
    /// An index into [`COMMANDS`].
    Command(usize),
    /// An index into [`FORMS`].
    Form(usize),
    Completion(Completion),
}

impl PaletteRow {
    fn name(&self) -> &str {
        match self {
            Self::Command(index) => COMMANDS[*index].name,
            Self::Form(index) => FORMS[*index].name,
            Self::Completion(completion) => &completion.line,
        }
    }

    fn help(&self) -> &str {
        match self {
            Self::Command(index) => COMMANDS[*index].help,
            Self::Form(index) => FORMS[*index].help,
            Self::Completion(completion) => &completion.help,
        }
    }

    /// The order of rows: commands of one context, then forms with an argument, then motions.
    fn rank(&self) -> (usize, bool) {
        match self {
            Self::Command(index) => {
                let entry = &COMMANDS[*index];
                let general = if entry.context == Context::Everywhere {
                    2
                } else {
                    0
                };
                (general, entry.command.is_motion())
            }
            Self::Form(_) | Self::Completion(_) => (1, false),
        }
    }
}

impl Palette {
    /// A palette of these commands and of all forms.
    pub fn new(offered: Vec<Offered>) -> Self {
        let mut palette = Self {
            offered,
            rows: Vec::new(),
            list: ListState::default(),
            is_chosen: true,
        };
        palette.filter("", Vec::new());
        palette
    }

    /// Lists completions of a line, otherwise the matching commands: exact name, exact key, prefix of the
    /// name, match of the name, match of the help.
    pub fn filter(&mut self, text: &str, completions: Vec<Completion>) {
        self.is_chosen = completions.is_empty();
        self.rows = if self.is_chosen {
            self.commands(text)
        } else {
            completions
                .into_iter()
                .map(PaletteRow::Completion)
                .collect()
        };
        self.list = ListState::new(self.rows.len());
    }

    fn commands(&self, text: &str) -> Vec<PaletteRow> {
        let offered = self.offered.iter();
        let offered = offered.map(|command| PaletteRow::Command(command.index));
        let forms = (0..FORMS.len()).map(PaletteRow::Form);
        let mut all: Vec<PaletteRow> = offered.chain(forms).collect();
        all.sort_by_key(PaletteRow::rank);
        let by_name = fuzzy::matches(text, all.iter().map(PaletteRow::name));
        let wanted = text.trim().to_lowercase();
        let by_help = |index: &usize| all[*index].help().to_lowercase().contains(&wanted);
        let by_key = |index: &usize| self.has_key(&all[*index], text.trim());
        let others = (0..all.len()).filter(|index| !by_name.contains(index));
        let others: Vec<usize> = others
            .filter(|index| by_key(index) || by_help(index))
            .collect();
        let mut found: Vec<usize> = by_name.into_iter().chain(others).collect();
        // The sort is stable: among equal ranks the best match stays first.
        found.sort_by_key(|index| match all[*index].name() {
            name if name == wanted => 0,
            _ if by_key(index) => 1,
            name if name.starts_with(&wanted) => 2,
            _ => 3,
        });
        found.into_iter().map(|index| all[index].clone()).collect()
    }

    /// Whether a row is the command of this key. The chords of a sequence may be typed without spaces.
    fn has_key(&self, row: &PaletteRow, typed: &str) -> bool {
        let PaletteRow::Command(index) = row else {
            return false;
        };
        let command = self.offered.iter().find(|offered| offered.index == *index);
        let is_typed = |key: &String| *key == typed || key.replace(' ', "") == typed;
        command.is_some_and(|command| command.keys.iter().any(is_typed))
    }

    /// The row under the cursor.
    pub fn selected(&self) -> Option<&PaletteRow> {
        self.rows.get(self.list.selected()?)
    }

    /// Selects the row under the cursor instead of the line. Returns whether that changed.
    pub fn choose(&mut self) -> bool {
        !std::mem::replace(&mut self.is_chosen, true)
    }

    /// The line of the row under the cursor.
    pub fn completion(&self) -> Option<&str> {
        match self.selected() {
            Some(PaletteRow::Completion(completion)) if self.is_chosen => Some(&completion.line),
            _ => None,
        }
    }
}
