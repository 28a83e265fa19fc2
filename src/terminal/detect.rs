//! Detection of protocol, route and colours from the evidence: a pure function, so that every terminal can be
//! tested.

use super::evidence::Evidence;
use super::responses::Responses;
use super::tmux::Pane;
use super::version::is_at_least;
use super::{ASSUMED_CELL, ColourDepth, Protocol, Route, Terminal, block_support};

/// Terminals with iTerm2's protocol, which no query reports. They support it better than their other protocols.
const ITERM2: [&str; 4] = ["iTerm2", "WezTerm", "mintty", "rio"];

/// Terminals with kitty's Unicode placeholders, by name, and the first version with them.
const PLACEHOLDERS: [(&str, [u32; 2]); 2] = [("kitty", [0, 28]), ("ghostty", [1, 0])];

/// Terminals with 24-bit colour that do not report a test colour.
const TRUE_COLOUR: [&str; 6] = ["iTerm2", "WezTerm", "mintty", "Konsole", "ghostty", "kitty"];

/// The device attribute of terminals with sixel.
const SIXEL: u16 = 4;

/// Detects the terminal's capabilities. `wanted` overrides the protocol.
pub fn detect(evidence: &Evidence, wanted: Option<Protocol>) -> Terminal {
    let Evidence {
        environment,
        answers,
        ..
    } = evidence;
    let answered = !answers.attributes.is_empty();
    let in_tmux = in_tmux(evidence);
    let (protocol, route, why) = choose(evidence, in_tmux, wanted);
    let tmux_cell = evidence.pane.and_then(|pane| pane.cell);
    Terminal {
        protocol,
        route,
        cell: answers
            .cell
            .or(evidence.window_cell)
            .or(tmux_cell)
            .unwrap_or(ASSUMED_CELL),
        colours: colours(evidence, in_tmux),
        blocks: block_support::blocks(evidence, in_tmux),
        light: answers.light,
        name: answers.names.last().cloned(),
        answered,
        remote: environment.remote,
        why,
    }
}

/// Whether the program runs in tmux: by the environment, or, after SSH, by the name in the responses.
fn in_tmux(evidence: &Evidence) -> bool {
    let first = evidence.answers.names.first();
    evidence.environment.tmux || first.is_some_and(|name| name.starts_with("tmux"))
}

fn choose(
    evidence: &Evidence,
    in_tmux: bool,
    wanted: Option<Protocol>,
) -> (Protocol, Route, &'static str) {
    let offers = offers(evidence, in_tmux);
    let Some(wanted) = wanted else {
        return match offers.first() {
            Some((protocol, route)) => (*protocol, *route, "the best that the terminal offers"),
            None => (
                Protocol::Blocks,
                own_route(in_tmux),
                why_none(evidence, in_tmux),
            ),
        };
    };
    let offered = offers.iter().find(|(protocol, _)| *protocol == wanted);
    let passes = evidence.pane.is_some_and(|pane| pane.passthrough);
    let route = match (offered, wanted) {
        (Some((_, route)), _) => *route,
        (None, Protocol::Blocks) => own_route(in_tmux),
        (None, _) if passes => Route::TmuxPassthrough,
        (None, _) => own_route(in_tmux),
    };
    (wanted, route, "asked for")
}

fn own_route(in_tmux: bool) -> Route {
    if in_tmux { Route::Tmux } else { Route::Direct }
}

/// The protocols and routes that the terminal supports, best first.
fn offers(evidence: &Evidence, in_tmux: bool) -> Vec<(Protocol, Route)> {
    let answers = &evidence.answers;
    let has_sixel = |index: usize| {
        answers
            .attributes
            .get(index)
            .is_some_and(|list| list.contains(&SIXEL))
    };
    let offers = match in_tmux {
        false => [
            (named(answers, &ITERM2), Protocol::Iterm2, Route::Direct),
            (answers.kitty, Protocol::Kitty, Route::Direct),
            (has_sixel(0), Protocol::Sixel, Route::Direct),
        ],
        // tmux responds before the outer terminal. Sixels that tmux supports are moved and clipped with its
        // panes.
        true if has_sixel(0) && !answers.kitty => [
            (true, Protocol::Sixel, Route::Tmux),
            (
                named(answers, &ITERM2),
                Protocol::Iterm2,
                Route::TmuxPassthrough,
            ),
            (false, Protocol::Kitty, Route::TmuxPassthrough),
        ],
        true => [
            (answers.kitty, Protocol::Kitty, kitty_route(evidence)),
            (
                named(answers, &ITERM2),
                Protocol::Iterm2,
                Route::TmuxPassthrough,
            ),
            (has_sixel(1), Protocol::Sixel, Route::TmuxPassthrough),
        ],
    };
    let offered = offers.into_iter().filter(|(is_there, ..)| *is_there);
    offered
        .map(|(_, protocol, route)| (protocol, route))
        .collect()
}

/// The route of kitty's pictures through tmux: placeholders if the terminal supports them and tmux passes them on.
fn kitty_route(evidence: &Evidence) -> Route {
    let name = evidence.answers.names.last().map_or("", String::as_str);
    let writes_utf8 = evidence.pane.is_some_and(|pane| pane.utf8);
    if writes_utf8
        && PLACEHOLDERS
            .iter()
            .any(|(known, version)| is_at_least(name, known, version))
    {
        Route::TmuxPlaceholders
    } else {
        Route::TmuxPassthrough
    }
}

fn why_none(evidence: &Evidence, in_tmux: bool) -> &'static str {
    match (evidence.has_terminal, in_tmux, evidence.pane) {
        (false, ..) => "there is no terminal to ask",
        (
            _,
            true,
            Some(Pane {
                passthrough: false, ..
            }),
        ) => "tmux blocks pictures; `tmux set -g allow-passthrough on` allows them",
        (_, true, None) => "tmux is on another machine and shows no pictures itself",
        _ if evidence.answers.attributes.is_empty() => "the terminal did not answer in time",
        _ => "the terminal offers nothing better",
    }
}

fn named(answers: &Responses, names: &[&str]) -> bool {
    let name = answers.names.last();
    name.is_some_and(|name| names.iter().any(|known| name.starts_with(known)))
}

fn colours(evidence: &Evidence, in_tmux: bool) -> ColourDepth {
    let Evidence {
        environment,
        answers,
        ..
    } = evidence;
    let promised = environment.colours();
    if promised == Some(ColourDepth::None) {
        return ColourDepth::None;
    }
    // tmux accepts 24-bit colours and converts them for the outer terminal.
    if in_tmux || answers.true_colour || named(answers, &TRUE_COLOUR) {
        return ColourDepth::True;
    }
    promised.unwrap_or(ColourDepth::Indexed16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const XTERM: &[u8] = b"\x1bP>|XTerm(379)\x1b\\\x1b[6;17;8t\x1b]11;rgb:ffff/ffff/ffff\x1b\\\x1bP1$r0;48:2::1:2:3m\x1b\\\x1b[?63;1;2;4;6;9;15;16;22;28c";
    const KITTY: &[u8] = b"\x1b_Gi=31;OK\x1b\\\x1bP>|kitty(0.26.5)\x1b\\\x1b[6;19;8t\x1b]11;rgb:0000/0000/0000\x1b\\\x1bP1$r48:2:1:2:3m\x1b\\\x1b[?62;c";
    const WEZTERM: &[u8] = b"\x1b_Gi=31;OK\x1b\\\x1bP>|WezTerm 20240203\x1b\\\x1b[?65;4;6;18;22c";
    const TMUX: &[u8] = b"\x1bP>|tmux 3.3a\x1b\\\x1b[?1;2c";
    const TMUX_WITH_SIXEL: &[u8] = b"\x1bP>|tmux 3.5\x1b\\\x1b[?1;2;4c";
    const PANE: Pane = Pane {
        passthrough: true,
        active: true,
        utf8: true,
        cell: None,
        origin: (0, 0),
    };

    fn evidence(answers: &[&[u8]]) -> Evidence {
        Evidence {
            answers: Responses::read(&answers.concat()),
            has_terminal: true,
            ..Evidence::default()
        }
    }

    fn in_tmux(answers: &[&[u8]], pane: Option<Pane>) -> Evidence {
        let mut evidence = evidence(answers);
        evidence.environment.tmux = true;
        evidence.pane = pane;
        evidence
    }

    fn way(evidence: &Evidence) -> (Protocol, Route) {
        let terminal = detect(evidence, None);
        (terminal.protocol, terminal.route)
    }

    #[test]
    fn each_terminal_gets_what_it_shows_best() {
        assert_eq!(way(&evidence(&[KITTY])), (Protocol::Kitty, Route::Direct));
        assert_eq!(way(&evidence(&[XTERM])), (Protocol::Sixel, Route::Direct));
        assert_eq!(
            way(&evidence(&[WEZTERM])),
            (Protocol::Iterm2, Route::Direct)
        );
        assert_eq!(
            way(&evidence(&[b"\x1b[?6c"])),
            (Protocol::Blocks, Route::Direct)
        );
    }

    #[test]
    fn tmux_passes_on_the_protocol_of_the_outer_terminal() {
        assert_eq!(
            way(&in_tmux(&[TMUX, KITTY], Some(PANE))),
            (Protocol::Kitty, Route::TmuxPassthrough)
        );
        assert_eq!(
            way(&in_tmux(&[TMUX, XTERM], Some(PANE))),
            (Protocol::Sixel, Route::TmuxPassthrough)
        );
        assert_eq!(
            way(&in_tmux(&[TMUX_WITH_SIXEL, XTERM], Some(PANE))),
            (Protocol::Sixel, Route::Tmux)
        );
        assert_eq!(
            way(&in_tmux(&[TMUX_WITH_SIXEL], None)),
            (Protocol::Sixel, Route::Tmux)
        );
    }

    #[test]
    fn tmux_uses_placeholders_where_the_terminal_has_them() {
        let route = |name: &str, pane| {
            let answers = format!("\x1b_Gi=31;OK\x1b\\\x1bP>|{name}\x1b\\\x1b[?62;c");
            let evidence = in_tmux(&[TMUX, answers.as_bytes()], Some(pane));
            let (protocol, route) = way(&evidence);
            assert_eq!(protocol, Protocol::Kitty);
            let asked = detect(&evidence, Some(Protocol::Kitty));
            assert_eq!(asked.route, route);
            route
        };
        let with = [
            "kitty(0.28.0)",
            "kitty(0.41.1)",
            "kitty(1.0.0)",
            "ghostty 1.1.3",
            "ghostty 1.3.0-main+ab1c",
        ];
        for name in with {
            assert_eq!(route(name, PANE), Route::TmuxPlaceholders, "{name}");
        }
        let without = [
            "kitty(0.26.5)",
            "kitty(0.9.1)",
            "kitty",
            "kitty(28)",
            "kittycat(1.0)",
            "Konsole 23.08.1",
            "ghostty",
        ];
        for name in without {
            assert_eq!(route(name, PANE), Route::TmuxPassthrough, "{name}");
        }
        let ascii = Pane {
            utf8: false,
            ..PANE
        };
        assert_eq!(route("kitty(0.41.1)", ascii), Route::TmuxPassthrough);
        // Placeholders are used only inside tmux.
        let direct = b"\x1b_Gi=31;OK\x1b\\\x1bP>|kitty(0.41.1)\x1b\\\x1b[?62;c";
        assert_eq!(way(&evidence(&[direct])), (Protocol::Kitty, Route::Direct));
    }

    #[test]
    fn tmux_that_blocks_pictures_is_reported_with_the_remedy() {
        let closed = Pane {
            passthrough: false,
            ..PANE
        };
        let terminal = detect(&in_tmux(&[TMUX], Some(closed)), None);
        assert_eq!(
            (terminal.protocol, terminal.route),
            (Protocol::Blocks, Route::Tmux)
        );
        assert!(
            terminal.why.contains("allow-passthrough on"),
            "{}",
            terminal.why
        );
        // SSH from inside tmux: only the response shows it.
        let far = detect(&evidence(&[TMUX]), None);
        assert_eq!((far.protocol, far.tmux()), (Protocol::Blocks, true));
    }

    #[test]
    fn without_responses_half_blocks_and_the_default_cell_are_assumed() {
        let terminal = detect(&evidence(&[]), None);
        assert_eq!(
            (terminal.protocol, terminal.cell, terminal.answered),
            (Protocol::Blocks, (8, 16), false)
        );
        let nowhere = detect(&Evidence::default(), None);
        assert!(nowhere.why.contains("no terminal"));
    }

    #[test]
    fn a_requested_protocol_takes_the_route_that_reaches_the_terminal() {
        let forced = detect(&evidence(&[]), Some(Protocol::Sixel));
        assert_eq!(
            (forced.protocol, forced.route),
            (Protocol::Sixel, Route::Direct)
        );
        let through = detect(&in_tmux(&[TMUX], Some(PANE)), Some(Protocol::Kitty));
        assert_eq!(
            (through.protocol, through.route),
            (Protocol::Kitty, Route::TmuxPassthrough)
        );
        let plain = detect(&in_tmux(&[TMUX, KITTY], Some(PANE)), Some(Protocol::Blocks));
        assert_eq!(
            (plain.protocol, plain.route),
            (Protocol::Blocks, Route::Tmux)
        );
    }

    #[test]
    fn colours_follow_the_responses_unless_disabled() {
        assert_eq!(detect(&evidence(&[XTERM]), None).colours, ColourDepth::True);
        assert_eq!(detect(&evidence(&[]), None).colours, ColourDepth::Indexed16);
        let mut none = evidence(&[KITTY]);
        none.environment.no_color = true;
        assert_eq!(detect(&none, None).colours, ColourDepth::None);
    }
}
