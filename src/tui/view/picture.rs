//! The picture panel, and pictures drawn as text.

use super::batch;
use super::panel::{TITLE_MARGIN, bordered};
use super::{Frame, slots};
use crate::ascent::Overlay;
use crate::runs::format;
use crate::terminal::Terminal;
use crate::terminal::protocols::blocks;
use crate::text::{counted, duration};
use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::opening::Model;
use crate::tui::showing::Showing;
use crate::tui::text::{fit, fitted, p};
use crate::tui::theme::Role;
use image::RgbImage;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget, Wrap};
use std::sync::Arc;

/// Draws the panel.
pub fn draw(app: &App, frame: &mut Frame, area: Rect) {
    let lens = match (app.zoomed, app.lens.magnification()) {
        (false, _) | (_, 1) => String::new(),
        (true, times) => format!("{times}×"),
    };
    let mut parts = title(app);
    parts.push((MAX_PRIORITY, lens));
    let title = fitted(&parts, usize::from(area.width).saturating_sub(TITLE_MARGIN));
    let inner = bordered(app, frame, area, &title, app.zoomed);
    match &app.shown {
        Showing::Running(_) => one(app, frame, inner, "starting …"),
        Showing::Finished(_) => one(app, frame, inner, "…"),
        Showing::Batch(tiles) => batch::draw(app, frame, inner, tiles),
        Showing::Nothing => nothing(app, frame, inner),
    }
}

/// Priority of the name among the parts of the title.
const MAX_PRIORITY: u8 = 4;

/// The parts of the title and their priorities.
fn title(app: &App) -> Vec<(u8, String)> {
    let paused = if app.paused { "paused" } else { "" };
    match &app.shown {
        Showing::Nothing => Vec::new(),
        Showing::Running(job) => {
            let target = app.queue.get(*job).map(|job| job.spec.target.as_str());
            let overlay = match app.overlay {
                Overlay::Plain => String::new(),
                overlay => overlay_name(overlay),
            };
            let target = target.unwrap_or_default().to_string();
            vec![(MAX_PRIORITY, target), (2, overlay), (3, paused.into())]
        }
        Showing::Batch(tiles) => {
            let runs = counted(tiles.len(), "run");
            vec![(MAX_PRIORITY, runs), (3, paused.into())]
        }
        Showing::Finished(id) => {
            let entry = app.history.find(id);
            let Some(entry) = entry else {
                return Vec::new();
            };
            let what = match (&app.replay, &app.heat) {
                (Some(_), _) => "replay",
                (None, Some(_)) => "heat map",
                (None, None) => "",
            };
            let star = if entry.favourite { "★ " } else { "" };
            let model = if app.is_of_other_model(&entry.model_hash) {
                entry.model.clone()
            } else {
                String::new()
            };
            vec![
                (3, what.into()),
                (MAX_PRIORITY, format!("{star}{}", fit(&entry.target, 60))),
                (2, model),
                (0, format!("score {}", format::score(entry.score))),
                (1, entry.probability.map(p).unwrap_or_default()),
            ]
        }
    }
}

/// Draws the picture, or a part of it; a text until it is loaded.
fn one(app: &App, frame: &mut Frame, area: Rect, until: &str) {
    let part = app.magnified.as_ref().map(|part| &part.picture);
    let moving = app.shown.is_live() && !app.paused;
    match part.or_else(|| app.shown_picture()) {
        Some(picture) => {
            frame.place(slots::PANEL, &Arc::clone(picture), area, moving);
        }
        None => say(app, frame, area, &[until]),
    }
}

/// The name of an overlay.
pub fn overlay_name(overlay: Overlay) -> String {
    match overlay {
        Overlay::Plain => "picture".into(),
        Overlay::Heat => "heat map over the picture".into(),
        Overlay::Map => "class activation map".into(),
        Overlay::Band(band) => format!("band {band} of the gradient"),
        Overlay::Gradient => "normalised gradient".into(),
    }
}

/// The text where no picture is: the progress of the opening, why it failed, or what to do.
fn nothing(app: &App, frame: &mut Frame, area: Rect) {
    match &app.model {
        Model::Opening {
            name, stage, bytes, ..
        } => {
            let so_far = match bytes {
                Some((so_far, total)) if *total > 0 => {
                    let share = *so_far as f64 / *total as f64;
                    let bar = super::panel::bar(share, 24);
                    let megabytes = |bytes: u64| bytes as f64 / 1e6;
                    format!(
                        "{bar:<24} {:.0} of {:.0} MB",
                        megabytes(*so_far),
                        megabytes(*total)
                    )
                }
                _ => span_of_dots(app),
            };
            say(app, frame, area, &[name, stage, &so_far]);
        }
        Model::Failed { name, why } => {
            let key = app.key(Command::OpenModel);
            let help = format!("`{key}` opens another model");
            say(app, frame, area, &[name, why, &help]);
        }
        Model::Open(_) if app.history.is_empty() => say(
            app,
            frame,
            area,
            &[
                "What has the network learned?",
                "Choose a class or a channel and press enter: its picture grows here.",
            ],
        ),
        Model::Open(_) => {}
    }
}

fn span_of_dots(app: &App) -> String {
    let seconds = app.now.as_secs_f64();
    if seconds < 2.0 {
        String::new()
    } else {
        duration(seconds)
    }
}

fn say(app: &App, frame: &mut Frame, area: Rect, lines: &[&str]) {
    let inner = Rect::new(
        area.x + area.width / 8,
        area.y + (area.height / 2).saturating_sub(lines.len() as u16),
        area.width - area.width / 4,
        (area.height / 2 + lines.len() as u16).min(area.height),
    )
    .intersection(area);
    let mut text: Vec<Line> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let role = if index == 0 { Role::Text } else { Role::Dim };
        text.push(Line::from(Span::styled(
            fit(line, 400),
            app.theme.style(role),
        )));
    }
    Paragraph::new(text)
        .centered()
        .wrap(Wrap { trim: true })
        .render(inner, frame.buffer);
}

/// Draws a picture as text into a buffer.
pub fn blocks(buffer: &mut Buffer, picture: &RgbImage, area: Rect, terminal: &Terminal) {
    let grid = blocks::cells(picture, area.width, area.height, terminal.blocks);
    for (y, row) in (area.y..area.bottom()).zip(grid.rows()) {
        for (x, part) in (area.x..area.right()).zip(row) {
            let ink = part.ink(terminal.colours);
            if let Some(cell) = buffer.cell_mut((x, y)) {
                cell.set_char(ink.glyph);
                cell.fg = ink.foreground.map_or(Color::Reset, colour);
                cell.bg = ink.background.map_or(Color::Reset, colour);
            }
        }
    }
}

fn colour(colour: blocks::Colour) -> Color {
    match colour {
        blocks::Colour::True([r, g, b]) => Color::Rgb(r, g, b),
        blocks::Colour::Indexed(index) => Color::Indexed(index),
    }
}
