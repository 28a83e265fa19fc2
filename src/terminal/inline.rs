//! Prints a picture at the cursor, between lines of output. It scrolls with them.

use super::placement::{Area, fit};
use super::protocols::blocks::{self, Ink};
use super::{Painter, PlacedPicture, Protocol, Terminal, probe};
use image::RgbImage;
use std::io::{self, Write};
use std::sync::Arc;

/// Maximum columns and rows of a printed picture.
const MAX_CELLS: (u16, u16) = (56, 40);

/// Prints a picture, as large as the screen of `columns` × `rows` allows, and ends the line below it.
///
/// Standard input must not be read concurrently: except for block characters, the terminal is asked for the
/// cursor's position.
///
/// # Errors
/// If writing fails.
pub fn print(
    out: &mut impl Write,
    terminal: &Terminal,
    screen: (u16, u16),
    picture: &RgbImage,
) -> io::Result<()> {
    let room = Area {
        x: 0,
        y: 0,
        width: MAX_CELLS.0.min(screen.0),
        height: MAX_CELLS.1.min(screen.1.saturating_sub(2)),
    };
    let area = fit(picture.dimensions(), room, terminal.cell);
    let area = Area { x: 0, y: 0, ..area };
    if area.is_empty() {
        return Ok(());
    }
    if terminal.protocol == Protocol::Blocks {
        return print_blocks(out, terminal, area, picture);
    }
    // Empty lines below the cursor reserve space, so that nothing scrolls once the picture is placed.
    let lines = "\n".repeat(usize::from(area.height));
    write!(out, "\r{lines}")?;
    out.flush()?;
    let Some((below, _)) = probe::cursor(terminal) else {
        write!(out, "\x1b[{}A\r", area.height)?;
        return print_blocks(out, terminal, area, picture);
    };
    let area = Area {
        y: below.saturating_sub(area.height),
        ..area
    };
    let placed = PlacedPicture {
        slot: 0,
        area,
        hidden: Vec::new(),
        picture: Arc::new(picture.clone()),
        version: 0,
        moving: false,
    };
    // The rows exceed the screen's last but one only if the terminal is smaller than reported.
    Painter::beside_others(terminal).paint(out, (screen.0, screen.1.max(below + 1)), &[placed])?;
    write!(out, "\r")?;
    out.flush()
}

fn print_blocks(
    out: &mut impl Write,
    terminal: &Terminal,
    area: Area,
    picture: &RgbImage,
) -> io::Result<()> {
    for row in blocks::cells(picture, area.width, area.height, terminal.blocks).rows() {
        let mut line = String::new();
        let mut last = None;
        for cell in row {
            let Ink {
                glyph,
                foreground,
                background,
            } = cell.ink(terminal.colours);
            if let (Some(front), Some(back)) = (foreground, background)
                && last != Some((front, back))
            {
                let (front_text, back_text) =
                    (blocks::parameters(front, 38), blocks::parameters(back, 48));
                line.push_str(&format!("\x1b[{front_text};{back_text}m"));
                last = Some((front, back));
            }
            line.push(glyph);
        }
        let reset = if last.is_some() { "\x1b[m" } else { "" };
        writeln!(out, "{line}{reset}")?;
    }
    out.flush()
}
