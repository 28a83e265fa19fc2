//! Picture quality: steps from the full picture down to what any link can carry.

/// One quality step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quality {
    /// Maximum side in pixels.
    pub side: u32,
    /// Size of the palette; `None` keeps every colour.
    pub colours: Option<u16>,
    /// Quality of a JPEG, 1 to 100.
    pub jpeg: u8,
}

const fn step(side: u32, colours: Option<u16>, jpeg: u8) -> Quality {
    Quality {
        side,
        colours,
        jpeg,
    }
}

/// Best first. The first one bounds the memory and bandwidth of a picture.
pub const LADDER: [Quality; 9] = [
    step(1024, None, 95),
    step(1024, Some(256), 90),
    step(448, Some(128), 85),
    step(224, Some(128), 80),
    step(224, Some(64), 70),
    step(160, Some(64), 65),
    step(128, Some(48), 60),
    step(96, Some(32), 50),
    step(64, Some(16), 40),
];

/// The best step for moving pictures.
pub const MOVING: usize = 3;

impl Quality {
    /// The size in pixels to send: the picture's own, limited by `pixels` on the screen and by the quality.
    /// The aspect ratio is kept.
    pub fn size(self, picture: (u32, u32), pixels: (u32, u32)) -> (u32, u32) {
        let longest = picture.0.max(picture.1).max(1);
        let side = longest.min(pixels.0.max(pixels.1)).min(self.side).max(1);
        let scaled =
            |length: u32| (u64::from(length) * u64::from(side) / u64::from(longest)).max(1) as u32;
        (scaled(picture.0), scaled(picture.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_reduces_the_quality() {
        for pair in LADDER.windows(2) {
            let colours = |quality: Quality| quality.colours.unwrap_or(u16::MAX);
            assert!(pair[1].side <= pair[0].side && pair[1].jpeg < pair[0].jpeg);
            assert!(colours(pair[1]) <= colours(pair[0]));
        }
    }

    #[test]
    fn nothing_is_sent_larger_than_it_is_or_is_shown() {
        assert_eq!(LADDER[0].size((512, 256), (300, 300)), (300, 150));
        assert_eq!(LADDER[0].size((224, 224), (600, 600)), (224, 224));
        assert_eq!(LADDER[0].size((4000, 1), (9000, 9000)), (1024, 1));
        assert_eq!(LADDER[MOVING].size((512, 512), (600, 600)), (224, 224));
    }
}
