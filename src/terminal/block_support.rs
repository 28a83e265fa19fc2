//! Which block characters a terminal renders well.

use super::Blocks;
use super::evidence::Evidence;
use super::version::is_at_least;

/// Terminals that draw block characters themselves rather than by a font, as they name themselves, the first version
/// that does, and the finest such characters. The sources:
/// - foot: its author in notcurses' pull request 2846
/// - ghostty: its pull requests 5433 (octants) and 7761 (what octants share with others), both before 1.2.0
/// - kitty and VTE (GNOME Terminal and others; 0.78 calls itself 7800): breferrari/vigia's issue 324
/// - WezTerm: the page of its setting `custom_block_glyphs`; of octants that names no version
///
/// Others (Konsole, Windows Terminal, xterm …) leave these to fonts, few of which have them, or are not known here.
const DRAWN: [(&str, &[u32], Blocks); 5] = [
    ("kitty", &[0, 40], Blocks::Octant),
    ("ghostty", &[1, 2], Blocks::Octant),
    ("foot", &[1, 20], Blocks::Octant),
    ("VTE", &[7800], Blocks::Octant),
    ("WezTerm", &[20_210_814], Blocks::Sextant),
];

/// The finest block characters that render well: those the terminal draws itself, otherwise those in common fonts.
/// The Linux console has few, and nothing is known of a terminal without a response. tmux may not know the width
/// of newer characters.
pub(super) fn blocks(evidence: &Evidence, in_tmux: bool) -> Blocks {
    let answers = &evidence.answers;
    if evidence.environment.term == "linux" || answers.attributes.is_empty() {
        return Blocks::Half;
    }
    let name = answers.names.last().map_or("", String::as_str);
    let drawn = DRAWN
        .iter()
        .find(|(known, since, _)| !in_tmux && is_at_least(name, known, since));
    drawn.map_or(Blocks::Quadrant, |(.., blocks)| *blocks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::environment::Environment;
    use crate::terminal::responses::Responses;

    fn evidence(answers: &[u8]) -> Evidence {
        Evidence {
            answers: Responses::read(answers),
            ..Evidence::new(Environment::default())
        }
    }

    #[test]
    fn finer_blocks_are_for_terminals_that_draw_them() {
        let found = |name: &str, in_tmux| {
            let answers = format!("\x1bP>|{name}\x1b\\\x1b[?62;c");
            blocks(&evidence(answers.as_bytes()), in_tmux)
        };
        for (name, expected) in [
            ("kitty(0.40.0)", Blocks::Octant),
            ("kitty(0.39.1)", Blocks::Quadrant),
            ("kitty(1.0.0)", Blocks::Octant),
            ("ghostty 1.2.0", Blocks::Octant),
            ("ghostty 1.1.3", Blocks::Quadrant),
            ("foot(1.20.2)", Blocks::Octant),
            ("foot(1.13.1)", Blocks::Quadrant),
            ("VTE(7800)", Blocks::Octant),
            ("VTE(7603)", Blocks::Quadrant),
            ("WezTerm 20240203-110809-5046fc22", Blocks::Sextant),
            ("Konsole 23.08.1", Blocks::Quadrant),
            ("XTerm(379)", Blocks::Quadrant),
            ("footclient", Blocks::Quadrant),
        ] {
            assert_eq!(found(name, false), expected, "{name}");
        }
        assert_eq!(found("kitty(0.41.1)", true), Blocks::Quadrant);
    }

    #[test]
    fn the_console_and_a_silent_terminal_get_half_blocks() {
        assert_eq!(blocks(&evidence(b""), false), Blocks::Half);
        let mut console = evidence(b"\x1b[?6c");
        assert_eq!(blocks(&console, false), Blocks::Quadrant);
        console.environment.term = "linux".into();
        assert_eq!(blocks(&console, false), Blocks::Half);
    }
}
