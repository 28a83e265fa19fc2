//! Moving about: lists, tabs, folds, marks; and what is to be seen once that is done.

use super::super::action::Effect;
use super::super::app::{App, Model, Panel, Shown};
use super::super::browser::{Channels, Tab};
use super::super::command::COMMANDS;
use super::super::gallery::Size;
use super::super::listing::{Listing, Motion};
use super::super::messages::Level;
use super::super::popup::Popup;
use super::super::tree::Row;
use super::super::view::layout::CELL;
use super::{photo, queueing};
use crate::ascent::settings::KNOBS;
use crate::runs::target::{Place, Target};
use std::sync::Arc;

/// Moves the cursor of whatever has the focus.
pub fn go(app: &mut App, motion: Motion) {
    let page = app.layout().popup_lines();
    match app.popups.last_mut() {
        Some(Popup::Settings { cursor }) => {
            let mut rows = Listing::of(KNOBS.len());
            rows.go_to_row(*cursor);
            rows.go(motion, page);
            *cursor = rows.cursor();
        }
        Some(Popup::Palette(palette)) => palette.list.go(motion, page),
        Some(Popup::Models(picker)) => picker.list.go(motion, page),
        Some(
            Popup::Help { scroll, .. } | Popup::Details { scroll, .. } | Popup::Messages { scroll },
        ) => scroll_by(scroll, motion, page),
        Some(Popup::Compare(_)) => {}
        Some(Popup::Photo(photo)) => photo.cells.go(motion, page),
        None => match app.focus {
            Panel::Browser => {
                let lines = app.layout().browser_lines();
                app.browser.list_mut().go(motion, lines);
            }
            Panel::Queue => {
                let mut rows = Listing::of(app.queue.jobs().len());
                rows.go_to_row(app.queue_cursor);
                rows.go(motion, page);
                app.queue_cursor = rows.cursor();
            }
        },
    }
}

fn scroll_by(scroll: &mut usize, motion: Motion, page: usize) {
    // The view stops at the end of the text; here it is enough not to run away from it.
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

/// Folds a scope, or goes to the one around; leaves a layer's channels at their left edge.
pub fn left(app: &mut App) {
    if matches!(app.popups.last(), Some(Popup::Photo(_))) {
        return go(app, Motion::Left);
    }
    if !app.popups.is_empty() || app.focus == Panel::Queue || app.browser.tab != Tab::Layers {
        return;
    }
    let browser = &mut app.browser;
    if let Some(channels) = &mut browser.channels {
        match channels.list.cursor() % channels.list.columns() {
            0 => browser.channels = None,
            _ => channels.list.go(Motion::Left, 1),
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
    if matches!(app.popups.last(), Some(Popup::Photo(_))) {
        return go(app, Motion::Right);
    }
    if !app.popups.is_empty() || app.focus == Panel::Queue || app.browser.tab != Tab::Layers {
        return;
    }
    let Some(opened) = app.model.opened().map(Arc::clone) else {
        return;
    };
    let browser = &mut app.browser;
    if let Some(channels) = &mut browser.channels {
        channels.list.go(Motion::Right, 1);
        return;
    }
    match browser.selected_row() {
        Some(Row::Scope(scope)) if browser.open.contains(&scope) => {
            browser.layers.go(Motion::Down, 1);
        }
        Some(Row::Scope(scope)) => browser.set_open(scope, true),
        Some(Row::Layer(layer)) => {
            browser.channels = Some(Channels {
                layer,
                list: Listing::of(opened.layers[layer].channels()),
            });
        }
        None => {}
    }
}

/// Lists every value of the network, or only its layers again; the cursor stays on what it was on, if that is listed.
pub fn other_layers(app: &mut App) {
    let Some(opened) = app.model.opened().map(Arc::clone) else {
        return no_network(app);
    };
    let Some(other) = opened.with_other_layers() else {
        let text = "this network has no internal tensors: all are listed";
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
    let (count, what) = match other.layers.len() == other.values.len() {
        true => (other.values.len(), "tensors, the internal ones included"),
        false => (other.layers.len(), "layers"),
    };
    app.messages
        .say(Level::Note, format!("{count} {what}"), app.now);
    app.model = Model::Open(Arc::new(other));
}

/// Shows a tab. Away from the finished runs, the run under way is shown again.
pub fn show_tab(app: &mut App, tab: Tab, effects: &mut Vec<Effect>) {
    let was_history = app.in_history();
    app.zoomed = false;
    app.focus = Panel::Browser;
    app.browser.tab = tab;
    let running = app.running.first().map(|live| live.job);
    match (app.in_history(), running) {
        (true, _) => {
            list_history(app);
            if let Shown::Finished(id) = &app.shown
                && let Some(index) = app.library.index(id)
            {
                app.browser.list_mut().go_to(index);
            }
        }
        (false, Some(job)) if was_history => queueing::show_live(app, job, effects),
        _ => {}
    }
}

/// Shows the tab that lies `by` further.
pub fn turn_tab(app: &mut App, by: usize, effects: &mut Vec<Effect>) {
    let next = (app.browser.tab as usize + by) % Tab::ALL.len();
    show_tab(app, Tab::ALL[next], effects);
}

/// Closes what is open, the topmost thing only.
pub fn back(app: &mut App) {
    if let Some(Popup::Help { filter, .. }) = app.popups.last_mut()
        && !std::mem::take(filter).is_empty()
    {
        return;
    }
    if app.popups.pop().is_some() {
        return;
    }
    if app.zoomed {
        app.zoomed = false;
        return;
    }
    if app.browser.list_mut().clear_marks() {
        return;
    }
    if app.browser.tab == Tab::Layers && app.browser.channels.take().is_some() {
        return;
    }
    if !app.browser.search().is_empty() {
        app.browser.set_search("");
        list_tab(app);
        return;
    }
    app.focus = Panel::Browser;
}

/// Lists the items of the present tab anew, as after a change of its search.
pub fn list_tab(app: &mut App) {
    let opened = app.model.opened().map(Arc::clone);
    match (app.browser.tab, opened) {
        (Tab::Layers, Some(opened)) => app.browser.list_layers(&opened.layers),
        (Tab::Classes, Some(opened)) => app.browser.list_classes(&opened.classes),
        (Tab::Layers | Tab::Classes, None) => {}
        (Tab::History | Tab::Favourites, _) => list_history(app),
    }
}

/// Lists the finished runs anew.
pub fn list_history(app: &mut App) {
    let hash = app.model.opened().map(|opened| opened.hash.clone());
    let list = |tab: Tab| {
        let search = app.browser.search_of(tab);
        app.library
            .list(search, tab == Tab::Favourites, hash.as_deref())
    };
    let (history, favourites) = (list(Tab::History), list(Tab::Favourites));
    app.browser.history.set_rows(history);
    app.browser.favourites.set_rows(favourites);
}

/// Runs what is chosen; a scope is unfolded or folded instead.
pub fn run_or_open(app: &mut App, effects: &mut Vec<Effect>) {
    let browser = &mut app.browser;
    let is_tree = browser.tab == Tab::Layers && browser.channels.is_none();
    match browser.selected_row() {
        Some(Row::Scope(scope)) if is_tree && browser.layers.mark_count() == 0 => {
            let open = !browser.open.contains(&scope);
            browser.set_open(scope, open);
        }
        _ => queueing::run_chosen(app, effects),
    }
}

/// Brings what follows from the rest of the state up to date: what of the lists is seen, which picture is shown, and
/// which pictures are still to be loaded for that.
pub fn settle(app: &mut App, effects: &mut Vec<Effect>) {
    let layout = app.layout();
    let lines = layout.browser_lines();
    let grid = layout.grid();
    let browser = &mut app.browser;
    for list in [
        &mut browser.classes,
        &mut browser.history,
        &mut browser.favourites,
    ] {
        list.fit(lines, 1);
    }
    browser.layers.fit(lines, 1);
    if let Some(channels) = &mut browser.channels {
        channels.list.fit(grid.1, grid.0);
    }
    match app.popups.last_mut() {
        Some(Popup::Palette(palette)) => palette.list.fit(layout.popup_lines(), 1),
        Some(Popup::Models(picker)) => picker.list.fit(layout.popup_lines(), 1),
        _ => {}
    }
    photo::fit(app);
    app.queue_cursor = app
        .queue_cursor
        .min(app.queue.jobs().len().saturating_sub(1));
    if app.queue.jobs().is_empty() {
        app.focus = Panel::Browser;
    }
    let before = app.shown.clone();
    show_selected(app);
    if app.shown != before {
        load_record(app, effects);
    }
    load_pictures(app, lines, effects);
}

/// Asks for the record of the finished run that is shown.
fn load_record(app: &mut App, effects: &mut Vec<Effect>) {
    let Shown::Finished(id) = &app.shown else {
        return;
    };
    if app.record.as_ref().is_none_or(|record| record.id != *id) {
        effects.push(Effect::LoadRecord(id.clone()));
    }
}

/// A finished run that is selected is shown; so is a run of what is selected, unless one under way is. Only another selection
/// changes what is shown: what has just finished stays.
fn show_selected(app: &mut App) {
    let selected = Some(app.selected());
    let is_same = std::mem::replace(&mut app.followed, selected.clone()) == selected;
    if is_same && app.shown != Shown::Nothing {
        return;
    }
    let live =
        matches!(app.shown, Shown::Live(job) if app.running.iter().any(|live| live.job == job));
    if let Some(entry) = app.selected_entry() {
        app.shown = Shown::Finished(entry.id.clone());
    } else if !live && let Some(id) = app.entry_of_selection().map(|entry| entry.id.clone()) {
        app.shown = Shown::Finished(id);
    } else if app.shown == Shown::Nothing
        && app.library.complete
        && let Some(opened) = app.model.opened()
        && let Some(latest) = app.library.latest(&opened.hash)
    {
        // At the start: where the last session ended.
        app.shown = Shown::Finished(latest.id.clone());
    }
}

/// Asks for the pictures that are to be seen and not in memory.
fn load_pictures(app: &mut App, lines: usize, effects: &mut Vec<Effect>) {
    let mut wanted: Vec<(String, Size)> = Vec::new();
    if let Shown::Finished(id) = &app.shown {
        wanted.push((id.clone(), Size::Full));
    }
    match app.popups.last() {
        Some(Popup::Compare(compare)) => {
            wanted.extend(compare.ids.iter().map(|id| (id.clone(), Size::Full)));
        }
        Some(Popup::Details { id, .. }) => wanted.push((id.clone(), Size::Full)),
        _ => {}
    }
    if let (Tab::Layers, Some(channels), Some(opened)) =
        (app.browser.tab, &app.browser.channels, app.model.opened())
    {
        let seen = lines / usize::from(CELL.1).max(1) * channels.list.columns();
        let layer = &opened.layers[channels.layer];
        let rows = channels.list.rows().iter().skip(channels.list.offset());
        let entries = rows.take(seen).filter_map(|&channel| {
            let target = Target::of_layer(layer, Place::Channel(channel)).ok()?;
            app.library.of_target(&opened.hash, &target)
        });
        wanted.extend(entries.map(|entry| (entry.id.clone(), Size::Thumbnail)));
    }
    wanted.extend(photo::thumbnails(app));
    for (id, size) in wanted {
        if app.gallery.ask(&id, size) {
            effects.push(Effect::LoadPicture(id, size));
        }
    }
}

/// Says that something needs an open network.
pub fn no_network(app: &mut App) {
    let text = "no model is open yet";
    app.messages.say(Level::Warning, text, app.now);
}
