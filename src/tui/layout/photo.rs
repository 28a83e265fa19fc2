//! The areas of the photo view, and the cell size of its grid.

use ratatui::layout::Rect;

/// Minimum and maximum rows of a cell's pictures, and the preferred number of visible cells.
const LOWEST: u16 = 4;
const HIGHEST: u16 = 12;
const SEEN: usize = 6;

/// Maximum columns of a picture, whatever character size a terminal reports.
const WIDEST: u32 = 100;

/// The cells of the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    pub area: Rect,
    /// Number of columns and rows of cells.
    pub columns: usize,
    pub lines: usize,
    /// Columns and rows of a picture; a cell has two side by side.
    pub picture: (u16, u16),
}

/// The grid for this many channels within the body of a screen whose characters have `cell` pixels: pictures are as
/// large as possible with six visible cells.
pub fn grid(body: Rect, cell: (u16, u16), count: usize) -> Grid {
    let (_, right) = parts(inside(body));
    // The layer's name is above it, the selected channel below.
    let area = Rect {
        y: right.y + right.height.min(1),
        height: right.height.saturating_sub(2),
        ..right
    };
    let of = |rows: u16| {
        let pixels = u32::from(rows) * u32::from(cell.1);
        let columns = pixels.div_ceil(u32::from(cell.0.max(1)));
        let picture = (columns.clamp(LOWEST.into(), WIDEST) as u16, rows);
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
pub fn width((columns, _): (u16, u16)) -> u16 {
    2 * columns + 3
}

/// The area inside the popup's border.
fn inside(body: Rect) -> Rect {
    Rect::new(
        body.x + body.width.min(2),
        body.y + body.height.min(1),
        body.width.saturating_sub(4),
        body.height.saturating_sub(2),
    )
}

/// The areas of the photo and of its channels.
pub fn parts(inner: Rect) -> (Rect, Rect) {
    halves(inner, (inner.width * 2 / 5).min(56))
}

/// Two areas side by side, the left one of this width.
pub fn halves(inner: Rect, left: u16) -> (Rect, Rect) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_cell_has_a_place_in_the_popup(width in 40u16..300, height in 12u16..120, count in 0usize..30, cell in (0u16.., 0u16..)) {
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
