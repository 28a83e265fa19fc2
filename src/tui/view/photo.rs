//! The photo view: the prediction on the left, the most active channels on the right, each with its feature map
//! over the photo and its synthetic picture.

mod cells;

use super::panel::{overlaid, two};
use super::{Frame, slots};
use crate::ascent::layer_probe::Rank;
use crate::runs::format;
use crate::runs::worker::{ModelInfo, photo};
use crate::tui::app::App;
use crate::tui::layout::photo::{grid, parts};
use crate::tui::photo::{Channels, Photo};
use crate::tui::text::{fit, fit_path, wrapped};
use crate::tui::theme::Role;
use image::RgbImage;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use std::sync::Arc;
use unicode_width::UnicodeWidthStr;

/// Draws the popup.
pub fn draw(app: &App, frame: &mut Frame, photo: &Photo) {
    let body = app.layout().body;
    let inner = overlaid(app, frame, body.width, body.height, &title(app, photo));
    let (left, right) = parts(inner);
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
    let of = match app.photos.place(&photo.path) {
        (Some(at), count) if count > 1 => format!(" · {} of {count}", at + 1),
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
    opened: &ModelInfo,
) {
    let below = Below {
        found,
        opened,
        mapped: photo.mapped,
        is_awaited: photo.mapped.is_some_and(|class| photo.map(class).is_none()),
    };
    if let Some(picture) = photo.picture() {
        pictured(app, frame, area, picture, below.lines(app, area.width));
    }
}

/// Draws a photo, and lines below it.
pub(super) fn pictured(
    app: &App,
    frame: &mut Frame,
    area: Rect,
    picture: &Arc<RgbImage>,
    below: Vec<Line<'static>>,
) {
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

/// What is said below a photo: its classes, and how much of it the network sees.
pub(super) struct Below<'a> {
    pub found: &'a photo::Photo,
    pub opened: &'a ModelInfo,
    /// The class whose activation map lies over the photo, and whether that is still to come.
    pub mapped: Option<usize>,
    pub is_awaited: bool,
}

impl Below<'_> {
    pub fn lines(&self, app: &App, width: u16) -> Vec<Line<'static>> {
        let (found, opened) = (self.found, self.opened);
        let width = usize::from(width);
        let class = |&(class, value): &(usize, f32)| {
            let is_mapped = self.mapped == Some(class);
            let value = match found.has_probabilities {
                true => format::percent(value),
                false => format::score(value),
            };
            let pending = match is_mapped && self.is_awaited {
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
                "the network sees only the central {wide} × {high} of {width_of_all} × {height_of_all} pixels"
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
}

/// Draws the channels of the layer.
fn channels(app: &App, frame: &mut Frame, area: Rect, photo: &Photo, opened: &ModelInfo) {
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
        Channels::There(_) => cells::draw(app, frame, &grid, photo, opened),
    }
    if let Some(selected) = photo.selected() {
        let place = Rect::new(area.x, area.bottom() - 1, area.width, 1);
        summary(app, (photo, opened), selected, area.width).render(place, frame.buffer);
    }
}

fn header(app: &App, photo: &Photo, opened: &ModelInfo, width: u16) -> Line<'static> {
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
    let name = Span::styled(fit_path(&photo.layer, room), app.theme.style(Role::Title));
    two(name, of, usize::from(width))
}

/// The line that says all of the selected channel.
fn summary(
    app: &App,
    (photo, opened): (&Photo, &ModelInfo),
    selected: &photo::Channel,
    width: u16,
) -> Line<'static> {
    let found = selected.activation;
    let at = found.at.map(|(row, column)| format!(" at {row},{column}"));
    let numbers = format!(
        "mean {} · maximum {}{}",
        format::score(found.mean),
        format::score(found.maximum),
        at.unwrap_or_default()
    );
    let numbers = Span::styled(numbers, app.theme.style(Role::Text));
    let room = usize::from(width).saturating_sub(numbers.width() + 1);
    let name = fit_path(&photo.title(opened, found.channel), room);
    two(
        Span::styled(name, app.theme.style(Role::Title)),
        numbers,
        usize::from(width),
    )
}

/// Draws a dim text in the middle of an area.
pub(super) fn dim(app: &App, frame: &mut Frame, area: Rect, text: &str) {
    if area.is_empty() {
        return;
    }
    let place = Rect::new(area.x, area.y + area.height / 2, area.width, 1);
    let text = fit(text, usize::from(area.width));
    Line::styled(text, app.theme.style(Role::Dim))
        .centered()
        .render(place, frame.buffer);
}
