//! The layer of the class activation map.

use super::notes::no_network;
use crate::model::layers;
use crate::runs::worker::ModelInfo;
use crate::tui::app::App;
use crate::tui::messages::Level;
use std::sync::Arc;

/// Sets the layer of the map to the selected one; if it is set already, restores the automatic choice.
pub fn take_here(app: &mut App) {
    let Some(opened) = app.model.opened().map(Arc::clone) else {
        return no_network(app);
    };
    let Some(index) = app.browser.selected_layer() else {
        let text = "select a layer for the activation map first";
        return app.messages.say(Level::Note, text, app.now);
    };
    let layer = &opened.layers[index];
    let name = crate::text::safe(&layer.name);
    if layer
        .plane()
        .is_none_or(|(rows, columns)| rows * columns < 2)
    {
        let text = format!("{name} has no rows and columns: no map can be taken there");
        return app.messages.say(Level::Error, text, app.now);
    }
    let text = if app.next_run.settings.mask_layer == layer.name {
        app.next_run.settings.mask_layer.clear();
        "activation map: automatic layer".to_string()
    } else {
        app.next_run.settings.mask_layer.clone_from(&layer.name);
        format!("activation map: {name}")
    };
    app.messages.say(Level::Note, text, app.now);
}

/// Why the map cannot be computed at the layer with this name.
pub fn problem(opened: &ModelInfo, name: &str) -> Option<String> {
    let found = layers::find(&opened.values, name);
    found.err().map(|problem| problem.to_string())
}
