//! A photo: what the network takes it for at its left, the channels that it activates most at its right, each with its
//! feature map over the photo and the picture that a run made of it.

use super::panel::{overlaid, two};
use super::{Frame, slots};
use crate::ascent::layer_probe::Rank;
use crate::runs::queue::{JobId, JobState};
use crate::runs::target::{Place, Target};
use crate::runs::words;
use crate::runs::worker::{Opened, photo};
use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::gallery::Size;
use crate::tui::photo::{Channels, Photo};
use crate::tui::text::{fit, fit_end, wrapped};
use crate::tui::theme::Role;
use image::RgbImage;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use std::sync::Arc;
use unicode_width::UnicodeWidthStr;

/// Least and most rows of a cell's pictures, and how many cells are to be seen if they can be.
const LOWEST: u16 = 4;
const HIGHEST: u16 = 12;
const SEEN: usize = 6;

/// The cells of the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    pub area: Rect,
    /// How many stand side by side, and one below the other.
    pub columns: usize,
    pub lines: usize,
    /// Columns and rows of a picture; a cell has two side by side.
    picture: (u16, u16),
}

/// The grid for so many channels within the body of the screen, whose characters have `cell` pixels: the pictures are as
/// large as can be with six cells in view.
pub fn grid(body: Rect, cell: (u16, u16), count: usize) -> Grid {
    let (_, right) = halves(inside(body));
    // The layer's name is above it, the selected channel below.
    let area = Rect {
        y: right.y + right.height.min(1),
        height: right.height.saturating_sub(2),
        ..right
    };
    let of = |rows: u16| {
        let picture = ((rows * cell.1).div_ceil(cell.0.max(1)).max(LOWEST), rows);
        Grid {
            area,
            columns: usize::from(((area.width + 2) / width(picture)).max(1)),
            lines: usize::from((area.height / (rows + 1)).max(1)),
            picture,
        }
    };
    let is_enough = |grid: &Grid| grid.columns * grid.lines >= count.min(SEEN);
    let mut sizes = (LOWEST..=HIGHEST).rev().map(of);
    sizes.find(is_enough).unwrap_or_else(|| of(LOWEST))
}

/// Width of a cell with two pictures of this size, its gaps included.
fn width((columns, _): (u16, u16)) -> u16 {
    2 * columns + 3
}

/// What is inside of the popup's border.
fn inside(body: Rect) -> Rect {
    Rect::new(
        body.x + body.width.min(2),
        body.y + body.height.min(1),
        body.width.saturating_sub(4),
        body.height.saturating_sub(2),
    )
}

/// The places of the photo and of its channels.
fn halves(inner: Rect) -> (Rect, Rect) {
    let left = (inner.width * 2 / 5).min(56);
    let right = (left + 2).min(inner.width);
    (
        Rect {
            width: left,
            ..inner
        },
        Rect {
            x: inner.x + right,
            width: inner.width - right,
            ..inner
        },
    )
}

/// Draws the popup.
pub fn draw(app: &App, frame: &mut Frame, photo: &Photo) {
    let body = app.layout().body;
    let (left, right) = halves(overlaid(
        app,
        frame,
        body.width,
        body.height,
        &title(app, photo),
    ));
    let Some(opened) = app.model.opened() else {
        return;
    };
    match &photo.photo {
        Some(found) => seen(app, frame, left, (photo, found), opened),
        None => dim(app, frame, left, &format!("opening …{}", waiting(app))),
    }
    channels(app, frame, right, photo, opened);
}

fn title(app: &App, photo: &Photo) -> String {
    let name = photo.path.file_name().unwrap_or_default();
    let count = app.photos.len();
    let at = app.photos.iter().position(|path| *path == photo.path);
    let of = match at {
        Some(at) if count > 1 => format!(" · {} of {count}", at + 1),
        _ => String::new(),
    };
    format!("photo · {}{of}", fit(&name.to_string_lossy(), 60))
}

/// Why something takes its time.
fn waiting(app: &App) -> &'static str {
    match app.running.is_empty() || app.paused {
        true => "",
        false => " (after the step under way)",
    }
}

/// Draws the photo and its classes.
fn seen(
    app: &App,
    frame: &mut Frame,
    area: Rect,
    (photo, found): (&Photo, &photo::Photo),
    opened: &Opened,
) {
    let below = below(app, photo, found, opened, area.width);
    let Some(picture) = photo.picture() else {
        return;
    };
    let room = area.height.saturating_sub(below.len() as u16 + 1).max(1);
    let place = Rect {
        height: rows_of(app, picture, area.width).min(room),
        ..area
    };
    frame.place(slots::PHOTO, picture, place, false);
    for (y, line) in (place.bottom() + 1..area.bottom()).zip(below) {
        line.render(Rect::new(area.x, y, area.width, 1), frame.buffer);
    }
}

/// How many rows a picture of full width has.
fn rows_of(app: &App, picture: &RgbImage, width: u16) -> u16 {
    let (cell_width, cell_height) = app.environment.terminal.cell;
    let (wide, high) = picture.dimensions();
    let pixels =
        u64::from(width) * u64::from(cell_width) * u64::from(high) / u64::from(wide.max(1));
    let rows = pixels.div_ceil(u64::from(cell_height.max(1)));
    u16::try_from(rows).unwrap_or(u16::MAX).max(1)
}

/// The lines below the photo: its classes, and how much of it the network sees.
fn below(
    app: &App,
    photo: &Photo,
    found: &photo::Photo,
    opened: &Opened,
    width: u16,
) -> Vec<Line<'static>> {
    let width = usize::from(width);
    let class = |&(class, value): &(usize, f32)| {
        let is_mapped = photo.mapped == Some(class);
        let value = match found.has_probabilities {
            true => words::percent(value),
            false => words::score(value),
        };
        let pending = match is_mapped && photo.map(class).is_none() {
            true => " …",
            false => "",
        };
        let name = opened.classes.name(class).unwrap_or_default();
        let text = format!(
            "{} {value:>7}  {name}{pending}",
            if is_mapped { "▸" } else { " " }
        );
        let role = match is_mapped {
            true => Role::Accent,
            false => Role::Text,
        };
        Line::styled(fit(&text, width), app.theme.style(role))
    };
    let mut lines: Vec<Line> = found.top.iter().map(class).collect();
    if let Some((wide, high)) = found.seen {
        let (width_of_all, height_of_all) = found.size;
        let text = format!(
            "the network sees the middle {wide} × {high} of {width_of_all} × {height_of_all} pixels"
        );
        let style = app.theme.style(Role::Dim);
        lines.extend(
            wrapped(&text, width)
                .into_iter()
                .map(|line| Line::styled(line, style)),
        );
    }
    lines
}

/// Draws the channels of the layer.
fn channels(app: &App, frame: &mut Frame, area: Rect, photo: &Photo, opened: &Opened) {
    if area.height < 3 {
        return;
    }
    header(app, photo, opened, area.width).render(Rect { height: 1, ..area }, frame.buffer);
    let cell = app.environment.terminal.cell;
    let grid = grid(app.layout().body, cell, photo.shown().len());
    match &photo.channels {
        Channels::Awaited => dim(app, frame, grid.area, &format!("…{}", waiting(app))),
        Channels::Failed(why) => {
            let lines = wrapped(why, usize::from(grid.area.width));
            let style = app.theme.style(Role::Bad);
            for (y, line) in (grid.area.y..grid.area.bottom()).zip(lines) {
                let place = Rect::new(grid.area.x, y, grid.area.width, 1);
                Line::styled(line, style).render(place, frame.buffer);
            }
        }
        Channels::There(_) => cells(app, frame, &grid, photo, opened),
    }
    if let Some(selected) = photo.selected() {
        let place = Rect::new(area.x, area.bottom() - 1, area.width, 1);
        summary(app, photo, selected, area.width).render(place, frame.buffer);
    }
}

fn header(app: &App, photo: &Photo, opened: &Opened, width: u16) -> Line<'static> {
    let layers = &opened.layers;
    let at = layers.iter().position(|layer| layer.name == photo.layer);
    let rank = match photo.rank {
        Rank::Mean => "mean",
        Rank::Maximum => "maximum",
    };
    let of = at.map_or(String::new(), |at| {
        let (count, all) = (layers[at].channels(), layers.len());
        let long = format!("{count} channels by {rank} · layer {} of {all}", at + 1);
        match usize::from(width) > long.width() + photo.layer.width() {
            true => long,
            false => format!("by {rank} · {}/{all}", at + 1),
        }
    });
    let of = Span::styled(of, app.theme.style(Role::Dim));
    let room = usize::from(width).saturating_sub(of.width() + 1);
    let name = Span::styled(fit_end(&photo.layer, room), app.theme.style(Role::Title));
    two(name, of, usize::from(width))
}

/// The line that says all of the selected channel.
fn summary(app: &App, photo: &Photo, selected: &photo::Channel, width: u16) -> Line<'static> {
    let found = selected.activation;
    let at = found.at.map(|(row, column)| format!(" at {row},{column}"));
    let numbers = format!(
        "mean {} · maximum {}{}",
        words::score(found.mean),
        words::score(found.maximum),
        at.unwrap_or_default()
    );
    let numbers = Span::styled(numbers, app.theme.style(Role::Text));
    let room = usize::from(width).saturating_sub(numbers.width() + 1);
    let name = fit_end(&format!("{}:{}", photo.layer, found.channel), room);
    two(
        Span::styled(name, app.theme.style(Role::Title)),
        numbers,
        usize::from(width),
    )
}

fn cells(app: &App, frame: &mut Frame, grid: &Grid, photo: &Photo, opened: &Opened) {
    let list = &photo.cells;
    let seen = grid.columns * grid.lines;
    let rows = list
        .rows()
        .iter()
        .enumerate()
        .skip(list.offset())
        .take(seen);
    for (place, (index, &channel)) in rows.enumerate() {
        let Some(found) = photo.shown().get(channel) else {
            continue;
        };
        let (column, line) = (place % grid.columns, place / grid.columns);
        let cell = Rect::new(
            grid.area.x + column as u16 * width(grid.picture),
            grid.area.y + line as u16 * (grid.picture.1 + 1),
            width(grid.picture) - 2,
            grid.picture.1 + 1,
        );
        let cell = cell.intersection(grid.area);
        if cell.height > 1 {
            let slot = slots::PHOTO + 1 + 2 * place as u32;
            one(
                app,
                frame,
                cell,
                slot,
                (photo, found, opened),
                index == list.cursor(),
            );
        }
    }
    let line = usize::from(grid.picture.1 + 1);
    let lines = list.len().div_ceil(grid.columns) * line;
    let first = list.offset() / grid.columns * line;
    super::panel::scrollbar(app, frame, grid.area, lines, first);
}

/// Draws one channel: its name and what it is ranked by, its map over the photo, and beside it what a run made of it.
fn one(
    app: &App,
    frame: &mut Frame,
    cell: Rect,
    slot: u32,
    (photo, found, opened): (&Photo, &photo::Channel, &Opened),
    is_cursor: bool,
) {
    let channel = found.activation.channel;
    let value = match photo.rank {
        Rank::Mean => found.activation.mean,
        Rank::Maximum => found.activation.maximum,
    };
    let value = format!(" · {}", words::score(value));
    let room = usize::from(cell.width).saturating_sub(value.chars().count());
    let name = fit_end(&format!("{}:{channel}", photo.layer), room);
    let role = match is_cursor {
        true => Role::Cursor,
        false => Role::Dim,
    };
    let line = Rect { height: 1, ..cell };
    frame.buffer.set_style(line, app.theme.style(role));
    Line::styled(format!("{name}{value}"), app.theme.style(role)).render(line, frame.buffer);
    let below = Rect {
        y: cell.y + 1,
        height: cell.height - 1,
        ..cell
    };
    let half = cell.width / 2;
    let synthetic = match &found.map {
        Some(map) => {
            frame.place(
                slot,
                map,
                Rect {
                    width: half,
                    ..below
                },
                false,
            );
            Rect {
                x: below.x + half + 1,
                width: below.width - half - 1,
                ..below
            }
        }
        None => below,
    };
    let target = photo.target(opened, Place::Channel(channel));
    let target = target.and_then(Result::ok);
    match target.and_then(|target| made(app, opened, &target)) {
        Some(Made::Picture(picture, moving)) => {
            frame.place(slot + 1, &picture, synthetic, moving);
        }
        Some(Made::Not(text)) => dim(app, frame, synthetic, &text),
        None if is_cursor => {
            let text = format!("{} runs it", app.key(Command::RunShown));
            dim(app, frame, synthetic, &text);
        }
        None => dim(app, frame, synthetic, "·"),
    }
}

/// What there is of a channel's synthetic picture.
enum Made {
    /// The picture, and whether it still changes.
    Picture(Arc<RgbImage>, bool),
    /// Why there is none yet.
    Not(String),
}

fn made(app: &App, opened: &Opened, target: &Target) -> Option<Made> {
    let mut jobs = app.queue.jobs().iter();
    let job = jobs.find(|job| {
        job.spec.objective == target.objective
            && job.spec.unit == target.unit
            && job.spec.model_hash == opened.hash
    });
    if let Some(made) = job.and_then(|job| growing(app, job.id)) {
        return Some(made);
    }
    let entry = app.library.of_target(&opened.hash, target)?;
    let full = app.gallery.get(&entry.id, Size::Full);
    let picture = full.or_else(|| app.gallery.get(&entry.id, Size::Thumbnail));
    Some(match picture {
        Some(picture) => Made::Picture(Arc::clone(picture), false),
        None => Made::Not("…".into()),
    })
}

/// A run that waits or is under way; `None` if it failed.
fn growing(app: &App, job: JobId) -> Option<Made> {
    let Some(live) = app.running.iter().find(|live| live.job == job) else {
        let is_waiting = app
            .queue
            .get(job)
            .is_some_and(|job| job.state == JobState::Waiting);
        return is_waiting.then(|| Made::Not("queued".into()));
    };
    let snapshot = app.snapshot.as_ref().filter(|snapshot| snapshot.job == job);
    Some(match snapshot {
        Some(snapshot) => Made::Picture(Arc::clone(&snapshot.picture), !app.paused),
        None => Made::Not(format!("step {} of {}", live.step, live.steps)),
    })
}

/// Draws a dim text in the middle of an area.
fn dim(app: &App, frame: &mut Frame, area: Rect, text: &str) {
    if area.is_empty() {
        return;
    }
    let place = Rect::new(area.x, area.y + area.height / 2, area.width, 1);
    let text = fit(text, usize::from(area.width));
    Line::styled(text, app.theme.style(Role::Dim))
        .centered()
        .render(place, frame.buffer);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_cell_has_a_place_in_the_popup(width in 40u16..300, height in 12u16..120, count in 0usize..30, cell in (1u16..40, 1u16..40)) {
            let body = Rect::new(0, 1, width, height - 2);
            let grid = grid(body, cell, count);
            prop_assert!(grid.columns >= 1 && grid.lines >= 1);
            prop_assert_eq!(grid.area.intersection(body), grid.area);
            if grid.columns > 1 {
                prop_assert!(grid.columns as u16 * super::width(grid.picture) - 2 <= grid.area.width);
            }
        }
    }

    #[test]
    fn six_channels_are_seen_on_the_usual_screens() {
        for (width, height) in [(80, 22), (120, 38), (200, 58)] {
            let grid = grid(Rect::new(0, 1, width, height), (8, 16), 24);
            assert!(grid.columns * grid.lines >= 6, "{width}: {grid:?}");
        }
    }
}
