//! Exporting runs.

use super::{atlas, history};
use crate::runs::export::ExportFormat;
use crate::runs::favourites;
use crate::text::counted;
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::browser::Tab;
use crate::tui::completion::home_relative;
use crate::tui::messages::Level;
use crate::tui::popup::Popup;
use crate::tui::prompt::{Prompt, PromptKind};

/// Has runs exported to a file.
///
/// # Errors
/// What is wrong with its name.
pub fn to_file(ids: &[String], text: &str, effects: &mut Vec<Effect>) -> Result<(), String> {
    if text.is_empty() {
        return Err("type the name of a file".into());
    }
    let path = home_relative(text);
    ExportFormat::from_path(&path).map_err(|problem| problem.to_string())?;
    effects.push(Effect::Export(ids.to_vec(), path));
    Ok(())
}

/// The runs that an export is about: the one of the details, the chosen ones, or else the one that is shown.
pub fn meant(app: &App) -> Vec<String> {
    let chosen = match app.popups.last() {
        Some(Popup::Details { .. }) => Vec::new(),
        _ => history::chosen(app),
    };
    let runs = match chosen.is_empty() {
        true => history::meant(app).into_iter().collect(),
        false => chosen,
    };
    runs.iter().map(|entry| entry.id.clone()).collect()
}

/// Asks where the chosen runs are to be exported to.
pub fn ask_for_finished(app: &mut App) {
    let entries = history::chosen(app);
    let Some(first) = entries.first() else {
        return;
    };
    let ids: Vec<String> = entries.iter().map(|entry| entry.id.clone()).collect();
    let name = match ids.len() {
        1 => format!("{}.png", favourites::file_name(&first.target)),
        count => format!("ziggurat-{count}-runs.png"),
    };
    let path = app.environment.folder.join(name);
    app.prompt = Some(Prompt::new(
        PromptKind::Export(ids),
        &path.display().to_string(),
    ));
}

/// Asks where the pictures of the marked or listed items are to be exported to.
pub fn ask_for_cells(app: &mut App) {
    let items = atlas::marked_or_listed(app);
    let entries = items.iter().filter_map(|&item| app.entry_of(item));
    let ids: Vec<String> = entries.map(|entry| entry.id.clone()).collect();
    let what = match (
        app.browser.tab,
        app.model.opened(),
        app.browser.selected_layer(),
    ) {
        (Tab::Layers, Some(opened), Some(layer)) => opened.layers[layer].name.clone(),
        (_, Some(opened), _) => opened.name.clone(),
        (_, None, _) => "ziggurat".into(),
    };
    let name = format!("{}.html", favourites::file_name(&what));
    let path = app.environment.folder.join(name);
    let text = format!("{} to export", counted(ids.len(), "picture"));
    app.messages.say(Level::Note, text, app.now);
    app.prompt = Some(Prompt::new(
        PromptKind::Export(ids),
        &path.display().to_string(),
    ));
}
