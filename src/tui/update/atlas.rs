//! The grid of pictures: drafts of all channels, sorting, and export.

use super::{browser, submission};
use crate::runs::Spec;
use crate::runs::queue::MAX_JOBS;
use crate::tui::action::{DiskRequest, Effect};
use crate::tui::app::App;
use crate::tui::browser::{CellOrder, ListId, Tab};
use crate::tui::command::Command;
use crate::tui::messages::Level;
use crate::tui::prompt::{Prompt, PromptKind};
use std::cmp::Ordering;
use std::collections::HashSet;

/// The preset of an atlas.
const PRESET: &str = "draft";

/// More drafts than this need confirmation.
const MANY: usize = 100;

/// Shows the channels of the layer, or the classes, as a grid, and queues a draft of each marked or listed one with
/// the current seed. Repeated after an interruption, it queues only what is missing. A long queue needs confirmation
/// first, unless it is `confirmed`.
pub fn draw(app: &mut App, confirmed: bool, effects: &mut Vec<Effect>) {
    if !enter_layer(app) {
        return;
    }
    app.zoomed = false;
    app.tiled = true;
    let wanted = marked_or_listed(app);
    let Some(settings) = app.next_run.settings_of(PRESET) else {
        let text = format!("the preset {PRESET} cannot be used");
        return app.messages.say(Level::Error, text, app.now);
    };
    // No more than the queue can take: a list may have 100,000 items.
    let mut specs = Vec::new();
    let mut can_be_run = false;
    for items in wanted.chunks(MAX_JOBS) {
        specs.extend(submission::specs_of_items(app, items, &settings));
        can_be_run |= !specs.is_empty();
        // The others are of the same layer, and the reason is reported.
        if !can_be_run {
            break;
        }
        specs.retain(|spec| app.history.find(&spec.id()).is_none());
        if specs.len() >= MAX_JOBS {
            break;
        }
    }
    // The reason is reported already.
    if !can_be_run {
        return;
    }
    if specs.is_empty() {
        app.browser.list_mut().clear_marks();
        let text = format!(
            "nothing to draw: all have drafts with seed {}",
            app.next_run.seed
        );
        return app.messages.say(Level::Note, text, app.now);
    }
    let queued: HashSet<&str> = app.queue.jobs().iter().map(|job| &*job.run).collect();
    let is_new = |spec: &&Spec| !queued.contains(&*spec.id());
    let count = specs.iter().filter(is_new).count();
    if count > MANY && !confirmed {
        app.prompt = Some(Prompt::new(PromptKind::Atlas(count), ""));
        return;
    }
    let before = app.queue.jobs().len();
    submission::submit(app, specs, effects);
    let drafts = app.queue.jobs().len() - before;
    if drafts > 0 {
        let clear = app.key(Command::Clear);
        let text = format!("{drafts} drafts queued; {clear} clears the queue");
        app.messages.say(Level::Note, text, app.now);
    }
}

/// Lists the channels of the marked layer, or of the selected one, if the browser shows layers. Returns whether there
/// is exactly one list to draw: several marked layers are refused.
fn enter_layer(app: &mut App) -> bool {
    let browser = &mut app.browser;
    if browser.tab == Tab::Layers && browser.channels.is_none() {
        match browser.layers.mark_count() {
            0 => {}
            1 => {
                let marked = browser.layers.chosen();
                browser.layers.clear_marks();
                browser.layers.go_to(marked[0]);
            }
            _ => {
                let text = "an atlas draws one layer: mark one, or mark channels in it";
                app.messages.say(Level::Warning, text, app.now);
                return false;
            }
        }
    }
    browser::enter_selected(app);
    true
}

/// The marked items, otherwise all listed ones.
pub fn marked_or_listed(app: &App) -> Vec<usize> {
    let list = app.browser.list();
    match list.mark_count() {
        0 => list.rows().to_vec(),
        _ => list.chosen(),
    }
}

/// Switches to the next order of the grid.
pub fn sort(app: &mut App, effects: &mut Vec<Effect>) {
    let order = app.browser.order.next();
    app.browser.order = order;
    let mut rows = app.browser.list().rows().to_vec();
    rows.sort_unstable();
    let text = match order {
        CellOrder::Number => "sorted by number",
        CellOrder::Score => "sorted by score, the highest first",
        CellOrder::Similarity => "sorting by similarity …",
    };
    app.messages.say(Level::Note, text, app.now);
    if order != CellOrder::Number {
        // The sort is stable: items without a picture stay in numerical order at the end.
        rows.sort_by(|&a, &b| by_score(app, a, b));
    }
    if order == CellOrder::Similarity {
        let ids = rows
            .iter()
            .filter_map(|&item| Some((item, app.entry_of(item)?.id.clone())));
        let place = app.browser.place();
        effects.push(Effect::Disk(DiskRequest::OrderBySimilarity(
            place,
            ids.collect(),
        )));
    }
    let list = app.browser.list_mut();
    list.set_rows(rows);
    list.go_to_row(0);
}

fn by_score(app: &App, a: usize, b: usize) -> Ordering {
    let key = |item| {
        let entry = app.entry_of(item);
        entry.map(|entry| (entry.probability.unwrap_or_default(), entry.score))
    };
    match (key(a), key(b)) {
        (Some(a), Some(b)) => b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)),
        (a, b) => a.is_none().cmp(&b.is_none()),
    }
}

/// Applies the order of the items with a picture; the others follow.
pub fn ordered(app: &mut App, place: ListId, order: &[usize]) {
    if app.browser.order != CellOrder::Similarity || app.browser.place() != place {
        return;
    }
    let list = app.browser.list_mut();
    let listed = |item: &usize| list.rows().contains(item);
    let mut rows: Vec<usize> = order.iter().copied().filter(listed).collect();
    let rest = list
        .rows()
        .iter()
        .copied()
        .filter(|item| !order.contains(item));
    rows.extend(rest.collect::<Vec<_>>());
    list.set_rows(rows);
    list.go_to_row(0);
    let text = "sorted by similarity";
    app.messages.say(Level::Note, text, app.now);
}
