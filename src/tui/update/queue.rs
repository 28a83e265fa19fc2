//! The queue: the next runs for the worker, and changes of the waiting runs.

use crate::ascent::Overlay;
use crate::runs::queue::{Job, JobId, JobState, MAX_TOGETHER};
use crate::runs::worker::{Watched, WorkerCommand as Work};
use crate::text::counted;
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::messages::Level;
use crate::tui::pace::{ActiveRun, Pace};
use crate::tui::showing::{Showing, Tile};
use crate::tui::undoable::Undoable;

/// Starts the runs left by another process.
pub fn go_on(app: &mut App) {
    app.awaiting_confirmation = false;
    let text = format!("{} resumed", counted(app.queue.waiting(), "run"));
    app.messages.say(Level::Note, text, app.now);
}

/// Queues runs left by another process; they wait for confirmation.
pub fn take_over(app: &mut App, jobs: Vec<Job>, effects: &mut Vec<Effect>) {
    let before = app.queue.jobs().len();
    let surplus = app.queue.restore(jobs);
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
    app.awaiting_confirmation |= before == 0 && app.queue.waiting() > 0;
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
    let resumes = match (unfinished, app.awaiting_confirmation) {
        (0, _) => format!("{} in the queue resumes {them}", app.key(Command::Retry)),
        (_, true) => format!("{} resumes {them}", app.key(Command::Pause)),
        // What waits already is not stopped for them.
        (_, false) => "queued behind the others".into(),
    };
    let discards = match (unfinished, app.awaiting_confirmation) {
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
    if app.quitting || app.awaiting_confirmation || !app.running.is_empty() {
        return;
    }
    let most = if opened.batchable { MAX_TOGETHER } else { 1 };
    let batch = app.queue.next_batch(most);
    if batch.is_empty() {
        // The next run starts with its picture.
        app.overlay = Overlay::Plain;
        return;
    };
    let ids: Vec<JobId> = batch.iter().map(|job| job.id).collect();
    app.queue.started(&ids);
    for job in &batch {
        app.running.push(ActiveRun {
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
        [] => Showing::Nothing,
        [job] => Showing::Running(job),
        _ => Showing::Batch(jobs.into_iter().map(Tile::Running).collect()),
    };
}

/// Asks the worker for the pictures that are to be seen.
pub fn watch_shown(app: &mut App, effects: &mut Vec<Effect>) {
    let watched = match app.shown {
        _ if app.running.is_empty() => return,
        _ if app.is_grid() => Watched::All,
        Showing::Running(job) => Watched::One(job),
        Showing::Batch(_) => Watched::All,
        // The run under way is not seen: its pictures may go on coming.
        Showing::Nothing | Showing::Finished(_) => return,
    };
    let wanted = Some((watched, app.overlay));
    if std::mem::replace(&mut app.watching, wanted) != wanted {
        effects.push(Effect::Worker(Work::Watch(watched, app.overlay)));
    }
}

/// The job of the queue's selected row.
pub fn selected(app: &App) -> Option<JobId> {
    app.queue.jobs().get(app.queue_cursor).map(|job| job.id)
}

/// Keeps the cursor on the job that was selected in a row, where others before it have come or gone.
pub fn keep_selected(app: &mut App, (row, job): (usize, Option<JobId>)) {
    if app.queue_cursor != row || selected(app) == job {
        return;
    }
    let mut jobs = app.queue.jobs().iter();
    let place = jobs.position(|other| Some(other.id) == job);
    app.queue_cursor = place.unwrap_or(row);
}

/// Shows the selected run of the queue, if it is under way.
pub fn watch(app: &mut App) {
    let Some(job) = selected(app) else {
        return;
    };
    if app.running.iter().any(|live| live.job == job) {
        app.shown = Showing::Running(job);
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
        app.remember(Undoable::Cleared(vec![cancelled]));
    }
    match is_running {
        // It leaves the list at once: the next key means the next run.
        true => {
            effects.push(Effect::Worker(Work::Cancel(job)));
            ended(app, job, effects);
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
    app.running.is_empty()
        && !app.awaiting_confirmation
        && !app.paused
        && app.queue.paused().is_some()
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
    app.remember(Undoable::Cleared(cleared));
    app.messages.say(Level::Note, text, app.now);
    app.awaiting_confirmation = false;
    effects.push(Effect::SaveQueue(app.queue.clone()));
}

/// A run is no longer under way.
pub fn ended(app: &mut App, job: JobId, effects: &mut Vec<Effect>) {
    app.running.retain(|live| live.job != job);
    app.snapshots.retain(|snapshot| snapshot.job != job);
    app.shown.remove(&Tile::Running(job));
    if app.shown == Showing::Nothing {
        show_running(app);
    }
    effects.push(Effect::SaveQueue(app.queue.clone()));
}
