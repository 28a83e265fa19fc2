//! The cells of the grid, one a channel.

use super::dim;
use super::grid::{Grid, width};
use crate::ascent::layer_probe::Rank;
use crate::runs::format;
use crate::runs::queue::{JobId, JobState};
use crate::runs::target::{LayerPart, Target};
use crate::runs::worker::{ModelInfo, photo};
use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::gallery::Size;
use crate::tui::photo::Photo;
use crate::tui::text::fit_end;
use crate::tui::theme::Role;
use crate::tui::view::{Frame, panel, slots};
use image::RgbImage;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Widget;
use std::sync::Arc;

/// Draws the cells that are seen.
pub fn draw(app: &App, frame: &mut Frame, grid: &Grid, photo: &Photo, opened: &ModelInfo) {
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
    panel::scrollbar(app, frame, grid.area, lines, first);
}

/// Draws one channel: its name and what it is ranked by, its map over the photo, and beside it what a run made of it.
fn one(
    app: &App,
    frame: &mut Frame,
    cell: Rect,
    slot: u32,
    (photo, found, opened): (&Photo, &photo::Channel, &ModelInfo),
    is_cursor: bool,
) {
    let channel = found.activation.channel;
    let value = match photo.rank {
        Rank::Mean => found.activation.mean,
        Rank::Maximum => found.activation.maximum,
    };
    let value = format!(" · {}", format::score(value));
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
    let target = photo.target(opened, LayerPart::Channel(channel));
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

fn made(app: &App, opened: &ModelInfo, target: &Target) -> Option<Made> {
    if let Some(made) = app.job_of(target).and_then(|job| growing(app, job.id)) {
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
    let snapshot = app.snapshot(job);
    Some(match snapshot {
        Some(snapshot) => Made::Picture(Arc::clone(&snapshot.picture), !app.paused),
        None => Made::Not(format!("step {} of {}", live.step, live.steps)),
    })
}
