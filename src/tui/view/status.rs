//! The last line: what is being typed, else the keys that matter now; and the newest message, in the row above it.

use super::Frame;
use crate::tui::app::App;
use crate::tui::command::{COMMANDS, Command, Context, Entry};
use crate::tui::keys::Keys;
use crate::tui::messages::Level;
use crate::tui::prompt::Prompt;
use crate::tui::text::fit;
use crate::tui::theme::Role;
use crate::tui::update::{context, is_offered, refusal};
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

/// Draws the newest message over the lower border of the panels, for as long as it is news.
pub fn message(app: &App, frame: &mut Frame, area: Rect) {
    let Some(message) = app.messages.current(app.now) else {
        return;
    };
    let role = match message.level {
        Level::Note => Role::HeaderText,
        Level::Warning => Role::Warning,
        Level::Error => Role::Bad,
    };
    let text = fit(&message.text, usize::from(area.width.saturating_sub(4)));
    let place = Rect {
        x: area.x + area.width.min(1),
        width: (text.width() as u16 + 2).min(area.width),
        ..area
    };
    frame.uncover(place);
    let ground = app.theme.style(Role::Text);
    frame.buffer.set_style(place, ground);
    Line::styled(format!(" {text} "), app.theme.style(role)).render(place, frame.buffer);
}

fn typing(app: &App, frame: &mut Frame, area: Rect, prompt: &Prompt) {
    let label = match prompt.asked.label() {
        short @ ("/" | ":") => format!(" {short}"),
        long => format!(" {long}: "),
    };
    let help = prompt.asked.help();
    let width = usize::from(area.width);
    let room = width.saturating_sub(label.width() + 1);
    let scroll = prompt.line.visual_scroll(room.max(1));
    let text: String = prompt.text().chars().skip(scroll).collect();
    let text = fit(&text, room);
    let used = label.width() + prompt.line.visual_cursor().saturating_sub(scroll);
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

/// The keys of the commands that matter where the focus is, as many as `room` columns hold. How to get help and how to
/// leave stay.
fn hints(app: &App, room: usize) -> Line<'static> {
    let here = context(app);
    let matter = |entry: &&Entry| {
        let acts = is_offered(app, entry.command) && refusal(app, entry.command).is_none();
        acts && !entry.hint.is_empty()
    };
    // What can be done here comes before what can be done everywhere.
    let (general, own): (Vec<&Entry>, Vec<&Entry>) = COMMANDS
        .iter()
        .filter(matter)
        .partition(|entry| entry.context == Context::Everywhere);
    let named = own.into_iter().chain(general).filter_map(|entry| {
        let key = app.keymap.keys_of(entry.command).into_iter().next()?;
        let stays = matches!(entry.command, Command::Help | Command::Quit);
        Some((stays, short(&key), entry.hint))
    });
    let mut hints: Vec<(bool, String, &str)> = named.collect();
    if matches!(here, Context::Popup | Context::Settings | Context::Photo) {
        hints.push((true, "esc".into(), "close"));
    }
    let width = |key: &str, hint: &str| key.width() + hint.width() + 3;
    let staying = hints.iter().filter(|(stays, ..)| *stays);
    let reserved: usize = staying.map(|(_, key, hint)| width(key, hint)).sum();
    let mut left = room.saturating_sub(1 + reserved);
    let mut spans = vec![Span::raw(" ")];
    for (stays, key, hint) in hints {
        let width = width(&key, hint);
        if !stays && width > left {
            // One that is shorter must not come in its place: they are in the order of what matters most.
            left = 0;
            continue;
        }
        if !stays {
            left -= width;
        }
        spans.push(Span::styled(key, app.theme.style(Role::Key)));
        let hint = format!(" {hint}  ");
        spans.push(Span::styled(hint, app.theme.style(Role::KeyText)));
    }
    Line::from(spans)
}

/// A key's name where room is scarce.
fn short(keys: &str) -> String {
    keys.parse::<Keys>()
        .map_or_else(|_| keys.to_string(), |keys| keys.short())
}
