//! The cells that a picture covers, before it is drawn.

use crate::terminal::placement::{Area, fit};
use crate::terminal::protocols::{placeholders, sixel};
use crate::terminal::{Protocol, Route, Terminal};

/// The cells that a picture covers within its area, on a screen of `columns` × `rows`; empty if it does not fit.
pub fn covered_cells(
    terminal: &Terminal,
    picture: (u32, u32),
    area: Area,
    screen: (u16, u16),
) -> Area {
    let Terminal {
        protocol,
        route,
        cell,
        ..
    } = *terminal;
    // These protocols leave the cursor below the picture, which would scroll the screen on the last row.
    let rows = match protocol {
        Protocol::Sixel | Protocol::Iterm2 => screen.1.saturating_sub(1),
        Protocol::Kitty | Protocol::Blocks => screen.1,
    };
    let mut room = area.clipped(screen.0, rows);
    if protocol == Protocol::Sixel {
        room = bounded(room, cell);
    }
    if route == Route::TmuxPlaceholders {
        room = narrowed(room, placeholders::MAX_INDEX);
    }
    fit(picture, room, cell)
}

/// The centre of an area, limited to the maximum size of sixels.
fn bounded(area: Area, cell: (u16, u16)) -> Area {
    let (width, height) = area.pixels(cell);
    let pixels = u64::from(width) * u64::from(height);
    if pixels <= u64::from(sixel::MAX_PIXELS) {
        return area;
    }
    let scale = (f64::from(sixel::MAX_PIXELS) / pixels as f64).sqrt();
    let shorter = |length: u16| ((f64::from(length) * scale) as u16).max(1);
    middle(area, shorter(area.width), shorter(area.height))
}

/// The centre of an area, with at most `most` columns and rows.
fn narrowed(area: Area, most: u16) -> Area {
    middle(area, area.width.min(most), area.height.min(most))
}

fn middle(area: Area, width: u16, height: u16) -> Area {
    let (x, y) = (
        area.x + (area.width - width) / 2,
        area.y + (area.height - height) / 2,
    );
    Area {
        x,
        y,
        width,
        height,
    }
}
