//! What happens to the state: one pure function of state and action. What is to be done outside comes back as effects.
//!
//! - `arguments`, `suggestions`: the palette's commands with an argument, and what could complete it
//! - `attention`: progress and notifications outside of the screen
//! - `commands`: what each command does
//! - `availability`: which commands can act in the present state, and why the others cannot
//! - `browse`: moving, folding, marking, searching
//! - `album`: the list of photos
//! - `atlas`: the grid of pictures
//! - `branch`: from a paused run to a new one with other settings
//! - `queueing`, `queue`: from what is chosen to runs, and from the queue to the worker
//! - `elsewhere`: runs in other models than the open one
//! - `finished`, `exports`: what can be done with finished runs
//! - `hints`: the keys that matter now
//! - `map`: where the class activation map is taken
//! - `models`, `picker`: the model picker
//! - `notes`: what is said in several places
//! - `photo`, `photos`: a photo that is looked at, and how photos are opened
//! - `reports`: what the worker and the disk said
//! - `saved`: where the user was comes back
//! - `settings`: what the next runs are made with
//! - `typing`: the line that is being typed
//! - `overlay`: what is laid over the picture that is shown
//! - `settle`: what follows from the rest of the state
//! - `mouse`: clicks and the wheel

mod album;
mod arguments;
mod atlas;
mod attention;
mod availability;
mod branch;
mod browse;
mod commands;
mod elsewhere;
mod exports;
mod finished;
pub mod hints;
mod map;
mod models;
mod mouse;
mod notes;
mod overlay;
mod photo;
mod photos;
mod picker;
mod queue;
mod queueing;
mod reports;
mod saved;
mod settings;
mod settle;
mod suggestions;
mod typing;

use super::action::{Action, Effect};
use super::app::{App, Panel};
use super::browser::Tab;
use super::command::{Command, Context};
use super::keys::{Chord, Match};
use super::messages::Level;
use super::popup::Popup;
use crossterm::event::KeyCode;
use ratatui::layout::Size;
use std::time::Duration;

pub use attention::seconds_left;
pub use availability::{is_offered, refusal};
pub use branch::outlook;
pub use commands::perform;

/// Changes the state; `now` is the time since the start.
pub fn update(app: &mut App, now: Duration, action: Action) -> Vec<Effect> {
    app.now = now;
    app.unsaved |= saved::concerns(&action);
    saved::note_opening(app);
    let selected = (app.queue_cursor, queue::selected(app));
    let mut effects = Vec::new();
    match action {
        Action::Key(chord) => {
            app.messages.begin_key();
            key(app, chord, &mut effects);
            app.messages.end_key();
        }
        Action::Letter(letter) => typing::letter(app, letter),
        Action::Paste(text) => typing::paste(app, &text, &mut effects),
        Action::Click(column, row) => mouse::click(app, column, row, &mut effects),
        Action::Wheel(column, row, up) => mouse::wheel(app, column, row, up),
        Action::Resize(width, height) => {
            app.size = Size::new(width, height);
            effects.push(Effect::Redraw);
        }
        Action::Focus => {
            app.is_looked_at = true;
            // tmux draws a pane anew without its pictures.
            if app.environment.terminal.loses_pictures() {
                effects.push(Effect::Redraw);
            }
        }
        Action::FocusLost => app.is_looked_at = false,
        Action::Tick => {}
        Action::Report(report) => reports::report(app, report, &mut effects),
        Action::Answer(answer) => reports::answer(app, answer, &mut effects),
        Action::Terminate => quit(app, &mut effects),
    }
    queue::dispatch(app, &mut effects);
    queue::keep_selected(app, selected);
    settle::settle(app, &mut effects);
    attention::settle(app, &mut effects);
    saved::settle(app, &mut effects);
    effects
}

/// Where a key is looked up first.
pub fn context(app: &App) -> Context {
    context_of(app, app.popups.last())
}

/// Where a key is looked up first while this popup is the topmost.
pub fn context_of(app: &App, popup: Option<&Popup>) -> Context {
    match (popup, app.focus, app.browser.tab) {
        (Some(Popup::Settings(_)), ..) => Context::Settings,
        (Some(Popup::Photos), ..) => Context::Photos,
        (Some(Popup::Photo(_)), ..) => Context::Photo,
        (Some(_), ..) => Context::Popup,
        (None, Panel::Queue, _) => Context::Queue,
        (None, Panel::Browser, Tab::Layers | Tab::Classes) => Context::Browser,
        (None, Panel::Browser, Tab::History | Tab::Favourites) => Context::History,
    }
}

fn key(app: &mut App, chord: Chord, effects: &mut Vec<Effect>) {
    if app.prompt.is_some() {
        return typing::key(app, chord, effects);
    }
    if app.pending.is_empty() {
        app.pending_since = app.now;
    }
    app.pending.push(chord);
    let mut found = app.keymap.lookup(context(app), &app.pending);
    if matches!(found, Match::None) && app.pending.len() == 1 && is_in_empty_queue(app) {
        // It means nothing in the queue, so it can only be meant for the list.
        app.focus = Panel::Browser;
        found = app.keymap.lookup(context(app), &app.pending);
    }
    match found {
        Match::Prefix => return,
        Match::Command(command) => {
            app.pending.clear();
            give(app, command, effects);
            return;
        }
        Match::None => {}
    }
    // A sequence without a command is dropped; its last chord may be a command of its own.
    let was_sequence = app.pending.len() > 1;
    app.pending.clear();
    match was_sequence {
        true if chord.code() == KeyCode::Esc => {}
        true => key(app, chord, effects),
        false => unbound(app, chord),
    }
}

/// Gives a command, or says why it would do nothing.
pub fn give(app: &mut App, command: Command, effects: &mut Vec<Effect>) {
    if leave_empty_queue(app, command) {
        return;
    }
    match availability::refusal(app, command) {
        Some(why) => app.messages.say(Level::Note, why, app.now),
        None => perform(app, command, effects),
    }
}

/// Whether the focus is where the queue was.
fn is_in_empty_queue(app: &App) -> bool {
    app.focus == Panel::Queue && app.queue.jobs().is_empty() && app.popups.is_empty()
}

/// The focus stays where the queue was once that is empty, so that its keys do not become those of the list from one moment to
/// the next. A command that is not the queue's leaves it. Returns whether that is all.
fn leave_empty_queue(app: &mut App, command: Command) -> bool {
    if !is_in_empty_queue(app) || command.entry().context == Context::Queue {
        return false;
    }
    app.focus = Panel::Browser;
    matches!(
        command,
        Command::NextPanel | Command::PreviousPanel | Command::Back
    )
}

/// Says what a key that means nothing here means elsewhere.
fn unbound(app: &mut App, chord: Chord) {
    let commands = app.keymap.commands_of(chord);
    let places = commands.map(|command| {
        let entry = command.entry();
        let help = entry.help.trim_end_matches('.');
        let (first, rest) = help.split_at(1);
        format!("{} ({}{rest})", entry.context.place(), first.to_lowercase())
    });
    let places: Vec<String> = places.collect();
    let text = match places.is_empty() {
        true => {
            let help = app.key(Command::Help);
            format!("{chord} does nothing; `{help}` lists the keys")
        }
        false => format!(
            "{chord} does nothing here; it works in {}",
            places.join(", ")
        ),
    };
    app.messages.say(Level::Note, text, app.now);
}

fn quit(app: &mut App, effects: &mut Vec<Effect>) {
    app.quitting = true;
    saved::keep(app, effects);
    effects.push(Effect::SaveQueue(app.queue.clone()));
    effects.push(Effect::Quit);
}
