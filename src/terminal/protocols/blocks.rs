//! Pictures as text: each cell is divided into parts in two colours, those of the glyph and of the background. The
//! split with the least error is chosen. Without colours, each cell is one shade.

mod colours;
mod glyphs;
mod split;

pub use colours::{ANSI, Colour};
pub use glyphs::{BLOCKS, Blocks, UnknownBlocks};

pub(in crate::terminal) use colours::parameters;

use crate::terminal::{ColourDepth, resize};
use image::RgbImage;
use split::Split;

/// A character cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    glyph: char,
    front: [u8; 3],
    back: [u8; 3],
    /// The fraction of the cell that the glyph covers, 0 to 1.
    cover: f32,
}

/// A picture as cells, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    columns: u16,
    cells: Vec<Cell>,
}

/// Glyph and colours of a cell. `None` without colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ink {
    pub glyph: char,
    pub foreground: Option<Colour>,
    pub background: Option<Colour>,
}

/// `picture`, stretched to `columns` × `rows` cells; [`crate::terminal::fit`] computes an area with its aspect
/// ratio.
pub fn cells(picture: &RgbImage, columns: u16, rows: u16, blocks: Blocks) -> Grid {
    if columns == 0 || rows == 0 {
        return Grid {
            columns: 0,
            cells: Vec::new(),
        };
    }
    let (across, down) = blocks.parts();
    let (width, height) = (u32::from(columns) * across, u32::from(rows) * down);
    let small = resize(picture, width, height);
    let mut parts = [[0; 3]; Blocks::MAX_PARTS];
    let count = (across * down) as usize;
    let mut cells = Vec::with_capacity(usize::from(columns) * usize::from(rows));
    for top in (0..height).step_by(down as usize) {
        for left in (0..width).step_by(across as usize) {
            let places = (top..top + down).flat_map(|y| (left..left + across).map(move |x| (x, y)));
            for (part, (x, y)) in parts.iter_mut().zip(places) {
                *part = small.get_pixel(x, y).0;
            }
            cells.push(Cell::new(&parts[..count], blocks));
        }
    }
    Grid { columns, cells }
}

impl Grid {
    /// The rows from top to bottom, each from left to right.
    pub fn rows(&self) -> impl Iterator<Item = &[Cell]> {
        self.cells.chunks(usize::from(self.columns).max(1))
    }
}

/// From dark to light.
const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];

impl Cell {
    /// The cell with these parts, from left to right and top to bottom.
    fn new(parts: &[[u8; 3]], blocks: Blocks) -> Self {
        if let ([upper, lower], Blocks::Half) = (parts, blocks) {
            return Self {
                glyph: '▀',
                front: *upper,
                back: *lower,
                cover: 0.5,
            };
        }
        let Split {
            pattern,
            front,
            back,
        } = Split::best(parts);
        let cover = pattern.count_ones() as f32 / parts.len() as f32;
        match blocks.glyph(pattern) {
            Some(glyph) => Self {
                glyph,
                front,
                back,
                cover,
            },
            // The complement with swapped colours looks the same.
            None => Self {
                glyph: blocks.glyph(blocks.complement(pattern)).unwrap_or(' '),
                front: back,
                back: front,
                cover: 1.0 - cover,
            },
        }
    }

    /// Glyph and colours at a colour depth.
    pub fn ink(self, depth: ColourDepth) -> Ink {
        let glyph = match depth {
            ColourDepth::None => self.shade(),
            _ => self.glyph,
        };
        Ink {
            glyph,
            foreground: Colour::nearest(self.front, depth),
            background: Colour::nearest(self.back, depth),
        }
    }

    fn shade(self) -> char {
        let light = self.cover * luma(self.front) + (1.0 - self.cover) * luma(self.back);
        let shade = (light / 255.0 * (SHADES.len() - 1) as f32).round() as usize;
        SHADES[shade.min(SHADES.len() - 1)]
    }
}

fn luma(rgb: [u8; 3]) -> f32 {
    0.299 * f32::from(rgb[0]) + 0.587 * f32::from(rgb[1]) + 0.114 * f32::from(rgb[2])
}

#[cfg(test)]
mod tests;
