//! Height and width of a model's image input.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// Maximum height or width.
const MAX_SIDE: u32 = 8192;

/// Height and width in pixels, each from 1 to 8192.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "[u32; 2]")]
pub struct ImageSize {
    height: u32,
    width: u32,
}

impl ImageSize {
    /// The training size of most photograph classifiers, which is assumed if none is specified.
    pub const DEFAULT: Self = Self {
        height: 224,
        width: 224,
    };

    /// Rows.
    pub fn height(self) -> u32 {
        self.height
    }

    /// Columns.
    pub fn width(self) -> u32 {
        self.width
    }
}

impl TryFrom<[u32; 2]> for ImageSize {
    type Error = String;

    fn try_from([height, width]: [u32; 2]) -> Result<Self, String> {
        if [height, width]
            .iter()
            .all(|side| (1..=MAX_SIDE).contains(side))
        {
            Ok(Self { height, width })
        } else {
            Err(format!("height and width must be from 1 to {MAX_SIDE}"))
        }
    }
}

impl FromStr for ImageSize {
    type Err = String;

    /// `224` for a square, `192x256` for 192 rows of 256 columns.
    fn from_str(text: &str) -> Result<Self, String> {
        let (height, width) = text.split_once(['x', '×']).unwrap_or((text, text));
        let number = |side: &str| side.trim().parse::<u32>();
        match (number(height), number(width)) {
            (Ok(height), Ok(width)) => Self::try_from([height, width]),
            _ => Err("expected SIDE or HEIGHTxWIDTH, such as 224 or 192x256".into()),
        }
    }
}

impl fmt::Display for ImageSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} × {}", self.height, self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_and_rectangles_are_parsed() {
        assert_eq!("224".parse(), Ok(ImageSize::DEFAULT));
        assert_eq!(
            "192x256".parse::<ImageSize>().unwrap().to_string(),
            "192 × 256"
        );
        assert_eq!("1 × 8192".parse::<ImageSize>().unwrap().width(), 8192);
        for wrong in ["", "x", "0", "8193", "224x", "224x0", "1x2x3", "-1", "big"] {
            assert!(wrong.parse::<ImageSize>().is_err(), "{wrong}");
        }
    }
}
