//! The help: every key, from the table of commands, and the symbols on the screen; optionally filtered.

use super::Frame;
use super::panel::{overlaid, scrolled};
use crate::tui::app::App;
use crate::tui::command::{COMMANDS, Command, CommandInfo, Context};
use crate::tui::text::wrapped;
use crate::tui::theme::Role;
use crate::tui::update::context_of;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

/// Columns for the keys, on a narrow screen and on a wide one.
const KEYS: [usize; 2] = [16, 28];
const WIDTH: u16 = 92;

/// The title above the symbols.
const SIGNS_TITLE: &str = "signs";

/// The symbols of lists, titles and the first line, and their meanings.
const SIGNS: &[(&str, &str)] = &[
    ("◆", "A run of it is finished."),
    ("★", "Favourite."),
    ("●", "Marked; in the settings, the value."),
    ("▸ ▾", "A scope that is folded, or unfolded."),
    ("·", "No picture yet; of a photo, not examined yet."),
    ("…", "Being read, or cut off."),
    (
        "map",
        "The next runs take their activation map at this layer.",
    ),
    (
        "draft*",
        "The settings differ from the preset before the asterisk.",
    ),
    ("p", "The probability of the class, in percent."),
    ("Paused", "The ascent is paused."),
    ("Waiting", "Runs left from last time wait to be resumed."),
];

/// Draws the help.
pub fn draw(app: &App, frame: &mut Frame, filter: &str, scroll: usize) {
    let inner = app.layout().popup(WIDTH, 0).width.saturating_sub(4);
    let lines = lines(app, filter, usize::from(inner));
    let height = lines.len() as u16 + 2;
    let key = app.key(Command::Search);
    let title = match filter {
        "" => format!("help · {key} filters"),
        filter => format!("help · {filter}"),
    };
    let area = overlaid(app, frame, WIDTH, height, &title);
    scrolled(app, frame, area, lines, scroll);
}

fn lines(app: &App, filter: &str, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for context in in_order(app) {
        let entries = COMMANDS.iter().filter(|entry| entry.context == context);
        let rows = entries.filter_map(|entry| row(app, entry, filter, width));
        let rows: Vec<Line> = rows.flatten().collect();
        if rows.is_empty() {
            continue;
        }
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        lines.push(Line::styled(context.name(), app.theme.style(Role::Title)));
        lines.extend(rows);
    }
    // A filter that matches the title shows all of them.
    let of_signs = if contain(&[SIGNS_TITLE], filter) {
        ""
    } else {
        filter
    };
    let signs = SIGNS
        .iter()
        .filter_map(|sign| sign_row(app, sign, of_signs, width));
    let signs: Vec<Line> = signs.flatten().collect();
    if !signs.is_empty() {
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        lines.push(Line::styled(SIGNS_TITLE, app.theme.style(Role::Title)));
        lines.extend(signs);
    }
    if lines.is_empty() {
        lines.push(Line::styled("nothing matches", app.theme.style(Role::Dim)));
    }
    lines
}

/// The contexts; the one below the help comes first.
fn in_order(app: &App) -> Vec<Context> {
    let under = app.popups.len().saturating_sub(1);
    let here = context_of(app, app.popups[..under].last());
    let others = Context::ALL.into_iter().filter(|other| *other != here);
    std::iter::once(here).chain(others).collect()
}

/// The lines of a command; `None` if neither its name, its keys nor its help contain the filter.
fn row(app: &App, entry: &CommandInfo, filter: &str, width: usize) -> Option<Vec<Line<'static>>> {
    let keys = app.keymap.keys_of(entry.command).join(", ");
    if !contain(&[entry.name, entry.help, &keys], filter) {
        return None;
    }
    Some(explained(app, &keys, entry.help, width))
}

/// The lines of a symbol; `None` if neither it nor its meaning contains the filter.
fn sign_row(
    app: &App,
    (sign, meaning): &(&str, &str),
    filter: &str,
    width: usize,
) -> Option<Vec<Line<'static>>> {
    contain(&[sign, meaning], filter).then(|| explained(app, sign, meaning, width))
}

/// Whether one of the texts contains the filter.
fn contain(texts: &[&str], filter: &str) -> bool {
    let wanted = filter.trim().to_lowercase();
    let matches = |text: &&str| text.to_lowercase().contains(&wanted);
    texts.iter().any(matches)
}

/// Keys or a symbol, and beside them their meaning.
fn explained(app: &App, keys: &str, help: &str, width: usize) -> Vec<Line<'static>> {
    let (key, text) = (app.theme.style(Role::Key), app.theme.style(Role::Text));
    let column = KEYS[usize::from(width >= usize::from(WIDTH) - 4)];
    let help = wrapped(help, width.saturating_sub(column));
    let mut lines = Vec::new();
    let mut keys = Some(format!("  {keys}")).filter(|keys| !keys.trim().is_empty());
    // Wide keys have their own line.
    if let Some(long) = keys.take_if(|keys| keys.width() >= column) {
        lines.push(Line::styled(long, key));
    }
    for part in help {
        let keys = keys.take().unwrap_or_default();
        lines.push(Line::from(vec![
            Span::styled(format!("{keys:<column$}"), key),
            Span::styled(part, text),
        ]));
    }
    lines
}
