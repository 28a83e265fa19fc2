//! The message log, newest first.

use super::Frame;
use super::panel::{overlaid, scrolled};
use crate::text::duration;
use crate::tui::app::App;
use crate::tui::messages::Level;
use crate::tui::text::wrapped;
use crate::tui::theme::Role;
use ratatui::text::{Line, Span};

/// Draws the panel.
pub fn draw(app: &App, frame: &mut Frame, scroll: usize) {
    let body = app.layout().body;
    let width = body.width.min(100);
    let room = usize::from(width.saturating_sub(20)).max(8);
    let mut lines = Vec::new();
    for message in app.messages.iter().rev() {
        let role = match message.level {
            Level::Note => Role::Text,
            Level::Warning => Role::Warning,
            Level::Error => Role::Bad,
        };
        let past = app.now.saturating_sub(message.at).as_secs_f64();
        let mut when = format!("{:>14}  ", format!("{} ago", duration(past)));
        for part in wrapped(&message.text, room) {
            lines.push(Line::from(vec![
                Span::styled(
                    std::mem::replace(&mut when, " ".repeat(16)),
                    app.theme.style(Role::Dim),
                ),
                Span::styled(part, app.theme.style(role)),
            ]));
        }
    }
    if lines.is_empty() {
        lines.push(Line::styled("no messages yet", app.theme.style(Role::Dim)));
    }
    let height = (lines.len() as u16).saturating_add(2).min(30);
    let area = overlaid(app, frame, width, height, "messages");
    scrolled(app, frame, area, lines, scroll);
}
