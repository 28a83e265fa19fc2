//! Where pictures stand: areas of character cells, and how a picture fits into one.

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

    /// The part of it within the first `columns` and `rows` of the screen.
    pub fn clipped(self, columns: u16, rows: u16) -> Self {
        Self {
            width: self.width.min(columns.saturating_sub(self.x)),
            height: self.height.min(rows.saturating_sub(self.y)),
            ..self
        }
    }

    /// Width and height in pixels.
    pub fn pixels(self, cell: (u16, u16)) -> (u32, u32) {
        (
            u32::from(self.width) * u32::from(cell.0),
            u32::from(self.height) * u32::from(cell.1),
        )
    }
}

/// A picture that should be on the screen.
#[derive(Debug, Clone)]
pub struct Placed {
    /// Names the place: a picture of the same slot replaces the one before.
    pub slot: u32,
    /// The cells it may take; it keeps its shape and stands in their middle.
    pub area: Area,
    pub picture: Arc<RgbImage>,
    /// Another number means another picture.
    pub version: u64,
    /// More versions follow soon: this one may be coarse, or be skipped.
    pub moving: bool,
}

/// The largest area of a picture's shape in the middle of `area`, to whole cells. At least one cell if `area` has one.
///
/// `picture` and `cell` are widths and heights in pixels.
pub fn fit(picture: (u32, u32), area: Area, cell: (u16, u16)) -> Area {
    if area.is_empty() || picture.0 == 0 || picture.1 == 0 || cell.0 == 0 || cell.1 == 0 {
        return Area {
            width: 0,
            height: 0,
            ..area
        };
    }
    let size = (f64::from(picture.0), f64::from(picture.1));
    let cell = (f64::from(cell.0), f64::from(cell.1));
    let room = (
        f64::from(area.width) * cell.0,
        f64::from(area.height) * cell.1,
    );
    let scale = (room.0 / size.0).min(room.1 / size.1);
    let cells =
        |pixels: f64, cell: f64, most: u16| ((pixels * scale / cell).round() as u16).clamp(1, most);
    let width = cells(size.0, cell.0, area.width);
    let height = cells(size.1, cell.1, area.height);
    Area {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    }
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

    #[test]
    fn nothing_fits_into_nothing() {
        assert!(fit((224, 224), area(3, 3, 0, 5), (8, 16)).is_empty());
        assert!(fit((0, 224), area(3, 3, 5, 5), (8, 16)).is_empty());
        assert_eq!(area(70, 20, 20, 10).clipped(80, 24), area(70, 20, 10, 4));
        assert!(area(90, 0, 5, 5).clipped(80, 24).is_empty());
    }

    proptest! {
        #[test]
        fn a_fitted_area_stays_inside_and_touches_two_sides(
            picture in (1..3000_u32, 1..3000_u32), cell in (1..40_u16, 1..60_u16),
            x in 0..100_u16, y in 0..100_u16, width in 1..300_u16, height in 1..200_u16,
        ) {
            let whole = area(x, y, width, height);
            let inner = fit(picture, whole, cell);
            prop_assert!(!inner.is_empty());
            prop_assert!(inner.x >= x && inner.x + inner.width <= x + width);
            prop_assert!(inner.y >= y && inner.y + inner.height <= y + height);
            prop_assert!(inner.width == width || inner.height == height);
        }
    }
}
