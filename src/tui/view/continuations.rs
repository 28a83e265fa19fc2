//! The continuations of an incomplete key sequence.

use super::Frame;
use super::panel::bordered;
use crate::tui::app::App;
use crate::tui::text::fit;
use crate::tui::theme::Role;
use crate::tui::update::context;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use unicode_width::UnicodeWidthStr;

/// Draws the box in the lower right corner of the body.
pub fn draw(app: &App, frame: &mut Frame) {
    let follow = app.keymap.continuations(context(app), &app.pending);
    let keys = follow.iter().map(|(keys, _)| keys.width()).max();
    let Some(keys) = keys else {
        return;
    };
    let body = app.layout().body;
    let help = follow
        .iter()
        .map(|(_, command)| command.entry().help.width());
    let wanted = keys + help.max().unwrap_or(0) + 6;
    let width = (wanted as u16).min(body.width);
    let height = (follow.len() as u16 + 2).min(body.height);
    let area = Rect::new(body.right() - width, body.bottom() - height, width, height);
    frame.uncover(area);
    frame.buffer.set_style(area, app.theme.style(Role::Text));
    let pressed: Vec<String> = app.pending.iter().map(ToString::to_string).collect();
    let title = format!("{} … esc leaves", pressed.join(" "));
    let inner = bordered(app, frame, area, &title, true);
    let room = usize::from(inner.width).saturating_sub(keys + 3);
    for (y, (rest, command)) in (inner.y..inner.bottom()).zip(follow) {
        let line = Line::from(vec![
            Span::styled(format!(" {rest:<keys$}  "), app.theme.style(Role::Key)),
            Span::styled(fit(command.entry().help, room), app.theme.style(Role::Text)),
        ]);
        line.render(Rect::new(inner.x, y, inner.width, 1), frame.buffer);
    }
}
