//! The last line: the prompt, otherwise key hints; and the newest message in the row above.

use super::Frame;
use crate::tui::app::App;
use crate::tui::messages::Level;
use crate::tui::prompt::Prompt;
use crate::tui::text::{fit, window, wrapped};
use crate::tui::theme::Role;
use crate::tui::update::hints;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use unicode_width::UnicodeWidthStr;

/// Draws the line.
pub fn draw(app: &App, frame: &mut Frame, area: Rect) {
    frame.buffer.set_style(area, app.theme.style(Role::KeyText));
    if let Some(prompt) = &app.prompt {
        return typing(app, frame, area, prompt);
    }
    if !app.pending.is_empty() {
        let keys: Vec<String> = app.pending.iter().map(ToString::to_string).collect();
        let text = format!(" {} …", keys.join(" "));
        Line::styled(text, app.theme.style(Role::Key)).render(area, frame.buffer);
        return;
    }
    hints(app, area.width.into()).render(area, frame.buffer);
}

/// Most lines of a message; the log has all of it.
const MAX_LINES: usize = 3;

/// Draws the newest message over the lower border of the panels, and over the rows above it if it is long, for as long
/// as it is news.
pub fn message(app: &App, frame: &mut Frame, area: Rect) {
    let Some(message) = app.messages.current(app.now) else {
        return;
    };
    let role = match message.level {
        Level::Note => Role::HeaderText,
        Level::Warning => Role::Warning,
        Level::Error => Role::Bad,
    };
    let room = usize::from(area.width.saturating_sub(4));
    let mut lines = wrapped(&message.text, room);
    if lines.len() > MAX_LINES {
        let rest = lines.split_off(MAX_LINES - 1).join(" ");
        lines.push(fit(&rest, room));
    }
    let longest = lines.iter().map(|line| line.width()).max().unwrap_or(0);
    let height = (lines.len() as u16).min(area.bottom());
    let place = Rect {
        x: area.x + area.width.min(1),
        y: area.bottom() - height,
        width: (longest as u16 + 2).min(area.width),
        height,
    };
    frame.uncover(place);
    let ground = app.theme.style(Role::Text);
    frame.buffer.set_style(place, ground);
    for (y, line) in (place.y..place.bottom()).zip(lines) {
        let row = Rect {
            y,
            height: 1,
            ..place
        };
        Line::styled(format!(" {line} "), app.theme.style(role)).render(row, frame.buffer);
    }
}

fn typing(app: &App, frame: &mut Frame, area: Rect, prompt: &Prompt) {
    let label = prompt.asked.label();
    let label = match label.as_ref() {
        "/" | ":" => format!(" {label}"),
        long if long.ends_with("y/n") => format!(" {long} "),
        long => format!(" {long}: "),
    };
    let help = prompt.asked.help();
    let width = usize::from(area.width);
    let room = width.saturating_sub(label.width() + 1);
    let (text, column) = window(prompt.text(), prompt.line.cursor(), room);
    let used = label.width() + column;
    let text_role = match prompt.is_selected {
        true => Role::Cursor,
        false => Role::HeaderText,
    };
    let mut spans = vec![
        Span::styled(label, app.theme.style(Role::Key)),
        Span::styled(text.clone(), app.theme.style(text_role)),
    ];
    if text.width() + help.width() + 3 < room {
        spans.push(Span::styled(
            format!("   {help}"),
            app.theme.style(Role::Dim),
        ));
    }
    Line::from(spans).render(area, frame.buffer);
    let column = (used.min(width.saturating_sub(1))) as u16;
    frame.cursor = Some((area.x + column, area.y));
}

/// The keys that matter now.
fn hints(app: &App, room: usize) -> Line<'static> {
    let mut spans = vec![Span::raw(" ")];
    for hint in hints::hints(app, room) {
        spans.push(Span::styled(hint.key, app.theme.style(Role::Key)));
        let label = format!(" {}  ", hint.label);
        spans.push(Span::styled(label, app.theme.style(Role::KeyText)));
    }
    Line::from(spans)
}
