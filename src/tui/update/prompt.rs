//! The prompt: keys, completion and confirmation.

use super::notes::no_network;
use super::{
    arguments, atlas, browser, exports, give, models, photo, photos, settings, submission,
    suggestions, transfer,
};
use crate::tui::action::{DiskRequest, Effect, Lookup};
use crate::tui::app::App;
use crate::tui::command::COMMANDS;
use crate::tui::completion::{self, Name, is_path};
use crate::tui::dropped;
use crate::tui::forms::{self, FORMS};
use crate::tui::keys::Chord;
use crate::tui::list_state::Motion;
use crate::tui::messages::Level;
use crate::tui::popup::{PaletteRow, Popup};
use crate::tui::prompt::{MAX_BYTES, Prompt, PromptKind, PromptOutcome};
use crate::tui::text::fit_end;
use crossterm::event::KeyCode;
use std::path::PathBuf;
use std::sync::Arc;
use unicode_width::UnicodeWidthStr;

/// Columns of the screen that a message leaves free.
const MARGIN: usize = 4;

/// Handles a key while the prompt is open.
pub fn key(app: &mut App, chord: Chord, effects: &mut Vec<Effect>) {
    if completes(app, chord, effects) || moves(app, chord) || marks(app, chord) {
        return;
    }
    let Some(prompt) = &mut app.prompt else {
        return;
    };
    match prompt.type_key(chord) {
        PromptOutcome::Same => {}
        PromptOutcome::Changed => changed(app),
        PromptOutcome::GivenUp => give_up(app),
        PromptOutcome::Accepted => accept(app, effects),
    }
}

/// Handles pasted text: inserts it into the prompt or, without a prompt, opens the photos it names.
pub fn paste(app: &mut App, text: &str, effects: &mut Vec<Effect>) {
    let photos = dropped::pictures(text, app.environment.user_folder.as_deref());
    match (&mut app.prompt, photos) {
        (Some(prompt), Some(photos)) if prompt.asked == PromptKind::Photo && photos.len() > 1 => {
            app.prompt = None;
            photos::open(app, photos, effects);
        }
        (Some(prompt), Some(photos)) if prompt.asked == PromptKind::Photo => {
            let path = photos[0].display().to_string();
            if path.len() > MAX_BYTES {
                let text = format!(
                    "the pasted path is longer than {MAX_BYTES} bytes, the most that a path may have"
                );
                app.messages.say(Level::Warning, text, app.now);
            } else {
                prompt.replace(&path);
            }
        }
        (Some(prompt), _) => {
            prompt.paste(text);
            changed(app);
        }
        (None, Some(photos)) => photos::open(app, photos, effects),
        (None, None) => match dropped::other(text, app.environment.user_folder.as_deref()) {
            Some(Ok(path)) if app.model.opened().is_some() => {
                effects.push(Effect::Disk(DiskRequest::Look(Lookup::Photos(path))));
            }
            Some(Ok(_)) => no_network(app),
            Some(Err(why)) => app.messages.say(Level::Note, why, app.now),
            None => app.messages.say(
                Level::Note,
                "no prompt is open: the pasted text is ignored",
                app.now,
            ),
        },
    }
}

/// Adds a zero-width character to the line.
pub fn letter(app: &mut App, letter: char) {
    if let Some(prompt) = &mut app.prompt {
        prompt.paste(letter.encode_utf8(&mut [0; 4]));
        changed(app);
    }
}

/// Requests the completions of a path, if the key asks for them.
fn completes(app: &App, chord: Chord, effects: &mut Vec<Effect>) -> bool {
    let Some(prompt) = &app.prompt else {
        return false;
    };
    // In the picker only a path can be completed; part of a name filters the list.
    let folder = match (&prompt.asked, app.popups.last()) {
        (PromptKind::Model | PromptKind::OtherModels, Some(Popup::Models(picker))) => {
            is_path(prompt.text()).then(|| picker.folder.clone())
        }
        (asked, _) => asked.endings().map(|_| PathBuf::new()),
    };
    let folder = folder.filter(|_| chord.code() == KeyCode::Tab);
    let is_asked = folder.is_some();
    effects.extend(folder.map(|folder| {
        Effect::Disk(DiskRequest::Look(Lookup::Names(
            prompt.text().into(),
            folder,
        )))
    }));
    is_asked
}

/// Completes the typed path with the names in its folder, unless the line has changed meanwhile.
pub fn complete(app: &mut App, text: &str, names: Result<Vec<Name>, String>) {
    let Some(prompt) = &mut app.prompt else {
        return;
    };
    let Some(endings) = prompt.asked.endings().filter(|_| prompt.text() == text) else {
        return;
    };
    let names = match names {
        Ok(names) => names,
        Err(why) => return app.messages.say(Level::Error, why, app.now),
    };
    let completed = completion::complete(text, &names, &endings);
    let note = match completed.choices.as_slice() {
        [] => format!("nothing matches that ends in .{}", endings.join(" .")),
        [_] => String::new(),
        several => listed(several, usize::from(app.size.width)),
    };
    prompt.replace(&completed.text);
    changed(app);
    if !note.is_empty() {
        app.messages.say(Level::Note, note, app.now);
    }
}

/// Formats names as a message for a screen of this width: names stay unbroken, and the number of omitted names
/// follows.
fn listed(names: &[String], width: usize) -> String {
    let line = width.saturating_sub(MARGIN);
    // Names that do not fill their line leave the last of three lines free.
    let room = 2 * line;
    let mut text = String::new();
    for (index, name) in names.iter().enumerate() {
        let name = fit_end(name, line / 2);
        let more = format!("  and {} more", names.len() - index);
        if index > 0 && text.width() + 2 + name.width() + more.width() > room {
            return text + &more;
        }
        if index > 0 {
            text.push_str("  ");
        }
        text.push_str(&name);
    }
    text
}

/// Moves in the list or the text above the line, if the key does that.
fn moves(app: &mut App, chord: Chord) -> bool {
    let control = chord.has_control();
    let motion = match chord.code() {
        KeyCode::Up | KeyCode::BackTab => Motion::Up,
        KeyCode::Down | KeyCode::Tab => Motion::Down,
        KeyCode::PageUp => Motion::PageUp,
        KeyCode::PageDown => Motion::PageDown,
        KeyCode::Char('p' | 'k') if control => Motion::Up,
        KeyCode::Char('n' | 'j') if control => Motion::Down,
        _ => return false,
    };
    let asked = app.prompt.as_ref().map(|prompt| &prompt.asked);
    let has_list = matches!(
        asked,
        Some(
            PromptKind::Command | PromptKind::Model | PromptKind::OtherModels | PromptKind::Filter
        )
    );
    if has_list {
        choose(app, motion);
    }
    has_list
}

/// Marks a model in the picker, if the key does that: space marks where several can be chosen.
fn marks(app: &mut App, chord: Chord) -> bool {
    match app.popups.last_mut() {
        Some(Popup::Models(picker)) if chord.typed() == Some(' ') => picker.toggle_mark(),
        _ => false,
    }
}

/// Moves in the list above the line. A selected completion is inserted into the line.
fn choose(app: &mut App, motion: Motion) {
    let is_first = match app.popups.last_mut() {
        Some(Popup::Palette(palette)) => palette.choose(),
        _ => false,
    };
    if !is_first {
        browser::move_cursor(app, motion);
    }
    if let (Some(Popup::Palette(palette)), Some(prompt)) = (app.popups.last(), &mut app.prompt)
        && let Some(line) = palette.completion()
    {
        *prompt = Prompt::new(PromptKind::Command, line);
    }
}

/// Responds to a change of the line.
pub fn changed(app: &mut App) {
    let Some(prompt) = &app.prompt else {
        return;
    };
    let text = prompt.text().to_string();
    match (&prompt.asked, app.popups.last_mut()) {
        (PromptKind::Search { .. }, _) => {
            app.browser.set_search(&text);
            browser::list_tab(app);
        }
        (PromptKind::PhotoSearch { .. }, _) => app.photos.set_search(&text),
        (PromptKind::Command, Some(Popup::Palette(_))) => complete_command(app, &text),
        (_, Some(Popup::Models(picker))) => {
            let part = if is_path(&text) { "" } else { &text };
            picker.filter(part, app.model.opened().map(Arc::as_ref));
        }
        (PromptKind::Filter, Some(Popup::Help { filter, scroll })) => {
            *filter = text;
            *scroll = 0;
        }
        (PromptKind::Filter, Some(Popup::Settings(knobs))) => knobs.set_filter(text),
        _ => {}
    }
}

/// Lists the completions of the palette's line, or the matching commands.
fn complete_command(app: &mut App, text: &str) {
    let completions = match forms::split(text) {
        Some((form, argument)) => suggestions::completions(app, form, argument),
        None => Vec::new(),
    };
    if let Some(Popup::Palette(palette)) = app.popups.last_mut() {
        palette.filter(text, completions);
    }
}

fn give_up(app: &mut App) {
    let Some(prompt) = app.prompt.take() else {
        return;
    };
    match (prompt.asked, app.popups.last_mut()) {
        (PromptKind::Search { before }, _) => {
            app.browser.set_search(&before);
            browser::list_tab(app);
        }
        (PromptKind::PhotoSearch { before }, _) => app.photos.set_search(&before),
        (PromptKind::Command | PromptKind::Model | PromptKind::OtherModels, _) => {
            drop(app.popups.pop());
        }
        (PromptKind::Filter, Some(Popup::Help { filter, .. })) => filter.clear(),
        (PromptKind::Filter, Some(Popup::Settings(knobs))) => knobs.set_filter(String::new()),
        _ => {}
    }
}

/// Accepts the line. If it is refused, the line stays and the reason is reported.
fn accept(app: &mut App, effects: &mut Vec<Effect>) {
    let Some(prompt) = app.prompt.take() else {
        return;
    };
    let text = prompt.text().trim().to_string();
    let done = match &prompt.asked {
        PromptKind::Search { .. } | PromptKind::PhotoSearch { .. } | PromptKind::Filter => Ok(()),
        PromptKind::Value(knob) => settings::set(app, knob, &text),
        PromptKind::PresetName => settings::save_preset(app, &text, effects),
        PromptKind::Sweep => submission::sweep(app, &text, effects),
        PromptKind::Export(ids) => exports::to_file(app, ids, &text, effects),
        PromptKind::Command => command(app, &text, effects),
        PromptKind::Model => model(app, &text, effects),
        PromptKind::OtherModels => transfer::accept(app, &text, effects),
        PromptKind::Photo => photos::typed(app, &text, effects),
        PromptKind::Layer => photo::go_to_layer(app, &text, effects),
        PromptKind::Atlas(_) => {
            atlas::draw(app, true, effects);
            Ok(())
        }
    };
    match (done, app.popups.last()) {
        (Err(problem), _) => {
            app.messages.say(Level::Error, problem, app.now);
            app.prompt = Some(prompt);
        }
        // The picker stays open until a model is open: a folder is being listed.
        (Ok(()), Some(Popup::Models(picker))) => {
            app.prompt = Some(Prompt::new(picker.asked(), ""));
        }
        (Ok(()), _) => {}
    }
}

/// Performs the selected command, or the typed one with its argument; a command that lacks its argument is inserted
/// into the line.
fn command(app: &mut App, text: &str, effects: &mut Vec<Effect>) -> Result<(), String> {
    let Some(Popup::Palette(palette)) = app.popups.pop_if(|top| matches!(top, Popup::Palette(_)))
    else {
        return Ok(());
    };
    let done = match (palette.selected(), forms::split(text)) {
        (Some(PaletteRow::Command(index)), _) => {
            give(app, COMMANDS[*index].command, effects);
            return Ok(());
        }
        (Some(PaletteRow::Form(index)), None) => {
            let line = format!("{} ", FORMS[*index].name);
            app.popups.push(Popup::Palette(palette));
            app.prompt = Some(Prompt::new(PromptKind::Command, &line));
            changed(app);
            return Ok(());
        }
        (_, Some((form, argument))) => {
            let argument = suggestions::resolved(app, form, argument.trim());
            arguments::give(app, form, &argument, effects)
        }
        (_, None) => match FORMS.iter().find(|form| form.name == text) {
            Some(form) => arguments::give(app, form, "", effects),
            None => Err(format!("no command here is called {text}")),
        },
    };
    if done.is_err() {
        app.popups.push(Popup::Palette(palette));
    }
    done
}

/// Opens the model at a path, or the selection of the picker; lists a folder.
fn model(app: &mut App, text: &str, effects: &mut Vec<Effect>) -> Result<(), String> {
    let Some(Popup::Models(picker)) = app.popups.last() else {
        return Ok(());
    };
    if !is_path(text) {
        return if picker.choices.is_empty() {
            Err("the models are still being listed: press enter again".into())
        } else if picker.list.is_empty() {
            Err(format!("no model here is called {text}"))
        } else {
            models::accept(app, effects)
        };
    }
    let path = picker.folder.join(app.environment.typed_path(text));
    if text.ends_with('/') {
        effects.push(Effect::Disk(DiskRequest::Look(Lookup::Folder(path))));
    } else {
        models::choose(app, path.display().to_string(), effects)?;
    }
    Ok(())
}
