//! A layer's channels as a grid; the cells fill with pictures as runs finish.

use super::layout::CELL;
use super::{Frame, slots};
use crate::runs::target::{Place, Target};
use crate::runs::worker::Opened;
use crate::tui::app::App;
use crate::tui::browser::Channels;
use crate::tui::gallery::Size;
use crate::tui::theme::Role;
use ratatui::layout::Rect;
use std::sync::Arc;

/// Draws the grid.
pub fn draw(
    app: &App,
    frame: &mut Frame,
    area: Rect,
    opened: &Opened,
    channels: &Channels,
    focused: bool,
) {
    let layer = &opened.layers[channels.layer];
    let list = &channels.list;
    let columns = list.columns();
    let seen = columns * usize::from((area.height / CELL.1).max(1));
    let rows = list
        .rows()
        .iter()
        .enumerate()
        .skip(list.offset())
        .take(seen);
    for (place, (index, &channel)) in rows.enumerate() {
        let x = area.x + (place % columns) as u16 * CELL.0;
        let y = area.y + (place / columns) as u16 * CELL.1;
        let cell = Rect::new(x, y, CELL.0 - 1, CELL.1).intersection(area);
        if cell.is_empty() {
            continue;
        }
        let is_cursor = index == list.cursor();
        let title = Rect::new(cell.x, cell.y, cell.width, 1);
        let mark = if list.is_marked(channel) { "●" } else { " " };
        let role = match (is_cursor, focused) {
            (true, true) => Role::Cursor,
            (true, false) => Role::Selection,
            (false, _) => Role::Dim,
        };
        let style = app.theme.style(role);
        let width = usize::from(cell.width);
        frame.buffer.set_style(title, style);
        frame
            .buffer
            .set_stringn(cell.x, cell.y, format!("{mark}{channel}"), width, style);
        let inside = Rect::new(
            cell.x,
            cell.y + 1,
            cell.width,
            cell.height.saturating_sub(2),
        );
        let entry = Target::of_layer(layer, Place::Channel(channel))
            .ok()
            .and_then(|target| app.library.of_target(&opened.hash, &target));
        let thumbnail = entry.and_then(|entry| app.gallery.get(&entry.id, Size::Thumbnail));
        match thumbnail {
            Some(picture) => {
                frame.place(
                    slots::CHANNELS + place as u32,
                    &Arc::clone(picture),
                    inside,
                    false,
                );
            }
            None => {
                let role = if is_cursor { Role::Text } else { Role::Border };
                let text = if entry.is_some() { "…" } else { "·" };
                let middle = (inside.x + inside.width / 2, inside.y + inside.height / 2);
                frame
                    .buffer
                    .set_string(middle.0, middle.1, text, app.theme.style(role));
            }
        }
    }
    let lines = list.len().div_ceil(columns) * usize::from(CELL.1);
    let first = list.offset() / columns * usize::from(CELL.1);
    super::panel::scrollbar(app, frame, area, lines, first);
}
