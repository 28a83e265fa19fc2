//! Responses from the disk.

use super::{atlas, browser, history, photos, prompt, queue, saved};
use crate::runs::history::HistoryEntry;
use crate::text::counted;
use crate::tui::action::{DiskResponse, Effect};
use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::list_state::ListState;
use crate::tui::messages::Level;
use crate::tui::popup::{Choice, Popup};
use crate::tui::prompt::{Prompt, PromptKind};
use crate::tui::undoable::Undoable;
use std::path::PathBuf;

/// Handles a response from the disk.
pub fn response(app: &mut App, answer: DiskResponse, effects: &mut Vec<Effect>) {
    match answer {
        DiskResponse::Runs(entries) => {
            // The scan of the folder may have begun before a run was removed.
            let is_here = |entry: &HistoryEntry| !app.removing.contains(&entry.id);
            let entries: Vec<HistoryEntry> = entries.into_iter().filter(is_here).collect();
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
        DiskResponse::NoRecord { id, why } => {
            app.pending_record.take_if(|(awaited, _)| *awaited == id);
            app.messages.say(Level::Error, why, app.now);
        }
        DiskResponse::Frames { id, frames } => history::frames(app, id, frames),
        DiskResponse::Similarity(place, order) => atlas::ordered(app, place, &order),
        DiskResponse::Folder { folder, choices } => show_folder(app, folder, choices),
        DiskResponse::Names { text, names } => prompt::complete(app, &text, names),
        DiskResponse::Photos { path, found } => photos::found(app, &path, found, effects),
        DiskResponse::Orphans(jobs) => queue::adopt(app, jobs, effects),
        DiskResponse::Removed(ids) => {
            history::removal_is_over(app, &ids);
            let key = app.key(Command::Undo);
            let text = format!("{} deleted; {key} to undo", counted(ids.len(), "run"));
            app.messages.say(Level::Note, text, app.now);
        }
        DiskResponse::NotRemoved { ids, entries, why } => {
            app.messages.say(Level::Error, why, app.now);
            let left: Vec<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
            history::removal_is_over(app, &ids);
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
        DiskResponse::NotRestored(ids) => app.remember(Undoable::Removed(ids)),
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
            // The path stays in the prompt for correction.
            let text = path.display().to_string();
            let prompt = || Prompt::new(PromptKind::Export(ids), &text);
            app.prompt.get_or_insert_with(prompt);
        }
        DiskResponse::PresetSaved(name, changes) => {
            app.next_run.add_saved_preset(&name, changes);
            let text = format!("preset {name} saved");
            app.messages.say(Level::Note, text, app.now);
        }
        DiskResponse::Failed(why) => app.messages.say(Level::Error, why, app.now),
    }
}

fn show_folder(app: &mut App, folder: PathBuf, choices: Result<Vec<Choice>, String>) {
    // A picker that was closed meanwhile does not open again.
    let Some(Popup::Models(picker)) = app.popups.last_mut() else {
        return;
    };
    let asked = picker.asked();
    let mut text = String::new();
    match choices {
        Ok(choices) => {
            picker.folder = folder;
            picker.list = ListState::new(choices.len());
            picker.choices = choices;
            picker.problem = None;
        }
        // The picker keeps its folder; a typed path stays for correction.
        Err(problem) => {
            picker.problem = Some(problem);
            let is_listed = picker.choices.contains(&Choice::Folder(folder.clone()));
            if !is_listed && folder != picker.folder {
                text = format!("{}/", folder.display().to_string().trim_end_matches('/'));
            }
        }
    }
    // Text typed while the folder was read is kept.
    let is_typed = |prompt: &&Prompt| prompt.asked == asked && !prompt.text().is_empty();
    if app.prompt.as_ref().filter(is_typed).is_none() {
        app.prompt = Some(Prompt::new(asked, &text));
    }
    prompt::changed(app);
}
