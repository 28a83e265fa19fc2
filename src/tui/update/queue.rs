//! The queue: the next runs for the worker, and changes of the waiting runs.

use crate::ascent::Overlay;
use crate::runs::batch::check_method;
use crate::runs::queue::{Job, JobId, JobState, MAX_TOGETHER, Queue};
use crate::runs::worker::{Watched, WorkerCommand};
use crate::text::counted;
use crate::tui::action::{DiskRequest, Effect};
use crate::tui::active_run::{ActiveRun, Pace};
use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::messages::Level;
use crate::tui::showing::{Showing, Tile};
use crate::tui::undoable::Undoable;
use std::collections::HashSet;

/// Starts the runs left by another process.
pub fn go_on(app: &mut App) {
    app.awaiting_confirmation = false;
    // Whether each resumes or starts from the beginning is known only when it starts.
    let text = format!("resuming {}", counted(app.queue.waiting(), "run"));
    app.messages.say(Level::Note, text, app.now);
}

/// Queues runs left by another process; they wait for confirmation.
pub fn adopt(app: &mut App, jobs: Vec<Job>, effects: &mut Vec<Effect>) {
    let before = app.queue.jobs().len();
    let surplus = app.queue.restore(jobs);
    if surplus > 0 {
        let text = format!(
            "{} do not fit into the queue and are offered at the next start",
            counted(surplus, "run")
        );
        app.messages.say(Level::Warning, text, app.now);
    }
    fail_former(&mut app.queue, before);
    effects.push(Effect::Disk(DiskRequest::SaveQueue(app.queue.clone())));
    let new = &app.queue.jobs()[before..];
    if new.is_empty() {
        return;
    }
    let count = |is_one: fn(&JobState) -> bool| new.iter().filter(|job| is_one(&job.state)).count();
    let paused = count(|state| matches!(state, JobState::Paused(_)));
    let failed = count(|state| matches!(state, JobState::Failed(_)));
    let unfinished = new.len() - paused - failed;
    // Paused runs wait for their own key; the others would start immediately.
    app.awaiting_confirmation |= before == 0 && app.queue.waiting() > 0;
    let text = offer(app, unfinished, paused, failed);
    app.messages.say(Level::Note, text, app.now);
}

/// Marks the jobs from `first` on that an earlier version queued as failed: they cannot be resumed.
fn fail_former(queue: &mut Queue, first: usize) {
    let jobs = queue.jobs()[first..].iter();
    let former: Vec<(JobId, String)> = jobs
        .filter_map(|job| Some((job.id, check_method(&job.spec).err()?.to_string())))
        .collect();
    for (job, why) in former {
        queue.failed(job, why);
    }
}

/// The message about runs left by the previous process: numbers of unfinished, paused and failed runs, and their keys.
fn offer(app: &App, unfinished: usize, paused: usize, failed: usize) -> String {
    let (kind, count) = match (unfinished, paused) {
        (0, 0) => ("failed", failed),
        (0, _) => ("paused", paused),
        _ => ("unfinished", unfinished),
    };
    let (runs, them) = match count {
        1 => ("run", "it"),
        _ => ("runs", "them"),
    };
    let resumes = match (unfinished, app.awaiting_confirmation) {
        (0, _) if paused == 0 => "the queue says why".into(),
        (0, _) => format!("{} in the queue resumes {them}", app.key(Command::Retry)),
        (_, true) => format!("{} resumes {them}", app.key(Command::Pause)),
        // Leftover runs do not stop runs that are waiting already.
        (_, false) => "queued behind the others".into(),
    };
    let discards = match (unfinished, app.awaiting_confirmation) {
        (0, _) | (_, true) => {
            format!("{} in the queue discards {them}", app.key(Command::Clear))
        }
        (_, false) => format!("{} in the queue cancels one", app.key(Command::Cancel)),
    };
    let others = [("paused", paused), ("failed", failed)].map(|(other, count)| {
        let is_other = count > 0 && kind != other;
        is_other.then(|| format!("; {count} more {other}"))
    });
    let others: String = others.into_iter().flatten().collect();
    format!("{count} {kind} {runs} from last time: {resumes}, {discards}{others}")
}

/// Sends the next runs of the queue to the idle workers.
pub fn dispatch(app: &mut App, effects: &mut Vec<Effect>) {
    let Some(opened) = app.model.opened() else {
        return;
    };
    let most = if opened.batchable { MAX_TOGETHER } else { 1 };
    let is_paused = app.paused && !app.running.is_empty();
    if app.quitting || app.awaiting_confirmation || is_paused {
        return;
    }
    // The run of another worker that is being watched stays in view.
    let is_watching = app.watched().is_some();
    let before = app.running.len();
    // Idle now or later, each worker gets as much.
    let part = app.queue.waiting().div_ceil(app.workers.max(1));
    while idle_workers(app) > 0 {
        let batch = app.queue.next_batch(most, part);
        if batch.is_empty() {
            break;
        }
        start(app, batch, effects);
    }
    if app.running.len() > before && !is_watching {
        show_running(app);
    }
    if app.running.is_empty() {
        // The next run starts with its own picture.
        app.overlay = Overlay::Plain;
    }
}

/// How many workers have no batch.
fn idle_workers(app: &App) -> usize {
    let batches: HashSet<JobId> = app.running.iter().map(|live| live.batch).collect();
    app.workers.saturating_sub(batches.len())
}

/// Sends a batch to the workers.
fn start(app: &mut App, batch: Vec<Job>, effects: &mut Vec<Effect>) {
    let ids: Vec<JobId> = batch.iter().map(|job| job.id).collect();
    app.queue.started(&ids);
    for job in &batch {
        app.running.push(ActiveRun {
            job: job.id,
            batch: ids[0],
            curve: Vec::new(),
            probability: None,
            top: Vec::new(),
            step: 0,
            steps: job.spec.settings.steps as usize,
            octaves: Vec::new(),
            octave: 0,
            // Only classes have a map. The worker reports which overlays exist.
            has_map: job.spec.objective.kind.is_of_class(),
            bands: job.spec.settings.levels,
            steps_per_second: 0.0,
            pace: Pace::new(job.spec.settings.octave_scale),
        });
    }
    effects.push(Effect::Worker(WorkerCommand::Run(batch)));
}

/// Shows the active runs: one run, or all of a batch side by side.
pub fn show_running(app: &mut App) {
    let jobs: Vec<JobId> = app.running.iter().map(|live| live.job).collect();
    app.shown = match jobs[..] {
        [] => Showing::Nothing,
        [job] => Showing::Running(job),
        _ => Showing::Batch(jobs.into_iter().map(Tile::Running).collect()),
    };
}

/// Requests the pictures to show from the worker.
pub fn watch_shown(app: &mut App, effects: &mut Vec<Effect>) {
    let watched = match app.shown {
        _ if app.running.is_empty() => return,
        _ if app.is_grid() => Watched::All,
        Showing::Running(job) => Watched::One(job),
        Showing::Batch(_) => Watched::All,
        // The active run is hidden: its pictures may still arrive.
        Showing::Nothing | Showing::Finished(_) => return,
    };
    let wanted = Some((watched, app.overlay));
    if std::mem::replace(&mut app.watching, wanted) != wanted {
        effects.push(Effect::Worker(WorkerCommand::Watch(watched, app.overlay)));
    }
}

/// The job in the selected row of the queue.
pub fn selected(app: &App) -> Option<JobId> {
    app.queue.jobs().get(app.queue_cursor).map(|job| job.id)
}

/// Keeps the cursor on the selected job when jobs before it come or go.
pub fn keep_selected(app: &mut App, (row, job): (usize, Option<JobId>)) {
    if app.queue_cursor != row || selected(app) == job {
        return;
    }
    let mut jobs = app.queue.jobs().iter();
    let place = jobs.position(|other| Some(other.id) == job);
    app.queue_cursor = place.unwrap_or(row);
}

/// Shows the selected run of the queue, if it is active.
pub fn watch(app: &mut App) {
    let Some(job) = selected(app) else {
        return;
    };
    if app.running.iter().any(|live| live.job == job) {
        app.shown = Showing::Running(job);
        return;
    }
    let is_paused = |job: &Job| matches!(job.state, JobState::Paused(_));
    let text = if app.queue.get(job).is_some_and(is_paused) {
        format!("it is paused: {} resumes it", app.key(Command::Retry))
    } else {
        "not started yet: nothing to show".into()
    };
    app.messages.say(Level::Note, text, app.now);
}

/// Removes the selected run from the queue; an active run is stopped.
pub fn cancel(app: &mut App, effects: &mut Vec<Effect>) {
    let Some(job) = selected(app) else {
        return;
    };
    let title = app.queue.get(job).map(|job| job.spec.target.clone());
    let title = title.unwrap_or_default();
    let is_running = app.running.iter().any(|live| live.job == job);
    if let Some(cancelled) = app.queue.cancel(job) {
        app.remember(Undoable::Cleared(vec![cancelled]));
    }
    if is_running {
        // It leaves the list immediately: the next key applies to the next run.
        effects.push(Effect::Worker(WorkerCommand::Cancel(job)));
        ended(app, job, effects);
        // The pause belonged to the active run.
        if app.paused && app.running.is_empty() {
            app.paused = false;
            effects.push(Effect::Worker(WorkerCommand::Resume));
        }
    } else {
        effects.push(Effect::Disk(DiskRequest::SaveQueue(app.queue.clone())));
    }
    let undo = app.key(Command::Undo);
    let text = format!("cancelled: {title}; {undo} to undo");
    app.messages.say(Level::Note, text, app.now);
}

/// Moves the selected run up or down in the queue.
pub fn reorder(app: &mut App, earlier: bool, effects: &mut Vec<Effect>) {
    let Some(job) = selected(app) else {
        return;
    };
    let moved = if earlier {
        app.queue.move_up(job)
    } else {
        app.queue.move_down(job)
    };
    if moved {
        app.queue_cursor = if earlier {
            app.queue_cursor - 1
        } else {
            app.queue_cursor + 1
        };
        effects.push(Effect::Disk(DiskRequest::SaveQueue(app.queue.clone())));
    } else {
        let text = if earlier {
            "cannot move up: active runs come first"
        } else {
            "already last"
        };
        app.messages.say(Level::Note, text, app.now);
    }
}

/// Retries the selected run if it failed, and resumes it if it is paused.
pub fn retry(app: &mut App, effects: &mut Vec<Effect>) {
    if let Some(job) = selected(app)
        && (app.queue.retry(job) || app.queue.resume(job) > 0)
    {
        effects.push(Effect::Disk(DiskRequest::SaveQueue(app.queue.clone())));
    }
}

/// Whether nothing is active and the queue has paused runs.
pub fn rests(app: &App) -> bool {
    app.running.is_empty()
        && !app.awaiting_confirmation
        && !app.paused
        && app.queue.paused().is_some()
}

/// Resumes all paused runs of the queue.
pub fn resume_all(app: &mut App, effects: &mut Vec<Effect>) {
    let mut count = 0;
    while let Some(job) = app.queue.paused().map(|job| job.id) {
        count += app.queue.resume(job);
    }
    let text = format!("resuming {}", counted(count, "run"));
    app.messages.say(Level::Note, text, app.now);
    effects.push(Effect::Disk(DiskRequest::SaveQueue(app.queue.clone())));
}

/// Removes all waiting and failed runs from the queue.
pub fn clear(app: &mut App, effects: &mut Vec<Effect>) {
    let cleared = app.queue.clear();
    let undo = app.key(Command::Undo);
    let text = format!(
        "{} cleared from the queue; {undo} to undo",
        counted(cleared.len(), "run")
    );
    app.remember(Undoable::Cleared(cleared));
    app.messages.say(Level::Note, text, app.now);
    app.awaiting_confirmation = false;
    effects.push(Effect::Disk(DiskRequest::SaveQueue(app.queue.clone())));
}

/// A run is no longer active.
pub fn ended(app: &mut App, job: JobId, effects: &mut Vec<Effect>) {
    app.running.retain(|live| live.job != job);
    app.snapshots.retain(|snapshot| snapshot.job != job);
    app.shown.remove(&Tile::Running(job));
    if app.shown == Showing::Nothing {
        show_running(app);
    }
    effects.push(Effect::Disk(DiskRequest::SaveQueue(app.queue.clone())));
}
