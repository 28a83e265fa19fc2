//! Comparison of finished runs, side by side or alternating. The common facts are above the pictures, the
//! differences below each.

use super::panel::overlaid;
use super::{Frame, slots};
use crate::runs::comparison::{Caption, Comparison};
use crate::runs::history::HistoryEntry;
use crate::tui::app::App;
use crate::tui::picture_cache::Size;
use crate::tui::popup::Compare;
use crate::tui::text::{fit, joined, wrapped};
use crate::tui::theme::Role;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Widget;
use std::cmp::Reverse;
use std::sync::Arc;
use unicode_width::UnicodeWidthStr;

/// How long each of two alternating pictures is visible, in milliseconds.
pub const BLINK: u128 = 600;

/// Maximum number of lines above the pictures.
const MAX_LINES: usize = 3;

/// Columns of the popup's borders and padding.
const BORDERS: u16 = 4;

/// Draws the pictures.
pub fn draw(app: &App, frame: &mut Frame, compare: &Compare) {
    let seen = if compare.blink {
        compare.ids.len().min(2)
    } else {
        compare.ids.len()
    };
    // A run that was removed meanwhile leaves a gap.
    let runs = compare.ids[..seen].iter();
    let runs: Vec<&HistoryEntry> = runs.filter_map(|id| app.history.find(id)).collect();
    let comparison = Comparison::new(&runs);
    let shown = (app.now.as_millis() / BLINK) as usize % seen.max(1);
    let title = if compare.blink {
        format!("blink {} of {seen}", shown + 1)
    } else {
        format!("compare {} runs", runs.len())
    };
    let area = framed(app, frame, &title, &comparison.summary());
    if !compare.blink {
        return side_by_side(app, frame, area, &runs, &comparison.captions);
    }
    if let (Some(run), Some(caption)) = (runs.get(shown), comparison.captions.get(shown)) {
        let mut caption = caption.clone();
        caption.asked.insert(0, format!("{} of {seen}", shown + 1));
        let lines = (unlimited(&caption, area.width).len() as u16).min(area.height / 2);
        one(app, frame, (area, lines), run, (&caption, 0));
    }
}

/// Draws the frame with the common facts: in the title, or in lines below it if they are too long.
/// Returns the remaining area.
fn framed(app: &App, frame: &mut Frame, title: &str, summary: &str) -> Rect {
    let body = app.layout().body;
    let room = usize::from(body.width.saturating_sub(BORDERS));
    let together = format!("{title} · {summary}");
    if together.width() <= room {
        return overlaid(app, frame, body.width, body.height, &together);
    }
    let area = overlaid(app, frame, body.width, body.height, title);
    let mut lines = wrapped(summary, area.width.into());
    if lines.len() > MAX_LINES {
        let rest = lines.split_off(MAX_LINES - 1).join(" ");
        lines.push(fit(&rest, area.width.into()));
    }
    let used = (lines.len() as u16).min(area.height / 2);
    for (y, line) in (area.y..area.y + used).zip(lines) {
        let line = Line::styled(line, app.theme.style(Role::Text));
        line.render(Rect::new(area.x, y, area.width, 1), frame.buffer);
    }
    Rect {
        y: area.y + used,
        height: area.height - used,
        ..area
    }
}

fn side_by_side(
    app: &App,
    frame: &mut Frame,
    area: Rect,
    runs: &[&HistoryEntry],
    captions: &[Caption],
) {
    let lines = |width: u16| {
        let each = captions
            .iter()
            .map(|caption| unlimited(caption, width).len());
        each.max().unwrap_or(0) as u16
    };
    let (columns, rows) = grid(runs.len(), area, lines);
    let (width, height) = (area.width / columns, area.height / rows);
    let lines = lines(width.saturating_sub(1)).min(height / 2);
    for (index, (run, caption)) in runs.iter().zip(captions).enumerate() {
        let (column, row) = (index as u16 % columns, index as u16 / columns);
        let place = Rect::new(
            area.x + column * width,
            area.y + row * height,
            width.saturating_sub(1),
            height,
        );
        one(app, frame, (place, lines), run, (caption, index as u32));
    }
}

/// Columns and rows that give the pictures most space, leave the fewest cells empty and break captions into the fewest
/// lines, in this order; a character is about twice as high as wide. `lines` returns the number of lines that the
/// captions need in a width.
pub fn grid(count: usize, area: Rect, lines: impl Fn(u16) -> u16) -> (u16, u16) {
    let rows = |columns: u16| (count as u16).div_ceil(columns).max(1);
    let lines_of = |columns: u16| lines((area.width / columns).saturating_sub(1));
    let side = |columns: u16| {
        let (width, height) = (area.width / columns, area.height / rows(columns));
        width.min(2 * (height - lines_of(columns).min(height / 2)))
    };
    let columns = (1..=count.max(1) as u16)
        .max_by_key(|&columns| {
            let places = columns * rows(columns);
            (side(columns), Reverse(places), Reverse(lines_of(columns)))
        })
        .unwrap_or(1);
    (columns, rows(columns))
}

/// Draws a picture with its caption in this many lines below it.
fn one(
    app: &App,
    frame: &mut Frame,
    (area, lines): (Rect, u16),
    run: &HistoryEntry,
    (caption, slot): (&Caption, u32),
) {
    let lines = lines.min(area.height);
    let picture = Rect {
        height: area.height - lines,
        ..area
    };
    // The caption is close to its picture, wherever that ends.
    let bottom = match app.pictures.get(&run.id, Size::Full) {
        Some(loaded) => {
            let slot = slots::COMPARED + slot;
            let place = frame.place(slot, &Arc::clone(loaded), picture, false);
            place.bottom().clamp(picture.y, picture.bottom())
        }
        None => picture.bottom(),
    };
    let texts = lines_of(caption, area.width, lines.into());
    for (y, text) in (bottom..area.bottom()).zip(texts) {
        Line::styled(text, app.theme.style(Role::Text))
            .centered()
            .render(Rect::new(area.x, y, area.width, 1), frame.buffer);
    }
}

/// The lines of a caption.
fn unlimited(caption: &Caption, width: u16) -> Vec<String> {
    let all = [&caption.asked[..], &caption.results].concat();
    joined(&all, width.into())
}

/// At most this many lines of a caption. Results stay; settings give way.
fn lines_of(caption: &Caption, width: u16, most: usize) -> Vec<String> {
    let all = unlimited(caption, width);
    if all.len() <= most {
        return all;
    }
    let width = usize::from(width);
    let mut results = joined(&caption.results, width);
    results.truncate(most);
    let mut asked = joined(&caption.asked, width);
    let room = most - results.len();
    if asked.len() > room && room > 0 {
        let rest = asked.split_off(room - 1).join(" · ");
        asked.push(fit(&rest, width));
    }
    asked.truncate(room);
    asked.extend(results);
    asked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_a_run_stays_where_a_caption_is_too_long() {
        let texts = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect();
        let caption = Caption {
            asked: texts(&["seed 3", "tilt=1.2", "blur=2"]),
            results: texts(&["score 2.13", "97.5 %"]),
        };
        let all = "seed 3 · tilt=1.2 · blur=2 · score 2.13 · 97.5 %";
        assert_eq!(lines_of(&caption, 60, 1), [all]);
        let two = lines_of(&caption, 20, 2);
        assert_eq!(two, ["seed 3 · tilt=1.2 ·…", "score 2.13 · 97.5 %"]);
        assert_eq!(lines_of(&caption, 12, 1), ["score 2.13"]);
        assert!(lines_of(&caption, 12, 0).is_empty());
    }

    #[test]
    fn pictures_get_the_room_there_is() {
        let one_line = |_| 1;
        assert_eq!(grid(2, Rect::new(0, 0, 80, 22), one_line), (2, 1));
        assert_eq!(grid(9, Rect::new(0, 0, 120, 60), one_line), (3, 3));
        assert_eq!(grid(2, Rect::new(0, 0, 30, 60), one_line), (1, 2));
        assert_eq!(grid(12, Rect::new(0, 0, 116, 36), one_line), (4, 3));
    }

    #[test]
    fn captions_that_need_many_lines_leave_half_of_the_room() {
        let narrow_is_long = |width: u16| 100 / width.max(1);
        assert_eq!(grid(12, Rect::new(0, 0, 160, 40), narrow_is_long), (6, 2));
        assert_eq!(grid(0, Rect::new(0, 0, 0, 0), narrow_is_long), (1, 1));
    }
}
