//! What can be done with finished runs.

use super::super::action::Effect;
use super::super::app::{AfterRecord, App, Panel};
use super::super::command::Command;
use super::super::gallery::MAX_COMPARED;
use super::super::messages::Level;
use super::super::plan::Plan;
use super::super::popup::{Compare, Knobs, Popup};
use super::super::replay::Replay;
use super::super::shown::{Shown, Tile};
use super::super::undoable::Undoable;
use super::notes::several;
use super::{browse, queueing};
use crate::runs::history::HistoryEntry;
use crate::runs::history::query::SortKey;
use crate::runs::{Record, description, history};
use crate::text::counted;
use image::RgbImage;
use std::collections::HashMap;
use std::sync::Arc;

/// The runs that are marked or selected in the list of finished runs, in its order; those that a search hides come last.
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
        .map(|index| app.library.get(index))
        .collect()
}

/// The run that is meant: the one of the details, the selected one, or the one that is shown.
pub fn meant(app: &App) -> Option<&HistoryEntry> {
    if let Some(Popup::Details { id, .. }) = app.popups.last() {
        return app.library.find(id);
    }
    // Where the picture has the whole screen, or the queue has the focus, no row of the list is meant.
    let is_listed = app.focus == Panel::Browser && !app.zoomed;
    let shown = match &app.shown {
        Shown::Finished(id) => app.library.find(id),
        _ => None,
    };
    app.selected_entry().filter(|_| is_listed).or(shown)
}

/// Makes the run that is meant a favourite, or an ordinary one again.
pub fn favourite(app: &mut App, effects: &mut Vec<Effect>) {
    match meant(app).map(|entry| (entry.id.clone(), entry.favourite)) {
        Some((id, on)) => effects.push(Effect::SetFavourite(id, !on)),
        None => {
            let text = "no finished run is shown: only these can be favourites";
            app.messages.say(Level::Note, text, app.now);
        }
    }
}

const NO_PICTURE: &str = "nothing to copy: no picture is shown";

const NOT_READ: &str = "nothing to copy yet: the run is being read";

/// Copies the command line that makes the picture of the details, or the one that is shown.
pub fn copy_command(app: &mut App, effects: &mut Vec<Effect>) {
    if let Some(Popup::Details { record, .. }) = app.popups.last() {
        let record = record.as_ref().ok_or(NOT_READ);
        let command = record.map(|record| description::command(&record.spec));
        return copy(app, command, effects);
    }
    let spec = match &app.shown {
        Shown::Live(job) => app.queue.get(*job).map(|job| &job.spec),
        Shown::Finished(id) => app.record_of(id).map(|record| &record.spec),
        Shown::Nothing | Shown::Batch(_) => None,
    };
    let why = match app.shown {
        Shown::Nothing => NO_PICTURE,
        Shown::Batch(_) => return copy(app, Err(&several(app)), effects),
        _ => NOT_READ,
    };
    copy(app, spec.map(description::command).ok_or(why), effects);
}

/// Copies the path of the picture of the details, or of the one that is shown.
pub fn copy_path(app: &mut App, effects: &mut Vec<Effect>) {
    let path = match (app.popups.last(), &app.shown) {
        (Some(Popup::Details { id, .. }), _) | (_, Shown::Finished(id)) => {
            Ok(history::image_in(&app.environment.history, id))
        }
        (_, Shown::Live(_)) => Err("the picture has no file before its run is finished"),
        (_, Shown::Nothing) => Err(NO_PICTURE),
        (_, Shown::Batch(_)) => return copy(app, Err(&several(app)), effects),
    };
    copy(app, path.map(|path| path.display().to_string()), effects);
}

fn copy(app: &mut App, text: Result<String, &str>, effects: &mut Vec<Effect>) {
    let message = match text {
        Ok(text) => {
            let message = format!("copied: {text}");
            effects.push(Effect::Copy(text));
            message
        }
        Err(why) => why.into(),
    };
    app.messages.say(Level::Note, message, app.now);
}

/// Shows how the picture that is shown grew, once its frames are read; or shows the picture again.
pub fn replay(app: &mut App, effects: &mut Vec<Effect>) {
    if app.replay.take().is_some() {
        return;
    }
    if let Shown::Finished(id) = &app.shown {
        effects.push(Effect::LoadFrames(id.clone()));
    }
}

/// The frames of a run are there.
pub fn frames(app: &mut App, id: String, frames: Vec<Arc<RgbImage>>) {
    if app.shown == Shown::Finished(id.clone()) {
        app.replay = Some(Replay::new(id, frames, app.now));
    }
}

/// Lays the chosen runs aside.
pub fn delete(app: &mut App, effects: &mut Vec<Effect>) {
    let ids: Vec<String> = chosen(app).iter().map(|entry| entry.id.clone()).collect();
    if ids.is_empty() {
        return;
    }
    app.browser.list_mut().clear_marks();
    // They leave the list at once: the next key means the next run.
    leave(app, &ids);
    app.removing.extend(ids.iter().cloned());
    app.remember(Undoable::Removed(ids.clone()));
    effects.push(Effect::Remove(ids));
}

/// Takes runs that are gone off the lists and the screen.
pub fn leave(app: &mut App, ids: &[String]) {
    let indices = ids.iter().filter_map(|id| app.library.index(id));
    let indices: Vec<usize> = indices.collect();
    app.browser.history.unmark(&indices);
    app.browser.favourites.unmark(&indices);
    app.library.remove_all(ids);
    for id in ids {
        app.gallery.forget(id);
        app.shown.remove(&Tile::Finished(id.clone()));
    }
    browse::list_history(app);
}

/// Runs that were to be removed are, or could not be.
pub fn removal_is_over(app: &mut App, ids: &[String]) {
    for id in ids {
        app.removing.remove(id);
    }
}

/// Of runs that were to be removed, those that are `left` could not be: only the others can be restored.
pub fn forget_removal(app: &mut App, ids: &[String], left: &[&str]) {
    app.undoable.retain_mut(|undoable| match undoable {
        Undoable::Removed(removed) if removed == ids => {
            removed.retain(|id| !left.contains(&id.as_str()));
            !removed.is_empty()
        }
        _ => true,
    });
}

/// The network whose settings the present ones are, by its hash.
fn settings_of(app: &App) -> Option<String> {
    let network = app.model.fallback();
    network.map(|network| network.hash.clone())
}

/// Takes what can be undone last. Settings of another model wait until that is open again.
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

/// Brings back what was deleted or replaced last.
pub fn undo(app: &mut App, effects: &mut Vec<Effect>) {
    match take_undoable(app) {
        Some(Undoable::Removed(ids)) => effects.push(Effect::Restore(ids)),
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
            effects.push(Effect::SaveQueue(app.queue.clone()));
        }
        Some(Undoable::Settings { before, .. }) => {
            app.plan.go_back_to(*before);
            let changes = app.plan.changes().join(", ");
            let text = format!("settings restored: {} with {changes}", app.plan.preset());
            app.messages.say(Level::Note, text, app.now);
        }
        None => app.messages.say(Level::Note, "nothing to undo", app.now),
    }
}

/// Lets other settings take the place of the present ones. Returns what to say of changes that are dropped by it, which can be
/// undone; nothing if there are none.
pub fn replace_settings(app: &mut App, replace: impl FnOnce(&mut Plan)) -> String {
    let before = app.plan.clone();
    replace(&mut app.plan);
    let dropped = before.changes();
    if dropped.is_empty() || before.settings == app.plan.settings {
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
        effects.push(Effect::LoadRecord(id.clone()));
        app.popups.push(Popup::Details {
            id,
            record: None,
            scroll: 0,
        });
    }
}

/// Lays the marked runs side by side.
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
    let order = &mut app.library.order;
    let at = keys.iter().position(|key| *key == order.key).unwrap_or(0);
    order.key = keys[(at + 1) % keys.len()];
    let text = format!("sorted by {}", order.key);
    app.messages.say(Level::Note, text, app.now);
    browse::list_history(app);
}

/// Lists the runs of the open model, or all.
pub fn this_model(app: &mut App) {
    app.library.this_model = !app.library.this_model;
    let text = match app.library.this_model {
        true => "runs of this model",
        false => "runs of all models",
    };
    app.messages.say(Level::Note, text, app.now);
    browse::list_history(app);
}

/// Runs the selected run again with another seed, once its record is read.
pub fn run_again(app: &mut App, effects: &mut Vec<Effect>) {
    with_record(app, AfterRecord::RunAgain, effects);
}

/// Takes its settings over into the settings panel, once its record is read.
pub fn edit_settings(app: &mut App, effects: &mut Vec<Effect>) {
    with_record(app, AfterRecord::EditSettings, effects);
}

fn with_record(app: &mut App, after: AfterRecord, effects: &mut Vec<Effect>) {
    if let Some(id) = app.selected_entry().map(|entry| entry.id.clone()) {
        app.awaited = Some((id.clone(), after));
        effects.push(Effect::LoadRecord(id));
    }
}

/// A record that was wanted is there.
pub fn record(app: &mut App, record: Box<Record>, effects: &mut Vec<Effect>) {
    let awaited = app.awaited.take_if(|(id, _)| *id == record.id);
    match awaited.map(|(_, after)| after) {
        Some(AfterRecord::RunAgain) => {
            let seed = record.spec.seed.wrapping_add(1);
            let seeds = (seed..).find(|seed| {
                let spec = record.spec.with_seed(*seed);
                app.library.find(&spec.id()).is_none()
            });
            let spec = record.spec.with_seed(seeds.unwrap_or(seed));
            queueing::enqueue(app, vec![spec], "", effects);
        }
        Some(AfterRecord::EditSettings) if record.spec.former().is_some() => {
            let text = "this run is of an earlier version: its settings cannot be used";
            app.messages.say(Level::Note, text, app.now);
        }
        Some(AfterRecord::EditSettings) => {
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
    if app.shown == Shown::Finished(record.id.clone()) {
        app.record = Some(record);
    }
}
