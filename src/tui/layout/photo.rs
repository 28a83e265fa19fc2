//! Where the parts of the popup are, and how large the cells of its grid.

use ratatui::layout::Rect;

/// Least and most rows of a cell's pictures, and how many cells are to be seen if they can be.
const LOWEST: u16 = 4;
const HIGHEST: u16 = 12;
const SEEN: usize = 6;

/// Most columns of a picture, whatever a terminal says of its characters.
const WIDEST: u32 = 100;

/// The cells of the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    pub area: Rect,
    /// How many stand side by side, and one below the other.
    pub columns: usize,
    pub lines: usize,
    /// Columns and rows of a picture; a cell has two side by side.
    pub picture: (u16, u16),
}

/// The grid for so many channels within the body of the screen, whose characters have `cell` pixels: the pictures are
/// as large as can be with six cells in view.
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
pub fn parts(inner: Rect) -> (Rect, Rect) {
    halves(inner, (inner.width * 2 / 5).min(56))
}

/// Two places side by side, the left one of a width.
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
