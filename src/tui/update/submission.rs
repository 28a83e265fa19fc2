//! From selected targets to queued runs.

use super::notes::no_network;
use super::queue;
use crate::ascent::Settings;
use crate::runs::Spec;
use crate::runs::target::{LayerPart, Target, TargetError};
use crate::runs::worker::ModelInfo;
use crate::text::counted;
use crate::tui::action::{DiskRequest, Effect};
use crate::tui::app::App;
use crate::tui::browser::Tab;
use crate::tui::command::Command;
use crate::tui::layer_tree::Row;
use crate::tui::messages::Level;
use crate::tui::next_run;
use std::sync::Arc;

/// Runs the selection; folds or unfolds a scope.
pub fn run_or_open(app: &mut App, effects: &mut Vec<Effect>) {
    let browser = &mut app.browser;
    let is_tree = browser.tab == Tab::Layers && browser.channels.is_none();
    match browser.selected_row() {
        Some(Row::Scope(scope)) if is_tree && browser.layers.mark_count() == 0 => {
            let open = !browser.open.contains(&scope);
            browser.set_open(scope, open);
        }
        _ => run_chosen(app, effects),
    }
}

/// Queues the marked or selected targets.
pub fn run_chosen(app: &mut App, effects: &mut Vec<Effect>) {
    let Some(opened) = app.model.opened().map(Arc::clone) else {
        return no_network(app);
    };
    let targets = chosen(app, &opened);
    submit_chosen(app, targets, effects);
}

/// Runs of listed items with these settings.
pub fn specs_of_items(app: &mut App, items: &[usize], settings: &Settings) -> Vec<Spec> {
    let Some(opened) = app.model.opened().map(Arc::clone) else {
        return Vec::new();
    };
    let targets = targets(app, &opened, items);
    specs(app, &opened, targets, settings)
}

/// Queues the centre neuron of the selected channels.
pub fn run_neuron(app: &mut App, effects: &mut Vec<Effect>) {
    let Some(opened) = app.model.opened().map(Arc::clone) else {
        return no_network(app);
    };
    let (Tab::Layers, Some(channels)) = (app.browser.tab, &app.browser.channels) else {
        let key = app.key(Command::Right);
        let text = format!("to run a neuron, first open a layer's channels ({key})");
        return app.messages.say(Level::Note, text, app.now);
    };
    let layer = &opened.layers[channels.layer];
    let (height, width) = layer.plane().unwrap_or((1, 1));
    let centre = (height / 2, width / 2);
    let targets = channels
        .list
        .chosen()
        .into_iter()
        .map(|channel| Target::of_layer(layer, LayerPart::Neuron(channel, centre)))
        .collect();
    submit_chosen(app, targets, effects);
}

/// Queues the negatives of the selected classes.
pub fn run_not(app: &mut App, effects: &mut Vec<Effect>) {
    let Some(opened) = app.model.opened().map(Arc::clone) else {
        return no_network(app);
    };
    if app.browser.tab != Tab::Classes {
        let text = "only a class has a negative: select one among the classes first";
        return app.messages.say(Level::Note, text, app.now);
    }
    let targets = chosen(app, &opened).into_iter();
    let targets = targets.map(|target| target.map(Target::negated)).collect();
    submit_chosen(app, targets, effects);
}

/// Queues a grid over settings for the selected targets.
///
/// # Errors
/// The problem of the text.
pub fn sweep(app: &mut App, text: &str, effects: &mut Vec<Effect>) -> Result<(), String> {
    let Some(opened) = app.model.opened().map(Arc::clone) else {
        no_network(app);
        return Ok(());
    };
    let grid = next_run::sweep(&app.next_run.settings, text)?;
    if chosen(app, &opened).is_empty() {
        return Err("nothing is selected: a sweep runs a class, a channel or a layer".into());
    }
    let mut specs = Vec::new();
    for settings in grid {
        let targets = chosen(app, &opened);
        specs.extend(self::specs(app, &opened, targets, &settings));
    }
    submit(app, specs, effects);
    Ok(())
}

/// Runs of the selected targets with the current settings; unsupported targets are reported by name.
pub fn chosen_specs(app: &mut App) -> Vec<Spec> {
    let Some(opened) = app.model.opened().map(Arc::clone) else {
        return Vec::new();
    };
    let targets = chosen(app, &opened);
    let settings = app.next_run.settings.clone();
    specs(app, &opened, targets, &settings)
}

/// The marked or selected targets of the browser.
fn chosen(app: &App, opened: &ModelInfo) -> Vec<Result<Target, TargetError>> {
    targets(app, opened, &app.browser.list().chosen())
}

/// Items of the shown list, as targets.
fn targets(app: &App, opened: &ModelInfo, items: &[usize]) -> Vec<Result<Target, TargetError>> {
    let browser = &app.browser;
    let items = items.iter().copied();
    match (browser.tab, &browser.channels) {
        (Tab::Layers, Some(channels)) => {
            let layer = &opened.layers[channels.layer];
            items
                .map(|channel| Target::of_layer(layer, LayerPart::Channel(channel)))
                .collect()
        }
        (Tab::Layers, None) => items
            .map(|item| browser.tree.last_layer(browser.tree.row(item)))
            .map(|layer| Target::of_layer(&opened.layers[layer], LayerPart::Whole))
            .collect(),
        (Tab::Classes, _) => {
            let parts = opened.scope();
            items.map(|class| parts.class(class)).collect()
        }
        (Tab::History | Tab::Favourites, _) => Vec::new(),
    }
}

/// Queues targets with the current settings; unsupported targets are reported by name.
pub fn submit_targets(
    app: &mut App,
    targets: Vec<Result<Target, TargetError>>,
    effects: &mut Vec<Effect>,
) {
    if let Some(specs) = present_specs(app, targets) {
        enqueue(app, specs, "", effects);
    }
}

/// As [`submit_targets`], for the selected items: clears their marks.
fn submit_chosen(
    app: &mut App,
    targets: Vec<Result<Target, TargetError>>,
    effects: &mut Vec<Effect>,
) {
    if let Some(specs) = present_specs(app, targets) {
        submit(app, specs, effects);
    }
}

/// Runs of targets with the current settings; `None` without an open model, which a message reports.
fn present_specs(app: &mut App, targets: Vec<Result<Target, TargetError>>) -> Option<Vec<Spec>> {
    let Some(opened) = app.model.opened().map(Arc::clone) else {
        no_network(app);
        return None;
    };
    let settings = app.next_run.settings.clone();
    Some(specs(app, &opened, targets, &settings))
}

/// Runs of targets with these settings; of the unsupported targets, the first is reported by name.
fn specs(
    app: &mut App,
    opened: &ModelInfo,
    targets: Vec<Result<Target, TargetError>>,
    settings: &Settings,
) -> Vec<Spec> {
    let mut specs = Vec::new();
    let mut problems = Vec::new();
    for target in targets {
        match target {
            Ok(target) => specs.push(Spec::new(
                (&opened.model, &opened.hash),
                (&target.title, target.objective, target.unit),
                app.next_run.seed,
                settings.clone(),
            )),
            Err(problem) => problems.push(problem),
        }
    }
    // One message for all: a layer may have thousands of channels.
    if let Some((first, others)) = problems.split_first() {
        let more = match others.len() {
            0 => String::new(),
            count => format!("; nor can {}", counted(count, "other target")),
        };
        app.messages
            .say(Level::Error, format!("{first}{more}"), app.now);
    }
    specs
}

/// Queues runs of the selection, and clears its marks.
pub fn submit(app: &mut App, specs: Vec<Spec>, effects: &mut Vec<Effect>) {
    if enqueue(app, specs, "", effects) {
        app.browser.list_mut().clear_marks();
    }
}

/// Queues runs that are not queued yet, ahead of runs left by another process.
/// `place` names the model unless it is the open one: ` in efficientnet-lite1`. Returns whether any run was queued.
pub fn enqueue(app: &mut App, specs: Vec<Spec>, place: &str, effects: &mut Vec<Effect>) -> bool {
    let before = app.queue.jobs().len();
    let asked = specs.len();
    let failed = app.queue.failed_count();
    for spec in specs {
        if let Err(full) = app.queue.push(spec) {
            app.messages.say(Level::Warning, full.to_string(), app.now);
            break;
        }
    }
    let queued = app.queue.jobs().len() - before;
    if queued == 0 {
        // Requesting a leftover run resumes it.
        if asked > 0 && app.awaiting_confirmation {
            queue::go_on(app);
            return true;
        }
        // A failed run waits again.
        let retried = failed - app.queue.failed_count();
        if retried > 0 {
            let text = format!("{} retried", counted(retried, "run"));
            app.messages.say(Level::Note, text, app.now);
            effects.push(Effect::Disk(DiskRequest::SaveQueue(app.queue.clone())));
            return true;
        }
        if asked > 0 {
            let text = "already in the queue";
            app.messages.say(Level::Note, text, app.now);
        }
        return false;
    }
    let behind = if app.awaiting_confirmation {
        app.queue.move_last_to_front(queued);
        format!(", ahead of {} from last time", counted(before, "run"))
    } else {
        String::new()
    };
    if queued > 1 || !app.running.is_empty() || app.awaiting_confirmation || !place.is_empty() {
        let text = format!("{} queued{place}{behind}", counted(queued, "run"));
        app.messages.say(Level::Note, text, app.now);
    }
    app.awaiting_confirmation = false;
    effects.push(Effect::Disk(DiskRequest::SaveQueue(app.queue.clone())));
    true
}
