//! Navigation: lists, tabs, folding, marks.

use super::notes::no_network;
use super::queue;
use crate::tui::app::{App, Panel};
use crate::tui::browser::{CellOrder, Tab};
use crate::tui::command::COMMANDS;
use crate::tui::layer_tree::Row;
use crate::tui::layout::album_lines;
use crate::tui::lens::Lens;
use crate::tui::list_state::{ListState, Motion};
use crate::tui::messages::Level;
use crate::tui::opening::Model;
use crate::tui::popup::Popup;
use crate::tui::showing::Showing;
use std::sync::Arc;

/// Moves the cursor of the focused list.
pub fn move_cursor(app: &mut App, motion: Motion) {
    if is_magnified(app) {
        app.lens.pan(motion);
        return;
    }
    let page = app.layout().popup_lines();
    match app.popups.last_mut() {
        Some(Popup::Settings(knobs)) => knobs.move_cursor(motion, page),
        Some(Popup::Palette(palette)) => palette.list.move_cursor(motion, page),
        Some(Popup::Models(picker)) => picker.list.move_cursor(motion, page),
        Some(
            Popup::Help { scroll, .. } | Popup::Details { scroll, .. } | Popup::Messages { scroll },
        ) => scroll_by(scroll, motion, page),
        Some(Popup::Compare(_)) => {}
        Some(Popup::Photos) => app
            .photos
            .list
            .move_cursor(motion, album_lines(app.layout().body)),
        Some(Popup::Photo(photo)) => photo.cells.move_cursor(motion, page),
        None => match app.focus {
            Panel::Browser => {
                let layout = app.layout();
                let lines = if app.is_grid() || app.browser.is_grid() {
                    layout.grid().1
                } else {
                    layout.browser_lines()
                };
                app.browser.list_mut().move_cursor(motion, lines);
            }
            Panel::Queue => {
                let mut rows = ListState::new(app.queue.jobs().len());
                rows.go_to_row(app.queue_cursor);
                rows.move_cursor(motion, page);
                app.queue_cursor = rows.cursor();
            }
        },
    }
}

/// The motion of left or right where they move a cursor or a picture; `None` where they fold or switch panels.
pub fn sideways(app: &App, motion: Motion) -> Option<Motion> {
    match app.popups.last() {
        Some(popup) => matches!(popup, Popup::Photo(_)).then_some(motion),
        None if is_magnified(app) => Some(motion),
        // The full-screen picture has only a previous and a next one.
        None if app.zoomed && motion == Motion::Left => Some(Motion::Up),
        None if app.zoomed => Some(Motion::Down),
        None => app.is_grid().then_some(motion),
    }
}

/// Whether cursor keys move the magnified part of the picture.
fn is_magnified(app: &App) -> bool {
    app.popups.is_empty() && app.zoomed && app.lens.magnification() > 1
}

fn scroll_by(scroll: &mut usize, motion: Motion, page: usize) {
    // The view limits the scroll position; this only bounds it.
    *scroll = match motion {
        Motion::Up => scroll.saturating_sub(1),
        Motion::PageUp => scroll.saturating_sub(page),
        Motion::Top => 0,
        Motion::Down => *scroll + 1,
        Motion::PageDown => *scroll + page,
        Motion::Bottom => COMMANDS.len() * 2,
        Motion::Left | Motion::Right => *scroll,
    }
    .min(COMMANDS.len() * 2);
}

/// Folds a scope, or moves to the enclosing one; leaves a layer's channels at the left edge.
pub fn left(app: &mut App) {
    if let Some(motion) = sideways(app, Motion::Left) {
        return move_cursor(app, motion);
    }
    if !app.popups.is_empty() || app.focus == Panel::Queue || app.browser.tab != Tab::Layers {
        return;
    }
    let browser = &mut app.browser;
    if let Some(channels) = &mut browser.channels {
        match channels.list.cursor() % channels.list.columns() {
            0 => browser.channels = None,
            _ => channels.list.move_cursor(Motion::Left, 1),
        }
        return;
    }
    match browser.selected_row() {
        Some(Row::Scope(scope)) if browser.open.contains(&scope) => browser.set_open(scope, false),
        Some(row) if !browser.is_searching_layers() => match browser.tree.parent(row) {
            Some(scope) => {
                browser.go_to_row(Row::Scope(scope));
            }
            None => {
                let text = "already at the top level";
                app.messages.say(Level::Note, text, app.now);
            }
        },
        _ => {
            let text = "search results have no folders";
            app.messages.say(Level::Note, text, app.now);
        }
    }
}

/// Unfolds a scope; enters a layer's channels.
pub fn right(app: &mut App) {
    if let Some(motion) = sideways(app, Motion::Right) {
        return move_cursor(app, motion);
    }
    if !app.popups.is_empty() || app.focus == Panel::Queue || app.browser.tab != Tab::Layers {
        return;
    }
    let Some(opened) = app.model.opened().map(Arc::clone) else {
        return;
    };
    let browser = &mut app.browser;
    if let Some(channels) = &mut browser.channels {
        channels.list.move_cursor(Motion::Right, 1);
        return;
    }
    match browser.selected_row() {
        Some(Row::Scope(scope)) if browser.open.contains(&scope) => {
            browser.layers.move_cursor(Motion::Down, 1);
        }
        Some(Row::Scope(scope)) => browser.set_open(scope, true),
        Some(Row::Layer(layer)) => {
            browser.show_channels(layer, opened.layers[layer].channels());
        }
        None => {}
    }
}

/// Shows the list as a full-screen grid of pictures, or as rows among the panels again. In the tree of layers, the
/// grid shows the channels of the selected layer, or of a scope's last layer.
pub fn toggle_grid(app: &mut App) {
    app.zoomed = false;
    app.focus = Panel::Browser;
    if app.is_grid() {
        app.tiled = false;
        return;
    }
    app.tiled = true;
    enter_selected(app);
}

/// Lists the channels of the selected layer, or of a scope's last layer.
pub fn enter_selected(app: &mut App) {
    let Some(opened) = app.model.opened().map(Arc::clone) else {
        return;
    };
    let browser = &mut app.browser;
    if browser.tab != Tab::Layers || browser.channels.is_some() {
        return;
    }
    if let Some(row) = browser.selected_row() {
        let layer = browser.tree.last_layer(row);
        browser.show_channels(layer, opened.layers[layer].channels());
    }
}

/// Zooms the full-screen picture, or resizes the cells of the grid.
pub fn resize(app: &mut App, larger: bool) {
    if app.zoomed {
        if !app.lens.magnify(larger) {
            let text = format!("magnification {} ×", app.lens.magnification());
            app.messages.say(Level::Note, text, app.now);
        }
        return;
    }
    let (size, end) = if larger {
        (app.cell.larger(), "largest")
    } else {
        (app.cell.smaller(), "smallest")
    };
    match size {
        Some(size) => app.cell = size,
        None => {
            let text = format!("the cells have their {end} size");
            app.messages.say(Level::Note, text, app.now);
        }
    }
}

/// Lists every value of the network, or only its layers again; the cursor stays on its item if that is still listed.
pub fn other_layers(app: &mut App) {
    let Some(opened) = app.model.opened().map(Arc::clone) else {
        return no_network(app);
    };
    let Some(other) = opened.with_other_layers() else {
        let text = "this network has no internal tensors";
        return app.messages.say(Level::Note, text, app.now);
    };
    let browser = &mut app.browser;
    let selected = match (&browser.channels, browser.selected_row()) {
        (Some(channels), _) => Some(channels.layer),
        (None, Some(Row::Layer(layer))) => Some(layer),
        (None, _) => None,
    };
    browser.show_layers(&other.layers);
    let name = selected.map(|layer| &opened.layers[layer].name);
    let same = other
        .layers
        .iter()
        .position(|layer| Some(&layer.name) == name);
    if let Some(layer) = same {
        browser.unfold_to(layer);
    }
    let (count, what) = if other.layers.len() == other.values.len() {
        (other.values.len(), "tensors, internal ones included")
    } else {
        (other.layers.len(), "layers")
    };
    app.messages
        .say(Level::Note, format!("{count} {what}"), app.now);
    app.model = Model::Open(Arc::new(other));
}

/// Restores the numerical order of the items.
fn restore_order(app: &mut App) {
    if std::mem::take(&mut app.browser.order) == CellOrder::Number || app.in_history() {
        return;
    }
    let list = app.browser.list_mut();
    let mut rows = list.rows().to_vec();
    rows.sort_unstable();
    list.set_rows(rows);
}

/// Shows a tab. Outside of the history, the active run is shown again.
pub fn show_tab(app: &mut App, tab: Tab) {
    let was_history = app.in_history();
    app.zoomed = false;
    app.focus = Panel::Browser;
    if app.browser.tab != tab {
        restore_order(app);
        app.browser.tab = tab;
    }
    let is_running = !app.running.is_empty();
    match app.in_history() {
        true => {
            list_history(app);
            if let Showing::Finished(id) = &app.shown
                && let Some(index) = app.history.index(id)
            {
                app.browser.list_mut().go_to(index);
            }
        }
        false if was_history && is_running => queue::show_running(app),
        false => {}
    }
}

/// Shows the tab at distance `by`.
pub fn cycle_tab(app: &mut App, by: usize) {
    let next = (app.browser.tab as usize + by) % Tab::ALL.len();
    show_tab(app, Tab::ALL[next]);
}

/// Closes the topmost popup, search or full-screen view.
pub fn back(app: &mut App) {
    if let Some(Popup::Help { filter, .. }) = app.popups.last_mut()
        && !std::mem::take(filter).is_empty()
    {
        return;
    }
    if super::album::clear_search(app) || app.popups.pop().is_some() {
        return;
    }
    if app.zoomed {
        app.zoomed = false;
        app.lens = Lens::default();
        return;
    }
    let is_filtered = !app.browser.is_grid() && !app.browser.search().is_empty();
    let marked = app.browser.list().mark_count();
    // A search hides marks, so it is cleared first.
    if is_filtered && !app.is_grid() {
        return clear_search(app);
    }
    if app.browser.list_mut().clear_marks() {
        let text = match marked {
            0 => "range cancelled".to_string(),
            1 => "1 mark cleared".to_string(),
            marks => format!("{marks} marks cleared"),
        };
        return app.messages.say(Level::Note, text, app.now);
    }
    if app.is_grid() {
        app.tiled = false;
        return;
    }
    if app.browser.tab == Tab::Layers && app.browser.channels.take().is_some() {
        return;
    }
    if is_filtered {
        return clear_search(app);
    }
    app.focus = Panel::Browser;
}

/// Clears the search of the current tab.
fn clear_search(app: &mut App) {
    app.browser.set_search("");
    list_tab(app);
}

/// Lists the items of the current tab again.
pub fn list_tab(app: &mut App) {
    let opened = app.model.opened().map(Arc::clone);
    match (app.browser.tab, opened) {
        (Tab::Layers, Some(opened)) => app.browser.list_layers(&opened.layers),
        (Tab::Classes, Some(opened)) => app.browser.list_classes(&opened.classes),
        (Tab::Layers | Tab::Classes, None) => {}
        (Tab::History | Tab::Favourites, _) => list_history(app),
    }
}

/// Lists the finished runs again.
pub fn list_history(app: &mut App) {
    let hash = app.model.opened().map(|opened| opened.hash.clone());
    let list = |tab: Tab| {
        let search = app.browser.search_of(tab);
        app.history
            .list(search, tab == Tab::Favourites, hash.as_deref())
    };
    let (history, favourites) = (list(Tab::History), list(Tab::Favourites));
    app.browser.history.set_rows(history);
    app.browser.favourites.set_rows(favourites);
}
