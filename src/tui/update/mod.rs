//! Updates of the state: one pure function of state and action. Work outside of the state is returned as effects.
//!
//! - `arguments`, `suggestions`: the palette's commands with an argument, and their completion
//! - `attention`: progress and notifications outside of the screen
//! - `commands`: the effect of each command
//! - `availability`: which commands can act in the current state, and why the others cannot
//! - `browser`: moving, folding, marking, searching
//! - `album`: the list of photos
//! - `atlas`: the grid of pictures
//! - `branch`: branching a paused run with other settings
//! - `submission`, `queue`: from selected targets to runs, and from the queue to the worker
//! - `transfer`: runs in other models than the open one
//! - `history`, `exports`: commands on finished runs
//! - `hints`: the key hints of the status row
//! - `cam_layer`: the layer of the class activation map
//! - `models`, `picker`: opening models, and the model picker
//! - `notes`: messages used in several places
//! - `photo`, `photos`: the photo view, and opening photos
//! - `worker`, `disk`: events from the worker and responses from the disk
//! - `saved`: saving and restoring the view state
//! - `settings`: settings of the next runs
//! - `prompt`: the line that is being typed
//! - `overlay`: overlays of the shown picture
//! - `reconcile`: derived state
//! - `mouse`: clicks and the wheel

mod album;
mod arguments;
mod atlas;
mod attention;
mod availability;
mod branch;
mod browser;
mod cam_layer;
mod commands;
mod disk;
mod exports;
pub mod hints;
mod history;
mod models;
mod mouse;
mod notes;
mod overlay;
mod photo;
mod photos;
mod picker;
mod prompt;
mod queue;
mod reconcile;
mod saved;
mod settings;
mod submission;
mod suggestions;
mod transfer;
mod worker;

use super::action::{Action, DiskRequest, Effect, ScreenRequest};
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

/// Updates the state; `now` is the time since the start.
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
        Action::Letter(letter) => prompt::letter(app, letter),
        Action::Paste(text) => prompt::paste(app, &text, &mut effects),
        Action::Click(column, row) => mouse::click(app, column, row, &mut effects),
        Action::Wheel(column, row, up) => mouse::wheel(app, column, row, up),
        Action::Resize(width, height) => {
            app.size = Size::new(width, height);
            effects.push(Effect::Screen(ScreenRequest::Redraw));
        }
        Action::Focus => {
            app.is_looked_at = true;
            // tmux redraws a pane without its pictures.
            if app.environment.terminal.loses_pictures() {
                effects.push(Effect::Screen(ScreenRequest::Redraw));
            }
        }
        Action::FocusLost => app.is_looked_at = false,
        Action::Tick => {}
        Action::Report(report) => worker::event(app, report, &mut effects),
        Action::Disk(answer) => disk::response(app, answer, &mut effects),
        Action::Terminate => quit(app, &mut effects),
    }
    queue::dispatch(app, &mut effects);
    queue::keep_selected(app, selected);
    reconcile::reconcile(app, &mut effects);
    attention::reconcile(app, &mut effects);
    saved::reconcile(app, &mut effects);
    effects
}

/// The context in which a key is looked up first.
pub fn context(app: &App) -> Context {
    context_of(app, app.popups.last())
}

/// The context in which a key is looked up first while this popup is the topmost.
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
        return prompt::key(app, chord, effects);
    }
    if app.pending.is_empty() {
        app.pending_since = app.now;
    }
    app.pending.push(chord);
    let mut found = app.keymap.lookup(context(app), &app.pending);
    if matches!(found, Match::None) && app.pending.len() == 1 && is_in_empty_queue(app) {
        // It has no meaning in the queue, so it applies to the list.
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
    // An unknown sequence is dropped; its last chord may be a command.
    let was_sequence = app.pending.len() > 1;
    app.pending.clear();
    match was_sequence {
        true if chord.code() == KeyCode::Esc => {}
        true => key(app, chord, effects),
        false => unbound(app, chord),
    }
}

/// Performs a command, or reports why it cannot act.
pub fn give(app: &mut App, command: Command, effects: &mut Vec<Effect>) {
    if leave_empty_queue(app, command) {
        return;
    }
    match availability::refusal(app, command) {
        Some(why) => app.messages.say(Level::Note, why, app.now),
        None => perform(app, command, effects),
    }
}

/// Whether the focus is on the empty queue.
fn is_in_empty_queue(app: &App) -> bool {
    app.focus == Panel::Queue && app.queue.jobs().is_empty() && app.popups.is_empty()
}

/// The focus stays on the queue when it becomes empty, so that its keys do not suddenly act on the list.
/// A command that does not belong to the queue moves the focus back. Returns whether the key is consumed.
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

/// Reports where a key that has no meaning here does have one.
fn unbound(app: &mut App, chord: Chord) {
    let commands = app.keymap.commands_of(chord);
    let places = commands.map(|command| {
        let entry = command.entry();
        let help = entry.help.trim_end_matches('.');
        let (first, rest) = help.split_at(1);
        format!("{} ({}{rest})", entry.context.place(), first.to_lowercase())
    });
    let places: Vec<String> = places.collect();
    let text = if places.is_empty() {
        let help = app.key(Command::Help);
        format!("{chord} does nothing; `{help}` lists the keys")
    } else {
        format!(
            "{chord} does nothing here; it works in {}",
            places.join(", ")
        )
    };
    app.messages.say(Level::Note, text, app.now);
}

fn quit(app: &mut App, effects: &mut Vec<Effect>) {
    app.quitting = true;
    saved::keep(app, effects);
    effects.push(Effect::Disk(DiskRequest::SaveQueue(app.queue.clone())));
    effects.push(Effect::Quit);
}
