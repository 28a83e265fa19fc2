//! Updates of the list of photos.

use super::notes::no_other;
use crate::runs::worker::WorkerCommand;
use crate::runs::worker::photo::{About, Answer, AnswerContent};
use crate::tui::action::Effect;
use crate::tui::album::Album;
use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::layout::album_lines;
use crate::tui::messages::Level;
use crate::tui::popup::Popup;
use crate::tui::prompt::{Prompt, PromptKind};
use std::path::Path;
use std::sync::Arc;

/// Whether the list is the topmost popup.
fn is_topmost(app: &App) -> bool {
    matches!(app.popups.last(), Some(Popup::Photos))
}

/// Shows the list, replacing the shown photo.
pub fn show(app: &mut App) {
    let is_open = app
        .popups
        .iter()
        .any(|popup| matches!(popup, Popup::Photos));
    if let Some(Popup::Photo(photo)) = app.popups.pop_if(|top| matches!(top, Popup::Photo(_))) {
        app.photos.select(&photo.path);
    }
    if !is_open {
        app.popups.push(Popup::Photos);
    }
}

/// Sorts the list by the next order.
pub fn sort(app: &mut App) {
    app.photos.cycle_order();
    let text = format!("sorted {}", app.photos.order().title());
    app.messages.say(Level::Note, text, app.now);
}

/// Begins a search in the list.
pub fn search(app: &mut App) {
    let before = app.photos.search().to_string();
    let asked = PromptKind::PhotoSearch {
        before: before.clone(),
    };
    app.prompt = Some(Prompt::replacing(asked, &before));
}

/// Clears the search, if the list is the topmost popup; returns whether there was one.
pub fn clear_search(app: &mut App) -> bool {
    let is_searched = is_topmost(app) && !app.photos.search().is_empty();
    if is_searched {
        app.photos.set_search("");
    }
    is_searched
}

/// Handles the worker's answer about a photo of the list.
pub fn answer(app: &mut App, answer: &Answer) {
    if app.photos.asked.as_ref() == Some(&answer.question) {
        app.photos.asked = None;
    }
    let found = match (&answer.question.about, &answer.found) {
        (About::Photo | About::Listed, Ok(AnswerContent::Photo(photo))) => Ok(Arc::clone(photo)),
        (About::Photo | About::Listed, Err(why)) => Err(why.clone()),
        _ => return,
    };
    if let Some(opened) = app.model.opened()
        && opened.model == answer.question.model
    {
        let classes = &opened.classes;
        app.photos.note(&answer.question.photo, &found, classes);
    }
}

/// Cancels the list's question.
pub fn pause(app: &mut App, effects: &mut Vec<Effect>) {
    if let Some(question) = app.photos.asked.take() {
        effects.push(Effect::Worker(WorkerCommand::LeavePhoto(question.photo)));
    }
}

/// Requests predictions for the photos one by one while the list is shown, starting with the one under the cursor.
pub fn reconcile(app: &mut App, effects: &mut Vec<Effect>) {
    let rows = album_lines(app.layout().body);
    app.photos.list.fit(rows, 1);
    let photo = app.popups.iter().find_map(|popup| match popup {
        Popup::Photo(photo) => Some(photo.path.clone()),
        _ => None,
    });
    if app.photos.shown != photo
        && let Some(left) = std::mem::replace(&mut app.photos.shown, photo.clone())
    {
        effects.push(Effect::Worker(WorkerCommand::LeavePhoto(left)));
    }
    let is_listed = app
        .popups
        .iter()
        .any(|popup| matches!(popup, Popup::Photos));
    let is_examined = is_listed && photo.is_none();
    let urgent = app.photos.urgent();
    let is_wanted = |asked: &Path| is_examined && urgent.is_none_or(|urgent| urgent == asked);
    match &app.photos.asked {
        Some(question) if is_wanted(&question.photo) => return,
        Some(_) => pause(app, effects),
        None => {}
    }
    let Some(opened) = app.model.opened().filter(|_| is_examined) else {
        return;
    };
    if let Some(path) = app.photos.next() {
        let question = Album::question(path, &opened.model);
        effects.push(Effect::Worker(WorkerCommand::Photo(question.clone())));
        app.photos.asked = Some(question);
    }
}

/// Why a command cannot act on the list; `None` if it can, or is not about the list.
pub fn refusal(app: &App, command: Command) -> Option<String> {
    match command {
        Command::ListPhotos if app.photos.len() < 2 => Some(no_other(app)),
        Command::ShowPhoto | Command::SortPhotos if !is_topmost(app) => {
            Some("the list of photos is not shown".into())
        }
        Command::SortPhotos if app.photos.len() < 2 => Some(no_other(app)),
        Command::ShowPhoto => match app.photos.selected().map(|photo| &photo.seen) {
            None => Some("nothing is listed".into()),
            Some(Some(Err(why))) => Some(why.clone()),
            Some(_) => None,
        },
        _ => None,
    }
}
