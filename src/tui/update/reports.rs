//! What the worker and the disk said.

use super::super::action::{Answer, Effect};
use super::super::app::App;
use super::super::command::Command;
use super::super::gallery::Size;
use super::super::listing::Listing;
use super::super::messages::Level;
use super::super::opening::Model;
use super::super::pace;
use super::super::pace::Live;
use super::super::popup::{Choice, Popup, Purpose};
use super::super::prompt::{Asked, Prompt};
use super::super::shown::{Shown, Snapshot, Tile};
use super::{
    album, atlas, browse, elsewhere, finished, overlay, photo, photos, picker, queue, saved, typing,
};
use crate::runs::history::HistoryEntry;
use crate::runs::queue::JobId;
use crate::runs::worker::{BatchProgress, Started, WorkerEvent};
use crate::runs::{Record, format};
use crate::text::counted;
use image::RgbImage;
use std::path::PathBuf;
use std::sync::Arc;

/// Says why runs are made on the CPU, where another device could be expected.
fn on_the_cpu(app: &mut App, why: &str) {
    let text = format!("running on the CPU: {why}");
    app.messages.say(Level::Warning, text, app.now);
}

/// Takes a report of the worker's.
pub fn report(app: &mut App, report: WorkerEvent, effects: &mut Vec<Effect>) {
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
            why,
        } => match &mut app.model {
            Model::Open(opened) if opened.model == model => {
                Arc::make_mut(opened).provider = provider;
                on_the_cpu(app, &why);
            }
            _ => on_the_cpu(app, &format!("{}: {why}", format::model(&model))),
        },
        // One that was asked for before the one that is being opened came too late.
        WorkerEvent::Opened(opened) if matches!(&app.model, Model::Opening { name, .. } if !opened.is(name)) =>
            {}
        WorkerEvent::Opened(opened) => {
            if let Some(why) = &opened.why_cpu {
                on_the_cpu(app, why);
            }
            for assumption in &opened.assumptions {
                app.messages.say(Level::Warning, assumption, app.now);
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
            // A picture of another model says nothing of this one.
            if matches!(app.shown, Shown::Finished(_)) {
                app.shown = Shown::Nothing;
            }
            browse::list_history(app);
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
            elsewhere::queue(app, &model, specs, problems, effects);
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
            // One that was on its way when its run ended is of no use.
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
            // One that was cancelled meanwhile is of no interest.
            let Some(title) = app.queue.get(job).map(|job| job.spec.target.clone()) else {
                return;
            };
            let text = format!("{title}: {why}");
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

fn live(app: &mut App, job: JobId) -> Option<&mut Live> {
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
        live.octave = pace::octave_of(&begun.octaves, begun.resumed_at);
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
        .library
        .find(&record.id)
        .is_some_and(|entry| entry.favourite);
    app.library
        .add(HistoryEntry::from_record(record, favourite));
    note_end(app, &record.spec.target, true);
    let thumbnail = image::imageops::thumbnail(&*picture, Size::Thumbnail.longest(), {
        let (width, height) = picture.dimensions();
        (Size::Thumbnail.longest() * height)
            .div_ceil(width.max(1))
            .max(1)
    });
    app.gallery
        .put(&record.id, Size::Thumbnail, Arc::new(thumbnail));
    app.gallery.put(&record.id, Size::Full, picture);
    match &mut app.shown {
        Shown::Live(shown) if *shown == job => app.shown = Shown::Finished(record.id.clone()),
        Shown::Batch(tiles) => {
            for tile in tiles.iter_mut().filter(|tile| **tile == Tile::Live(job)) {
                *tile = Tile::Finished(record.id.clone());
            }
        }
        _ => {}
    }
    // Another run's record stays: it belongs to the picture that is shown.
    if app.shown == Shown::Finished(record.id.clone()) {
        app.record = Some(Box::new(record.clone()));
    }
    let how = match from_history {
        true => "from history".into(),
        false => format!("{:.1} s", record.seconds),
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
    browse::list_history(app);
}

/// What to try where the class was not reached.
fn advice(app: &App, record: &Record) -> String {
    let key = |command| app.key(command);
    let probability = format::percent(record.probability.unwrap_or_default());
    format!(
        "{} was not reached ({probability}): try another seed ({}), or stochastic_depth = 0 or more steps ({})",
        crate::text::shown(&record.spec.target),
        key(Command::NewSeed),
        key(Command::Settings)
    )
}

/// Takes an answer of the disk's.
pub fn answer(app: &mut App, answer: Answer, effects: &mut Vec<Effect>) {
    match answer {
        Answer::Runs(entries) => {
            // A look at the folder may have begun before a run that is being removed was.
            let is_here = |entry: &HistoryEntry| !app.removing.contains(&entry.id);
            let entries: Vec<HistoryEntry> = entries.into_iter().filter(is_here).collect();
            for entry in entries {
                app.library.add(entry);
            }
            browse::list_history(app);
        }
        Answer::Gone(ids) => finished::leave(app, &ids),
        Answer::RunsEnd { damaged } => {
            app.library.complete = true;
            saved::runs(app);
            if damaged > 0 {
                let text = format!(
                    "{damaged} runs in history cannot be read: `ziggurat history verify` says why"
                );
                app.messages.say(Level::Warning, text, app.now);
            }
        }
        Answer::Picture { id, size, picture } => app.gallery.put(&id, size, picture),
        Answer::Record(record) => finished::record(app, record, effects),
        Answer::NoRecord { id, why } => {
            app.awaited.take_if(|(awaited, _)| *awaited == id);
            app.messages.say(Level::Error, why, app.now);
        }
        Answer::Frames { id, frames } => finished::frames(app, id, frames),
        Answer::Likeness(place, order) => atlas::ordered(app, place, &order),
        Answer::Folder { folder, choices } => show_folder(app, folder, choices),
        Answer::Names { text, names } => typing::complete(app, &text, names),
        Answer::Photos { path, found } => photos::found(app, &path, found, effects),
        Answer::Orphans(jobs) => queue::take_over(app, jobs, effects),
        Answer::Removed(ids) => {
            finished::removal_is_over(app, &ids);
            let key = app.key(Command::Undo);
            let text = format!("{} deleted; {key} to undo", counted(ids.len(), "run"));
            app.messages.say(Level::Note, text, app.now);
        }
        Answer::NotRemoved { ids, entries, why } => {
            app.messages.say(Level::Error, why, app.now);
            let left: Vec<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
            finished::removal_is_over(app, &ids);
            finished::forget_removal(app, &ids, &left);
            for entry in entries {
                app.library.add(entry);
            }
            browse::list_history(app);
        }
        Answer::Restored(ids) => {
            let text = format!("{} restored", counted(ids.len(), "run"));
            app.messages.say(Level::Note, text, app.now);
        }
        Answer::Favourite { id, on, saved } => {
            app.library.set_favourite(&id, on);
            let text = match saved {
                Some(path) => format!("favourite saved: {}", path.display()),
                None => "no longer a favourite; its saved files remain".into(),
            };
            app.messages.say(Level::Note, text, app.now);
            browse::list_history(app);
        }
        Answer::Exported(path) => {
            let text = format!("exported: {}", path.display());
            app.messages.say(Level::Note, text, app.now);
        }
        Answer::NotExported { ids, path, why } => {
            app.messages.say(Level::Error, why, app.now);
            // The path can be corrected.
            let text = path.display().to_string();
            let prompt = || Prompt::new(Asked::Export(ids), &text);
            app.prompt.get_or_insert_with(prompt);
        }
        Answer::PresetSaved(name) => {
            let text = format!("preset {name} saved");
            app.messages.say(Level::Note, text, app.now);
        }
        Answer::Failed(why) => app.messages.say(Level::Error, why, app.now),
    }
}

fn show_folder(app: &mut App, folder: PathBuf, choices: Result<Vec<Choice>, String>) {
    // Who has closed the picker meanwhile does not want another one.
    let Some(Popup::Models(picker)) = app.popups.last_mut() else {
        return;
    };
    let asked = picker.asked();
    let mut text = String::new();
    match choices {
        Ok(choices) => {
            picker.folder = folder;
            picker.list = Listing::of(choices.len());
            picker.choices = choices;
            picker.problem = None;
        }
        // The picker stays where it was; a path that was typed can be corrected.
        Err(problem) => {
            picker.problem = Some(problem);
            let is_listed = picker.choices.contains(&Choice::Folder(folder.clone()));
            if !is_listed && folder != picker.folder {
                text = format!("{}/", folder.display().to_string().trim_end_matches('/'));
            }
        }
    }
    // What was typed while the folder was read stays.
    let is_typed = |prompt: &&Prompt| prompt.asked == asked && !prompt.text().is_empty();
    if app.prompt.as_ref().filter(is_typed).is_none() {
        app.prompt = Some(Prompt::new(asked, &text));
    }
    typing::changed(app);
}
