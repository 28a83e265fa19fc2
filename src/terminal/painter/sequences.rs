//! How it is said to a terminal that a picture stands somewhere, or no longer does: one protocol's commands, through tmux
//! or not. For the painter alone, which decides what is said when.

use crate::terminal::placement::Area;
use crate::terminal::protocols::quality::Quality;
use crate::terminal::protocols::{self, cursor_to, iterm2, kitty, placeholders};
use crate::terminal::tmux::{self, Pane};
use crate::terminal::{Protocol, Route, Terminal};
use image::RgbImage;
use std::io;

/// Begins and ends an update that a terminal shows all at once if it can (DEC mode 2026).
const UPDATE: [&[u8]; 2] = [b"\x1b[?2026h", b"\x1b[?2026l"];

/// A terminal's language.
#[derive(Debug)]
pub struct Sequences {
    pub terminal: Terminal,
    /// Where the pane stands on the terminal; `None` if that must be asked.
    pub(super) origin: Option<(u16, u16)>,
}

impl Sequences {
    pub fn new(terminal: &Terminal) -> Self {
        Self {
            terminal: terminal.clone(),
            origin: (terminal.route != Route::TmuxPassthrough).then_some((0, 0)),
        }
    }

    /// The bytes that show a picture, which has a number, in one quality.
    ///
    /// # Errors
    /// If the picture cannot be encoded.
    pub fn show(
        &mut self,
        picture: &RgbImage,
        number: u32,
        area: Area,
        quality: Quality,
    ) -> io::Result<Vec<u8>> {
        let Terminal {
            protocol,
            route,
            cell,
            ..
        } = self.terminal;
        let pixels = area.pixels(cell);
        // In placeholders a picture keeps its shape, and leaves a rim of the cells empty.
        let picture = match route {
            Route::TmuxPlaceholders => &stretched(picture, pixels),
            _ => picture,
        };
        let file = protocols::encode(protocol, picture, pixels, quality)?;
        match protocol {
            Protocol::Blocks => Ok(Vec::new()),
            Protocol::Iterm2 => Ok(self.at(area, &iterm2::show(&file, area))),
            Protocol::Kitty if route == Route::TmuxPlaceholders => {
                let mut commands = kitty::transmit(number, &file);
                commands.push(kitty::place_virtually(number, area));
                Ok(self.passed_in_pieces(&commands))
            }
            Protocol::Kitty => {
                let mut bytes = self.passed_in_pieces(&kitty::transmit(number, &file));
                bytes.extend(self.at(area, &kitty::place(number, area)));
                Ok(bytes)
            }
            Protocol::Sixel if route == Route::TmuxPassthrough && file.len() > tmux::MAX_PIECE => {
                self.halves(picture, number, area, quality)
            }
            Protocol::Sixel => Ok(self.at(area, &file)),
        }
    }

    /// The text that stands for the cells of a picture that was [shown](Self::show), if there must be any.
    pub fn text(&self, number: u32, area: Area) -> Vec<u8> {
        match self.terminal.route {
            Route::TmuxPlaceholders => placeholders::text(number, area),
            _ => Vec::new(),
        }
    }

    /// A sixel picture that is too much for one piece, as an upper and a lower one.
    fn halves(
        &mut self,
        picture: &RgbImage,
        number: u32,
        area: Area,
        quality: Quality,
    ) -> io::Result<Vec<u8>> {
        let Area {
            x,
            y,
            width,
            height,
        } = area;
        if height < 2 {
            return Err(io::Error::other(
                "a picture of one row is too large for tmux",
            ));
        }
        let above = height / 2;
        let cut = (u64::from(picture.height()) * u64::from(above) / u64::from(height)) as u32;
        let parts = [
            (
                0,
                cut,
                Area {
                    x,
                    y,
                    width,
                    height: above,
                },
            ),
            (
                cut,
                picture.height() - cut,
                Area {
                    x,
                    y: y + above,
                    width,
                    height: height - above,
                },
            ),
        ];
        let mut bytes = Vec::new();
        for (top, rows, area) in parts {
            let part =
                image::imageops::crop_imm(picture, 0, top, picture.width(), rows.max(1)).to_image();
            bytes.extend(self.show(&part, number, area, quality)?);
        }
        Ok(bytes)
    }

    /// A sequence at an area's first cell. Through tmux the cursor is moved and put back in one piece, unseen by it.
    fn at(&mut self, area: Area, sequence: &[u8]) -> Vec<u8> {
        let to = cursor_to(area, self.origin());
        match self.terminal.route {
            Route::TmuxPassthrough => {
                tmux::wrapped(&[b"\x1b7", to.as_bytes(), sequence, b"\x1b8"].concat())
            }
            _ => [to.as_bytes(), sequence].concat(),
        }
    }

    /// Commands that need no place, in as few pieces as may be.
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

    /// The bytes as one update of the screen.
    pub fn update(&self, bytes: &[u8]) -> Vec<u8> {
        let [begin, end] = UPDATE;
        match self.terminal.route {
            // tmux does not pass on when an update begins and ends.
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

    /// The bytes that take a picture off the screen, and leave nothing in its place.
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

    /// The bytes that delete pictures of these numbers, wherever they stand; only kitty has numbers.
    pub fn delete(&self, numbers: &[u32]) -> Vec<u8> {
        if self.terminal.protocol != Protocol::Kitty || numbers.is_empty() {
            return Vec::new();
        }
        let commands: Vec<Vec<u8>> = numbers.iter().copied().map(kitty::delete).collect();
        self.passed_in_pieces(&commands)
    }

    /// Says that the pane may have moved.
    pub fn forget(&mut self) {
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

/// The picture in the shape of so many pixels, and in no more.
fn stretched(picture: &RgbImage, pixels: (u32, u32)) -> RgbImage {
    let size = (f64::from(pixels.0), f64::from(pixels.1));
    let (width, height) = picture.dimensions();
    let scale = (f64::from(width) / size.0).max(f64::from(height) / size.1);
    let scaled = |length: f64| (length * scale.min(1.0)).round() as u32;
    crate::terminal::resize(picture, scaled(size.0), scaled(size.1))
}
