//! A list as a grid of pictures: channels in the browser, or any list of targets full-screen. A cell shows the
//! finished picture of its item, or the current one of an active run.

use super::{Frame, slots};
use crate::runs::format;
use crate::runs::history::HistoryEntry;
use crate::runs::queue::JobState;
use crate::tui::active_run::ActiveRun;
use crate::tui::app::App;
use crate::tui::browser::Tab;
use crate::tui::picture_cache::Size;
use crate::tui::text::{fit, fit_path, fitted, p};
use crate::tui::theme::Role;
use image::RgbImage;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use std::sync::Arc;

/// Content of a cell.
struct Cell<'a> {
    title: String,
    /// A finished run of the item.
    entry: Option<&'a HistoryEntry>,
    /// An active run of the item.
    live: Option<&'a ActiveRun>,
    /// Whether a run of the item waits.
    waits: bool,
}

/// Draws the visible cells.
pub fn draw(app: &App, frame: &mut Frame, area: Rect, focused: bool) {
    let layout = app.layout();
    let (width, height) = layout.cell();
    let list = app.browser.list();
    let (columns, lines) = layout.grid();
    let rows = list.rows().iter().enumerate().skip(list.offset());
    for (place, (index, &item)) in rows.take(columns * lines).enumerate() {
        let x = area.x + (place % columns) as u16 * width;
        let y = area.y + (place / columns) as u16 * height;
        let outline = Rect::new(x, y, width - 1, height).intersection(area);
        if outline.is_empty() {
            continue;
        }
        let role = match (index == list.cursor(), focused) {
            (true, true) => Role::Cursor,
            (true, false) => Role::Selection,
            (false, _) => Role::Dim,
        };
        let mark = if list.is_marked(item) { "●" } else { " " };
        cell(
            app,
            frame,
            outline,
            place,
            (mark, role),
            &content(app, item),
        );
    }
    let all = list.len().div_ceil(columns) * usize::from(height);
    let first = list.offset() / columns * usize::from(height);
    super::panel::scrollbar(app, frame, area, all, first);
}

fn cell(
    app: &App,
    frame: &mut Frame,
    area: Rect,
    place: usize,
    (mark, role): (&str, Role),
    content: &Cell,
) {
    let style = app.theme.style(role);
    let width = usize::from(area.width);
    let title = Rect { height: 1, ..area };
    frame.buffer.set_style(title, style);
    let text = format!("{mark}{}", fit(&content.title, width.saturating_sub(1)));
    frame.buffer.set_stringn(area.x, area.y, text, width, style);
    let inside = Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(2),
        ..area
    };
    let bottom = match picture(app, content, inside) {
        Some((picture, is_growing)) => {
            let slot = slots::CELLS + place as u32;
            frame.place(slot, &picture, inside, is_growing).bottom()
        }
        None => {
            let role = match role {
                Role::Cursor => Role::Text,
                _ => Role::Border,
            };
            let text = match content {
                Cell {
                    entry: None,
                    live: None,
                    waits: false,
                    ..
                } => "·",
                _ => "…",
            };
            let (x, y) = (inside.x + inside.width / 2, inside.y + inside.height / 2);
            frame.buffer.set_string(x, y, text, app.theme.style(role));
            inside.bottom()
        }
    };
    let caption = Rect::new(area.x, bottom, area.width, 1).intersection(area);
    if app.is_grid() && !caption.is_empty() {
        let text = fitted(&note(app, content), width);
        if !text.is_empty() {
            frame.buffer.set_style(caption, style);
        }
        Line::from(Span::styled(text, style))
            .centered()
            .render(caption, frame.buffer);
    }
}

/// The picture of a cell, and whether it is still growing.
fn picture(app: &App, content: &Cell, area: Rect) -> Option<(Arc<RgbImage>, bool)> {
    let growing = content.live.and_then(|live| app.snapshot(live.job));
    if let Some(snapshot) = growing {
        return Some((Arc::clone(&snapshot.picture), !app.paused));
    }
    let id = &content.entry?.id;
    let pixels = area.width.saturating_mul(app.environment.terminal.cell.0);
    // Until the right size is loaded, another one stands in.
    let sizes = [
        Size::of_cell(pixels),
        Size::Full,
        Size::Cell,
        Size::Thumbnail,
    ];
    let picture = sizes
        .into_iter()
        .find_map(|size| app.pictures.get(id, size));
    picture.map(|picture| (Arc::clone(picture), false))
}

/// The parts of the line below a picture and their importance: the progress, or the result.
fn note(app: &App, content: &Cell) -> Vec<(u8, String)> {
    if let Some(live) = content.live {
        return vec![(0, format!("{}/{}", live.step, live.steps))];
    }
    let Some(entry) = content.entry else {
        let waits = if content.waits { "waiting" } else { "" };
        return vec![(0, waits.into())];
    };
    let score = match entry.probability {
        Some(probability) => p(probability),
        None => format::score(entry.score),
    };
    if !app.in_history() {
        return vec![(0, score)];
    }
    let seed = (entry.seed != 0).then(|| format!("seed {}", entry.seed));
    let is_other = app.is_of_other_model(&entry.model_hash);
    let model = is_other.then(|| format::model(&entry.model).to_string());
    vec![
        (3, score),
        (1, model.unwrap_or_default()),
        (0, seed.unwrap_or_default()),
        (2, entry.changes.to_string()),
    ]
}

fn content(app: &App, item: usize) -> Cell<'_> {
    let entry = app.entry_of(item);
    if app.in_history() {
        let title = entry.map_or_else(String::new, |entry| {
            let star = if entry.favourite { "★ " } else { "" };
            let room = usize::from(app.layout().cell().0).saturating_sub(4);
            let name = if entry.kind().is_of_class() {
                fit(&entry.target, room)
            } else {
                fit_path(&entry.target, room)
            };
            format!("{star}{name}")
        });
        return Cell {
            title,
            entry,
            live: None,
            waits: false,
        };
    }
    let target = app.target_of(item);
    let job = target.as_ref().and_then(|target| app.job_of(target));
    let live = target.as_ref().and_then(|target| app.active_run_of(target));
    let waits = job.is_some_and(|job| job.state == JobState::Waiting);
    Cell {
        title: title(app, item),
        entry,
        live,
        waits,
    }
}

/// The label of an item: a class's name, a channel's number, both for one of the class scores.
fn title(app: &App, item: usize) -> String {
    let Some(opened) = app.model.opened() else {
        return String::new();
    };
    let class = || opened.classes.name(item).unwrap_or_default();
    match (app.browser.tab, &app.browser.channels) {
        (Tab::Classes, _) => class().to_string(),
        (_, Some(channels))
            if opened.logits.as_ref() == Some(&opened.layers[channels.layer].name) =>
        {
            format!("{item} {}", class())
        }
        _ => item.to_string(),
    }
}
