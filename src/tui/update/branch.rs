//! Branching: a new run that continues from the picture of a paused run with other settings. The paused run stays
//! in the queue.

use super::notes;
use crate::runs::spec::changed;
use crate::runs::worker::WorkerCommand;
use crate::runs::{Spec, description};
use crate::tui::action::{DiskRequest, Effect};
use crate::tui::active_run::ActiveRun;
use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::messages::Level;
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
fn prepared(app: &App) -> Result<(Spec, &ActiveRun, String), String> {
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
    Ok((branch, live, description::changes(&changes)))
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
        Ok((spec, live, changes)) => {
            format!(
                "{key} branches {} at step {}: {changes}",
                spec.target, live.step
            )
        }
        Err(why) => format!("{key} branch: {why}"),
    })
}

/// Sets the batch of the paused run aside, and starts the branch. Runs of other devices go on.
pub fn branch(app: &mut App, effects: &mut Vec<Effect>) {
    let (spec, live, changes) = match prepared(app) {
        Ok((spec, live, changes)) => (spec, live.clone(), changes),
        Err(why) => return app.messages.say(Level::Note, why, app.now),
    };
    let (target, step) = (spec.target.clone(), live.step);
    let job = match app.queue.push(spec) {
        Ok(job) => job,
        Err(full) => return app.messages.say(Level::Warning, full.to_string(), app.now),
    };
    let batch = |other: &&ActiveRun| other.batch == live.batch;
    let steps = |job| {
        let mut running = app.running.iter().filter(batch);
        running
            .find(|other| other.job == job)
            .map(|other| other.step)
    };
    app.queue.pause(steps);
    // The same branch may exist already, paused like the original.
    app.queue.resume(job);
    app.queue.move_to_front(job);
    app.running.retain(|other| !batch(&other));
    let running = &app.running;
    app.snapshots
        .retain(|snapshot| running.iter().any(|live| live.job == snapshot.job));
    app.shown = Showing::Nothing;
    app.paused = false;
    effects.push(Effect::Worker(WorkerCommand::SetAside(live.job)));
    effects.push(Effect::Worker(WorkerCommand::Resume));
    effects.push(Effect::Disk(DiskRequest::SaveQueue(app.queue.clone())));
    let key = app.key(Command::Retry);
    let text = format!(
        "{target} branched at step {step}: {changes}; {key} in the queue resumes the paused run"
    );
    app.messages.say(Level::Note, text, app.now);
}
