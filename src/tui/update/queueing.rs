//! From what is chosen to runs, and from the queue to the worker.

use super::super::action::Effect;
use super::super::app::{App, Live, Shown, Tile};
use super::super::browser::Tab;
use super::super::command::Command;
use super::super::messages::Level;
use super::super::pace::Pace;
use super::super::plan;
use super::browse::no_network;
use super::{finished, reports};
use crate::ascent::{Overlay, Settings};
use crate::runs::Spec;
use crate::runs::queue::{Job, JobId, JobState, MOST_TOGETHER};
use crate::runs::target::{Place, Target, TargetError};
use crate::runs::worker::{Command as Work, Opened, Watched};
use crate::text::counted;
use std::sync::Arc;

/// Queues everything that is chosen in the browser.
pub fn run_chosen(app: &mut App, effects: &mut Vec<Effect>) {
    let Some(opened) = app.model.opened().map(Arc::clone) else {
        return no_network(app);
    };
    let targets = chosen(app, &opened);
    submit_targets(app, targets, effects);
}

/// What makes items of the list that is shown, with these settings.
pub fn specs_of_items(app: &mut App, items: &[usize], settings: &Settings) -> Vec<Spec> {
    let Some(opened) = app.model.opened().map(Arc::clone) else {
        return Vec::new();
    };
    let targets = targets(app, &opened, items);
    specs(app, &opened, targets, settings)
}

/// Queues the centre neuron of the chosen channels.
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
        .map(|channel| Target::of_layer(layer, Place::Neuron(channel, centre)))
        .collect();
    submit_targets(app, targets, effects);
}

/// Queues the negatives of the chosen classes.
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
    submit_targets(app, targets, effects);
}

/// Queues a grid over settings for everything that is chosen.
///
/// # Errors
/// What is wrong with the text.
pub fn sweep(app: &mut App, text: &str, effects: &mut Vec<Effect>) -> Result<(), String> {
    let Some(opened) = app.model.opened().map(Arc::clone) else {
        no_network(app);
        return Ok(());
    };
    let grid = plan::sweep(&app.plan.settings, text)?;
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

/// What makes everything that is chosen in the browser with the present settings; what cannot be run is named.
pub fn chosen_specs(app: &mut App) -> Vec<Spec> {
    let Some(opened) = app.model.opened().map(Arc::clone) else {
        return Vec::new();
    };
    let targets = chosen(app, &opened);
    let settings = app.plan.settings.clone();
    specs(app, &opened, targets, &settings)
}

/// What is marked or selected in the browser, as targets.
fn chosen(app: &App, opened: &Opened) -> Vec<Result<Target, TargetError>> {
    targets(app, opened, &app.browser.list().chosen())
}

/// Items of the list that is shown, as targets.
fn targets(app: &App, opened: &Opened, items: &[usize]) -> Vec<Result<Target, TargetError>> {
    let browser = &app.browser;
    let items = items.iter().copied();
    match (browser.tab, &browser.channels) {
        (Tab::Layers, Some(channels)) => {
            let layer = &opened.layers[channels.layer];
            items
                .map(|channel| Target::of_layer(layer, Place::Channel(channel)))
                .collect()
        }
        (Tab::Layers, None) => items
            .map(|item| browser.tree.last_layer(browser.tree.row(item)))
            .map(|layer| Target::of_layer(&opened.layers[layer], Place::Whole))
            .collect(),
        (Tab::Classes, _) => {
            let parts = opened.parts();
            items.map(|class| parts.class(class)).collect()
        }
        (Tab::History | Tab::Favourites, _) => Vec::new(),
    }
}

/// Queues targets with the present settings; those that cannot be run are named.
pub fn submit_targets(
    app: &mut App,
    targets: Vec<Result<Target, TargetError>>,
    effects: &mut Vec<Effect>,
) {
    let Some(opened) = app.model.opened().map(Arc::clone) else {
        return no_network(app);
    };
    let settings = app.plan.settings.clone();
    let specs = specs(app, &opened, targets, &settings);
    submit(app, specs, effects);
}

/// What makes the targets with these settings; those that cannot be run are named.
fn specs(
    app: &mut App,
    opened: &Opened,
    targets: Vec<Result<Target, TargetError>>,
    settings: &Settings,
) -> Vec<Spec> {
    let mut specs = Vec::new();
    for target in targets {
        match target {
            Ok(target) => specs.push(Spec::new(
                (&opened.model, &opened.hash),
                (&target.title, target.objective, target.unit),
                app.plan.seed,
                settings.clone(),
            )),
            Err(problem) => app.messages.say(Level::Error, problem.to_string(), app.now),
        }
    }
    specs
}

/// Queues what was chosen, which is not marked any more then.
pub fn submit(app: &mut App, specs: Vec<Spec>, effects: &mut Vec<Effect>) {
    if enqueue(app, specs, "", effects) {
        app.browser.list_mut().clear_marks();
    }
}

/// Queues runs; what is queued already is not queued again. They come before runs that another process left waiting. `place`
/// is where they are to be made if that goes without saying not: ` in efficientnet-lite1`. Returns whether any was queued.
pub fn enqueue(app: &mut App, specs: Vec<Spec>, place: &str, effects: &mut Vec<Effect>) -> bool {
    let before = app.queue.jobs().len();
    let asked = specs.len();
    for spec in specs {
        if let Err(full) = app.queue.push(spec) {
            app.messages.say(Level::Warning, full.to_string(), app.now);
            break;
        }
    }
    let queued = app.queue.jobs().len() - before;
    if queued == 0 {
        // Who asks for a run that was left from last time wants it to go on.
        if asked > 0 && app.held {
            go_on(app);
            return true;
        }
        if asked > 0 {
            let text = "already in the queue";
            app.messages.say(Level::Note, text, app.now);
        }
        return false;
    }
    let behind = match app.held {
        true => {
            let new: Vec<JobId> = app.queue.jobs()[before..]
                .iter()
                .map(|job| job.id)
                .collect();
            for job in new {
                for _ in 0..before {
                    app.queue.move_up(job);
                }
            }
            format!(", ahead of {} from last time", counted(before, "run"))
        }
        false => String::new(),
    };
    if queued > 1 || !app.running.is_empty() || app.held || !place.is_empty() {
        let text = format!("{} queued{place}{behind}", counted(queued, "run"));
        app.messages.say(Level::Note, text, app.now);
    }
    app.held = false;
    effects.push(Effect::SaveQueue(app.queue.clone()));
    true
}

/// Begins with the runs that another process left waiting.
pub fn go_on(app: &mut App) {
    app.held = false;
    let text = format!("{} resumed", counted(app.queue.waiting(), "run"));
    app.messages.say(Level::Note, text, app.now);
}

/// Queues runs that another process left waiting; they are offered rather than begun.
pub fn take_over(app: &mut App, jobs: Vec<Job>, effects: &mut Vec<Effect>) {
    let before = app.queue.jobs().len();
    let surplus = app.queue.take_over(jobs);
    if surplus > 0 {
        let text = format!(
            "{} do not fit into the queue and are offered at the next start",
            counted(surplus, "run")
        );
        app.messages.say(Level::Warning, text, app.now);
    }
    effects.push(Effect::SaveQueue(app.queue.clone()));
    let new = &app.queue.jobs()[before..];
    if new.is_empty() {
        return;
    }
    let paused = new
        .iter()
        .filter(|job| matches!(job.state, JobState::Paused(_)));
    let paused = paused.count();
    let unfinished = new.len() - paused;
    // What rests waits for its own key; the others would begin at once.
    app.held |= before == 0 && app.queue.waiting() > 0;
    let text = offer(app, unfinished, paused);
    app.messages.say(Level::Note, text, app.now);
}

/// What becomes of runs from last time, so many unfinished and so many paused ones, and which keys change it.
fn offer(app: &App, unfinished: usize, paused: usize) -> String {
    let (kind, count) = match unfinished {
        0 => ("paused", paused),
        _ => ("unfinished", unfinished),
    };
    let (runs, them) = match count {
        1 => ("run", "it"),
        _ => ("runs", "them"),
    };
    let resumes = match (unfinished, app.held) {
        (0, _) => format!("{} in the queue resumes {them}", app.key(Command::Retry)),
        (_, true) => format!("{} resumes {them}", app.key(Command::Pause)),
        // What waits already is not stopped for them.
        (_, false) => "queued behind the others".into(),
    };
    let discards = match (unfinished, app.held) {
        (0, _) | (_, true) => {
            format!("{} in the queue discards {them}", app.key(Command::Clear))
        }
        (_, false) => format!("{} in the queue cancels one", app.key(Command::Cancel)),
    };
    let others = match (unfinished, paused) {
        (0, _) | (_, 0) => String::new(),
        _ => format!("; {paused} more paused"),
    };
    format!("{count} {kind} {runs} from last time: {resumes}, {discards}{others}")
}

/// Gives the worker the next runs of the queue, if it has none.
pub fn dispatch(app: &mut App, effects: &mut Vec<Effect>) {
    let Some(opened) = app.model.opened() else {
        return;
    };
    if app.quitting || app.held || !app.running.is_empty() {
        return;
    }
    let most = if opened.batchable { MOST_TOGETHER } else { 1 };
    let batch = app.queue.next_batch(most);
    if batch.is_empty() {
        // The next run starts with its picture.
        app.overlay = Overlay::Plain;
        return;
    };
    let ids: Vec<JobId> = batch.iter().map(|job| job.id).collect();
    app.queue.started(&ids);
    for job in &batch {
        app.running.push(Live {
            job: job.id,
            curve: Vec::new(),
            probability: None,
            top: Vec::new(),
            step: 0,
            steps: job.spec.settings.steps as usize,
            octaves: Vec::new(),
            octave: 0,
            // Only classes have one. The worker says what there really is.
            has_map: job.spec.objective.kind.is_of_class(),
            bands: job.spec.settings.levels,
            steps_per_second: 0.0,
            pace: Pace::new(job.spec.settings.octave_scale),
        });
    }
    effects.push(Effect::Worker(Work::Run(batch)));
    show_running(app);
}

/// Shows what is under way: one run, or all of a batch side by side.
pub fn show_running(app: &mut App) {
    let jobs: Vec<JobId> = app.running.iter().map(|live| live.job).collect();
    app.shown = match jobs[..] {
        [] => Shown::Nothing,
        [job] => Shown::Live(job),
        _ => Shown::Batch(jobs.into_iter().map(Tile::Live).collect()),
    };
}

/// Asks the worker for the pictures that are to be seen.
pub fn watch_shown(app: &mut App, effects: &mut Vec<Effect>) {
    let watched = match app.shown {
        _ if app.running.is_empty() => return,
        _ if app.is_grid() => Watched::All,
        Shown::Live(job) => Watched::One(job),
        Shown::Batch(_) => Watched::All,
        // The run under way is not seen: its pictures may go on coming.
        Shown::Nothing | Shown::Finished(_) => return,
    };
    let wanted = Some((watched, app.overlay));
    if std::mem::replace(&mut app.watching, wanted) != wanted {
        effects.push(Effect::Worker(Work::Watch(watched, app.overlay)));
    }
}

/// The job of the queue's selected row.
fn selected(app: &App) -> Option<JobId> {
    app.queue.jobs().get(app.queue_cursor).map(|job| job.id)
}

/// Shows the selected run of the queue, if it is under way.
pub fn watch(app: &mut App) {
    let Some(job) = selected(app) else {
        return;
    };
    if app.running.iter().any(|live| live.job == job) {
        app.shown = Shown::Live(job);
        return;
    }
    let is_paused = |job: &Job| matches!(job.state, JobState::Paused(_));
    let text = match app.queue.get(job).is_some_and(is_paused) {
        true => format!("it is paused: {} resumes it", app.key(Command::Retry)),
        false => "not started yet: nothing to show".into(),
    };
    app.messages.say(Level::Note, text, app.now);
}

/// Takes the selected run out of the queue; one under way is stopped.
pub fn cancel(app: &mut App, effects: &mut Vec<Effect>) {
    let Some(job) = selected(app) else {
        return;
    };
    let title = app.queue.get(job).map(|job| job.spec.target.clone());
    let title = title.unwrap_or_default();
    let is_running = app.running.iter().any(|live| live.job == job);
    if let Some(cancelled) = app.queue.cancel(job) {
        finished::remember(app, finished::Undoable::Cleared(vec![cancelled]));
    }
    match is_running {
        // It leaves the list at once: the next key means the next run.
        true => {
            effects.push(Effect::Worker(Work::Cancel(job)));
            reports::ended(app, job, effects);
            // The pause was of what ran.
            if app.paused && app.running.is_empty() {
                app.paused = false;
                effects.push(Effect::Worker(Work::Resume));
            }
        }
        false => effects.push(Effect::SaveQueue(app.queue.clone())),
    }
    let undo = app.key(Command::Undo);
    let text = format!("cancelled: {title}; {undo} to undo");
    app.messages.say(Level::Note, text, app.now);
}

/// Lets the selected run come earlier or later.
pub fn reorder(app: &mut App, earlier: bool, effects: &mut Vec<Effect>) {
    let Some(job) = selected(app) else {
        return;
    };
    let moved = match earlier {
        true => app.queue.move_up(job),
        false => app.queue.move_down(job),
    };
    if moved {
        app.queue_cursor = match earlier {
            true => app.queue_cursor - 1,
            false => app.queue_cursor + 1,
        };
        effects.push(Effect::SaveQueue(app.queue.clone()));
    } else {
        let text = match earlier {
            true => "cannot move up: active runs come first",
            false => "already last",
        };
        app.messages.say(Level::Note, text, app.now);
    }
}

/// Tries the selected run again if it failed, and lets it go on if it is paused.
pub fn retry(app: &mut App, effects: &mut Vec<Effect>) {
    if let Some(job) = selected(app)
        && (app.queue.retry(job) || app.queue.resume(job) > 0)
    {
        effects.push(Effect::SaveQueue(app.queue.clone()));
    }
}

/// Whether nothing runs, and paused runs of the queue could.
pub fn rests(app: &App) -> bool {
    app.running.is_empty() && !app.held && !app.paused && app.queue.paused().is_some()
}

/// Lets all paused runs of the queue go on.
pub fn resume_all(app: &mut App, effects: &mut Vec<Effect>) {
    let mut count = 0;
    while let Some(job) = app.queue.paused().map(|job| job.id) {
        count += app.queue.resume(job);
    }
    let text = format!("{} resumed", counted(count, "run"));
    app.messages.say(Level::Note, text, app.now);
    effects.push(Effect::SaveQueue(app.queue.clone()));
}

/// Takes everything that waits or failed out of the queue.
pub fn clear(app: &mut App, effects: &mut Vec<Effect>) {
    let cleared = app.queue.clear();
    let undo = app.key(Command::Undo);
    let text = format!(
        "{} cleared from the queue; {undo} to undo",
        counted(cleared.len(), "run")
    );
    finished::remember(app, finished::Undoable::Cleared(cleared));
    app.messages.say(Level::Note, text, app.now);
    app.held = false;
    effects.push(Effect::SaveQueue(app.queue.clone()));
}
