//! Every key, from the table of commands.

use super::Frame;
use super::panel::{overlaid, scrolled};
use crate::tui::app::App;
use crate::tui::command::{COMMANDS, Context};
use crate::tui::theme::Role;
use ratatui::text::{Line, Span};

/// Draws the help.
pub fn draw(app: &App, frame: &mut Frame, scroll: usize) {
    let lines = lines(app);
    let height = lines.len() as u16 + 2;
    let area = overlaid(app, frame, 92, height, "help");
    scrolled(app, frame, area, lines, scroll);
}

fn lines(app: &App) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for context in Context::ALL {
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        lines.push(Line::styled(context.name(), app.theme.style(Role::Title)));
        for entry in COMMANDS.iter().filter(|entry| entry.context == context) {
            let keys = app.keymap.keys_of(entry.command).join(", ");
            lines.push(Line::from(vec![
                Span::styled(format!("  {keys:<20} "), app.theme.style(Role::Key)),
                Span::styled(entry.help, app.theme.style(Role::Text)),
            ]));
        }
    }
    lines
}
