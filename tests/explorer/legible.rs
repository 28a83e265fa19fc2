//! Legibility of every theme: measured on the drawn cells.

use super::support::Driver;
use palette::Srgb;
use palette::color_difference::Wcag21RelativeContrast;
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use ziggurat::terminal::{ColourDepth, Protocol};
use ziggurat::tui::theme::{Colour, LEGIBLE, Themes};
use ziggurat::tui::view;

/// Screens with every role of a theme.
const SCREENS: &[&str] = &[
    "2 j",
    "2 space j",
    "1 f j j",
    "1 f j l l",
    "1 a",
    "3",
    "3 space",
    "4",
    "2 / s",
    "2 w x enter",
    ", j +",
    ", enter",
    "?",
    ": t",
    "M",
    "3 i",
    "m",
    "tab",
];

fn rgb(colour: Color) -> Option<[u8; 3]> {
    match colour {
        Color::Rgb(red, green, blue) => Some([red, green, blue]),
        Color::Indexed(index) => Colour::Indexed(index).rgb(),
        _ => None,
    }
}

/// The contrast of a cell's text, if its colours are known.
fn contrast(cell: &Cell) -> Option<f32> {
    let srgb = |colour| Some(Srgb::from(rgb(colour)?).into_format::<f32>());
    let (text, ground) = match cell.modifier.contains(Modifier::REVERSED) {
        true => (cell.bg, cell.fg),
        false => (cell.fg, cell.bg),
    };
    Some(srgb(text)?.relative_contrast(srgb(ground)?))
}

#[test]
fn every_letter_on_the_screen_can_be_read_in_every_theme() {
    let mut hard = Vec::new();
    let themes = Themes::default();
    let names: Vec<String> = themes.names().map(String::from).collect();
    for theme in &names {
        for depth in [
            ColourDepth::True,
            ColourDepth::Indexed256,
            ColourDepth::Indexed16,
        ] {
            for keys in SCREENS {
                let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
                explorer.app.theme = themes.get(theme).unwrap().for_depth(depth);
                explorer.remember(6);
                let jobs = Driver::started(&explorer.press("2 G enter g g"));
                explorer.step(&jobs, 48);
                explorer.snapshot(jobs[0]);
                explorer.press(keys);
                hard.extend(
                    illegible(&explorer).map(|what| format!("{theme} {depth:?} {keys}: {what}")),
                );
            }
        }
    }
    assert!(hard.is_empty(), "{hard:#?}");
}

/// The rows with letters that cannot be read.
fn illegible(explorer: &Driver) -> impl Iterator<Item = String> {
    let size = explorer.app.size;
    let mut buffer = Buffer::empty(Rect::new(0, 0, size.width, size.height));
    view::draw(&explorer.app, &mut buffer);
    let rows = (0..size.height).filter_map(move |y| {
        let is_hard = |x: &u16| {
            let cell = &buffer[(*x, y)];
            let is_text = cell.symbol().chars().any(char::is_alphanumeric);
            is_text && contrast(cell).is_some_and(|contrast| contrast < LEGIBLE)
        };
        let hard = (0..size.width).filter(is_hard);
        let text: String = hard.map(|x| buffer[(x, y)].symbol()).collect();
        (!text.is_empty()).then(|| format!("row {y}: {text:?}"))
    });
    rows.collect::<Vec<_>>().into_iter()
}
