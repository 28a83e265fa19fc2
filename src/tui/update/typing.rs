//! The line that is being typed: what each key does to it, and what becomes of it.

use super::super::action::Effect;
use super::super::app::App;
use super::super::command::COMMANDS;
use super::super::keys::Chord;
use super::super::messages::Level;
use super::super::popup::{Popup, palette};
use super::super::prompt::{Asked, Typed};
use super::{browse, commands, map, queueing};
use crate::ascent::Settings;
use crate::ascent::settings::{Domain, Knob};
use crossterm::event::KeyCode;
use std::path::PathBuf;

/// Takes a key while a line is being typed.
pub fn key(app: &mut App, chord: Chord, effects: &mut Vec<Effect>) {
    let Some(prompt) = &mut app.prompt else {
        return;
    };
    if matches!(prompt.asked, Asked::Command) && moves(app, chord) {
        return;
    }
    let Some(prompt) = &mut app.prompt else {
        return;
    };
    match prompt.type_key(chord) {
        Typed::Same => {}
        Typed::Changed => changed(app),
        Typed::GivenUp => give_up(app),
        Typed::Accepted => accept(app, effects),
    }
}

/// Moves in the palette's list, if the key does that.
fn moves(app: &mut App, chord: Chord) -> bool {
    let Some(Popup::Palette(list)) = app.popups.last_mut() else {
        return false;
    };
    use super::super::listing::Motion;
    let control = chord.has_control();
    let motion = match chord.code() {
        KeyCode::Up | KeyCode::BackTab => Motion::Up,
        KeyCode::Down | KeyCode::Tab => Motion::Down,
        KeyCode::Char('p' | 'k') if control => Motion::Up,
        KeyCode::Char('n' | 'j') if control => Motion::Down,
        _ => return false,
    };
    list.go(motion, 1);
    true
}

/// Follows a change of the line.
pub fn changed(app: &mut App) {
    let Some(prompt) = &app.prompt else {
        return;
    };
    let text = prompt.text().to_string();
    match &prompt.asked {
        Asked::Search { .. } => {
            app.browser.set_search(&text);
            browse::list_tab(app);
        }
        Asked::Command => {
            if let Some(Popup::Palette(list)) = app.popups.last_mut() {
                *list = palette(&text);
            }
        }
        _ => {}
    }
}

fn give_up(app: &mut App) {
    let Some(prompt) = app.prompt.take() else {
        return;
    };
    match prompt.asked {
        Asked::Search { before } => {
            app.browser.set_search(&before);
            browse::list_tab(app);
        }
        Asked::Command => drop(app.popups.pop()),
        _ => {}
    }
}

fn accept(app: &mut App, effects: &mut Vec<Effect>) {
    let Some(prompt) = app.prompt.take() else {
        return;
    };
    let text = prompt.text().trim().to_string();
    match prompt.asked {
        Asked::Search { .. } => {}
        Asked::Value(knob) => set(app, knob, &text),
        Asked::PresetName => save_preset(app, &text, effects),
        Asked::Sweep => queueing::sweep(app, &text, effects),
        Asked::Export(ids) => match text.is_empty() {
            true => {}
            false => effects.push(Effect::Export(ids, home_relative(&text))),
        },
        Asked::Command => {
            let Some(Popup::Palette(list)) = app.popups.pop() else {
                return;
            };
            match list.selected() {
                Some(index) => commands::perform(app, COMMANDS[index].command, effects),
                None => app.messages.say(
                    Level::Error,
                    format!("no command is called {text}"),
                    app.now,
                ),
            }
        }
    }
}

fn set(app: &mut App, knob: &Knob, text: &str) {
    let opened = app.model.opened().filter(|_| !text.is_empty());
    let unknown = match (knob.domain, opened) {
        (Domain::Layer, Some(opened)) => map::problem(opened, text),
        _ => None,
    };
    let set = match unknown {
        Some(problem) => Err(problem),
        None => {
            let set = app.plan.settings.set_text(knob.key, text);
            set.map_err(|problem| problem.to_string())
        }
    };
    if let Err(problem) = set {
        app.messages.say(Level::Error, problem, app.now);
    }
}

fn save_preset(app: &mut App, name: &str, effects: &mut Vec<Effect>) {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    if name.is_empty() || name.len() > 40 || !name.chars().all(is_plain) {
        let text = "a preset's name has 1 to 40 letters, digits, - or _";
        return app.messages.say(Level::Error, text, app.now);
    }
    if Settings::preset(name).is_ok() {
        let text = format!("{name} is built in: choose another name");
        return app.messages.say(Level::Error, text, app.now);
    }
    let changes = app.plan.keep_as(name);
    effects.push(Effect::SavePreset(name.into(), changes));
}

/// `~/` is the user's home, as everywhere they type a path.
fn home_relative(text: &str) -> PathBuf {
    let below = text.strip_prefix("~/");
    let home = directories::UserDirs::new();
    match (below, home) {
        (Some(below), Some(home)) => home.home_dir().join(below),
        _ => PathBuf::from(text),
    }
}
