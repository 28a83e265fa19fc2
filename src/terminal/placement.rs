//! Placement of pictures: areas of character cells, and fitting a picture into one.

use image::RgbImage;
use std::sync::Arc;

/// A rectangle of character cells; column 0, row 0 is the screen's upper left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Area {
    pub x: u16,
    pub y: u16,
    pub width: u16,
    pub height: u16,
}

impl Area {
    /// Whether it has no cells.
    pub fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// The part within the first `columns` and `rows` of the screen.
    pub fn clipped(self, columns: u16, rows: u16) -> Self {
        Self {
            width: self.width.min(columns.saturating_sub(self.x)),
            height: self.height.min(rows.saturating_sub(self.y)),
            ..self
        }
    }

    /// The intersection with another area; empty if they are disjoint.
    pub fn shared(self, other: Self) -> Self {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let end = |start: u16, length: u16| u32::from(start) + u32::from(length);
        let length = |first: u32, second: u32, start: u16| {
            first.min(second).saturating_sub(u32::from(start)) as u16
        };
        Self {
            x,
            y,
            width: length(end(self.x, self.width), end(other.x, other.width), x),
            height: length(end(self.y, self.height), end(other.y, other.height), y),
        }
    }

    /// The difference to another area, as at most four disjoint areas: left and right over the full height,
    /// above and below between them.
    pub fn without(self, other: Self) -> Vec<Self> {
        let hole = self.shared(other);
        if hole.is_empty() {
            return vec![self];
        }
        let (right, below) = (hole.x + hole.width, hole.y + hole.height);
        let parts = [
            Self {
                width: hole.x - self.x,
                ..self
            },
            Self {
                x: right,
                width: self.x + self.width - right,
                ..self
            },
            Self {
                height: hole.y - self.y,
                y: self.y,
                ..hole
            },
            Self {
                y: below,
                height: self.y + self.height - below,
                ..hole
            },
        ];
        parts.into_iter().filter(|part| !part.is_empty()).collect()
    }

    /// Width and height in pixels.
    pub fn pixels(self, cell: (u16, u16)) -> (u32, u32) {
        (
            u32::from(self.width) * u32::from(cell.0),
            u32::from(self.height) * u32::from(cell.1),
        )
    }
}

/// The difference of two sets of areas. No part is empty.
pub fn without(parts: &[Area], covers: &[Area]) -> Vec<Area> {
    let parts = parts.iter().copied().filter(|part| !part.is_empty());
    covers
        .iter()
        .fold(parts.collect(), |parts: Vec<Area>, cover| {
            let left = parts.into_iter().flat_map(|part| part.without(*cover));
            left.collect()
        })
}

/// A picture that should be on the screen.
#[derive(Debug, Clone)]
pub struct PlacedPicture {
    /// Identifies the position: a picture of the same slot replaces the previous one.
    pub slot: u32,
    /// The available cells; the picture keeps its aspect ratio and is centred.
    pub area: Area,
    /// Covered areas: these cells belong to the text.
    pub hidden: Vec<Area>,
    pub picture: Arc<RgbImage>,
    /// Changes with the picture.
    pub version: u64,
    /// More versions follow soon: this one may be coarse, or be skipped.
    pub moving: bool,
}

/// The largest centred area with the picture's aspect ratio within `area`, rounded to cells. At least one cell if
/// `area` has one.
///
/// The function is idempotent, so that the reserved cells are the drawn cells. `picture` and `cell` are widths and
/// heights in pixels.
pub fn fit(picture: (u32, u32), area: Area, cell: (u16, u16)) -> Area {
    if area.is_empty() || picture.0 == 0 || picture.1 == 0 || cell.0 == 0 || cell.1 == 0 {
        return Area {
            width: 0,
            height: 0,
            ..area
        };
    }
    // Rounded to cells, an area is a little wider or higher than the picture, which may then need one column or
    // row less.
    let mut size = (area.width, area.height);
    loop {
        let smaller = fitted(picture, size, cell);
        if smaller == size {
            break;
        }
        size = smaller;
    }
    let (width, height) = size;
    Area {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    }
}

/// Columns and rows with the picture's aspect ratio within `room`, rounded. No argument is zero.
fn fitted(picture: (u32, u32), room: (u16, u16), cell: (u16, u16)) -> (u16, u16) {
    let size = (f64::from(picture.0), f64::from(picture.1));
    let cell = (f64::from(cell.0), f64::from(cell.1));
    let pixels = (f64::from(room.0) * cell.0, f64::from(room.1) * cell.1);
    let scale = (pixels.0 / size.0).min(pixels.1 / size.1);
    let cells =
        |length: f64, cell: f64, max: u16| ((length * scale / cell).round() as u16).clamp(1, max);
    (cells(size.0, cell.0, room.0), cells(size.1, cell.1, room.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn area(x: u16, y: u16, width: u16, height: u16) -> Area {
        Area {
            x,
            y,
            width,
            height,
        }
    }

    #[test]
    fn a_square_picture_is_a_square_of_pixels_in_the_middle() {
        assert_eq!(
            fit((224, 224), area(2, 1, 40, 10), (8, 16)),
            area(12, 1, 20, 10)
        );
        assert_eq!(
            fit((224, 224), area(0, 0, 10, 40), (8, 16)),
            area(0, 17, 10, 5)
        );
        assert_eq!(
            fit((200, 100), area(0, 0, 40, 40), (10, 20)),
            area(0, 15, 40, 10)
        );
    }

    /// 37 columns of 8 pixels are 17 rows of 17 pixels, and these are 36 columns: if 37 were reserved and 36
    /// drawn, the last column would keep old text.
    #[test]
    fn every_reserved_column_is_drawn() {
        let inner = fit((224, 224), area(0, 0, 37, 40), (8, 17));
        assert_eq!((inner.width, inner.height), (36, 17));
        assert_eq!(fit((224, 224), inner, (8, 17)), inner);
    }

    #[test]
    fn nothing_fits_into_nothing() {
        assert!(fit((224, 224), area(3, 3, 0, 5), (8, 16)).is_empty());
        assert!(fit((0, 224), area(3, 3, 5, 5), (8, 16)).is_empty());
        assert_eq!(area(70, 20, 20, 10).clipped(80, 24), area(70, 20, 10, 4));
        assert!(area(90, 0, 5, 5).clipped(80, 24).is_empty());
    }

    proptest! {
        #[test]
        fn every_uncovered_cell_is_in_one_part(
            whole in (0..9_u16, 0..9_u16, 0..9_u16, 0..9_u16),
            covers in prop::collection::vec((0..9_u16, 0..9_u16, 0..9_u16, 0..9_u16), 0..4),
        ) {
            let of = |(x, y, width, height)| area(x, y, width, height);
            let holds = |area: &Area, x: u16, y: u16| {
                !area.shared(super::Area { x, y, width: 1, height: 1 }).is_empty()
            };
            let covers: Vec<Area> = covers.into_iter().map(of).collect();
            let parts = without(&[of(whole)], &covers);
            for (x, y) in (0..20).flat_map(|x| (0..20).map(move |y| (x, y))) {
                let is_seen = holds(&of(whole), x, y) && !covers.iter().any(|cover| holds(cover, x, y));
                let count = parts.iter().filter(|part| holds(part, x, y)).count();
                prop_assert_eq!(count, usize::from(is_seen));
            }
            prop_assert!(parts.iter().all(|part| !part.is_empty()));
        }

        #[test]
        fn a_fitted_area_stays_inside_fits_into_itself_and_is_the_largest_but_for_one_cell(
            picture in (1..3000_u32, 1..3000_u32), cell in (1..40_u16, 1..60_u16),
            x in 0..100_u16, y in 0..100_u16, width in 1..300_u16, height in 1..200_u16,
        ) {
            let whole = area(x, y, width, height);
            let inner = fit(picture, whole, cell);
            prop_assert!(!inner.is_empty());
            prop_assert!(inner.x >= x && inner.x + inner.width <= x + width);
            prop_assert!(inner.y >= y && inner.y + inner.height <= y + height);
            prop_assert_eq!(fit(picture, inner, cell), inner);
            let (columns, rows) = whole.pixels(cell);
            let scale = (f64::from(columns) / f64::from(picture.0)).min(f64::from(rows) / f64::from(picture.1));
            let missing = |side: u32, cells: u16, cell: u16| f64::from(side) * scale / f64::from(cell) - f64::from(cells);
            let missing = (missing(picture.0, inner.width, cell.0), missing(picture.1, inner.height, cell.1));
            prop_assert!(missing.0.min(missing.1) <= 1.0, "{inner:?}");
        }
    }
}
