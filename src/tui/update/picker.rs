//! How the model picker opens.

use super::super::action::Effect;
use super::super::app::App;
use super::super::popup::{Picker, Popup, Purpose};
use super::super::prompt::Prompt;

/// Opens the picker, whose folder is still to be listed: what is typed meanwhile is typed into it.
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
