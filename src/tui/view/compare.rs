//! Finished runs side by side, or two of them taking turns in one place.

use super::panel::overlaid;
use super::{Frame, slots};
use crate::tui::app::App;
use crate::tui::gallery::Size;
use crate::tui::popup::Compare;
use crate::tui::text::fit;
use crate::tui::theme::Role;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Widget;
use std::sync::Arc;

/// How long each of two pictures is seen while they blink, in milliseconds.
pub const BLINK: u128 = 600;

/// Draws the pictures.
pub fn draw(app: &App, frame: &mut Frame, compare: &Compare) {
    let body = app.layout().body;
    let title = match compare.blink {
        true => "compare · blinking",
        false => "compare · b blinks between the first two",
    };
    let area = overlaid(app, frame, body.width, body.height, title);
    if compare.blink {
        let turn = (app.now.as_millis() / BLINK) as usize % 2;
        return one(app, frame, area, &compare.ids[turn], 0);
    }
    let (columns, rows) = grid(compare.ids.len(), area);
    let (width, height) = (area.width / columns, area.height / rows);
    for (index, id) in compare.ids.iter().enumerate() {
        let (column, row) = (index as u16 % columns, index as u16 / columns);
        let place = Rect::new(
            area.x + column * width,
            area.y + row * height,
            width.saturating_sub(1),
            height,
        );
        one(app, frame, place, id, index as u32);
    }
}

/// Columns and rows that give the pictures most room; a character is about twice as high as wide.
pub fn grid(count: usize, area: Rect) -> (u16, u16) {
    let side = |columns: u16| {
        let rows = (count as u16).div_ceil(columns);
        (area.width / columns).min(2 * (area.height / rows).saturating_sub(1))
    };
    let columns = (1..=count.max(1) as u16)
        .max_by_key(|&columns| side(columns))
        .unwrap_or(1);
    (columns, (count as u16).div_ceil(columns).max(1))
}

fn one(app: &App, frame: &mut Frame, area: Rect, id: &str, slot: u32) {
    if area.height < 2 {
        return;
    }
    let picture = Rect {
        height: area.height - 1,
        ..area
    };
    if let Some(loaded) = app.gallery.get(id, Size::Full) {
        frame.place(slots::COMPARED + slot, &Arc::clone(loaded), picture, false);
    }
    let caption = app.library.find(id).map(|entry| {
        let probability = entry
            .probability
            .map(|p| format!(" {:.0} %", 100.0 * p))
            .unwrap_or_default();
        format!(
            "{} · {:.1}{probability} · seed {} · {}",
            entry.target, entry.score, entry.seed, entry.model
        )
    });
    let caption = fit(&caption.unwrap_or_default(), usize::from(area.width));
    Line::styled(caption, app.theme.style(Role::Dim))
        .centered()
        .render(
            Rect::new(area.x, picture.bottom(), area.width, 1),
            frame.buffer,
        );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_get_the_room_there_is() {
        assert_eq!(grid(2, Rect::new(0, 0, 80, 22)), (2, 1));
        assert_eq!(grid(9, Rect::new(0, 0, 120, 60)), (3, 3));
        assert_eq!(grid(2, Rect::new(0, 0, 30, 60)), (1, 2));
    }
}
