//! Saving and restoring the view state of each model.

use super::browser;
use crate::runs::worker::{ModelInfo, WorkerEvent};
use crate::tui::action::{Action, DiskRequest, Effect};
use crate::tui::app::App;
use crate::tui::layer_tree::Row;
use crate::tui::list_state::ListState;
use crate::tui::messages::Level;
use crate::tui::opening::Model;
use crate::tui::saved::{MAX_SCOPES, PAUSE, SavedModel, SavedRow};
use crate::tui::showing::Showing;
use std::sync::Arc;

/// Remembers tab and settings when the opening of a model begins: what the user changes before it is open stays.
pub fn note_opening(app: &mut App) {
    if matches!(app.model, Model::Opening { .. }) && app.at_opening.is_none() {
        app.at_opening = Some((app.browser.tab, Box::new(app.next_run.clone())));
    }
}

/// Restores the view of a model that was open before. If it replaces another model, a message names the restored
/// settings.
pub fn open(app: &mut App, opened: &Arc<ModelInfo>, is_another: bool) {
    app.returning = None;
    let tab = app.browser.tab;
    let (has_moved, has_planned) = match app.at_opening.take() {
        Some((before, plan)) => (before != tab, *plan != app.next_run),
        None => (false, false),
    };
    let Some(saved) = app.saved.of(&opened.hash).cloned() else {
        return;
    };
    if let Some(all) = opened.with_other_layers().filter(|_| saved.all_layers) {
        app.browser.show_layers(&all.layers);
        app.model = Model::Open(Arc::new(all));
    }
    if let Some(opened) = app.model.opened().map(Arc::clone) {
        saved.browse(&mut app.browser, &opened);
    }
    if has_moved {
        app.browser.tab = tab;
    }
    app.tiled = saved.grid;
    if !has_planned {
        plan(app, &saved, is_another);
    }
    app.followed = Some(app.selected());
    app.returning = Some(Box::new(saved));
    runs(app);
}

/// Restores the settings.
fn plan(app: &mut App, saved: &SavedModel, is_another: bool) {
    let before = app.next_run.clone();
    app.next_run.seed = saved.seed;
    if let Err(problem) = app.next_run.take_changed(&saved.preset, &saved.changes) {
        let text = format!("the settings of last time are not restored: {problem}");
        app.messages.say(Level::Warning, text, app.now);
    }
    if is_another && app.next_run != before {
        let preset = std::iter::once(app.next_run.preset().to_string());
        let settings: Vec<String> = preset.chain(app.next_run.changes()).collect();
        let text = format!(
            "settings of this model: {} · seed {}",
            settings.join(", "),
            app.next_run.seed
        );
        app.messages.say(Level::Note, text, app.now);
    }
}

/// Restores the cursors of the lists of finished runs and the shown run, once all runs are known.
pub fn runs(app: &mut App) {
    if !app.history.complete || app.model.opened().is_none() {
        return;
    }
    let Some(saved) = app.returning.take() else {
        return;
    };
    browser::list_history(app);
    let index = |id: &Option<String>| app.history.index(id.as_ref()?);
    let (history, favourite) = (index(&saved.history), index(&saved.favourite));
    history.map(|index| app.browser.history.go_to(index));
    favourite.map(|index| app.browser.favourites.go_to(index));
    // A user who has moved on keeps the new position.
    if app.shown == Showing::Nothing {
        let id = saved.shown.filter(|id| app.history.find(id).is_some());
        app.shown = id.map_or(Showing::Nothing, Showing::Finished);
    }
}

/// Whether an action may change the saved view.
pub fn concerns(action: &Action) -> bool {
    match action {
        Action::Key(_) | Action::Paste(_) | Action::Click(..) | Action::Wheel(..) => true,
        Action::Report(report) => matches!(report, WorkerEvent::Finished { .. }),
        _ => false,
    }
}

/// Saves the view if it has changed and was not saved a moment ago.
pub fn reconcile(app: &mut App, effects: &mut Vec<Effect>) {
    if app.unsaved && app.now >= app.saved_at + PAUSE {
        keep(app, effects);
    }
}

/// Saves the view if it has changed.
pub fn keep(app: &mut App, effects: &mut Vec<Effect>) {
    let Some(mut now) = present(app) else {
        return;
    };
    // Before the finished runs are known, their previous positions stay.
    if let Some(before) = &app.returning {
        now.history.clone_from(&before.history);
        now.favourite.clone_from(&before.favourite);
        now.shown.clone_from(&before.shown);
    }
    app.unsaved = false;
    if app.saved.last() == Some(&now) {
        return;
    }
    app.saved_at = app.now;
    app.saved.put(now.clone());
    effects.push(Effect::Disk(DiskRequest::SaveView(Box::new(now))));
}

/// The current view; `None` while no model is open.
fn present(app: &App) -> Option<SavedModel> {
    let opened = app.model.opened()?;
    let browser = &app.browser;
    let scopes = browser.tree.names();
    let layer = |index: usize| opened.layers[index].name.clone();
    let row = browser.selected_row().map(|row| match row {
        Row::Layer(index) => SavedRow::Layer(layer(index)),
        Row::Scope(scope) => SavedRow::Scope(scopes[scope].clone()),
    });
    let mut open: Vec<usize> = browser.open.iter().copied().collect();
    open.sort_unstable();
    let open = open.into_iter().map(|scope| scopes[scope].clone());
    let channels = browser.channels.as_ref();
    let class = browser.classes.selected();
    let run = |list: &ListState| {
        list.selected()
            .map(|index| app.history.get(index).id.clone())
    };
    let shown = match &app.shown {
        Showing::Finished(id) => Some(id.clone()),
        Showing::Running(job) => app.queue.get(*job).map(|job| job.run.clone()),
        Showing::Nothing | Showing::Batch(_) => None,
    };
    Some(SavedModel {
        model: opened.hash.clone(),
        name: Some(opened.model.clone()),
        tab: browser.tab,
        row,
        open: open.take(MAX_SCOPES).collect(),
        channels: channels
            .map(|channels| (layer(channels.layer), channels.list.selected().unwrap_or(0))),
        grid: app.tiled,
        all_layers: opened.layers.len() == opened.values.len(),
        class: class.map(|class| {
            let name = opened.classes.name(class).unwrap_or_default();
            (class, name.to_string())
        }),
        history: run(&browser.history),
        favourite: run(&browser.favourites),
        shown,
        preset: app.next_run.preset().to_string(),
        seed: app.next_run.seed,
        changes: app.next_run.changed(),
    })
}
