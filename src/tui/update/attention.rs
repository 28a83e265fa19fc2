//! QueueProgress and notifications outside of the screen.

use crate::runs::queue::JobState;
use crate::terminal::QueueProgress;
use crate::tui::action::{Effect, ScreenRequest};
use crate::tui::active_run;
use crate::tui::app::App;
use crate::tui::busy::Busy;
use std::time::Duration;

/// With the focus, the user is notified only of work that took longer than this.
const LONG: Duration = Duration::from_secs(10);

/// Reports progress if it changed, and the end of the queue if it took long or the terminal has no focus.
pub fn reconcile(app: &mut App, effects: &mut Vec<Effect>) {
    // Quitting removes the progress and needs no notification.
    if app.quitting {
        return;
    }
    match (app.running.is_empty(), &app.busy) {
        (false, None) => {
            app.busy = Some(Busy {
                since: app.now,
                ..Busy::default()
            });
        }
        (true, Some(_)) if app.queue.waiting() == 0 => done(app, effects),
        _ => {}
    }
    let progress = progress(app);
    if progress != app.progress {
        app.progress = progress;
        effects.push(Effect::Screen(ScreenRequest::QueueProgress(progress)));
    }
}

fn done(app: &mut App, effects: &mut Vec<Effect>) {
    let Some(busy) = app.busy.take() else {
        return;
    };
    let is_missed = !app.is_looked_at || app.now.saturating_sub(busy.since) >= LONG;
    if let Some(text) = busy.summary().filter(|_| is_missed) {
        effects.push(Effect::Screen(ScreenRequest::Notify(text)));
    }
}

/// Estimated seconds for the remaining queue, from the time of the finished runs; `None` before there is enough
/// data.
pub fn seconds_left(app: &App) -> Option<f64> {
    const ENOUGH: f64 = 0.02;
    let share = share(app)?;
    let taken = app.now.saturating_sub(app.busy.as_ref()?.since);
    (share >= ENOUGH).then(|| taken.as_secs_f64() * (1.0 - share) / share)
}

/// The progress of everything queued since the last pause, 0 to 1.
fn share(app: &App) -> Option<f64> {
    let busy = app.busy.as_ref()?;
    let ended = (busy.finished + busy.failed) as f64;
    let waits = |state: &JobState| matches!(state, JobState::Waiting | JobState::Running);
    let jobs = app.queue.jobs().iter();
    let queued = jobs.filter(|job| waits(&job.state)).count() as f64;
    let under_way: f64 = app.running.iter().map(active_run::share).sum();
    Some(((ended + under_way) / (ended + queued).max(1.0)).clamp(0.0, 1.0))
}

/// The progress as shown outside of the screen.
fn progress(app: &App) -> Option<QueueProgress> {
    let share = share(app)?;
    Some(QueueProgress {
        percent: (100.0 * share) as u8,
        paused: app.paused,
    })
}
