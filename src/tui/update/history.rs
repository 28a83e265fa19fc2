//! Commands on finished runs.

use super::notes::several;
use super::{browser, submission};
use crate::runs::history::HistoryEntry;
use crate::runs::history::query::SortKey;
use crate::runs::{Record, description, history};
use crate::text::counted;
use crate::tui::action::{DiskRequest, Effect, ScreenRequest};
use crate::tui::app::{App, Panel, RecordPurpose};
use crate::tui::command::Command;
use crate::tui::messages::Level;
use crate::tui::next_run::NextRun;
use crate::tui::picture_cache::MAX_COMPARED;
use crate::tui::popup::{Compare, Knobs, Popup};
use crate::tui::replay::Replay;
use crate::tui::showing::{Showing, Tile};
use crate::tui::undoable::Undoable;
use image::RgbImage;
use std::collections::HashMap;
use std::sync::Arc;

/// The marked or selected runs in the list of finished runs, in its order; those hidden by a search come last.
pub fn chosen(app: &App) -> Vec<&HistoryEntry> {
    if !app.in_history() {
        return Vec::new();
    }
    let list = app.browser.list();
    let places = list.rows().iter().enumerate();
    let places: HashMap<usize, usize> = places.map(|(place, item)| (*item, place)).collect();
    let mut items = list.chosen();
    items.sort_by_key(|item| places.get(item).copied().unwrap_or(usize::MAX));
    items
        .into_iter()
        .map(|index| app.history.get(index))
        .collect()
}

/// The run that a command acts on: the one of the details, the selected one, or the shown one.
pub fn current_entry(app: &App) -> Option<&HistoryEntry> {
    if let Some(Popup::Details { id, .. }) = app.popups.last() {
        return app.history.find(id);
    }
    // With a full-screen picture, or with the focus on the queue, commands do not act on a row of the list.
    let is_listed = app.focus == Panel::Browser && !app.zoomed;
    let shown = match &app.shown {
        Showing::Finished(id) => app.history.find(id),
        _ => None,
    };
    app.selected_entry().filter(|_| is_listed).or(shown)
}

/// Makes the run a favourite, or removes it from the favourites.
pub fn favourite(app: &mut App, effects: &mut Vec<Effect>) {
    match current_entry(app).map(|entry| (entry.id.clone(), entry.favourite)) {
        Some((id, on)) => effects.push(Effect::Disk(DiskRequest::SetFavourite(id, !on))),
        None => {
            let text = "no finished run is shown: only these can be favourites";
            app.messages.say(Level::Note, text, app.now);
        }
    }
}

const NO_PICTURE: &str = "nothing to copy: no picture is shown";

const NOT_READ: &str = "nothing to copy yet: the run is being read";

/// Copies the command line that reproduces the picture of the details, or the shown one.
pub fn copy_command(app: &mut App, effects: &mut Vec<Effect>) {
    if let Some(Popup::Details { record, .. }) = app.popups.last() {
        let record = record.as_ref().ok_or(NOT_READ);
        let command = record.map(|record| description::command(&record.spec));
        return copy(app, command, effects);
    }
    let spec = match &app.shown {
        Showing::Running(job) => app.queue.get(*job).map(|job| &job.spec),
        Showing::Finished(id) => app.record_of(id).map(|record| &record.spec),
        Showing::Nothing | Showing::Batch(_) => None,
    };
    let why = match app.shown {
        Showing::Nothing => NO_PICTURE,
        Showing::Batch(_) => return copy(app, Err(&several(app)), effects),
        _ => NOT_READ,
    };
    copy(app, spec.map(description::command).ok_or(why), effects);
}

/// Copies the path of the picture of the details, or of the shown one.
pub fn copy_path(app: &mut App, effects: &mut Vec<Effect>) {
    let path = match (app.popups.last(), &app.shown) {
        (Some(Popup::Details { id, .. }), _) | (_, Showing::Finished(id)) => {
            Ok(history::image_in(&app.environment.history, id))
        }
        (_, Showing::Running(_)) => Err("the picture has no file before its run is finished"),
        (_, Showing::Nothing) => Err(NO_PICTURE),
        (_, Showing::Batch(_)) => return copy(app, Err(&several(app)), effects),
    };
    copy(app, path.map(|path| path.display().to_string()), effects);
}

fn copy(app: &mut App, text: Result<String, &str>, effects: &mut Vec<Effect>) {
    let message = match text {
        Ok(text) => {
            let message = format!("copied: {text}");
            effects.push(Effect::Screen(ScreenRequest::Copy(text)));
            message
        }
        Err(why) => why.into(),
    };
    app.messages.say(Level::Note, message, app.now);
}

/// Replays the growth of the shown picture once its frames are read; or shows the finished picture again.
pub fn replay(app: &mut App, effects: &mut Vec<Effect>) {
    if app.replay.take().is_some() {
        return;
    }
    if let Showing::Finished(id) = &app.shown {
        effects.push(Effect::Disk(DiskRequest::LoadFrames(id.clone())));
    }
}

/// Handles the frames of a run.
pub fn frames(app: &mut App, id: String, frames: Vec<Arc<RgbImage>>) {
    if app.shown == Showing::Finished(id.clone()) {
        app.replay = Some(Replay::new(id, frames, app.now));
    }
}

/// Moves the selected runs to the trash.
pub fn delete(app: &mut App, effects: &mut Vec<Effect>) {
    let ids: Vec<String> = chosen(app).iter().map(|entry| entry.id.clone()).collect();
    if ids.is_empty() {
        return;
    }
    app.browser.list_mut().clear_marks();
    // They leave the list immediately: the next key applies to the next run.
    leave(app, &ids);
    app.removing.extend(ids.iter().cloned());
    app.remember(Undoable::Removed(ids.clone()));
    effects.push(Effect::Disk(DiskRequest::Remove(ids)));
}

/// Removes deleted runs from the lists and the screen.
pub fn leave(app: &mut App, ids: &[String]) {
    let indices = ids.iter().filter_map(|id| app.history.index(id));
    let indices: Vec<usize> = indices.collect();
    app.browser.history.unmark(&indices);
    app.browser.favourites.unmark(&indices);
    app.history.remove_all(ids);
    for id in ids {
        app.pictures.remove(id);
        app.shown.remove(&Tile::Finished(id.clone()));
    }
    browser::list_history(app);
}

/// Notes that the removal of runs has ended, successfully or not.
pub fn removal_is_over(app: &mut App, ids: &[String]) {
    for id in ids {
        app.removing.remove(id);
    }
}

/// The runs in `left` could not be removed: only the others can be restored.
pub fn forget_removal(app: &mut App, ids: &[String], left: &[&str]) {
    app.undoable.retain_mut(|undoable| match undoable {
        Undoable::Removed(removed) if removed == ids => {
            removed.retain(|id| !left.contains(&id.as_str()));
            !removed.is_empty()
        }
        _ => true,
    });
}

/// Hash of the network that the current settings belong to.
fn settings_of(app: &App) -> Option<String> {
    let network = app.model.fallback();
    network.map(|network| network.hash.clone())
}

/// Removes and returns the latest undo entry. Settings of another model wait until it is open again.
fn take_undoable(app: &mut App) -> Option<Undoable> {
    let present = settings_of(app);
    let is_present = |undoable: &Undoable| match undoable {
        Undoable::Settings {
            model: Some(model), ..
        } => Some(model) == present.as_ref(),
        _ => true,
    };
    let place = app.undoable.iter().rposition(is_present)?;
    app.undoable.remove(place)
}

/// Undoes the last deletion or replacement.
pub fn undo(app: &mut App, effects: &mut Vec<Effect>) {
    match take_undoable(app) {
        Some(Undoable::Removed(ids)) => effects.push(Effect::Disk(DiskRequest::Restore(ids))),
        Some(Undoable::Cleared(jobs)) => {
            let before = app.queue.jobs().len();
            let surplus = app.queue.restore(jobs);
            let back = counted(app.queue.jobs().len() - before, "run");
            let (level, text) = match surplus {
                0 => (Level::Note, format!("{back} queued again")),
                _ => (
                    Level::Warning,
                    format!("{back} queued again; the queue is full: {surplus} are lost"),
                ),
            };
            app.messages.say(level, text, app.now);
            effects.push(Effect::Disk(DiskRequest::SaveQueue(app.queue.clone())));
        }
        Some(Undoable::Settings { before, .. }) => {
            app.next_run.go_back_to(*before);
            let changes = app.next_run.changes().join(", ");
            let text = format!(
                "settings restored: {} with {changes}",
                app.next_run.preset()
            );
            app.messages.say(Level::Note, text, app.now);
        }
        None => app.messages.say(Level::Note, "nothing to undo", app.now),
    }
}

/// Replaces the current settings. Returns a note about unsaved changes that are dropped, which can be undone; nothing
/// if there are none.
pub fn replace_settings(app: &mut App, replace: impl FnOnce(&mut NextRun)) -> String {
    let before = app.next_run.clone();
    replace(&mut app.next_run);
    let dropped = before.changes();
    if dropped.is_empty() || before.settings == app.next_run.settings {
        return String::new();
    }
    let (model, before) = (settings_of(app), Box::new(before));
    app.remember(Undoable::Settings { model, before });
    let key = app.key(Command::Undo);
    format!("; dropped {} ({key} to undo)", dropped.join(", "))
}

/// Shows the selected run with all its settings.
pub fn details(app: &mut App, effects: &mut Vec<Effect>) {
    if let Some(id) = app.selected_entry().map(|entry| entry.id.clone()) {
        effects.push(Effect::Disk(DiskRequest::LoadRecord(id.clone())));
        app.popups.push(Popup::Details {
            id,
            record: None,
            scroll: 0,
        });
    }
}

/// Compares the marked runs side by side.
pub fn compare(app: &mut App) {
    let ids: Vec<String> = chosen(app).iter().map(|entry| entry.id.clone()).collect();
    let marked = app.browser.list().mark_count();
    let refusal = match marked {
        2..=MAX_COMPARED => None,
        0 => Some("no run is marked".into()),
        1 => Some("1 run is marked".into()),
        more => Some(format!("{more} runs are marked")),
    };
    if let Some(marked) = refusal {
        let key = app.key(Command::MarkRun);
        let text = format!("{marked}: 2 to {MAX_COMPARED} can be compared ({key} marks)");
        return app.messages.say(Level::Note, text, app.now);
    }
    app.popups
        .push(Popup::Compare(Compare { ids, blink: false }));
}

/// Sorts by the next key.
pub fn sort(app: &mut App) {
    let keys: Vec<SortKey> = SortKey::all().collect();
    let order = &mut app.history.order;
    let at = keys.iter().position(|key| *key == order.key).unwrap_or(0);
    order.key = keys[(at + 1) % keys.len()];
    let text = format!("sorted by {}", order.key);
    app.messages.say(Level::Note, text, app.now);
    browser::list_history(app);
}

/// Lists the runs of the open model, or of all models.
pub fn this_model(app: &mut App) {
    app.history.this_model = !app.history.this_model;
    let text = if app.history.this_model {
        "runs of this model"
    } else {
        "runs of all models"
    };
    app.messages.say(Level::Note, text, app.now);
    browser::list_history(app);
}

/// Runs the selected run again with another seed, once its record is read.
pub fn run_again(app: &mut App, effects: &mut Vec<Effect>) {
    with_record(app, RecordPurpose::RunAgain, effects);
}

/// Copies its settings into the settings panel, once its record is read.
pub fn edit_settings(app: &mut App, effects: &mut Vec<Effect>) {
    with_record(app, RecordPurpose::EditSettings, effects);
}

fn with_record(app: &mut App, after: RecordPurpose, effects: &mut Vec<Effect>) {
    if let Some(id) = app.selected_entry().map(|entry| entry.id.clone()) {
        app.pending_record = Some((id.clone(), after));
        effects.push(Effect::Disk(DiskRequest::LoadRecord(id)));
    }
}

/// Handles a requested record.
pub fn record(app: &mut App, record: Box<Record>, effects: &mut Vec<Effect>) {
    let awaited = app.pending_record.take_if(|(id, _)| *id == record.id);
    match awaited.map(|(_, after)| after) {
        Some(RecordPurpose::RunAgain) => {
            let seed = record.spec.seed.wrapping_add(1);
            let seeds = (seed..).find(|seed| {
                let spec = record.spec.with_seed(*seed);
                app.history.find(&spec.id()).is_none()
            });
            let spec = record.spec.with_seed(seeds.unwrap_or(seed));
            submission::enqueue(app, vec![spec], "", effects);
        }
        Some(RecordPurpose::EditSettings) if record.spec.former().is_some() => {
            let text = "this run is of an earlier version: its settings cannot be used";
            app.messages.say(Level::Note, text, app.now);
        }
        Some(RecordPurpose::EditSettings) => {
            let dropped = replace_settings(app, |plan| {
                plan.settings = record.spec.settings.clone();
                plan.seed = record.spec.seed;
            });
            let text = format!("settings of {}{dropped}", record.spec.target);
            app.messages.say(Level::Note, text, app.now);
            app.popups.push(Popup::Settings(Knobs::default()));
        }
        None => {}
    }
    if let Some(Popup::Details {
        id, record: place, ..
    }) = app.popups.last_mut()
        && *id == record.id
    {
        *place = Some(record.clone());
    }
    if app.shown == Showing::Finished(record.id.clone()) {
        app.record = Some(record);
    }
}
