//! Opening photos: typed, dropped, or chosen from the list.

use super::notes::{NO_MODEL, first_of, no_network};
use super::{album, photo};
use crate::model::picture;
use crate::text::counted;
use crate::tui::action::{DiskRequest, Effect, Lookup};
use crate::tui::album::MAX_PHOTOS;
use crate::tui::app::App;
use crate::tui::dropped;
use crate::tui::messages::Level;
use crate::tui::prompt::{Prompt, PromptKind};
use std::path::{Path, PathBuf};

/// Opens the prompt for the path of a photo, with the last path as default.
pub fn ask(app: &mut App) {
    let last = app.photos.last().map(|path| path.display().to_string());
    let text = last.unwrap_or_default();
    app.prompt = Some(Prompt::replacing(PromptKind::Photo, &text));
}

/// Opens the photo with the typed path.
///
/// # Errors
/// If the file does not exist.
pub fn typed(app: &mut App, text: &str, effects: &mut Vec<Effect>) -> Result<(), String> {
    if text.is_empty() {
        return Err("type the path of a photo, or of a folder of photos".into());
    }
    if app.model.opened().is_none() {
        return Err(NO_MODEL.into());
    }
    // Paths as copied by a file manager are accepted, too.
    let is_quoted = text.starts_with("file://") || text.starts_with(['\'', '"']);
    let path = if is_quoted {
        dropped::path(text, app.environment.user_folder.as_deref())?
    } else {
        app.environment.typed_path(text)
    };
    if picture::is_named(&path) && !text.ends_with('/') {
        open(app, vec![path], effects);
    } else {
        effects.push(Effect::Disk(DiskRequest::Look(Lookup::Photos(path))));
    }
    Ok(())
}

/// Opens photos: one in the photo view, several in the list.
pub fn open(app: &mut App, mut paths: Vec<PathBuf>, effects: &mut Vec<Effect>) {
    if app.model.opened().is_none() {
        return no_network(app);
    }
    if paths.len() > MAX_PHOTOS {
        let all = paths.len();
        paths.truncate(MAX_PHOTOS);
        app.messages
            .say(Level::Warning, first_of(MAX_PHOTOS, all), app.now);
    }
    let before = app.photos.len();
    let only = match paths.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    };
    let first = paths.first().cloned();
    app.photos.add(paths);
    match (only, first) {
        (Some(only), _) => photo::look_at(app, only, effects),
        (None, Some(first)) => {
            album::show(app);
            app.photos.select(&first);
            let added = app.photos.len() - before.min(app.photos.len());
            if before > 0 && added > 0 {
                let text = format!("{} added to the {before} before", counted(added, "photo"));
                app.messages.say(Level::Note, text, app.now);
            }
        }
        (None, None) => {}
    }
}

/// Adds a typed or dropped file to the list, or replaces the list by the photos of a folder.
/// A folder may hold more photos than are listed, `all` in number.
pub fn found(
    app: &mut App,
    path: &Path,
    found: Result<(Vec<PathBuf>, usize), String>,
    effects: &mut Vec<Effect>,
) {
    let (paths, all) = match found {
        Ok(found) => found,
        Err(why) => {
            app.messages.say(Level::Error, why, app.now);
            // The path stays in the prompt for correction.
            let text = path.display().to_string();
            let prompt = || Prompt::new(PromptKind::Photo, &text);
            app.prompt.get_or_insert_with(prompt);
            return;
        }
    };
    if app.model.opened().is_none() {
        return no_network(app);
    }
    match paths.as_slice() {
        [only] if only == path => open(app, paths, effects),
        _ => folder(app, path, (paths, all), effects),
    }
}

/// Lists the photos of a folder, replacing the previous ones.
fn folder(
    app: &mut App,
    folder: &Path,
    (paths, all): (Vec<PathBuf>, usize),
    effects: &mut Vec<Effect>,
) {
    let count = paths.len();
    let first = paths.first().cloned();
    let dropped = app.photos.replace(paths);
    let (level, listed) = if all > count {
        (Level::Warning, first_of(count, all))
    } else {
        (Level::Note, counted(count, "photo"))
    };
    let instead = match dropped {
        0 => String::new(),
        dropped => format!(", in place of {} before", counted(dropped, "photo")),
    };
    let text = format!("{}: {listed}{instead}", folder.display());
    // The title of the list shows the number.
    if all > count || dropped > 0 {
        app.messages.say(level, text, app.now);
    }
    match first {
        Some(only) if count == 1 => photo::look_at(app, only, effects),
        Some(first) => {
            album::show(app);
            app.photos.select(&first);
        }
        None => {}
    }
}

/// Opens the photo under the cursor.
pub fn open_selected(app: &mut App, effects: &mut Vec<Effect>) {
    if let Some(path) = app.photos.selected().map(|photo| photo.path.clone()) {
        photo::look_at(app, path, effects);
    }
}
