//! The palette: commands by name, and the completions of an argument.

use super::Frame;
use super::panel::{list, overlaid, two};
use crate::tui::app::App;
use crate::tui::command::COMMANDS;
use crate::tui::forms::{self, FORMS, Form};
use crate::tui::popup::{Palette, PaletteRow};
use crate::tui::text::{fit, shortened};
use crate::tui::theme::Role;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use unicode_width::UnicodeWidthStr;

/// Columns of the names; wider palettes show the help beside them.
const NAMES: usize = 21;
const WIDE: usize = 50;

/// Minimum number of columns for all keys of a command.
const ALL_KEYS: usize = 80;

/// Draws the matches of the typed line.
pub fn draw(app: &App, frame: &mut Frame, palette: &Palette) {
    let typed = app.prompt.as_ref().map_or("", |prompt| prompt.text());
    let form = forms::split(typed).map(|(form, _)| form);
    let most = app.layout().popup_lines().saturating_sub(1).max(1);
    let lines = palette.rows.len().clamp(1, most) as u16;
    let about = match (form, palette.selected()) {
        (Some(form), _) => Some(form.hint),
        (None, row) => row.and_then(full_help),
    };
    let foot = u16::from(about.is_some());
    let title = match form {
        Some(form) => usage(form),
        None => "commands".into(),
    };
    let area = overlaid(app, frame, 92, lines + foot + 2, &title);
    let rows = Rect {
        height: area.height.saturating_sub(foot),
        ..area
    };
    let text = |text: String| Line::styled(text, app.theme.style(Role::Dim));
    if let Some(about) = about {
        let foot = Rect::new(area.x, rows.bottom(), area.width, 1);
        text(shortened(about, usize::from(area.width))).render(foot, frame.buffer);
    }
    if palette.rows.is_empty() {
        let what = match form {
            Some(_) => "no completion; enter uses the text as typed",
            None => "no command matches",
        };
        text(what.into()).render(rows, frame.buffer);
    }
    let mut listing = palette.list.clone();
    listing.fit(usize::from(rows.height), 1);
    list(
        app,
        frame,
        rows,
        &listing,
        palette.is_chosen,
        |index, width| row(app, &palette.rows[index], width),
    );
}

/// The help of a command.
fn full_help(row: &PaletteRow) -> Option<&str> {
    match row {
        PaletteRow::Command(index) => Some(COMMANDS[*index].help),
        PaletteRow::Form(index) => Some(FORMS[*index].help),
        PaletteRow::Completion(_) => None,
    }
}

fn usage(form: &Form) -> String {
    format!("{} {}", form.name, form.argument)
}

fn row(app: &App, row: &PaletteRow, width: usize) -> Line<'static> {
    let (name, help, keys) = match row {
        PaletteRow::Command(index) => {
            let entry = &COMMANDS[*index];
            let mut keys = app.keymap.keys_of(entry.command);
            if width < ALL_KEYS {
                keys.truncate(1);
            }
            let keys = keys.join(", ");
            (entry.name.to_string(), entry.help, keys)
        }
        PaletteRow::Form(index) => (usage(&FORMS[*index]), FORMS[*index].help, String::new()),
        PaletteRow::Completion(completion) => {
            let (_, argument) = completion.line.split_once(' ').unwrap_or_default();
            (
                argument.to_string(),
                completion.help.as_str(),
                String::new(),
            )
        }
    };
    let left = match (width > WIDE, help.is_empty()) {
        (true, false) => {
            let name = format!("{:<NAMES$}", fit(&name, width / 2));
            let room = width.saturating_sub(name.width() + keys.width() + 2);
            format!("{name} {}", shortened(help, room))
        }
        _ => name,
    };
    two(
        Span::styled(left, app.theme.style(Role::Text)),
        Span::styled(keys, app.theme.style(Role::Key)),
        width,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::keys::Keymap;

    /// Columns of a row on a screen of 80.
    const ROW: usize = 74;

    #[test]
    fn what_a_command_does_is_a_sentence_on_a_screen_of_eighty_columns() {
        let keymap = Keymap::new(&[]).0;
        for entry in COMMANDS {
            let key = keymap.keys_of(entry.command).into_iter().next();
            let keys = key.map_or(0, |key| key.width());
            let room = ROW - NAMES.max(entry.name.width()) - keys - 2;
            let text = shortened(entry.help, room);
            assert!(text.ends_with('.'), "{}: {text}", entry.name);
        }
    }
}
