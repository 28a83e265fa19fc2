//! How it is said to a terminal that a picture stands somewhere, or no longer does: one protocol's commands, through tmux
//! or not. For the painter alone, which decides what is said when.

use crate::terminal::placement::Area;
use crate::terminal::protocols::quality::Quality;
use crate::terminal::protocols::{self, cursor_to, iterm2, kitty};
use crate::terminal::tmux::{self, Pane};
use crate::terminal::{Protocol, Route, Terminal};
use image::RgbImage;
use std::io;

/// A terminal's language.
#[derive(Debug)]
pub struct Sequences {
    pub protocol: Protocol,
    pub route: Route,
    /// Width and height of a cell in pixels.
    pub cell: (u16, u16),
    /// Where the pane stands on the terminal; `None` if that must be asked.
    pub(super) origin: Option<(u16, u16)>,
}

impl Sequences {
    pub fn new(terminal: &Terminal) -> Self {
        Self {
            protocol: terminal.protocol,
            route: terminal.route,
            cell: terminal.cell,
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
        let file = protocols::encode(self.protocol, picture, area.pixels(self.cell), quality)?;
        match self.protocol {
            Protocol::Blocks => Ok(Vec::new()),
            Protocol::Iterm2 => Ok(self.at(area, &iterm2::show(&file, area))),
            Protocol::Kitty => {
                let mut bytes = self.passed_in_pieces(&kitty::transmit(number, &file));
                bytes.extend(self.at(area, &kitty::place(number, area)));
                Ok(bytes)
            }
            Protocol::Sixel
                if self.route == Route::TmuxPassthrough && file.len() > tmux::MAX_PIECE =>
            {
                self.halves(picture, number, area, quality)
            }
            Protocol::Sixel => Ok(self.at(area, &file)),
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
        let route = self.route;
        let to = cursor_to(area, self.origin());
        match route {
            Route::TmuxPassthrough => {
                tmux::wrapped(&[b"\x1b7", to.as_bytes(), sequence, b"\x1b8"].concat())
            }
            Route::Direct | Route::Tmux => [to.as_bytes(), sequence].concat(),
        }
    }

    /// Commands that need no place, in as few pieces as may be.
    fn passed_in_pieces(&self, commands: &[Vec<u8>]) -> Vec<u8> {
        if self.route != Route::TmuxPassthrough {
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

    /// The bytes that take a picture off the screen.
    pub fn erase(&mut self, number: u32, area: Area) -> Vec<u8> {
        if self.protocol == Protocol::Kitty {
            return self.delete(&[number]);
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
        rows.flat_map(|row| self.at(row, blank.as_bytes()))
            .collect()
    }

    /// The bytes that delete pictures of these numbers, wherever they stand; only kitty has numbers.
    pub fn delete(&self, numbers: &[u32]) -> Vec<u8> {
        if self.protocol != Protocol::Kitty || numbers.is_empty() {
            return Vec::new();
        }
        let commands: Vec<Vec<u8>> = numbers.iter().copied().map(kitty::delete).collect();
        self.passed_in_pieces(&commands)
    }

    /// Says that the pane may have moved.
    pub fn forget(&mut self) {
        if self.route == Route::TmuxPassthrough {
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
