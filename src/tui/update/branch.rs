//! Branching: a new run that continues from the picture of a paused run with other settings. The paused run stays
//! in the queue.

use super::notes;
use crate::runs::spec::changed;
use crate::runs::worker::WorkerCommand as Work;
use crate::runs::{Spec, description};
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::messages::Level;
use crate::tui::pace::ActiveRun;
use crate::tui::showing::Showing;

/// The run to branch.
fn paused(app: &App) -> Result<&ActiveRun, String> {
    if app.running.is_empty() {
        return Err("no run is paused: a branch continues a paused run".into());
    }
    let live = match (&app.shown, app.running.as_slice()) {
        (Showing::Running(_), _) => app.watched(),
        (_, [only]) => Some(only),
        (Showing::Batch(_), _) => return Err(notes::several(app)),
        _ => None,
    };
    let live = live.ok_or("no active run is shown: show the one to branch")?;
    if !app.paused {
        let key = app.key(Command::Pause);
        return Err(format!("pause the run first: {key}"));
    }
    match live.step {
        0 => Err("the run has not taken a step yet".into()),
        step if step >= live.steps => Err("the run has no steps left".into()),
        _ => Ok(live),
    }
}

/// The branch of the paused run with the current settings, its first step, and the changes.
fn prepared(app: &App) -> Result<(Spec, usize, String), String> {
    let live = paused(app)?;
    let job = app.queue.get(live.job);
    let spec = &job.ok_or("the run is no longer in the queue")?.spec;
    let settings = &app.next_run.settings;
    let changes = changed(&spec.settings, settings);
    if changes.is_empty() {
        return Err("no setting differs from the paused run".into());
    }
    let branch = spec.branched(live.step, settings);
    let branch = branch.map_err(|problem| problem.to_string())?;
    Ok((branch, live.step, description::changes(&changes)))
}

/// Why no branch is possible now; `None` if one is.
pub fn refusal(app: &App) -> Option<String> {
    prepared(app).err()
}

/// The settings panel's note while a run is paused: what a branch would change, or why none is possible.
pub fn outlook(app: &App) -> Option<String> {
    if app.running.is_empty() || !app.paused {
        return None;
    }
    let key = app.key(Command::Branch);
    Some(match prepared(app) {
        Ok((spec, step, changes)) => {
            format!("{key} branches {} at step {step}: {changes}", spec.target)
        }
        Err(why) => format!("{key} branch: {why}"),
    })
}

/// Sets the active runs aside, paused, and starts the branch.
pub fn branch(app: &mut App, effects: &mut Vec<Effect>) {
    let (spec, step, changes) = match prepared(app) {
        Ok(prepared) => prepared,
        Err(why) => return app.messages.say(Level::Note, why, app.now),
    };
    let target = spec.target.clone();
    let job = match app.queue.push(spec) {
        Ok(job) => job,
        Err(full) => return app.messages.say(Level::Warning, full.to_string(), app.now),
    };
    let steps = |job| {
        let live = app.running.iter().find(|live| live.job == job);
        live.map_or(0, |live| live.step)
    };
    app.queue.pause(steps);
    // The same branch may exist already, paused like the original.
    app.queue.resume(job);
    app.queue.move_to_front(job);
    app.running.clear();
    app.snapshots.clear();
    app.shown = Showing::Nothing;
    app.paused = false;
    effects.push(Effect::Worker(Work::SetAside));
    effects.push(Effect::Worker(Work::Resume));
    effects.push(Effect::SaveQueue(app.queue.clone()));
    let key = app.key(Command::Retry);
    let text = format!(
        "{target} branched at step {step}: {changes}; {key} in the queue resumes the paused run"
    );
    app.messages.say(Level::Note, text, app.now);
}
