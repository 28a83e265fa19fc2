//! Key hints of the last row, and clicks on them.

use super::availability::{is_offered, refusal};
use crate::runs::queue::JobState;
use crate::tui::app::{App, Panel};
use crate::tui::browser::Tab;
use crate::tui::command::{COMMANDS, Command, CommandInfo, Context};
use crate::tui::keys::Keys;
use crate::tui::layer_tree::Row;
use crate::tui::popup::Popup;
use unicode_width::UnicodeWidthStr;

/// A key and its action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    pub command: Command,
    pub key: String,
    /// A verb, or a noun for what the key opens.
    pub label: &'static str,
    /// First column.
    pub x: u16,
}

impl Hint {
    /// Columns of key and label.
    pub fn width(&self) -> u16 {
        (self.key.width() + 1 + self.label.width()) as u16
    }

    /// Columns including the gap.
    fn room(&self) -> usize {
        usize::from(self.width()) + 2
    }
}

/// The hints that fit into `room` columns, those of the current context first. Help and quit always stay.
pub fn hints(app: &App, room: usize) -> Vec<Hint> {
    let (general, own): (Vec<&CommandInfo>, Vec<&CommandInfo>) = COMMANDS
        .iter()
        // In this order: most have no label here, and checking availability may need a search.
        .filter(|entry| label(app, entry).is_some_and(|label| !label.is_empty()))
        .filter(|entry| is_offered(app, entry.command) && refusal(app, entry.command).is_none())
        .partition(|entry| entry.context == Context::Everywhere);
    let named = own.into_iter().chain(general).filter_map(|entry| {
        let label = label(app, entry).filter(|label| !label.is_empty())?;
        let key = app.keymap.keys_of(entry.command).into_iter().next()?;
        Some(Hint {
            command: entry.command,
            key: short(&key),
            label,
            x: 0,
        })
    });
    let hints: Vec<Hint> = named.collect();
    let stays = |hint: &Hint| matches!(hint.command, Command::Help | Command::Quit | Command::Back);
    let reserved: usize = hints
        .iter()
        .filter(|hint| stays(hint))
        .map(Hint::room)
        .sum();
    let mut left = room.saturating_sub(1 + reserved);
    let mut x = 1;
    let mut shown = Vec::new();
    for hint in hints {
        let width = hint.room();
        if !stays(&hint) {
            if width > left {
                // A shorter hint must not overtake: the order is that of importance.
                left = 0;
                continue;
            }
            left -= width;
        }
        shown.push(Hint { x, ..hint });
        x += width as u16;
    }
    shown
}

/// The command of the hint at a column.
pub fn at(app: &App, room: usize, column: u16) -> Option<Command> {
    let mut hints = hints(app, room).into_iter();
    let hint = hints.find(|hint| (hint.x..hint.x + hint.width()).contains(&column))?;
    Some(hint.command)
}

/// The label of a command in the current state; `None` if it needs no hint.
fn label(app: &App, entry: &CommandInfo) -> Option<&'static str> {
    let popup = app.popups.last();
    match (entry.command, popup) {
        (Command::Run, None) => Some(run(app)),
        (Command::Right, None) if has_channels(app) => Some("channels"),
        (Command::Left, None) if app.browser.channels.is_some() && !app.zoomed => Some("back"),
        // The full-screen picture has no list.
        (Command::Larger, None) if app.zoomed => Some("magnify"),
        (_, None) if app.zoomed && entry.context != Context::Everywhere => None,
        (Command::NextOverlay, None) if app.is_grid() => None,
        (Command::Back, Some(_)) => Some("close"),
        (Command::Settings, Some(Popup::Settings(_))) => None,
        (Command::NewSeed, Some(Popup::Settings(_))) => Some("new seed"),
        (Command::Undo, Some(Popup::Settings(_))) if !app.undoable.is_empty() => Some("undo"),
        (Command::CopyCommand, Some(Popup::Details { .. })) => Some("copy command"),
        (Command::CopyPath, Some(Popup::Details { .. })) => Some("copy path"),
        (Command::Down, Some(Popup::Details { .. })) => Some("scroll"),
        (Command::Blink, Some(Popup::Compare(_))) => Some("blink"),
        // It only closes the popup.
        (Command::Quit | Command::Pause, Some(_)) => None,
        // Among rows, hints about pictures only waste space.
        (Command::SortCells | Command::ExportCells, None) if !app.is_grid() => None,
        (Command::Retry, None) if selected_is_paused(app) => Some("resume"),
        (Command::Pause, None) if app.paused || app.running.is_empty() => Some("resume"),
        _ => Some(entry.hint),
    }
}

/// Whether the selected run of the queue is paused.
fn selected_is_paused(app: &App) -> bool {
    let job = app.queue.jobs().get(app.queue_cursor);
    job.is_some_and(|job| matches!(job.state, JobState::Paused(_)))
}

/// Whether the selected row is a layer with channels to open.
fn has_channels(app: &App) -> bool {
    let browser = &app.browser;
    app.focus == Panel::Browser
        && browser.tab == Tab::Layers
        && browser.channels.is_none()
        && matches!(browser.selected_row(), Some(Row::Layer(_)))
}

/// The label of enter in the browser.
fn run(app: &App) -> &'static str {
    let browser = &app.browser;
    let is_tree = app.focus == Panel::Browser
        && browser.tab == Tab::Layers
        && browser.channels.is_none()
        && browser.layers.mark_count() == 0;
    match browser.selected_row() {
        Some(Row::Scope(scope)) if is_tree && browser.open.contains(&scope) => "fold",
        Some(Row::Scope(_)) if is_tree => "unfold",
        _ => Command::Run.entry().hint,
    }
}

/// A key's name where space is scarce.
fn short(keys: &str) -> String {
    keys.parse::<Keys>()
        .map_or_else(|_| keys.to_string(), |keys| keys.short())
}

/// Whether the last row shows hints, rather than the prompt or an incomplete key sequence.
pub fn are_shown(app: &App) -> bool {
    app.prompt.is_none() && app.pending.is_empty()
}
