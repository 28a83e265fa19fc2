//! Updates of the photo view.

use super::notes::{NO_MODEL, no_other};
use super::{album, submission};
use crate::ascent::layer_probe::Rank;
use crate::model::Layer;
use crate::runs::target::LayerPart;
use crate::runs::worker::photo::{About, Answer, AnswerContent, MapAt};
use crate::runs::worker::{ModelInfo, WorkerCommand};
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::command::{Command, Context};
use crate::tui::fuzzy;
use crate::tui::layout::photo::grid;
use crate::tui::list_state::ListState;
use crate::tui::messages::Level;
use crate::tui::photo::{Channels, Photo};
use crate::tui::picture_cache::Size;
use crate::tui::popup::Popup;
use crate::tui::prompt::{Prompt, PromptKind};
use std::path::PathBuf;
use std::sync::Arc;

/// Shows a photo in place of the shown one, if there is one.
pub fn look_at(app: &mut App, path: PathBuf, effects: &mut Vec<Effect>) {
    let Some(opened) = app.model.opened().map(Arc::clone) else {
        return;
    };
    album::pause(app, effects);
    app.photos.select(&path);
    let before = match app.popups.last() {
        Some(Popup::Photo(_)) => app.popups.pop(),
        _ => None,
    };
    let before = match before {
        // A photo that has not loaded is no target for going back.
        Some(Popup::Photo(mut photo)) if photo.photo.is_none() => photo.before.take(),
        Some(Popup::Photo(mut photo)) => {
            photo.before = None;
            Some(photo)
        }
        _ => None,
    };
    let same = before.as_ref().map(|photo| photo.layer.clone());
    let layer = same.or_else(|| first_layer(app, &opened));
    let at = (
        layer.unwrap_or_default(),
        MapAt::from_settings(&app.next_run.settings),
    );
    let mut photo = Photo::new(path, &opened, at, before);
    // The list examined it a moment ago, so its results are available.
    photo.photo = app
        .photos
        .recent(&photo.path)
        .filter(|_| is_listed(app))
        .cloned();
    if photo.photo.is_some() && !photo.layer.is_empty() {
        ask_worker(&photo, photo.about_channels(), effects);
    } else {
        ask_worker(&photo, About::Photo, effects);
    }
    app.popups.push(Popup::Photo(Box::new(photo)));
}

/// Whether the list of photos lies below the photo view.
fn is_listed(app: &App) -> bool {
    app.popups
        .iter()
        .any(|popup| matches!(popup, Popup::Photos))
}

/// The layer selected in the browser, or the last layer with spatial positions.
fn first_layer(app: &App, opened: &ModelInfo) -> Option<String> {
    let selected = app
        .browser
        .selected_layer()
        .map(|layer| &opened.layers[layer]);
    let has_places = |layer: &&Layer| {
        layer
            .plane()
            .is_some_and(|(rows, columns)| rows * columns > 1)
    };
    let layers = opened.layers.iter();
    let last = layers.clone().rfind(has_places).or_else(|| layers.last());
    selected.or(last).map(|layer| layer.name.clone())
}

fn ask_worker(photo: &Photo, about: About, effects: &mut Vec<Effect>) {
    effects.push(Effect::Worker(WorkerCommand::Photo(photo.question(about))));
}

/// The open photo, if it is the topmost popup.
fn open_photo(app: &mut App) -> Option<&mut Photo> {
    match app.popups.last_mut() {
        Some(Popup::Photo(photo)) => Some(photo),
        _ => None,
    }
}

/// Accepts the worker's results; late results of other requests are dropped.
pub fn answer(app: &mut App, answer: Answer, effects: &mut Vec<Effect>) {
    let Answer { question, found } = answer;
    let mut popups = app.popups.iter_mut();
    let photo = popups.find_map(|popup| match popup {
        Popup::Photo(photo) if photo.question(question.about.clone()) == question => Some(photo),
        _ => None,
    });
    let Some(photo) = photo else {
        return;
    };
    match (question.about, found) {
        (About::Photo, Ok(AnswerContent::Photo(found))) => {
            photo.photo = Some(found);
            photo.before = None;
            if photo.layer.is_empty() {
                photo.channels = Channels::Failed("the model has no layers".into());
            } else {
                ask_worker(photo, photo.about_channels(), effects);
            }
        }
        (About::Photo, Err(why)) => refused(app, &question.photo, why, effects),
        (about @ About::Channels { .. }, found) if about == photo.about_channels() => {
            photo.channels = match found {
                Ok(AnswerContent::Channels(channels)) => Channels::There(channels),
                Ok(_) => return,
                Err(why) => Channels::Failed(crate::text::safe(&why)),
            };
            photo.cells = ListState::new(photo.shown().len());
        }
        (About::Class { class, at }, Ok(AnswerContent::Class(map))) if at == photo.map_at => {
            photo.maps.push((class, map));
        }
        (About::Class { class, at }, Err(why)) if at == photo.map_at => {
            photo.mapped.take_if(|mapped| *mapped == class);
            app.messages
                .say(Level::Error, crate::text::safe(&why), app.now);
        }
        _ => {}
    }
}

/// A photo cannot be opened: the previous one returns.
fn refused(app: &mut App, path: &PathBuf, why: String, effects: &mut Vec<Effect>) {
    let is_listed = is_listed(app);
    // The list shows the reason.
    if !is_listed {
        app.photos.remove(path);
    }
    app.messages.say(Level::Error, why, app.now);
    let is_it = |popup: &Popup| matches!(popup, Popup::Photo(photo) if photo.path == *path);
    let Some(at) = app.popups.iter().position(is_it) else {
        return;
    };
    let Popup::Photo(mut photo) = app.popups.remove(at) else {
        return;
    };
    if let Some(before) = photo.before.take() {
        ask_again(&before, effects);
        app.popups.insert(at, Popup::Photo(before));
    } else if app.prompt.is_none() && !is_listed {
        // The path stays in the prompt for correction.
        app.prompt = Some(Prompt::new(PromptKind::Photo, &path.display().to_string()));
    }
}

/// Requests what a photo still lacks: its requests were dropped when another photo was opened.
fn ask_again(photo: &Photo, effects: &mut Vec<Effect>) {
    if matches!(photo.channels, Channels::Awaited) && photo.photo.is_some() {
        ask_worker(photo, photo.about_channels(), effects);
    }
    ask_for_map(photo, effects);
}

/// Requests the class activation map to show, unless it is available.
fn ask_for_map(photo: &Photo, effects: &mut Vec<Effect>) {
    if let Some(class) = photo.mapped
        && photo.map(class).is_none()
    {
        let at = photo.map_at.clone();
        ask_worker(photo, About::Class { class, at }, effects);
    }
}

/// Another model is open: it has not examined any photo.
pub fn close(app: &mut App) {
    let is_of_photos = |popup: &Popup| matches!(popup, Popup::Photo(_) | Popup::Photos);
    app.popups.retain(|popup| !is_of_photos(popup));
    app.photos.forget_seen();
}

/// Shows the channels of the next or the previous layer.
pub fn cycle_layer(app: &mut App, forward: bool, effects: &mut Vec<Effect>) {
    let Some(opened) = app.model.opened().map(Arc::clone) else {
        return;
    };
    let Some(photo) = open_photo(app) else {
        return;
    };
    let layers = &opened.layers;
    let at = layers.iter().position(|layer| layer.name == photo.layer);
    let next = match (at, forward) {
        (Some(at), true) => at + 1,
        (Some(at), false) => at + layers.len() - 1,
        (None, _) => 0,
    };
    photo.layer.clone_from(&layers[next % layers.len()].name);
    ask_channels(photo, effects);
}

/// Shows the channels of the layer whose name matches a text best.
///
/// # Errors
/// If none does.
pub fn go_to_layer(app: &mut App, text: &str, effects: &mut Vec<Effect>) -> Result<(), String> {
    let Some(opened) = app.model.opened().map(Arc::clone) else {
        return Ok(());
    };
    let names = || opened.layers.iter().map(|layer| layer.name.as_str());
    let exact = names().position(|name| name == text);
    let found = exact.or_else(|| fuzzy::matches(text, names()).first().copied());
    let found = found.ok_or_else(|| format!("no layer is called {text}"))?;
    if let Some(photo) = open_photo(app) {
        photo.layer.clone_from(&opened.layers[found].name);
        ask_channels(photo, effects);
    }
    Ok(())
}

/// Ranks the channels by their maximum instead of their mean, or vice versa.
pub fn cycle_rank(app: &mut App, effects: &mut Vec<Effect>) {
    if let Some(photo) = open_photo(app) {
        photo.rank = match photo.rank {
            Rank::Mean => Rank::Maximum,
            Rank::Maximum => Rank::Mean,
        };
        ask_channels(photo, effects);
    }
}

/// Requests the channels to show.
fn ask_channels(photo: &mut Photo, effects: &mut Vec<Effect>) {
    photo.channels = Channels::Awaited;
    photo.cells = ListState::default();
    // Requests wait for the photo: its answer triggers them.
    if photo.photo.is_some() {
        ask_worker(photo, photo.about_channels(), effects);
    }
}

/// Overlays the activation map of the next class on the photo.
pub fn next_map(app: &mut App, effects: &mut Vec<Effect>) {
    let Some(photo) = open_photo(app) else {
        return;
    };
    photo.mapped = photo.next_mapped();
    ask_for_map(photo, effects);
}

/// Shows the photo opened after or before this one.
pub fn cycle(app: &mut App, forward: bool, effects: &mut Vec<Effect>) {
    let Some(path) = open_photo(app).map(|photo| photo.path.clone()) else {
        return;
    };
    if let Some(next) = app.photos.beside(&path, forward).map(PathBuf::from) {
        look_at(app, next, effects);
    }
}

/// Queues the selected channel.
pub fn run(app: &mut App, effects: &mut Vec<Effect>) {
    let selected = open_photo(app).and_then(|photo| photo.selected());
    let place = selected.map(|found| LayerPart::Channel(found.activation.channel));
    queue(app, place, effects);
}

/// Queues the neuron of the selected channel with the highest activation.
pub fn run_neuron(app: &mut App, effects: &mut Vec<Effect>) {
    let selected = open_photo(app).and_then(|photo| photo.selected());
    let place = selected.and_then(|found| {
        let activation = found.activation;
        activation
            .at
            .map(|at| LayerPart::Neuron(activation.channel, at))
    });
    queue(app, place, effects);
}

fn queue(app: &mut App, place: Option<LayerPart>, effects: &mut Vec<Effect>) {
    let Some(opened) = app.model.opened().map(Arc::clone) else {
        return;
    };
    let target = place.and_then(|place| open_photo(app)?.target(&opened, place));
    let Some(target) = target else {
        return;
    };
    let title = target.as_ref().ok().map(|target| target.title.clone());
    let before = app.queue.jobs().len();
    submission::submit_targets(app, vec![target], effects);
    if let (Some(title), true) = (title, app.queue.jobs().len() > before) {
        let text = format!("queued: {title}");
        app.messages.say(Level::Note, text, app.now);
    }
}

/// Why a command cannot act on the photo; `None` if it can, or does not concern photos.
pub fn refusal(app: &App, command: Command) -> Option<String> {
    if command == Command::OpenPhoto {
        return app.model.opened().is_none().then(|| NO_MODEL.into());
    }
    let Some(Popup::Photo(photo)) = app.popups.last() else {
        let is_own = command.entry().context == Context::Photo;
        return is_own.then(|| {
            format!(
                "no photo is open: {} opens one",
                app.key(Command::OpenPhoto)
            )
        });
    };
    let edge = |is_edge: bool, text: &str| is_edge.then(|| text.to_string());
    let (cursor, last) = (photo.cells.cursor(), photo.cells.len().saturating_sub(1));
    match command {
        Command::RunShown | Command::RunShownNeuron | Command::Left | Command::Right
            if photo.selected().is_none() =>
        {
            Some("no channel is shown yet".into())
        }
        Command::Left => edge(cursor == 0, "this is the strongest channel"),
        Command::Right => edge(cursor == last, "this is the last channel that is shown"),
        Command::RunShownNeuron => {
            let at = photo.selected().and_then(|found| found.activation.at);
            edge(
                at.is_none(),
                "this layer has no positions, and no neurons at them",
            )
        }
        Command::NextLayer | Command::PreviousLayer => {
            let layers = app.model.opened().map_or(0, |opened| opened.layers.len());
            edge(layers < 2, "the model has no other layer")
        }
        Command::ShownMap => match &photo.photo {
            None => Some("the photo is being opened".into()),
            Some(photo) => edge(photo.top.is_empty(), "the model has no class scores"),
        },
        Command::NextPhoto | Command::PreviousPhoto if app.photos.len() < 2 => Some(no_other(app)),
        Command::NextPhoto | Command::PreviousPhoto => {
            let (_, listed) = app.photos.place(&photo.path);
            edge(
                listed < 2,
                "no other photo is listed: end the search in the list",
            )
        }
        _ => None,
    }
}

/// Fits the grid of cells to the size of the screen.
pub fn fit(app: &mut App) {
    let (body, cell) = (app.layout().body, app.environment.terminal.cell);
    if let Some(photo) = open_photo(app) {
        let grid = grid(body, cell, photo.shown().len());
        photo.cells.fit(grid.lines, grid.columns);
    }
}

/// The synthetic pictures of the visible channels.
pub fn thumbnails(app: &App) -> Vec<(String, Size)> {
    let (Some(Popup::Photo(photo)), Some(opened)) = (app.popups.last(), app.model.opened()) else {
        return Vec::new();
    };
    let channels = photo.shown().iter();
    let targets = channels.flat_map(|found| photo.targets(opened, found));
    let runs = targets.filter_map(|target| app.history.of_target(&opened.hash, &target));
    runs.map(|entry| (entry.id.clone(), Size::Thumbnail))
        .collect()
}
