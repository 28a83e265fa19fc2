//! Events from the worker.

use super::{album, browser, overlay, photo, picker, queue, saved, transfer};
use crate::runs::history::HistoryEntry;
use crate::runs::queue::JobId;
use crate::runs::worker::{BatchProgress, Started, WorkerEvent};
use crate::runs::{Record, format};
use crate::text::{counted, with_subject};
use crate::tui::action::Effect;
use crate::tui::active_run;
use crate::tui::active_run::ActiveRun;
use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::messages::Level;
use crate::tui::opening::Model;
use crate::tui::picture_cache::Size;
use crate::tui::popup::Purpose;
use crate::tui::showing::{Showing, Snapshot, Tile};
use image::RgbImage;
use std::sync::Arc;

/// Handles an event from the worker.
pub fn event(app: &mut App, report: WorkerEvent, effects: &mut Vec<Effect>) {
    match report {
        WorkerEvent::Stage {
            model,
            text,
            bytes: so_far,
        } => {
            if let Model::Opening {
                name, stage, bytes, ..
            } = &mut app.model
                && *name == model
            {
                *stage = text;
                *bytes = so_far;
            }
        }
        WorkerEvent::Moved {
            model,
            provider,
            note,
        } => {
            let text = match &mut app.model {
                Model::Open(opened) if opened.model == model => {
                    Arc::make_mut(opened).provider = provider;
                    note
                }
                _ => with_subject(format::model(&model), &note),
            };
            app.messages.say(Level::Warning, text, app.now);
        }
        // An answer from before the current opening is late.
        WorkerEvent::Opened(opened) if matches!(&app.model, Model::Opening { name, .. } if !opened.is(name)) =>
            {}
        WorkerEvent::Opened(opened) => {
            for note in opened.provider_note.iter().chain(&opened.assumptions) {
                app.messages.say(Level::Warning, note, app.now);
            }
            app.browser.show_network(&opened.layers, &opened.classes);
            app.remember_classes(&opened);
            let is_another = matches!(
                &app.model,
                Model::Opening {
                    before: Some(_),
                    ..
                }
            );
            app.model = Model::Open(Arc::clone(&opened));
            photo::close(app);
            // A picture of another model does not describe this one.
            if matches!(app.shown, Showing::Finished(_)) {
                app.shown = Showing::Nothing;
            }
            browser::list_history(app);
            saved::open(app, &opened, is_another);
        }
        WorkerEvent::OpenFailed { model, why } => {
            app.messages.say(Level::Error, &why, app.now);
            let is_awaited = matches!(&app.model, Model::Opening { name, .. } if *name == model);
            if !is_awaited {
                return;
            }
            app.at_opening = None;
            app.model = match app.model.fallback() {
                Some(opened) => Model::Open(Arc::clone(opened)),
                None => Model::Failed { name: model, why },
            };
            if app.popups.is_empty() && app.prompt.is_none() && app.model.opened().is_none() {
                picker::open(app, Purpose::Open, effects);
            }
        }
        WorkerEvent::Transferred {
            model,
            opened,
            specs,
            problems,
        } => {
            if let Some(opened) = opened {
                app.remember_classes(&opened);
            }
            transfer::queue(app, &model, specs, problems, effects);
        }
        WorkerEvent::Retired { why, workers, .. } => {
            app.workers = workers;
            let left = counted(workers, "device");
            let text = format!("{why}; {left} left for the runs");
            app.messages.say(Level::Warning, text, app.now);
        }
        WorkerEvent::Started(begun) => started(app, &begun),
        WorkerEvent::Photo(answer) => {
            if !overlay::answer(app, &answer) {
                album::answer(app, &answer);
                photo::answer(app, answer, effects);
            }
        }
        WorkerEvent::Notice(text) => app.messages.say(Level::Warning, text, app.now),
        WorkerEvent::Stepped(progress) => stepped(app, &progress),
        WorkerEvent::Snapshot {
            job,
            step,
            overlay,
            picture,
        } => {
            app.snapshots.retain(|snapshot| snapshot.job != job);
            // It was sent before its run ended.
            if live(app, job).is_some() {
                app.snapshots.push(Snapshot {
                    job,
                    step,
                    overlay,
                    picture,
                });
            }
        }
        WorkerEvent::Paused(paused) => app.paused = paused,
        WorkerEvent::Finished {
            job,
            record,
            picture,
            from_history,
        } => finished(app, job, &record, picture, from_history, effects),
        WorkerEvent::Failed { job, why } => {
            // It was cancelled meanwhile.
            let Some(title) = app.queue.get(job).map(|job| job.spec.target.clone()) else {
                return;
            };
            let text = with_subject(&title, &why);
            app.messages.say(Level::Error, text, app.now);
            app.queue.failed(job, why);
            note_end(app, &title, false);
            queue::ended(app, job, effects);
        }
        WorkerEvent::Cancelled { job } => {
            app.queue.cancel(job);
            queue::ended(app, job, effects);
        }
    }
}

fn live(app: &mut App, job: JobId) -> Option<&mut ActiveRun> {
    app.running.iter_mut().find(|live| live.job == job)
}

fn started(app: &mut App, begun: &Started) {
    for (job, scores) in begun.jobs.iter().zip(&begun.scores) {
        let Some(live) = live(app, *job) else {
            continue;
        };
        live.steps = begun.steps;
        live.step = begun.resumed_at;
        live.octaves.clone_from(&begun.octaves);
        (live.has_map, live.bands) = (begun.has_map, begun.bands);
        live.octave = active_run::octave_of(&begun.octaves, begun.resumed_at);
        let points = (1..).zip(scores);
        live.curve = points
            .map(|(step, score)| (f64::from(step), f64::from(*score)))
            .collect();
    }
}

fn stepped(app: &mut App, progress: &BatchProgress) {
    for (index, job) in progress.jobs.iter().enumerate() {
        let Some(live) = live(app, *job) else {
            continue;
        };
        live.step = progress.step;
        live.steps = progress.steps;
        live.octave = progress.octave;
        live.steps_per_second = progress.steps_per_second;
        live.pace.note(progress.octave, progress.steps_per_second);
        let unread = progress.unread.iter();
        live.curve
            .extend(unread.map(|(step, scores)| (*step as f64, f64::from(scores[index]))));
        live.probability = progress
            .probabilities
            .as_ref()
            .map(|probabilities| probabilities[index]);
        live.top = progress.top.get(index).cloned().unwrap_or_default();
    }
}

fn note_end(app: &mut App, target: &str, is_finished: bool) {
    if let Some(busy) = &mut app.busy {
        busy.ended(target, is_finished);
    }
}

fn finished(
    app: &mut App,
    job: JobId,
    record: &Record,
    picture: Arc<RgbImage>,
    from_history: bool,
    effects: &mut Vec<Effect>,
) {
    let favourite = app
        .history
        .find(&record.id)
        .is_some_and(|entry| entry.favourite);
    app.history
        .add(HistoryEntry::from_record(record, favourite));
    note_end(app, &record.spec.target, true);
    let thumbnail = image::imageops::thumbnail(&*picture, Size::Thumbnail.longest(), {
        let (width, height) = picture.dimensions();
        (Size::Thumbnail.longest() * height)
            .div_ceil(width.max(1))
            .max(1)
    });
    app.pictures
        .put(&record.id, Size::Thumbnail, Arc::new(thumbnail));
    app.pictures.put(&record.id, Size::Full, picture);
    match &mut app.shown {
        Showing::Running(shown) if *shown == job => {
            app.shown = Showing::Finished(record.id.clone());
        }
        Showing::Batch(tiles) => {
            for tile in tiles.iter_mut().filter(|tile| **tile == Tile::Running(job)) {
                *tile = Tile::Finished(record.id.clone());
            }
        }
        _ => {}
    }
    // The record of another run is kept: it belongs to the shown picture.
    if app.shown == Showing::Finished(record.id.clone()) {
        app.record = Some(Box::new(record.clone()));
    }
    let how = if from_history {
        "from history".into()
    } else {
        format!("{:.1} s", record.seconds)
    };
    let score = format::score(record.score);
    let (level, text) = match record.advice() {
        Some(_) => (Level::Warning, advice(app, record)),
        None => (
            Level::Note,
            format!("{}: score {score}, {how}", record.spec.target),
        ),
    };
    app.messages.say(level, text, app.now);
    app.queue.finished(job);
    queue::ended(app, job, effects);
    browser::list_history(app);
}

/// Advice if the class was not reached.
fn advice(app: &App, record: &Record) -> String {
    let key = |command| app.key(command);
    let probability = format::percent(record.probability.unwrap_or_default());
    format!(
        "{} was not reached ({probability}): try another seed ({}), or stochastic_depth = 0 or more steps ({})",
        crate::text::safe(&record.spec.target),
        key(Command::NewSeed),
        key(Command::Settings)
    )
}
