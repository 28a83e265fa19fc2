//! The model picker, and opening another model.

use super::{saved, transfer};
use crate::runs::worker::WorkerCommand;
use crate::tui::action::{DiskRequest, Effect, Lookup};
use crate::tui::app::App;
use crate::tui::opening::Model;
use crate::tui::popup::{Choice, Popup, Purpose};
use std::sync::Arc;

/// Opens the model selected in the popup, or closes it.
///
/// # Errors
/// Why the selected model cannot be opened now.
pub fn accept(app: &mut App, effects: &mut Vec<Effect>) -> Result<(), String> {
    let Some(Popup::Models(picker)) = app.popups.last() else {
        app.popups.pop();
        return Ok(());
    };
    if let Purpose::Run(_) = picker.purpose {
        return transfer::accept(app, "", effects);
    }
    let choice = picker.list.selected().map(|index| &picker.choices[index]);
    let model = match choice {
        None => return Err("nothing is listed".into()),
        Some(Choice::Folder(folder)) => {
            effects.push(Effect::Disk(DiskRequest::Look(Lookup::Folder(
                folder.clone(),
            ))));
            return Ok(());
        }
        Some(Choice::Card { name, .. }) => name.clone(),
        Some(Choice::File(path)) => path.display().to_string(),
    };
    choose(app, model, effects)
}

/// Opens another model and closes the picker.
///
/// # Errors
/// If runs are active.
pub fn choose(app: &mut App, model: String, effects: &mut Vec<Effect>) -> Result<(), String> {
    open(app, model, effects)?;
    app.popups.pop();
    Ok(())
}

/// Opens another model.
///
/// # Errors
/// If runs are active.
pub fn open(app: &mut App, model: String, effects: &mut Vec<Effect>) -> Result<(), String> {
    if !app.running.is_empty() {
        return Err("runs are active: wait, or cancel them first".into());
    }
    saved::keep(app, effects);
    app.model = Model::Opening {
        name: model.clone(),
        stage: "opening".into(),
        bytes: None,
        before: app.model.fallback().map(Arc::clone),
    };
    effects.push(Effect::Worker(WorkerCommand::Open(Some(model))));
    Ok(())
}
