//! Opening the model picker.

use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::popup::{Picker, Popup, Purpose};
use crate::tui::prompt::Prompt;

/// Opens the picker; its folder is listed later. Text typed meanwhile goes into it.
pub fn open(app: &mut App, purpose: Purpose, effects: &mut Vec<Effect>) {
    let folder = app.environment.folder.clone();
    let picker = Picker {
        purpose,
        folder: folder.clone(),
        choices: Vec::new(),
        list: Default::default(),
        problem: None,
    };
    app.prompt = Some(Prompt::new(picker.asked(), ""));
    app.popups.push(Popup::Models(picker));
    effects.push(Effect::ListFolder(folder));
}
