//! The nearest colour of the terminal's palette.

use crate::terminal::ColourDepth;

/// A colour of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    True([u8; 3]),
    /// An index into the palette.
    Indexed(u8),
}

impl Colour {
    /// The nearest colour at a depth; `None` without colours.
    pub fn nearest(rgb: [u8; 3], depth: ColourDepth) -> Option<Self> {
        match depth {
            ColourDepth::None => None,
            ColourDepth::True => Some(Self::True(rgb)),
            ColourDepth::Indexed256 => Some(Self::Indexed(nearest_of_256(rgb))),
            ColourDepth::Indexed16 => Some(Self::Indexed(nearest(&ANSI, rgb) as u8)),
        }
    }
}

/// The 16 colours of xterm and most terminals, if the user has not changed them.
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

/// The channel values of the 6 × 6 × 6 colour cube, palette entries 16 to 231.
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

/// The index of the nearest colour; channels are weighted by perception.
fn nearest(table: &[[u8; 3]], rgb: [u8; 3]) -> usize {
    let distance = |other: &[u8; 3]| {
        let off = |channel: usize| u32::from(other[channel].abs_diff(rgb[channel])).pow(2);
        2 * off(0) + 4 * off(1) + 3 * off(2)
    };
    (0..table.len())
        .min_by_key(|index| distance(&table[*index]))
        .unwrap_or(0)
}

/// The SGR parameters of a colour; `base` is 38 for the foreground and 48 for the background.
pub(in crate::terminal) fn parameters(colour: Colour, base: u8) -> String {
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

    #[test]
    fn colours_map_to_the_nearest_of_the_palette() {
        let nearest = |rgb, depth| Colour::nearest(rgb, depth).unwrap();
        let (red, grey) = ([250, 5, 3], [128, 128, 128]);
        assert_eq!(nearest(red, ColourDepth::True), Colour::True(red));
        assert_eq!(nearest(red, ColourDepth::Indexed256), Colour::Indexed(196));
        assert_eq!(nearest(grey, ColourDepth::Indexed256), Colour::Indexed(244));
        assert_eq!(nearest(red, ColourDepth::Indexed16), Colour::Indexed(9));
        assert_eq!(nearest(grey, ColourDepth::Indexed16), Colour::Indexed(8));
        assert_eq!(Colour::nearest(red, ColourDepth::None), None);
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
    fn parameters_are_those_of_the_standard() {
        assert_eq!(parameters(Colour::Indexed(1), 38), "31");
        assert_eq!(parameters(Colour::Indexed(9), 38), "91");
        assert_eq!(parameters(Colour::Indexed(9), 48), "101");
        assert_eq!(parameters(Colour::Indexed(196), 48), "48;5;196");
        assert_eq!(parameters(Colour::True([1, 2, 3]), 38), "38;2;1;2;3");
    }
}
