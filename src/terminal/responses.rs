//! Parses a terminal's responses: a pure function of untrusted bytes, which may contain keys, partial responses
//! and garbage.

/// Maximum length of a name.
const MAX_NAME: usize = 60;

/// The parsed responses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Responses {
    /// kitty's graphics protocol works.
    pub kitty: bool,
    /// Names (XTVERSION), in the order of the responses: tmux, then the outer terminal.
    pub names: Vec<String>,
    /// Width and height of a cell in pixels.
    pub cell: Option<(u16, u16)>,
    /// Whether the background is light.
    pub light: Option<bool>,
    /// A 24-bit test colour was reported unchanged.
    pub true_colour: bool,
    /// Device attributes (DA1), in the order of the responses. `4` is sixel.
    pub attributes: Vec<Vec<u16>>,
    /// Row and column of the cursor, from 1.
    pub cursor: Option<(u16, u16)>,
}

/// The colour that [`mod@super::probe`] sets and queries; unlikely to be in use.
pub const TEST_COLOUR: [u8; 3] = [1, 2, 3];

/// The number of the picture in the query of kitty's protocol.
pub const TEST_PICTURE: u32 = 31;

impl Responses {
    /// Parses complete responses and skips the rest.
    pub fn read(bytes: &[u8]) -> Self {
        let mut answers = Self::default();
        let mut rest = bytes;
        while let Some(start) = rest.iter().position(|byte| *byte == 0x1b) {
            rest = &rest[start + 1..];
            let (Some(kind), body) = (rest.first(), rest.get(1..).unwrap_or_default()) else {
                break;
            };
            match kind {
                b'[' => answers.control_sequence(body),
                b'P' | b'_' | b']' => answers.string(*kind, terminated(body)),
                _ => None,
            };
        }
        answers
    }

    /// `CSI parameters final`.
    fn control_sequence(&mut self, body: &[u8]) -> Option<()> {
        let end = body.iter().position(|byte| (0x40..=0x7e).contains(byte))?;
        let parameters = std::str::from_utf8(&body[..end]).ok()?;
        match (body[end], parameters.strip_prefix('?')) {
            (b'c', Some(list)) => self.attributes.push(numbers(list)?),
            (b't', None) => self.cell = Some(cell(&numbers(parameters)?)?),
            (b'R', None) => self.cursor = Some(pair(&numbers(parameters)?)?),
            _ => {}
        }
        Some(())
    }

    /// A device control (`P`), application command (`_`) or operating-system command (`]`) string.
    fn string(&mut self, kind: u8, body: Option<&[u8]>) -> Option<()> {
        let text = std::str::from_utf8(body?).ok()?;
        match kind {
            b'_' => self.kitty |= is_kitty_ok(text),
            b']' => self.light = Some(is_light(text.strip_prefix("11;")?)?),
            _ => match text.strip_prefix(">|") {
                Some(name) => self.names.push(crate::text::stripped(name, MAX_NAME)),
                None => self.true_colour |= is_test_colour(text.strip_prefix("1$r")?)?,
            },
        }
        Some(())
    }
}

/// The text before the string terminator (`ESC \` or, in some terminals, BEL).
fn terminated(body: &[u8]) -> Option<&[u8]> {
    let end = body.iter().position(|byte| matches!(byte, 0x1b | 0x07))?;
    let is_whole = body[end] == 0x07 || body.get(end + 1) == Some(&b'\\');
    is_whole.then(|| &body[..end])
}

/// Parameters separated by semicolons; a missing one is 0.
fn numbers(list: &str) -> Option<Vec<u16>> {
    let number = |text: &str| match text {
        "" => Some(0),
        digits => digits.parse().ok(),
    };
    list.split(';').map(number).collect()
}

fn pair(numbers: &[u16]) -> Option<(u16, u16)> {
    match numbers {
        [first, second] => Some((*first, *second)),
        _ => None,
    }
}

/// `6;height;width`, if plausible for a cell.
fn cell(numbers: &[u16]) -> Option<(u16, u16)> {
    match numbers {
        [6, height @ 1..=512, width @ 1..=512] => Some((*width, *height)),
        _ => None,
    }
}

fn is_kitty_ok(text: &str) -> bool {
    let answer = text.strip_prefix('G').and_then(|text| text.split_once(';'));
    let asked = format!("i={TEST_PICTURE}");
    answer.is_some_and(|(keys, result)| result == "OK" && keys.split(',').any(|key| key == asked))
}

/// Whether `rgb:r/g/b` (1 to 4 hexadecimal digits each) is closer to white than to black.
fn is_light(colour: &str) -> Option<bool> {
    let channels = colour
        .strip_prefix("rgb:")
        .or(colour.strip_prefix("rgba:"))?;
    let parts = channels.split('/').take(3).map(|digits| {
        let most = 16_u32.checked_pow(u32::try_from(digits.len()).ok()?)? - 1;
        let value = u32::from_str_radix(digits, 16).ok()?;
        (1..=0xffff)
            .contains(&most)
            .then(|| value as f32 / most as f32)
    });
    let channels: Option<Vec<f32>> = parts.collect();
    let [red, green, blue] = channels?[..] else {
        return None;
    };
    Some(0.299 * red + 0.587 * green + 0.114 * blue > 0.5)
}

/// Whether a report of the current attributes (`…48:2::1:2:3m`) contains the test colour.
fn is_test_colour(report: &str) -> Option<bool> {
    let colon = report.replace(';', ":");
    let (_, colour) = colon.trim_end_matches('m').split_once("48:2:")?;
    let parts: Vec<&str> = colour.split(':').filter(|part| !part.is_empty()).collect();
    let wanted = TEST_COLOUR.map(|channel| channel.to_string());
    Some(parts.ends_with(&wanted.each_ref().map(String::as_str)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Responses of real terminals to the query of [`crate::terminal::probe`].
    const XTERM: &[u8] = b"\x1bP>|XTerm(379)\x1b\\\x1b[6;17;8t\x1b]11;rgb:ffff/ffff/ffff\x1b\\\x1bP1$r0;48:2::1:2:3m\x1b\\\x1b[?63;1;2;4;6;9;15;16;22;28c";
    const KITTY: &[u8] = b"\x1b_Gi=31;OK\x1b\\\x1bP>|kitty(0.26.5)\x1b\\\x1b[6;19;8t\x1b]11;rgb:0000/0000/0000\x1b\\\x1bP1$r48:2:1:2:3m\x1b\\\x1b[?62;c";
    const TMUX: &[u8] = b"\x1bP>|tmux 3.3a\x1b\\\x1b[?1;2c";
    /// Responses by the terminals' documentation and sources.
    const LINUX_CONSOLE: &[u8] = b"\x1b[?6c";
    const FOOT: &[u8] =
        b"\x1bP>|foot(1.13.1)\x1b\\\x1b[6;20;10t\x1b]11;rgb:24/24/24\x1b\\\x1b[?62;4;22c";
    const ITERM2: &[u8] = b"\x1bP>|iTerm2 3.4.19\x1b\\\x1b]11;rgb:0000/0000/0000\x07\x1b[?62;4c";

    #[test]
    fn responses_of_real_terminals_are_parsed() {
        let xterm = Responses::read(XTERM);
        assert_eq!(xterm.names, ["XTerm(379)"]);
        assert_eq!(
            (xterm.kitty, xterm.cell, xterm.light),
            (false, Some((8, 17)), Some(true))
        );
        assert!(xterm.true_colour && xterm.attributes[0].contains(&4));
        let foot = Responses::read(FOOT);
        assert_eq!((foot.cell, foot.light), (Some((10, 20)), Some(false)));
        assert_eq!(foot.attributes, [[62, 4, 22]]);
        let iterm2 = Responses::read(ITERM2);
        assert_eq!((iterm2.light, iterm2.cell), (Some(false), None));
        assert_eq!(Responses::read(LINUX_CONSOLE).attributes, [[6]]);
        assert_eq!(Responses::read(b""), Responses::default());
    }

    #[test]
    fn an_empty_parameter_is_no_reason_to_refuse_the_attributes() {
        let kitty = Responses::read(KITTY);
        assert!(kitty.kitty && kitty.true_colour);
        assert_eq!(kitty.names, ["kitty(0.26.5)"]);
        assert_eq!(kitty.attributes, [[62, 0]]);
    }

    #[test]
    fn tmux_and_the_terminal_around_it_answer_one_after_the_other() {
        let both = Responses::read(&[TMUX, KITTY].concat());
        assert_eq!(both.names, ["tmux 3.3a", "kitty(0.26.5)"]);
        assert_eq!(both.attributes.len(), 2);
    }

    #[test]
    fn keys_and_partial_responses_are_skipped() {
        let mixed = [b"q\x1b[A\x1bOP".as_slice(), KITTY, b"j\x1b[?62"].concat();
        assert_eq!(Responses::read(&mixed), Responses::read(KITTY));
        let half = Responses::read(&KITTY[..40]);
        assert!(half.kitty && half.attributes.is_empty());
    }

    #[test]
    fn refusals_and_impossible_values_are_ignored() {
        let refused = b"\x1b_Gi=31;ENOTSUPPORTED:no\x1b\\\x1b_Gi=32;OK\x1b\\\x1b[6;0;8t\x1b[6;9999;8t\x1b]11;rgb:zz/0/0\x1b\\\x1bP1$r0m\x1b\\\x1b[c";
        assert_eq!(Responses::read(refused), Responses::default());
    }

    #[test]
    fn a_name_cannot_control_the_terminal() {
        let answers = Responses::read("\x1bP>|evil\u{202e}\u{9b}31m\x07".as_bytes());
        assert_eq!(answers.names, ["evil31m"]);
        let long = [b"\x1bP>|".as_slice(), &[b'x'; 5000], b"\x1b\\"].concat();
        assert_eq!(Responses::read(&long).names[0].len(), MAX_NAME);
    }

    proptest! {
        #[test]
        fn garbage_does_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            for name in Responses::read(&bytes).names {
                prop_assert!(name.chars().all(|c| !c.is_control()));
            }
        }

        #[test]
        fn garbage_before_a_response_does_not_hide_it(bytes in proptest::collection::vec(0x20_u8..0x7f, 0..400)) {
            let answers = Responses::read(&[&bytes[..], KITTY].concat());
            prop_assert_eq!(answers, Responses::read(KITTY));
        }

        #[test]
        fn a_partial_response_reports_no_more_than_a_complete_one(cut in 0..KITTY.len()) {
            let half = Responses::read(&KITTY[..cut]);
            prop_assert!(half.attributes.is_empty());
            prop_assert!(half.cell.is_none() || half.cell == Some((8, 19)));
        }
    }
}
