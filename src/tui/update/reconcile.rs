//! Derived state, updated after every action: visible parts of lists, the shown picture, and the pictures to load.

use super::{album, overlay, photo, queue};
use crate::tui::action::{DiskRequest, Effect};
use crate::tui::app::App;
use crate::tui::lens::Magnified;
use crate::tui::picture_cache::Size;
use crate::tui::popup::Popup;
use crate::tui::replay::Replay;
use crate::tui::showing::{Showing, Tile};

/// Updates the derived state: visible parts of lists, the shown picture, and the pictures to load.
pub fn reconcile(app: &mut App, effects: &mut Vec<Effect>) {
    let layout = app.layout();
    let lines = layout.browser_lines();
    let (columns, cells) = layout.grid();
    let is_grid = app.is_grid();
    let browser = &mut app.browser;
    let (rows, width) = if is_grid {
        (cells, columns)
    } else {
        (lines, 1)
    };
    for list in [
        &mut browser.classes,
        &mut browser.history,
        &mut browser.favourites,
    ] {
        list.fit(rows, width);
    }
    browser.layers.fit(lines, 1);
    if let Some(channels) = &mut browser.channels {
        channels.list.fit(cells, columns);
    }
    match app.popups.last_mut() {
        Some(Popup::Palette(palette)) => palette.list.fit(layout.popup_lines(), 1),
        Some(Popup::Models(picker)) => picker.list.fit(layout.popup_lines(), 1),
        _ => {}
    }
    photo::fit(app);
    album::reconcile(app, effects);
    app.queue_cursor = app
        .queue_cursor
        .min(app.queue.jobs().len().saturating_sub(1));
    show_selected(app);
    let now = app.now;
    let shown = &app.shown;
    let is_over = |replay: &mut Replay| {
        *shown != Showing::Finished(replay.id.clone()) || replay.frame(now).is_none()
    };
    app.replay.take_if(is_over);
    overlay::reconcile(app);
    load_record(app, effects);
    magnify(app);
    load_pictures(app, effects);
    queue::watch_shown(app, effects);
}

/// Requests the record of the shown finished run whenever another one is shown.
fn load_record(app: &mut App, effects: &mut Vec<Effect>) {
    let shown = match &app.shown {
        Showing::Finished(id) => Some(id.clone()),
        _ => None,
    };
    if app.record_requested == shown {
        return;
    }
    if let Some(id) = shown.as_ref().filter(|id| app.record_of(id).is_none()) {
        effects.push(Effect::Disk(DiskRequest::LoadRecord(id.clone())));
    }
    app.record_requested = shown;
}

/// Shows the selected finished run, or a run of the selected target, unless an active run is shown. Only a change of
/// the selection changes the shown picture: a run that has just finished stays.
fn show_selected(app: &mut App) {
    if app.is_grid() && show_cell(app) {
        return;
    }
    let selected = Some(app.selected());
    let is_same = std::mem::replace(&mut app.followed, selected.clone()) == selected;
    if is_same && (app.shown != Showing::Nothing || app.returning.is_some()) {
        return;
    }
    let live = app.shown.is_live();
    if let Some(entry) = app.selected_entry() {
        app.shown = Showing::Finished(entry.id.clone());
    } else if !live && let Some(id) = app.entry_of_selection().map(|entry| entry.id.clone()) {
        app.shown = Showing::Finished(id);
    } else if app.shown == Showing::Nothing
        && app.history.complete
        && let Some(opened) = app.model.opened()
        && let Some(latest) = app.history.latest(&opened.hash)
    {
        // At the start: where the last session ended.
        app.shown = Showing::Finished(latest.id.clone());
    }
}

/// In a grid, whose cells show the active runs, the picture is always that of the selected cell, if it has one.
/// Returns whether the picture is decided.
fn show_cell(app: &mut App) -> bool {
    let target = app.selected_target();
    let live = target.and_then(|target| app.active_run_of(&target));
    let item = app.browser.list().selected();
    let entry = item.and_then(|item| app.entry_of(item));
    let shown = match (live, entry, &app.shown) {
        (Some(live), ..) => Showing::Running(live.job),
        (None, Some(entry), _) => Showing::Finished(entry.id.clone()),
        // No key may act on the picture of a cell that was left.
        (None, None, Showing::Finished(_)) => Showing::Nothing,
        (None, None, _) => return false,
    };
    app.followed = Some(app.selected());
    app.shown = shown;
    true
}

/// Requests the visible pictures that are not in memory.
fn load_pictures(app: &mut App, effects: &mut Vec<Effect>) {
    let mut wanted: Vec<(String, Size)> = Vec::new();
    match &app.shown {
        Showing::Finished(id) => wanted.push((id.clone(), Size::Full)),
        Showing::Batch(tiles) => wanted.extend(tiles.iter().filter_map(|tile| match tile {
            Tile::Finished(id) => Some((id.clone(), Size::Full)),
            Tile::Running(_) => None,
        })),
        Showing::Running(_) | Showing::Nothing => {}
    }
    match app.popups.last() {
        Some(Popup::Compare(compare)) => {
            wanted.extend(compare.ids.iter().map(|id| (id.clone(), Size::Full)));
        }
        Some(Popup::Details { id, .. }) => wanted.push((id.clone(), Size::Full)),
        _ => {}
    }
    if app.is_grid() || app.browser.is_grid() {
        let layout = app.layout();
        let (columns, lines) = layout.grid();
        let list = app.browser.list();
        let rows = list.rows().iter().skip(list.offset());
        let entries = rows
            .take(columns * lines)
            .filter_map(|&item| app.entry_of(item));
        let pixels = layout.cell().0 * app.environment.terminal.cell.0;
        let size = Size::of_cell(pixels);
        wanted.extend(entries.map(|entry| (entry.id.clone(), size)));
    }
    wanted.extend(photo::thumbnails(app));
    for (id, size) in wanted {
        if app.pictures.ask(&id, size) {
            effects.push(Effect::Disk(DiskRequest::LoadPicture(id, size)));
        }
    }
}

/// Crops the picture to its visible part.
fn magnify(app: &mut App) {
    let lens = app.lens;
    let source = if app.zoomed && lens.magnification() > 1 {
        app.shown_picture()
    } else {
        None
    };
    let Some(source) = source else {
        app.magnified = None;
        return;
    };
    let is_same = |part: &Magnified| part.is_of(source, lens);
    if !app.magnified.as_ref().is_some_and(is_same) {
        app.magnified = Some(Magnified::new(source, lens));
    }
}
