//! Progress and notifications outside of the explorer's own screen: how far the queue is, and that it is done.

use crate::runs::queue::JobState;
use crate::terminal::Progress;
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::busy::Busy;
use crate::tui::pace;
use std::time::Duration;

/// A user who looks at the screen is not notified of anything that took less than this.
const LONG: Duration = Duration::from_secs(10);

/// Tells how far the queue is, if that has changed, and that it is done, if it took long or nobody looks.
pub fn settle(app: &mut App, effects: &mut Vec<Effect>) {
    // Who leaves the terminal leaves no progress behind, and knows that it is over.
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
        effects.push(Effect::Progress(progress));
    }
}

fn done(app: &mut App, effects: &mut Vec<Effect>) {
    let Some(busy) = app.busy.take() else {
        return;
    };
    let is_missed = !app.is_looked_at || app.now.saturating_sub(busy.since) >= LONG;
    if let Some(text) = busy.summary().filter(|_| is_missed) {
        effects.push(Effect::Notify(text));
    }
}

/// How many seconds everything that is queued will still take, from the time that what is done took; `None` before there is
/// enough to tell by.
pub fn seconds_left(app: &App) -> Option<f64> {
    const ENOUGH: f64 = 0.02;
    let share = share(app)?;
    let taken = app.now.saturating_sub(app.busy.as_ref()?.since);
    (share >= ENOUGH).then(|| taken.as_secs_f64() * (1.0 - share) / share)
}

/// How far everything is that was queued since something began to run, 0 to 1.
fn share(app: &App) -> Option<f64> {
    let busy = app.busy.as_ref()?;
    let ended = (busy.finished + busy.failed) as f64;
    let waits = |state: &JobState| matches!(state, JobState::Waiting | JobState::Running);
    let jobs = app.queue.jobs().iter();
    let queued = jobs.filter(|job| waits(&job.state)).count() as f64;
    let under_way: f64 = app.running.iter().map(pace::share).sum();
    Some(((ended + under_way) / (ended + queued).max(1.0)).clamp(0.0, 1.0))
}

/// The same as it is shown outside of the explorer's screen.
fn progress(app: &App) -> Option<Progress> {
    let share = share(app)?;
    Some(Progress {
        percent: (100.0 * share) as u8,
        paused: app.paused,
    })
}
