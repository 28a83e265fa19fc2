//! Pictures as text: each character cell shows two pixels, one above the other, as an upper half block in two colours.
//! Without colours, one shade a cell.

use super::super::{ColourDepth, resize};
use image::RgbImage;

/// The two pixels of a character cell, red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    pub upper: [u8; 3],
    pub lower: [u8; 3],
}

/// A picture as cells, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    columns: u16,
    pairs: Vec<Pair>,
}

/// A colour that a cell is drawn in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    True([u8; 3]),
    /// A place in the terminal's table.
    Indexed(u8),
}

/// How a cell is drawn. Colours are missing where there are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ink {
    pub glyph: char,
    pub foreground: Option<Colour>,
    pub background: Option<Colour>,
}

/// `picture`, stretched over `columns` × `rows` cells; [`super::super::fit`] finds the area of its shape.
pub fn cells(picture: &RgbImage, columns: u16, rows: u16) -> Grid {
    if columns == 0 || rows == 0 {
        return Grid {
            columns: 0,
            pairs: Vec::new(),
        };
    }
    let small = resize(picture, u32::from(columns), 2 * u32::from(rows));
    let pair = |row: u32, column: u32| Pair {
        upper: small.get_pixel(column, 2 * row).0,
        lower: small.get_pixel(column, 2 * row + 1).0,
    };
    let columns_of = |row| (0..u32::from(columns)).map(move |column| pair(row, column));
    Grid {
        columns,
        pairs: (0..u32::from(rows)).flat_map(columns_of).collect(),
    }
}

impl Grid {
    /// The rows from top to bottom, each from left to right.
    pub fn rows(&self) -> impl Iterator<Item = &[Pair]> {
        self.pairs.chunks(usize::from(self.columns).max(1))
    }
}

/// From dark to light.
const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];

impl Pair {
    /// How it is drawn with so many colours.
    pub fn ink(self, depth: ColourDepth) -> Ink {
        let colour: fn([u8; 3]) -> Colour = match depth {
            ColourDepth::None => return self.shade(),
            ColourDepth::True => Colour::True,
            ColourDepth::Indexed256 => |rgb| Colour::Indexed(nearest_of_256(rgb)),
            ColourDepth::Indexed16 => |rgb| Colour::Indexed(nearest(&ANSI, rgb) as u8),
        };
        Ink {
            glyph: '▀',
            foreground: Some(colour(self.upper)),
            background: Some(colour(self.lower)),
        }
    }

    fn shade(self) -> Ink {
        let light = (luma(self.upper) + luma(self.lower)) / 2.0 / 255.0;
        let shade = (light * (SHADES.len() - 1) as f32).round() as usize;
        Ink {
            glyph: SHADES[shade.min(SHADES.len() - 1)],
            foreground: None,
            background: None,
        }
    }
}

fn luma(rgb: [u8; 3]) -> f32 {
    0.299 * f32::from(rgb[0]) + 0.587 * f32::from(rgb[1]) + 0.114 * f32::from(rgb[2])
}

/// The sixteen colours as xterm and most terminals have them, where the user has not chosen others.
pub const ANSI: [[u8; 3]; 16] = [
    [0, 0, 0],
    [205, 0, 0],
    [0, 205, 0],
    [205, 205, 0],
    [0, 0, 238],
    [205, 0, 205],
    [0, 205, 205],
    [229, 229, 229],
    [127, 127, 127],
    [255, 0, 0],
    [0, 255, 0],
    [255, 255, 0],
    [92, 92, 255],
    [255, 0, 255],
    [0, 255, 255],
    [255, 255, 255],
];

/// The steps of a channel in the cube of 6 × 6 × 6 colours, entries 16 to 231 of the table of 256.
const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];

fn nearest_of_256(rgb: [u8; 3]) -> u8 {
    let step = |value: u8| {
        (0..6)
            .min_by_key(|step| CUBE[*step].abs_diff(value))
            .unwrap_or(0)
    };
    let steps = rgb.map(step);
    let mean = rgb.iter().map(|value| u32::from(*value)).sum::<u32>() / 3;
    // Entries 232 to 255 are greys from 8 in steps of 10.
    let grey = (mean.saturating_sub(3) / 10).min(23);
    let candidates = [steps.map(|step| CUBE[step]), [(8 + 10 * grey) as u8; 3]];
    match nearest(&candidates, rgb) {
        0 => (16 + 36 * steps[0] + 6 * steps[1] + steps[2]) as u8,
        _ => (232 + grey) as u8,
    }
}

/// The place of the most similar colour; differences count as the eye weighs the channels.
fn nearest(table: &[[u8; 3]], rgb: [u8; 3]) -> usize {
    let distance = |other: &[u8; 3]| {
        let off = |channel: usize| u32::from(other[channel].abs_diff(rgb[channel])).pow(2);
        2 * off(0) + 4 * off(1) + 3 * off(2)
    };
    (0..table.len())
        .min_by_key(|index| distance(&table[*index]))
        .unwrap_or(0)
}

/// The control sequence's parameters that choose a colour; `base` is 38 for the foreground and 48 for the background.
pub(in super::super) fn parameters(colour: Colour, base: u8) -> String {
    match colour {
        Colour::True([red, green, blue]) => format!("{base};2;{red};{green};{blue}"),
        Colour::Indexed(index @ 0..=7) => format!("{}", base - 8 + index),
        Colour::Indexed(index @ 8..=15) => format!("{}", base + 52 + index - 8),
        Colour::Indexed(index) => format!("{base};5;{index}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn a_cell_holds_the_two_pixels_that_stand_above_each_other() {
        let picture = RgbImage::from_fn(3, 4, |x, y| Rgb([10 * x as u8, 20 * y as u8, 0]));
        let grid = cells(&picture, 3, 2);
        let rows: Vec<&[Pair]> = grid.rows().collect();
        assert_eq!(rows.len(), 2);
        assert_eq!(
            rows[1][2],
            Pair {
                upper: [20, 40, 0],
                lower: [20, 60, 0]
            }
        );
        assert_eq!(cells(&picture, 0, 5).rows().count(), 0);
    }

    #[test]
    fn colours_become_the_nearest_that_the_terminal_has() {
        let pair = Pair {
            upper: [250, 5, 3],
            lower: [128, 128, 128],
        };
        let ink = |depth| pair.ink(depth);
        assert_eq!(
            ink(ColourDepth::True).foreground,
            Some(Colour::True([250, 5, 3]))
        );
        assert_eq!(
            ink(ColourDepth::Indexed256).foreground,
            Some(Colour::Indexed(196))
        );
        assert_eq!(
            ink(ColourDepth::Indexed256).background,
            Some(Colour::Indexed(244))
        );
        assert_eq!(
            ink(ColourDepth::Indexed16).foreground,
            Some(Colour::Indexed(9))
        );
        assert_eq!(
            ink(ColourDepth::Indexed16).background,
            Some(Colour::Indexed(8))
        );
    }

    #[test]
    fn every_entry_of_the_cube_and_of_the_greys_is_nearest_to_itself() {
        for (index, red) in CUBE.into_iter().enumerate() {
            assert_eq!(nearest_of_256([red, 0, 255]), (16 + 36 * index + 5) as u8);
        }
        for grey in 0..24_u8 {
            assert_eq!(nearest_of_256([8 + 10 * grey; 3]), 232 + grey);
        }
    }

    #[test]
    fn without_colours_light_is_drawn_as_shades() {
        let ink = |value| {
            Pair {
                upper: [value; 3],
                lower: [value; 3],
            }
            .ink(ColourDepth::None)
        };
        assert_eq!([0, 127, 255].map(|value| ink(value).glyph), [' ', '▒', '█']);
        assert_eq!(ink(255).foreground, None);
    }

    #[test]
    fn parameters_are_those_of_the_standard() {
        assert_eq!(parameters(Colour::Indexed(1), 38), "31");
        assert_eq!(parameters(Colour::Indexed(9), 38), "91");
        assert_eq!(parameters(Colour::Indexed(9), 48), "101");
        assert_eq!(parameters(Colour::Indexed(196), 48), "48;5;196");
        assert_eq!(parameters(Colour::True([1, 2, 3]), 38), "38;2;1;2;3");
    }
}
