//! Runs in other models: choosing the models, and queueing what they support.

use super::{history, notes, picker, submission};
use crate::runs::Spec;
use crate::runs::worker::{TransferSource, WorkerCommand};
use crate::text::counted;
use crate::tui::action::{DiskRequest, Effect, Lookup};
use crate::tui::app::App;
use crate::tui::completion::is_path;
use crate::tui::messages::Level;
use crate::tui::popup::{Choice, Popup, Purpose};

/// Maximum number of problems reported one by one per model.
const MAX_NOTICES: usize = 3;

/// Opens the picker for the models in which the selected targets are to run.
pub fn choose_for_selected(app: &mut App, effects: &mut Vec<Effect>) {
    if app.model.opened().is_none() {
        return notes::no_network(app);
    }
    let specs = submission::chosen_specs(app).into_iter();
    let runs = specs
        .map(|spec| TransferSource::Spec(Box::new(spec)))
        .collect();
    choose(app, runs, effects);
}

/// Opens the picker for the models in which the selected finished runs are to be repeated.
pub fn choose_for_finished(app: &mut App, effects: &mut Vec<Effect>) {
    let chosen = history::chosen(app).into_iter();
    let runs = chosen
        .map(|entry| TransferSource::Stored(entry.id.clone()))
        .collect();
    choose(app, runs, effects);
}

fn choose(app: &mut App, runs: Vec<TransferSource>, effects: &mut Vec<Effect>) {
    if runs.is_empty() {
        return;
    }
    picker::open(app, Purpose::Run(runs), effects);
}

/// Looks up the runs in the models chosen by a typed path or in the picker.
///
/// # Errors
/// If no model was chosen.
pub fn accept(app: &mut App, text: &str, effects: &mut Vec<Effect>) -> Result<(), String> {
    let Some(Popup::Models(picker)) = app.popups.last() else {
        return Ok(());
    };
    let Purpose::Run(runs) = &picker.purpose else {
        return Ok(());
    };
    let path = picker.folder.join(app.environment.typed_path(text));
    let chosen = || picker.list.chosen().into_iter();
    let choices: Vec<Choice> = match is_path(text) {
        true if text.ends_with('/') => vec![Choice::Folder(path)],
        true => vec![Choice::File(path)],
        false => chosen().map(|at| picker.choices[at].clone()).collect(),
    };
    if let [Choice::Folder(folder)] = &choices[..] {
        effects.push(Effect::Disk(DiskRequest::Look(Lookup::Folder(
            folder.clone(),
        ))));
        return Ok(());
    }
    let models = choices.into_iter().filter_map(|choice| match choice {
        Choice::Card { name, .. } => Some(name),
        Choice::File(path) => Some(path.display().to_string()),
        Choice::Folder(_) => None,
    });
    let models: Vec<String> = models.collect();
    if models.is_empty() {
        return Err(format!("no model here is called {text}"));
    }
    let runs = runs.clone();
    let text = format!(
        "opening {} for {}",
        models.join(", "),
        counted(runs.len(), "run")
    );
    app.messages.say(Level::Note, text, app.now);
    for model in models {
        let runs = runs.clone();
        effects.push(Effect::Worker(WorkerCommand::Transfer { model, runs }));
    }
    app.popups.pop();
    app.browser.list_mut().clear_marks();
    Ok(())
}

/// Queues the runs that a model supports, and reports why it does not support the others.
pub fn queue(
    app: &mut App,
    model: &str,
    specs: Vec<Spec>,
    problems: Vec<String>,
    effects: &mut Vec<Effect>,
) {
    submission::enqueue(app, specs, &format!(" in {model}"), effects);
    for problem in problems.iter().take(MAX_NOTICES) {
        let text = if problem.contains(model) {
            problem.clone()
        } else {
            format!("{model}: {problem}")
        };
        app.messages.say(Level::Error, text, app.now);
    }
    if problems.len() > MAX_NOTICES {
        let more = problems.len() - MAX_NOTICES;
        let text = format!("{model}: {} more cannot be run in it", counted(more, "run"));
        app.messages.say(Level::Error, text, app.now);
    }
}
