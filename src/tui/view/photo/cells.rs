//! The cells of the grid, one per channel.

use super::dim;
use crate::ascent::layer_probe::Rank;
use crate::runs::format;
use crate::runs::queue::JobState;
use crate::runs::target::Target;
use crate::runs::worker::{ModelInfo, photo};
use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::layout::photo::{Grid, width};
use crate::tui::photo::Photo;
use crate::tui::picture_cache::Size;
use crate::tui::text::fit_end;
use crate::tui::theme::Role;
use crate::tui::view::{Frame, panel, slots};
use image::RgbImage;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Widget;
use std::sync::Arc;

/// Draws the visible cells.
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

/// Draws one channel: its name and its rank value, or the progress of its run; its map over the photo; and beside it
/// the synthetic picture of the channel or of its most active neuron.
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
    let latest = latest(app, opened, &photo.targets(opened, found));
    let (title, value) = match &latest {
        Some((target, CellState::Running { step, steps, .. })) => {
            (target.title.clone(), format!("{step}/{steps}"))
        }
        Some((target, _)) => (target.title.clone(), format::score(value)),
        None => (photo.title(opened, channel), format::score(value)),
    };
    let value = format!(" · {value}");
    let room = usize::from(cell.width).saturating_sub(value.chars().count());
    let name = fit_end(&title, room);
    let role = if is_cursor { Role::Cursor } else { Role::Dim };
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
    match latest.map(|(_, state)| state) {
        Some(CellState::Picture(picture)) => {
            frame.place(slot + 1, &picture, synthetic, false);
        }
        Some(CellState::Running {
            picture: Some(picture),
            is_moving,
            ..
        }) => {
            frame.place(slot + 1, &picture, synthetic, is_moving);
        }
        Some(CellState::Running { picture: None, .. }) => dim(app, frame, synthetic, "…"),
        Some(CellState::Missing(text)) => dim(app, frame, synthetic, text),
        None if is_cursor => {
            let text = format!("{} runs it", app.key(Command::RunShown));
            dim(app, frame, synthetic, &text);
        }
        None => dim(app, frame, synthetic, "·"),
    }
}

/// The state of a synthetic picture.
enum CellState {
    Picture(Arc<RgbImage>),
    /// Its run is active. Before its first picture an earlier one stands in, if there is one.
    Running {
        picture: Option<Arc<RgbImage>>,
        is_moving: bool,
        step: usize,
        steps: usize,
    },
    /// Why there is none yet.
    Missing(&'static str),
}

/// The active one of these targets, or else the latest finished one, or else one that waits or failed.
fn latest(app: &App, opened: &ModelInfo, targets: &[Target]) -> Option<(Target, CellState)> {
    let finished = finished(app, opened, targets);
    let running = targets
        .iter()
        .find_map(|target| Some((target, app.active_run_of(target)?)));
    if let Some((target, live)) = running {
        let snapshot = app.snapshot(live.job);
        let before = finished.and_then(|(_, picture)| picture);
        let state = CellState::Running {
            is_moving: snapshot.is_some() && !app.paused,
            picture: snapshot
                .map(|snapshot| &snapshot.picture)
                .or(before)
                .cloned(),
            step: live.step,
            steps: live.steps,
        };
        return Some((target.clone(), state));
    }
    if let Some((target, picture)) = finished {
        let state = picture.map_or(CellState::Missing("…"), |picture| {
            CellState::Picture(Arc::clone(picture))
        });
        return Some((target.clone(), state));
    }
    let mut queued = targets
        .iter()
        .filter_map(|target| Some((target, app.job_of(target)?)));
    let (target, job) = queued.next()?;
    let why = match job.state {
        JobState::Failed(_) => "failed",
        JobState::Paused(_) => "paused",
        JobState::Waiting | JobState::Running => "waiting",
    };
    Some((target.clone(), CellState::Missing(why)))
}

/// The latest finished one of the targets, and its picture if that is in memory.
fn finished<'a>(
    app: &'a App,
    opened: &ModelInfo,
    targets: &'a [Target],
) -> Option<(&'a Target, Option<&'a Arc<RgbImage>>)> {
    let runs = targets.iter().filter_map(|target| {
        let entry = app.history.of_target(&opened.hash, target)?;
        Some((target, entry))
    });
    let (target, entry) = runs.max_by_key(|(_, entry)| entry.time)?;
    let full = app.pictures.get(&entry.id, Size::Full);
    let picture = full.or_else(|| app.pictures.get(&entry.id, Size::Thumbnail));
    Some((target, picture))
}
