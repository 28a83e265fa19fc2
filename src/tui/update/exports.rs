//! Exporting runs.

use super::{atlas, history};
use crate::runs::export::ExportFormat;
use crate::runs::favourites;
use crate::text::counted;
use crate::tui::action::{DiskRequest, Effect};
use crate::tui::app::App;
use crate::tui::browser::Tab;
use crate::tui::messages::Level;
use crate::tui::popup::Popup;
use crate::tui::prompt::{Prompt, PromptKind};

/// Starts the export of runs to a file.
///
/// # Errors
/// The file name's problem.
pub fn to_file(
    app: &App,
    ids: &[String],
    text: &str,
    effects: &mut Vec<Effect>,
) -> Result<(), String> {
    if text.is_empty() {
        return Err("type the name of a file".into());
    }
    let path = app.environment.typed_path(text);
    ExportFormat::from_path(&path).map_err(|problem| problem.to_string())?;
    effects.push(Effect::Disk(DiskRequest::Export(ids.to_vec(), path)));
    Ok(())
}

/// The runs to export: the run of the details, the selected ones, or else the shown one.
pub fn selected_runs(app: &App) -> Vec<String> {
    let chosen = match app.popups.last() {
        Some(Popup::Details { .. }) => Vec::new(),
        _ => history::chosen(app),
    };
    let runs = if chosen.is_empty() {
        history::current_entry(app).into_iter().collect()
    } else {
        chosen
    };
    runs.iter().map(|entry| entry.id.clone()).collect()
}

/// Opens the prompt for the file to which the selected runs are exported.
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

/// Opens the prompt for the file to which the pictures of the marked or listed items are exported.
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
