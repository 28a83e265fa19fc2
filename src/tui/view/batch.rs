//! The runs of a batch side by side in the picture panel, with names and progress.

use super::compare::grid;
use super::{Frame, slots};
use crate::runs::format;
use crate::tui::app::App;
use crate::tui::picture_cache::Size;
use crate::tui::showing::Tile;
use crate::tui::text::{fitted, p, wrapped};
use crate::tui::theme::Role;
use image::RgbImage;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Widget;
use std::sync::Arc;

/// Draws the pictures.
pub fn draw(app: &App, frame: &mut Frame, area: Rect, tiles: &[Tile]) {
    let (columns, rows) = grid(tiles.len(), area, |_| 1);
    let (width, height) = (area.width / columns, area.height / rows);
    if height < 3 || width < 4 {
        return;
    }
    for (index, tile) in tiles.iter().enumerate() {
        let (column, row) = (index as u16 % columns, index as u16 / columns);
        let place = Rect::new(
            area.x + column * width,
            area.y + row * height,
            width - 1,
            height - 1,
        );
        let (picture, caption) = content(app, tile);
        let moving = matches!(tile, Tile::Running(_)) && !app.paused;
        let slot = slots::TILES + index as u32;
        let shown = picture.map(|picture| frame.place(slot, &picture, place, moving));
        let bottom = shown.unwrap_or(place).bottom();
        let lines = lines(&caption, place.width, place.bottom() + 1 - bottom);
        for (y, text) in (bottom..).zip(lines) {
            let line = Line::styled(text, app.theme.style(Role::Dim)).centered();
            line.render(Rect::new(place.x, y, place.width, 1), frame.buffer);
        }
    }
}

/// The lines of a caption: one, or, where the name is too long for it and there is room, the name on several.
fn lines(caption: &[(u8, String)], width: u16, most: u16) -> Vec<String> {
    let width = usize::from(width);
    let name = caption.first().map_or("", |(_, name)| name);
    let several = wrapped(name, width);
    match (2..=usize::from(most)).contains(&several.len()) {
        true => several,
        false => vec![fitted(caption, width)],
    }
}

/// A tile's picture, if there is one yet, and the parts of its caption: the name, and the probability or the score.
fn content(app: &App, tile: &Tile) -> (Option<Arc<RgbImage>>, Vec<(u8, String)>) {
    let captioned = |target: &str, probability: Option<f32>, score: Option<f32>| {
        let value = match (probability, score) {
            (Some(probability), _) => p(probability),
            (None, Some(score)) => format!("score {}", format::score(score)),
            (None, None) => String::new(),
        };
        vec![(1, target.to_string()), (0, value)]
    };
    match tile {
        Tile::Running(job) => {
            let live = app.running.iter().find(|live| live.job == *job);
            let target = app.queue.get(*job).map(|job| job.spec.target.as_str());
            let score = live.and_then(|live| live.curve.last());
            let caption = captioned(
                target.unwrap_or_default(),
                live.and_then(|live| live.probability),
                score.map(|(_, score)| *score as f32),
            );
            let snapshot = app.snapshot(*job);
            (snapshot.map(|shot| Arc::clone(&shot.picture)), caption)
        }
        Tile::Finished(id) => {
            let caption = app
                .history
                .find(id)
                .map(|entry| captioned(&entry.target, entry.probability, Some(entry.score)));
            let picture = app.pictures.get(id, Size::Full).map(Arc::clone);
            (picture, caption.unwrap_or_default())
        }
    }
}
