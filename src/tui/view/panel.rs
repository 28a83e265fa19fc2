//! Shared parts of panels: borders, lists with a cursor, rows of two columns.

use super::Frame;
use crate::tui::app::App;
use crate::tui::list_state::ListState;
use crate::tui::text::fit;
use crate::tui::theme::Role;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{
    Block, BorderType, Scrollbar, ScrollbarOrientation, ScrollbarState, StatefulWidget, Widget,
};
use unicode_width::UnicodeWidthStr;

/// Columns of a border that its title leaves free.
pub const TITLE_MARGIN: usize = 4;

/// Draws a border with a title; returns what is inside.
pub fn bordered(app: &App, frame: &mut Frame, area: Rect, title: &str, focused: bool) -> Rect {
    let (border, text) = match focused {
        true => (Role::BorderFocused, Role::Title),
        false => (Role::Border, Role::Dim),
    };
    let room = usize::from(area.width).saturating_sub(TITLE_MARGIN);
    let title = match title.is_empty() {
        true => String::new(),
        false => format!(" {} ", fit(title, room)),
    };
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(app.theme.style(border))
        .title(Span::styled(title, app.theme.style(text)));
    let inner = block.inner(area);
    block.render(area, frame.buffer);
    inner
}

/// Draws a panel that is laid over the others, in the middle; returns what is inside.
pub fn overlaid(app: &App, frame: &mut Frame, width: u16, height: u16, title: &str) -> Rect {
    overlaid_at(app, frame, app.layout().popup(width, height), title)
}

/// Draws a panel that is laid over others at a place; returns what is inside.
pub fn overlaid_at(app: &App, frame: &mut Frame, area: Rect, title: &str) -> Rect {
    frame.uncover(area);
    frame.buffer.set_style(area, app.theme.style(Role::Text));
    let inner = bordered(app, frame, area, title, true);
    // A column of air on both sides.
    Rect::new(
        inner.x + inner.width.min(1),
        inner.y,
        inner.width.saturating_sub(2),
        inner.height,
    )
}

/// Draws the rows of a list that are seen. `row` makes the line of an item for a width.
pub fn list(
    app: &App,
    frame: &mut Frame,
    area: Rect,
    listing: &ListState,
    focused: bool,
    row: impl Fn(usize, usize) -> Line<'static>,
) {
    let seen = listing.rows().iter().enumerate().skip(listing.offset());
    for (y, (index, &item)) in (area.y..area.bottom()).zip(seen) {
        let place = Rect::new(area.x, y, area.width, 1);
        let marked = listing.is_marked(item);
        let mark = if marked { "●" } else { " " };
        frame
            .buffer
            .set_stringn(place.x, y, mark, 1, app.theme.style(Role::Mark));
        let inner = Rect::new(
            place.x + 2.min(place.width),
            y,
            place.width.saturating_sub(2),
            1,
        );
        row(item, usize::from(inner.width)).render(inner, frame.buffer);
        if index == listing.cursor() {
            let role = match focused {
                true => Role::Cursor,
                false => Role::Selection,
            };
            // Last, because its colours replace those of the row.
            frame.buffer.set_style(place, app.theme.style(role));
        }
    }
    scrollbar(
        app,
        frame,
        area,
        listing.len().div_ceil(listing.columns()),
        listing.offset() / listing.columns(),
    );
}

/// Draws a scrollbar over the right border if not everything is seen.
pub fn scrollbar(app: &App, frame: &mut Frame, area: Rect, lines: usize, first: usize) {
    let seen = usize::from(area.height);
    if lines <= seen || area.is_empty() {
        return;
    }
    let mut state = ScrollbarState::new(lines - seen).position(first);
    let bar = Scrollbar::new(ScrollbarOrientation::VerticalRight)
        .begin_symbol(None)
        .end_symbol(None)
        .track_symbol(None)
        .thumb_symbol("▐")
        .thumb_style(app.theme.style(Role::Border));
    let area = Rect::new(area.x, area.y, area.width + 1, area.height);
    bar.render(
        area.intersection(frame.buffer.area),
        frame.buffer,
        &mut state,
    );
}

/// A line with something at its left end and something at its right; the left gives way.
pub fn two(left: Span<'static>, right: Span<'static>, width: usize) -> Line<'static> {
    let right_width = right.width().min(width);
    let room = width.saturating_sub(right_width + 1);
    let left = Span::styled(fit(&left.content, room), left.style);
    let gap = width.saturating_sub(left.width() + right_width);
    Line::from(vec![left, Span::raw(" ".repeat(gap)), right])
}

/// A line with a name, a note on it, and something at its right end. The note gives way first, then the name.
pub fn noted(
    app: &App,
    (name, note): (&str, &str),
    right: Span<'static>,
    width: usize,
) -> Line<'static> {
    let room = width.saturating_sub(right.width() + 1);
    let left = room.saturating_sub(name.width() + 2);
    let note = match words_within(note, left) {
        note if note.is_empty() => note,
        note => format!("  {note}"),
    };
    let name = Span::styled(name.to_string(), app.theme.style(Role::Text));
    let mut line = two(name, right, width);
    if let (false, Some(gap)) = (note.is_empty(), line.spans.get_mut(1)) {
        let rest = gap.width().saturating_sub(note.width());
        let filled = format!("{note}{}", " ".repeat(rest));
        *gap = Span::styled(filled, app.theme.style(Role::Dim));
    }
    line
}

/// The first words of a note that fit, with an ellipsis where there is room for one; of a long word its beginning, if
/// that says enough.
fn words_within(note: &str, width: usize) -> String {
    const ENOUGH: usize = 8;
    if note.width() <= width {
        return fit(note, width);
    }
    let mut ends = note.match_indices(' ').map(|(at, _)| &note[..at]);
    let words = ends.rfind(|words| words.width() <= width);
    match words {
        Some(words) if words.width() + 2 <= width => fit(words, width) + " …",
        Some(words) => fit(words, width),
        None if width >= ENOUGH => fit(note, width),
        None => String::new(),
    }
}

/// A bar of `width` columns of which a share is full, in eighths of a column.
pub fn bar(share: f64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize;
    let full = "█".repeat(eighths / 8);
    format!("{full}{}", EIGHTHS[eighths % 8])
}

/// Draws text lines from `scroll` on, no further than the last is seen.
pub fn scrolled(
    app: &App,
    frame: &mut Frame,
    area: Rect,
    lines: Vec<Line<'static>>,
    scroll: usize,
) {
    let most = lines.len().saturating_sub(usize::from(area.height));
    let first = scroll.min(most);
    let total = lines.len();
    for (y, line) in (area.y..area.bottom()).zip(lines.into_iter().skip(first)) {
        line.render(Rect::new(area.x, y, area.width, 1), frame.buffer);
    }
    scrollbar(app, frame, area, total, first);
}
