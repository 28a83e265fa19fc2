//! Responses from the disk.

use super::{atlas, browser, history, photos, prompt, queue, saved};
use crate::text::counted;
use crate::tui::action::{DiskResponse, Effect};
use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::list_state::ListState;
use crate::tui::messages::Level;
use crate::tui::popup::{Picker, Popup, Purpose};
use crate::tui::prompt::{Prompt, PromptKind};
use std::path::PathBuf;

/// Handles a response from the disk.
pub fn response(app: &mut App, answer: DiskResponse, effects: &mut Vec<Effect>) {
    match answer {
        DiskResponse::Runs(entries) => {
            for entry in entries {
                app.history.add(entry);
            }
            browser::list_history(app);
        }
        DiskResponse::Gone(ids) => history::leave(app, &ids),
        DiskResponse::RunsEnd { damaged } => {
            app.history.complete = true;
            saved::runs(app);
            if damaged > 0 {
                let text = format!(
                    "{damaged} runs in history cannot be read: `ziggurat history verify` says why"
                );
                app.messages.say(Level::Warning, text, app.now);
            }
        }
        DiskResponse::Picture { id, size, picture } => app.pictures.put(&id, size, picture),
        DiskResponse::Record(record) => history::record(app, record, effects),
        DiskResponse::Frames { id, frames } => history::frames(app, id, frames),
        DiskResponse::Likeness(place, order) => atlas::ordered(app, place, &order),
        DiskResponse::Folder { folder, choices } => show_folder(app, folder, choices),
        DiskResponse::Names { text, names } => prompt::complete(app, &text, names),
        DiskResponse::Photos { path, found } => photos::found(app, &path, found, effects),
        DiskResponse::Orphans(jobs) => queue::take_over(app, jobs, effects),
        DiskResponse::Removed(ids) => {
            let key = app.key(Command::Undo);
            let text = format!("{} deleted; {key} to undo", counted(ids.len(), "run"));
            app.messages.say(Level::Note, text, app.now);
        }
        DiskResponse::NotRemoved { ids, entries, why } => {
            app.messages.say(Level::Error, why, app.now);
            let left: Vec<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
            history::forget_removal(app, &ids, &left);
            for entry in entries {
                app.history.add(entry);
            }
            browser::list_history(app);
        }
        DiskResponse::Restored(ids) => {
            let text = format!("{} restored", counted(ids.len(), "run"));
            app.messages.say(Level::Note, text, app.now);
        }
        DiskResponse::Favourite { id, on, saved } => {
            app.history.set_favourite(&id, on);
            let text = match saved {
                Some(path) => format!("favourite saved: {}", path.display()),
                None => "no longer a favourite; its saved files remain".into(),
            };
            app.messages.say(Level::Note, text, app.now);
            browser::list_history(app);
        }
        DiskResponse::Exported(path) => {
            let text = format!("exported: {}", path.display());
            app.messages.say(Level::Note, text, app.now);
        }
        DiskResponse::NotExported { ids, path, why } => {
            app.messages.say(Level::Error, why, app.now);
            // The path can be corrected.
            let text = path.display().to_string();
            let prompt = || Prompt::new(PromptKind::Export(ids), &text);
            app.prompt.get_or_insert_with(prompt);
        }
        DiskResponse::PresetSaved(name) => {
            let text = format!("preset {name} saved");
            app.messages.say(Level::Note, text, app.now);
        }
        DiskResponse::Failed(why) => app.messages.say(Level::Error, why, app.now),
    }
}

fn show_folder(
    app: &mut App,
    folder: PathBuf,
    choices: Result<Vec<crate::tui::popup::Choice>, String>,
) {
    let (choices, problem) = match choices {
        Ok(choices) => (choices, None),
        Err(problem) => (Vec::new(), Some(problem)),
    };
    let purpose = match app.popups.last_mut() {
        Some(Popup::Models(open)) => std::mem::take(&mut open.purpose),
        _ => Purpose::Open,
    };
    let picker = Picker {
        purpose,
        folder,
        list: ListState::of(choices.len()),
        choices,
        problem,
    };
    let mut prompt = Prompt::new(picker.asked(), "");
    match app.popups.last_mut() {
        Some(Popup::Models(open)) => *open = picker,
        _ => app.popups.push(Popup::Models(picker)),
    }
    // Text typed while the folder was read is kept.
    if let Some(typed) = app.prompt.take_if(|typed| typed.asked == prompt.asked) {
        prompt = typed;
    }
    app.prompt = Some(prompt);
    prompt::changed(app);
}
