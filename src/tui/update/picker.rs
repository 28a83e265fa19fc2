//! Opening the model picker.

use crate::tui::action::{DiskRequest, Effect, Lookup};
use crate::tui::app::App;
use crate::tui::list_state::ListState;
use crate::tui::popup::{Picker, Popup, Purpose};
use crate::tui::prompt::Prompt;

/// Opens the picker; its folder is listed later. Text typed meanwhile becomes its filter.
pub fn open(app: &mut App, purpose: Purpose, effects: &mut Vec<Effect>) {
    let folder = app.environment.folder.clone();
    let picker = Picker {
        purpose,
        folder: folder.clone(),
        choices: Vec::new(),
        list: ListState::default(),
        problem: None,
    };
    app.prompt = Some(Prompt::new(picker.asked(), ""));
    app.popups.push(Popup::Models(picker));
    effects.push(Effect::Disk(DiskRequest::Look(Lookup::Folder(folder))));
}
