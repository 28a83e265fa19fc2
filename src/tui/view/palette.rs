//! The palette: commands by name.

use super::Frame;
use super::panel::{list, overlaid, two};
use crate::tui::app::App;
use crate::tui::command::COMMANDS;
use crate::tui::listing::Listing;
use crate::tui::theme::Role;
use ratatui::text::Span;

/// Draws the commands that match.
pub fn draw(app: &App, frame: &mut Frame, listing: &Listing) {
    let lines = listing.len().clamp(1, app.layout().popup_lines()) as u16;
    let area = overlaid(app, frame, 84, lines + 2, "commands");
    list(app, frame, area, listing, true, |index, width| {
        let entry = &COMMANDS[index];
        let keys = app.keymap.keys_of(entry.command).join(", ");
        let left = match width > 50 {
            true => format!("{:<18} {}", entry.name, entry.help),
            false => entry.name.to_string(),
        };
        two(
            Span::styled(left, app.theme.style(Role::Text)),
            Span::styled(keys, app.theme.style(Role::Key)),
            width,
        )
    });
}
