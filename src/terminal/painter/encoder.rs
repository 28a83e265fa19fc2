//! Encodes showing and removing pictures for one protocol, with or without tmux. Used by the painter, which
//! decides what to send.

use super::strips::strips;
use crate::terminal::placement::{Area, without};
use crate::terminal::protocols::kitty::Cut;
use crate::terminal::protocols::quality::Quality;
use crate::terminal::protocols::{self, cursor_to, iterm2, kitty, placeholders, sixel};
use crate::terminal::tmux::{self, Pane};
use crate::terminal::{Protocol, Route, Terminal};
use image::RgbImage;
use image::imageops::crop_imm;
use std::io;

/// Start and end of a synchronized update (DEC mode 2026).
const UPDATE: [&[u8]; 2] = [b"\x1b[?2026h", b"\x1b[?2026l"];

/// Encoder of a terminal's protocol.
#[derive(Debug)]
pub struct Encoder {
    pub terminal: Terminal,
    /// Column and row of the pane; `None` if tmux must be asked.
    pub(super) origin: Option<(u16, u16)>,
}

impl Encoder {
    pub fn new(terminal: &Terminal) -> Self {
        Self {
            terminal: terminal.clone(),
            origin: (terminal.route != Route::TmuxPassthrough).then_some((0, 0)),
        }
    }

    /// The bytes that show parts of a numbered picture in an area, in one quality; and the size in pixels that
    /// is sent.
    ///
    /// # Errors
    /// If the picture cannot be encoded.
    pub fn show(
        &mut self,
        picture: &RgbImage,
        number: u32,
        (area, parts): (Area, &[Area]),
        quality: Quality,
    ) -> io::Result<(Vec<u8>, (u32, u32))> {
        let Terminal {
            protocol, route, ..
        } = self.terminal;
        let pixels = area.pixels(self.terminal.cell);
        // With placeholders a picture keeps its aspect ratio and leaves a margin in the cells.
        let picture = match route {
            Route::TmuxPlaceholders => &stretched(picture, pixels),
            _ => picture,
        };
        let raster = protocols::raster(protocol, picture, pixels, quality);
        let size = raster.dimensions();
        let bytes = match protocol {
            Protocol::Blocks => Vec::new(),
            Protocol::Sixel | Protocol::Iterm2 => self.print(&raster, area, parts, quality)?,
            Protocol::Kitty => {
                let file = protocols::encode(protocol, &raster, quality)?;
                let mut commands = kitty::transmit(number, &file);
                if route == Route::TmuxPlaceholders {
                    commands.push(kitty::place_virtually(number, area));
                }
                let mut bytes = self.passed_in_pieces(&commands);
                bytes.extend(self.places(number, area, parts, size));
                bytes
            }
        };
        Ok((bytes, size))
    }

    /// The bytes that change the visible parts of a [shown](Self::show) picture. `before` are the parts
    /// visible now, with `places` placements if it is numbered.
    ///
    /// # Errors
    /// If the picture cannot be encoded.
    pub fn reveal(
        &mut self,
        picture: &RgbImage,
        (number, size, places): (u32, (u32, u32), usize),
        (area, parts, before): (Area, &[Area], &[Area]),
        quality: Quality,
    ) -> io::Result<Vec<u8>> {
        let missing = without(parts, before);
        match (self.terminal.protocol, self.terminal.route) {
            (Protocol::Blocks, _) => Ok(Vec::new()),
            (Protocol::Kitty, Route::TmuxPlaceholders) => Ok(self.text(number, area, &missing)),
            (Protocol::Kitty, _) => {
                let mut bytes = self.places(number, area, parts, size);
                let surplus = parts.len() + 1..=places;
                let taken: Vec<Vec<u8>> = surplus.map(|place| kitty::take(number, place)).collect();
                if !taken.is_empty() {
                    bytes.extend(self.passed_in_pieces(&taken));
                }
                Ok(bytes)
            }
            (Protocol::Sixel | Protocol::Iterm2, _) if missing.is_empty() => Ok(Vec::new()),
            (protocol @ (Protocol::Sixel | Protocol::Iterm2), _) => {
                let pixels = area.pixels(self.terminal.cell);
                let raster = protocols::raster(protocol, picture, pixels, quality);
                let missing = match protocol {
                    Protocol::Sixel => {
                        let step = sixel::rows_of_bands(self.terminal.cell.1);
                        strips(&missing, parts, area, step)
                    }
                    _ => missing,
                };
                self.print(&raster, area, &missing, quality)
            }
        }
    }

    /// The bytes that place parts of a picture sent in `size`; the full picture is one placement.
    fn places(&mut self, number: u32, area: Area, parts: &[Area], size: (u32, u32)) -> Vec<u8> {
        if self.terminal.route == Route::TmuxPlaceholders {
            return Vec::new();
        }
        let mut bytes = Vec::new();
        for (place, &part) in (1..).zip(parts) {
            let cut = (part != area).then(|| cut(size, area, part));
            bytes.extend(self.at(part, &kitty::place(number, place, part, cut)));
        }
        bytes
    }

    /// The placeholder text for parts of a picture, if the protocol has it.
    pub fn text(&self, number: u32, area: Area, parts: &[Area]) -> Vec<u8> {
        if self.terminal.route != Route::TmuxPlaceholders {
            return Vec::new();
        }
        let text = |part: &Area| placeholders::text(number, area, *part);
        parts.iter().flat_map(text).collect()
    }

    /// The bytes that print parts of a raster at their positions.
    fn print(
        &mut self,
        raster: &RgbImage,
        area: Area,
        parts: &[Area],
        quality: Quality,
    ) -> io::Result<Vec<u8>> {
        let Terminal {
            protocol,
            route,
            cell,
            ..
        } = self.terminal;
        let mut bytes = Vec::new();
        for &part in parts {
            let size = match protocol {
                // A sixel pixel is a screen pixel, whatever the last band leaves over.
                Protocol::Sixel => area.pixels(cell),
                _ => raster.dimensions(),
            };
            let file = match part == area {
                true => protocols::encode(protocol, raster, quality)?,
                false => {
                    let Cut { from, size } = cut(size, area, part);
                    let part = crop_imm(raster, from.0, from.1, size.0, size.1).to_image();
                    if part.width() == 0 || part.height() == 0 {
                        continue;
                    }
                    protocols::encode(protocol, &part, quality)?
                }
            };
            let is_too_long = route == Route::TmuxPassthrough && file.len() > tmux::MAX_PIECE;
            match protocol {
                Protocol::Sixel if is_too_long => {
                    let halves = halves(part, sixel::rows_of_bands(cell.1))?;
                    bytes.extend(self.print(raster, area, &halves, quality)?);
                }
                Protocol::Iterm2 => bytes.extend(self.at(part, &iterm2::show(&file, part))),
                _ => bytes.extend(self.at(part, &file)),
            }
        }
        Ok(bytes)
    }

    /// A sequence at an area's first cell. Through tmux, cursor movement and restoration are wrapped together.
    fn at(&mut self, area: Area, sequence: &[u8]) -> Vec<u8> {
        let to = cursor_to(area, self.origin());
        match self.terminal.route {
            Route::TmuxPassthrough => {
                tmux::wrapped(&[b"\x1b7", to.as_bytes(), sequence, b"\x1b8"].concat())
            }
            _ => [to.as_bytes(), sequence].concat(),
        }
    }

    /// Commands without a position, in as few pieces as possible.
    fn passed_in_pieces(&self, commands: &[Vec<u8>]) -> Vec<u8> {
        if !self.terminal.passes_tmux() {
            return commands.concat();
        }
        let mut bytes = Vec::new();
        let mut piece = Vec::new();
        for command in commands {
            if !piece.is_empty() && piece.len() + command.len() > tmux::MAX_PIECE {
                bytes.extend(tmux::wrapped(&std::mem::take(&mut piece)));
            }
            piece.extend_from_slice(command);
        }
        bytes.extend(tmux::wrapped(&piece));
        bytes
    }

    /// The bytes as a synchronized update, where that is safe.
    pub fn update(&self, bytes: &[u8]) -> Vec<u8> {
        if !self.terminal.synchronizes() {
            return bytes.to_vec();
        }
        let [begin, end] = UPDATE;
        match self.terminal.route {
            // tmux does not pass on the start and end of an update.
            Route::TmuxPlaceholders => [
                &tmux::wrapped(begin),
                begin,
                bytes,
                end,
                &tmux::wrapped(end),
            ]
            .concat(),
            _ => [begin, bytes, end].concat(),
        }
    }

    /// The bytes that remove a picture from the screen.
    pub fn erase(&mut self, number: u32, area: Area) -> Vec<u8> {
        let mut bytes = self.delete(&[number]);
        let Terminal {
            protocol, route, ..
        } = self.terminal;
        if protocol == Protocol::Kitty && route != Route::TmuxPlaceholders {
            return bytes;
        }
        let Area {
            x,
            y,
            width,
            height,
        } = area;
        let blank = format!("\x1b[{width}X");
        let rows = (y..y + height).map(|y| Area {
            x,
            y,
            width,
            height: 1,
        });
        bytes.extend(rows.flat_map(|row| self.at(row, blank.as_bytes())));
        bytes
    }

    /// The bytes that delete pictures by number; only kitty has numbers.
    pub fn delete(&self, numbers: &[u32]) -> Vec<u8> {
        if self.terminal.protocol != Protocol::Kitty || numbers.is_empty() {
            return Vec::new();
        }
        let commands: Vec<Vec<u8>> = numbers.iter().copied().map(kitty::delete).collect();
        self.passed_in_pieces(&commands)
    }

    /// Marks the pane's position as unknown.
    pub fn invalidate(&mut self) {
        if self.terminal.route == Route::TmuxPassthrough {
            self.origin = None;
        }
    }

    fn origin(&mut self) -> (u16, u16) {
        let origin = self
            .origin
            .unwrap_or_else(|| Pane::ask().map_or((0, 0), |pane| pane.origin));
        self.origin = Some(origin);
        origin
    }
}

/// The pixels of the part of a picture that covers `part` of `area`; at least one if the picture is not empty.
fn cut((width, height): (u32, u32), area: Area, part: Area) -> Cut {
    let along = |length: u32, cells: u16, first: u16, count: u16| {
        let at = |cell: u16| {
            let cells = u64::from(cells.max(1));
            ((u64::from(length) * u64::from(cell) + cells / 2) / cells) as u32
        };
        let start = at(first).min(length.saturating_sub(1));
        (
            start,
            at(first + count).clamp(start + 1, length.max(start + 1)),
        )
    };
    let (left, right) = along(width, area.width, part.x - area.x, part.width);
    let (top, bottom) = along(height, area.height, part.y - area.y, part.height);
    Cut {
        from: (left, top),
        size: (right - left, bottom - top),
    }
}

/// Splits an area that is too large for one piece into an upper and a lower half. If possible, the upper half has
/// a multiple of `step` rows: it then ends with a complete sixel band, without a gap.
fn halves(area: Area, step: u16) -> io::Result<[Area; 2]> {
    if area.height < 2 {
        return Err(io::Error::other(
            "a picture of one row is too large for tmux",
        ));
    }
    let half = area.height / 2;
    let above = match half.next_multiple_of(step) {
        above if above < area.height => above,
        _ => half,
    };
    Ok([
        Area {
            height: above,
            ..area
        },
        Area {
            y: area.y + above,
            height: area.height - above,
            ..area
        },
    ])
}

/// The picture in the aspect ratio of `pixels`, with at most as many pixels.
fn stretched(picture: &RgbImage, pixels: (u32, u32)) -> RgbImage {
    let size = (f64::from(pixels.0), f64::from(pixels.1));
    let (width, height) = picture.dimensions();
    let scale = (f64::from(width) / size.0).max(f64::from(height) / size.1);
    let scaled = |length: f64| (length * scale.min(1.0)).round() as u32;
    crate::terminal::resize(picture, scaled(size.0), scaled(size.1))
}
