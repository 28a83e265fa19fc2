//! Changes of settings, presets, seed and theme.

use super::{cam_layer, history};
use crate::ascent::Settings;
use crate::ascent::settings::{Domain, Knob, PRESETS};
use crate::config::check_preset_name;
use crate::runs::presets::to_preset;
use crate::tui::action::{DiskRequest, Effect};
use crate::tui::app::App;
use crate::tui::messages::Level;
use crate::tui::next_run::NextRun;
use crate::tui::popup::Popup;

/// Moves a setting to its next value up or down; reports the limit if there is none.
pub fn adjust(app: &mut App, knob: &Knob, up: bool) {
    let before = app.next_run.settings.get(knob.key);
    let text = match app.next_run.adjust(knob, up) {
        false => format!("{}: type {}", knob.key, knob.allowed()),
        true if app.next_run.settings.get(knob.key) == before => {
            let end = if up { "largest" } else { "smallest" };
            format!("{} has its {end} value: {}", knob.key, knob.allowed())
        }
        true => return,
    };
    app.messages.say(Level::Note, text, app.now);
}

/// Takes the settings of the next preset, and reports which changes that drops.
pub fn next_preset(app: &mut App) {
    let dropped = history::replace_settings(app, NextRun::next_preset);
    let text = format!("preset {}{dropped}", app.next_run.title());
    app.messages.say(Level::Note, text, app.now);
}

/// Takes the settings of a preset.
///
/// # Errors
/// If no preset has this name; lists the presets.
pub fn take_preset(app: &mut App, name: &str) -> Result<(), String> {
    let known = app.next_run.presets();
    if !known.contains(&name) {
        let known = known.join(", ");
        return Err(format!("no preset is called {name}; available: {known}"));
    }
    let dropped = history::replace_settings(app, |plan| plan.take_preset(name));
    let text = format!("preset {name}{dropped}");
    app.messages.say(Level::Note, text, app.now);
    Ok(())
}

/// Restores the defaults.
pub fn reset_all(app: &mut App) {
    let dropped = history::replace_settings(app, |plan| plan.take_preset(PRESETS[0].name));
    let text = format!("all settings reset{dropped}");
    app.messages.say(Level::Note, text, app.now);
}

/// Sets the seed of the next runs.
pub fn set_seed(app: &mut App, seed: u64) {
    app.next_run.seed = seed;
    app.messages
        .say(Level::Note, format!("seed {seed}"), app.now);
}

/// Applies a change to the selected setting, if one is selected.
pub fn with_knob(app: &mut App, act: impl FnOnce(&mut App, &'static Knob)) {
    if let Some(Popup::Settings(knobs)) = app.popups.last()
        && let Some(knob) = knobs.selected()
    {
        act(app, knob);
    }
}

/// Switches to the next theme.
pub fn next_theme(app: &mut App, effects: &mut Vec<Effect>) {
    let next = app.environment.themes.next(&app.theme_name);
    let name = next.name().to_string();
    // Every listed theme exists.
    drop(take_theme(app, &name, effects));
}

/// Switches to a theme and saves the choice.
///
/// # Errors
/// If no theme has this name; lists the themes.
pub fn take_theme(app: &mut App, name: &str, effects: &mut Vec<Effect>) -> Result<(), String> {
    let themes = &app.environment.themes;
    let theme = themes.get(name).ok_or_else(|| {
        let known: Vec<&str> = themes.names().collect();
        format!("no theme is called {name}; available: {}", known.join(", "))
    })?;
    app.theme = theme.for_depth(app.environment.terminal.colours);
    app.theme_name = name.into();
    let text = format!("theme: {name}");
    app.messages.say(Level::Note, text, app.now);
    effects.push(Effect::Disk(DiskRequest::SaveTheme(name.into())));
    Ok(())
}

/// Sets a setting to the value of a text.
///
/// # Errors
/// Why the setting does not accept the value.
pub fn set(app: &mut App, knob: &Knob, text: &str) -> Result<(), String> {
    let opened = app.model.opened().filter(|_| !text.is_empty());
    let unknown = match (knob.domain, opened) {
        (Domain::Layer, Some(opened)) => cam_layer::problem(opened, text),
        _ => None,
    };
    match unknown {
        Some(problem) => Err(problem),
        None => {
            let set = app.next_run.settings.set_text(knob.key, text);
            set.map_err(|problem| problem.to_string())
        }
    }
}

/// Saves the current settings as a preset of the user. They have its name once it is saved.
///
/// # Errors
/// The name's problem.
pub fn save_preset(app: &App, name: &str, effects: &mut Vec<Effect>) -> Result<(), String> {
    check_preset_name(name)?;
    if Settings::preset(name).is_ok() {
        return Err(format!("{name} is built in: choose another name"));
    }
    let preset = to_preset(&app.next_run.settings);
    effects.push(Effect::Disk(DiskRequest::SavePreset(name.into(), preset)));
    Ok(())
}
