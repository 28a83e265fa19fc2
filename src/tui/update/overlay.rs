//! Overlays of the shown picture: for an active run, the intermediate results of the ascent; for a finished run of
//! a class, the class activation map.

use crate::ascent::Overlay;
use crate::runs::history;
use crate::runs::worker::WorkerCommand;
use crate::runs::worker::photo::{About, Answer, AnswerContent, MapAt, Question};
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::messages::Level;
use crate::tui::showing::{Heat, Showing};

/// Shows the next overlay, or the previous one.
pub fn cycle(app: &mut App, forward: bool, effects: &mut Vec<Effect>) {
    match app.shown {
        Showing::Finished(_) => cycle_heat(app, effects),
        _ => cycle_live(app, forward),
    }
}

const NO_MAP: &str = "only class runs have a class activation map";

/// The overlays of a run: those of the class activation map, if it has one, and its bands.
fn overlays(has_map: bool, bands: u32) -> Vec<Overlay> {
    let map = [Overlay::Heat, Overlay::Map];
    let bands = (0..bands).map(Overlay::Band);
    [Overlay::Plain]
        .into_iter()
        .chain(map.into_iter().filter(|_| has_map))
        .chain(bands)
        .chain([Overlay::Gradient])
        .collect()
}

fn cycle_live(app: &mut App, forward: bool) {
    // The runs of a batch have the same overlays.
    let live = app.watched().or(app.running.first());
    let (has_map, bands) = live.map_or((false, 1), |live| (live.has_map, live.bands));
    let all = overlays(has_map, bands);
    let at = all.iter().position(|overlay| *overlay == app.overlay);
    let at = at.unwrap_or(0);
    let next = if forward { at + 1 } else { at + all.len() - 1 };
    if app.overlay == Overlay::Plain && !has_map {
        app.messages.say(Level::Note, NO_MAP, app.now);
    }
    app.overlay = all[next % all.len()];
}

/// Overlays the class activation map on the finished picture, once the worker has computed it, or removes it.
fn cycle_heat(app: &mut App, effects: &mut Vec<Effect>) {
    if app.heat.take().is_some() {
        return;
    }
    let Some(question) = question(app) else {
        return;
    };
    let text = "computing the class activation map …";
    app.messages.say(Level::Note, text, app.now);
    effects.push(Effect::Worker(WorkerCommand::Photo(question.clone())));
    app.heat = Some(Heat {
        question,
        picture: None,
    });
}

/// The request to the worker about the shown finished picture; `None` if it is not of a class of the open model.
fn question(app: &App) -> Option<Question> {
    let Showing::Finished(id) = &app.shown else {
        return None;
    };
    let (entry, opened) = (app.history.find(id)?, app.model.opened()?);
    let is_own = entry.kind().is_of_class() && entry.model_hash == opened.hash;
    let settings = app.record_of(id).map(|record| &record.spec.settings);
    is_own.then(|| Question {
        photo: history::image_in(&app.environment.history, id),
        model: opened.model.clone(),
        about: About::Class {
            class: entry.unit.index,
            at: MapAt::from_settings(settings.unwrap_or(&app.next_run.settings)),
        },
    })
}

/// Why the shown finished picture has no overlay; `None` if it has one, or if none is shown.
pub fn refusal(app: &App) -> Option<&'static str> {
    let Showing::Finished(id) = &app.shown else {
        let is_live = app.shown.is_live();
        return (!is_live).then_some("the shown picture has no overlay");
    };
    let entry = app.history.find(id)?;
    match (question(app), entry.kind().is_of_class()) {
        (Some(_), _) => None,
        (None, true) => Some("the model of this picture is not open"),
        (None, false) => Some(NO_MAP),
    }
}

/// Accepts the worker's answer if the overlay waits for it. Returns whether it does.
pub fn answer(app: &mut App, answer: &Answer) -> bool {
    let Some(heat) = app
        .heat
        .as_mut()
        .filter(|heat| heat.question == answer.question)
    else {
        return false;
    };
    match &answer.found {
        Ok(AnswerContent::Class(map)) => heat.picture = Some(map.clone()),
        Ok(_) => {}
        Err(why) => {
            let why = crate::text::safe(why);
            app.heat = None;
            app.messages.say(Level::Error, why, app.now);
        }
    }
    true
}

/// Another picture is shown: the overlay belonged to the previous one.
pub fn reconcile(app: &mut App) {
    let shown = match &app.shown {
        Showing::Finished(id) => Some(history::image_in(&app.environment.history, id)),
        _ => None,
    };
    app.heat
        .take_if(|heat| Some(&heat.question.photo) != shown.as_ref());
}
