//! Sixels on cells whose height is not a multiple of a band: the screen after popups appear, shrink and disappear.

use super::*;

/// Pixels of a screen; the text's background is `None`.
struct Screen {
    cell: (u16, u16),
    pixels: Vec<bool>,
}

const COLUMNS: usize = 80;

impl Screen {
    fn new(cell: (u16, u16)) -> Self {
        let count = COLUMNS * usize::from(cell.0) * 24 * usize::from(cell.1);
        Self {
            cell,
            pixels: vec![false; count],
        }
    }

    /// The pixels of an area, measured from its upper left cell.
    fn within(&self, area: Area, (width, height): (usize, usize)) -> impl Iterator<Item = usize> {
        let row = COLUMNS * usize::from(self.cell.0);
        let left = usize::from(area.x) * usize::from(self.cell.0);
        let top = usize::from(area.y) * usize::from(self.cell.1);
        (top..top + height).flat_map(move |y| (left..left + width).map(move |x| y * row + x))
    }

    fn of_cells(&self, area: Area) -> Vec<usize> {
        let (width, height) = area.pixels(self.cell);
        let pixels = self.within(area, (width as usize, height as usize));
        pixels.collect()
    }

    /// Writes text.
    fn write(&mut self, area: Area) {
        for pixel in self.of_cells(area) {
            self.pixels[pixel] = false;
        }
    }

    /// Prints sixels.
    fn print(&mut self, text: &str) {
        let mut cursor = Area::default();
        for part in text.split('\x1b').skip(1) {
            let to = part.strip_prefix('[').and_then(|to| to.strip_suffix('H'));
            if let Some((row, column)) = to.and_then(|to| to.split_once(';')) {
                cursor.y = row.parse::<u16>().unwrap() - 1;
                cursor.x = column.parse::<u16>().unwrap() - 1;
            }
            if part.starts_with('P') {
                let image = SixelImage::decode(format!("\x1b{part}\x1b\\").as_bytes()).unwrap();
                let pixels: Vec<usize> = self.within(cursor, (image.width, image.height)).collect();
                for pixel in pixels {
                    self.pixels[pixel] = true;
                }
            }
        }
    }
}

/// Paints until everything is on the screen.
fn paint_all(painter: &mut Painter, scene: &[PlacedPicture]) -> String {
    let mut text = String::new();
    loop {
        let (part, painted) = paint(painter, scene);
        text += &part;
        if painted.again != Some(Duration::ZERO) {
            return text;
        }
    }
}

fn popup(x: u16, y: u16, width: u16, height: u16) -> Area {
    Area {
        x,
        y,
        width,
        height,
    }
}

#[test]
fn no_background_remains_in_a_picture_after_a_popup() {
    let left = popup(2, 1, 12, 11);
    let right = popup(16, 2, 11, 9);
    let scripts: [&[&[Area]]; 6] = [
        // It shrinks from below, from above, from both sides, and to nothing.
        &[&[popup(6, 3, 12, 7)], &[popup(6, 3, 12, 3)]],
        &[
            &[popup(6, 2, 12, 9)],
            &[popup(6, 7, 12, 4)],
            &[popup(6, 9, 12, 2)],
        ],
        &[&[popup(4, 3, 18, 5)], &[popup(8, 4, 6, 2)]],
        &[&[popup(0, 0, 60, 6)]],
        // Two popups: the upper one is closed first, or the lower one.
        &[
            &[popup(5, 2, 7, 3), popup(8, 7, 9, 2)],
            &[popup(8, 7, 9, 2)],
        ],
        &[
            &[popup(5, 2, 7, 3), popup(8, 7, 9, 2)],
            &[popup(5, 2, 7, 3)],
        ],
    ];
    for cell in [(8, 17), (6, 13), (9, 18), (10, 20)] {
        for script in scripts {
            let mut painter = Painter::new(&Terminal {
                cell,
                ..terminal(Protocol::Sixel, Route::Direct)
            });
            let mut screen = Screen::new(cell);
            let scene = |hidden: &[Area]| {
                [(1, left), (2, right)].map(|(slot, area)| PlacedPicture {
                    area,
                    hidden: hidden.iter().map(|popup| area.shared(*popup)).collect(),
                    ..placed(
                        slot,
                        crate::terminal::resize(&flamingo(40), 20, 40),
                        1,
                        false,
                    )
                })
            };
            screen.print(&paint_all(&mut painter, &scene(&[])));
            let places = scene(&[]).map(|placed| {
                painter.covered_cells(placed.picture.dimensions(), placed.area, SCREEN)
            });
            let whole = screen.pixels.clone();
            let count = whole.iter().filter(|pixel| **pixel).count();
            assert!(count > 5_000, "{count} pixels of {places:?}");
            for hidden in script.iter().copied().chain([&[][..]]) {
                for area in hidden {
                    screen.write(*area);
                    painter.written_over(&[(1, *area), (2, *area)]);
                }
                screen.print(&paint_all(&mut painter, &scene(hidden)));
                for area in hidden {
                    let over = screen.of_cells(*area);
                    assert!(
                        !over.iter().any(|pixel| screen.pixels[*pixel]),
                        "printed over {area:?}, cells of {cell:?}"
                    );
                }
            }
            let bare = whole.iter().zip(&screen.pixels);
            let bare = bare.filter(|(before, now)| before != now).count();
            assert_eq!(bare, 0, "cells of {cell:?}: {script:?}");
        }
    }
}
