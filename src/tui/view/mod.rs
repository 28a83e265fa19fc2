//! Drawing: pure functions from the state to a buffer of text and a list of pictures.
//!
//! One file per panel. Nothing here changes the state or touches the terminal; [`draw`] is called for every frame,
//! and by the snapshot tests.

pub mod album;
mod batch;
mod browser;
mod chart;
mod compare;
mod continuations;
mod details;
mod grid;
mod header;
mod help;
mod messages;
mod models;
mod palette;
mod panel;
pub mod photo;
mod picture;
mod queue;
mod run;
mod settings;
mod status;
mod subject;

use super::app::App;
use super::layout;
use super::popup::Popup;
use super::theme::Role;
use crate::terminal::{Area, PlacedPicture, Protocol, Terminal, covered_cells, without};
use image::RgbImage;
use ratatui::buffer::{Buffer, CellDiffOption};
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Clear, Widget};
use std::sync::Arc;

/// A frame being drawn: its text, and the pictures that will lie on it.
pub struct Frame<'a> {
    pub buffer: &'a mut Buffer,
    scene: Vec<PlacedPicture>,
    terminal: &'a Terminal,
    /// Where the cursor of a line that is being typed is.
    pub cursor: Option<(u16, u16)>,
}

/// Places of pictures, by number: each has its own range, so that a picture keeps its place from frame to frame.
pub mod slots {
    /// The picture panel.
    pub const PANEL: u32 = 1;
    /// The picture of the details.
    pub const DETAILS: u32 = 2;
    /// The cells of a grid.
    pub const CELLS: u32 = 1000;
    /// The runs of a batch.
    pub const TILES: u32 = 200;
    /// The compared pictures.
    pub const COMPARED: u32 = 100;
    /// The photo, and from the next number on the cells of its grid, two pictures each.
    pub const PHOTO: u32 = 4000;
}

/// What a frame is made of beside its text.
pub struct Drawn {
    pub scene: Vec<PlacedPicture>,
    pub cursor: Option<(u16, u16)>,
}

/// Draws the whole screen.
pub fn draw(app: &App, buffer: &mut Buffer) -> Drawn {
    let mut frame = Frame {
        terminal: &app.environment.terminal,
        scene: Vec::new(),
        cursor: None,
        buffer,
    };
    let area = frame.buffer.area;
    frame.buffer.set_style(area, app.theme.style(Role::Text));
    if area.width < layout::SMALLEST.width || area.height < layout::SMALLEST.height {
        too_small(app, &mut frame);
        return frame.finish();
    }
    let layout = app.layout();
    header::draw(app, &mut frame, layout.header);
    if !layout.browser.is_empty() {
        browser::draw(app, &mut frame, &layout);
    }
    if !layout.picture.is_empty() {
        picture::draw(app, &mut frame, layout.picture);
    }
    if let Some(run) = layout.run {
        run::draw(app, &mut frame, run);
    }
    if let Some(queue) = layout.queue {
        queue::draw(app, &mut frame, queue);
    }
    for popup in &app.popups {
        draw_popup(app, &mut frame, popup);
    }
    if app.hesitates() {
        continuations::draw(app, &mut frame);
    }
    status::message(app, &mut frame, layout.message());
    status::draw(app, &mut frame, layout.status);
    frame.finish()
}

fn draw_popup(app: &App, frame: &mut Frame, popup: &Popup) {
    match popup {
        Popup::Help { scroll, filter } => help::draw(app, frame, filter, *scroll),
        Popup::Palette(palette) => palette::draw(app, frame, palette),
        Popup::Settings(knobs) => settings::draw(app, frame, knobs),
        Popup::Details { id, record, scroll } => {
            details::draw(app, frame, id, record.as_deref(), *scroll);
        }
        Popup::Models(picker) => models::draw(app, frame, picker),
        Popup::Compare(compare) => compare::draw(app, frame, compare),
        Popup::Photos => album::draw(app, frame),
        Popup::Photo(photo) => photo::draw(app, frame, photo),
        Popup::Messages { scroll } => messages::draw(app, frame, *scroll),
    }
}

fn too_small(app: &App, frame: &mut Frame) {
    let area = frame.buffer.area;
    let smallest = layout::SMALLEST;
    let lines = [
        "too small".to_string(),
        format!("{}×{}", area.width, area.height),
        format!("needs {}×{}", smallest.width, smallest.height),
    ];
    let top = (area.height / 2).saturating_sub(1);
    for (row, text) in (top..area.height).zip(lines) {
        let line = Line::styled(text, app.theme.style(Role::Dim)).centered();
        line.render(Rect::new(0, row, area.width, 1), frame.buffer);
    }
}

/// A rectangle as pictures know it.
fn cells(area: Rect) -> Area {
    Area {
        x: area.x,
        y: area.y,
        width: area.width,
        height: area.height,
    }
}

impl Frame<'_> {
    /// Puts a picture into an area, as large as fits and centred; returns where it is.
    pub fn place(&mut self, slot: u32, picture: &Arc<RgbImage>, area: Rect, moving: bool) -> Rect {
        let area = cells(area);
        let screen = (self.buffer.area.width, self.buffer.area.height);
        let fitted = covered_cells(self.terminal, picture.dimensions(), area, screen);
        let place = Rect::new(fitted.x, fitted.y, fitted.width, fitted.height);
        if place.is_empty() {
            return place;
        }
        if self.terminal.protocol == Protocol::Blocks {
            picture::blocks(self.buffer, picture, place, self.terminal);
            return place;
        }
        for position in place.positions() {
            if let Some(cell) = self.buffer.cell_mut(position) {
                // The ground stays: a picture may leave a part of its last column or row free.
                cell.set_symbol(" ").set_diff_option(CellDiffOption::Skip);
            }
        }
        self.scene.push(PlacedPicture {
            slot,
            area: fitted,
            hidden: Vec::new(),
            picture: Arc::clone(picture),
            // A picture is never changed in place: another one is at another address.
            version: Arc::as_ptr(picture) as u64,
            moving,
        });
        place
    }

    /// Makes room for something that lies over what was drawn so far: no text stays beneath it, and of a picture only
    /// what is beside it.
    pub fn uncover(&mut self, area: Rect) {
        let cover = cells(area);
        for placed in &mut self.scene {
            let shared = placed.area.shared(cover);
            if shared.is_empty() {
                continue;
            }
            placed.hidden.push(shared);
            let Area {
                x,
                y,
                width,
                height,
            } = shared;
            for position in Rect::new(x, y, width, height).positions() {
                if let Some(cell) = self.buffer.cell_mut(position) {
                    cell.set_diff_option(CellDiffOption::None);
                }
            }
        }
        let is_seen = |placed: &PlacedPicture| !without(&[placed.area], &placed.hidden).is_empty();
        self.scene.retain(is_seen);
        Clear.render(area, self.buffer);
    }

    fn finish(self) -> Drawn {
        Drawn {
            scene: self.scene,
            cursor: self.cursor,
        }
    }
}
