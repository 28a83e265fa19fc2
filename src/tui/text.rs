//! Fitting text from files, of any length and content, into columns.

use crate::runs::format;
use crate::text::{clean, visible_part};
pub use crate::text::{fit, fit_end, fit_path};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// The separator of texts on one line.
pub const DOT: &str = " · ";

/// Minimum width of a prompt in which a hidden start is marked.
const MIN_SIGNED_WIDTH: usize = 4;

/// The visible part of a prompt in `width` columns, and the column of the cursor before the character `cursor`.
pub fn window(text: &str, cursor: usize, width: usize) -> (String, usize) {
    let text = clean(text);
    let mut before: Vec<(&str, usize)> = Vec::new();
    let mut passed = 0;
    for part in text.graphemes(true) {
        if passed >= cursor {
            break;
        }
        passed += part.chars().count();
        before.push((part, part.width()));
    }
    // The cursor needs a column.
    let seen_in = |room: usize| {
        let mut used = 0;
        let seen = before.iter().rev().take_while(|(_, more)| {
            used += more;
            used < room
        });
        before.len() - seen.count()
    };
    // So does the mark of a hidden start, if there is space.
    let sign = match seen_in(width) {
        0 => "",
        _ if width < MIN_SIGNED_WIDTH => "",
        _ => "…",
    };
    let room = width - sign.width();
    let (hidden, seen) = before.split_at(seen_in(room));
    let hidden: usize = hidden.iter().map(|(part, _)| part.len()).sum();
    let column: usize = seen.iter().map(|(_, more)| more).sum();
    let text = fit(&text[hidden..], room);
    (format!("{sign}{text}"), sign.width() + column)
}

/// `text` in lines of at most `width` columns, broken between words, or within a word if necessary.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let lines = textwrap::wrap(text, width.max(1)).into_iter();
    lines.map(std::borrow::Cow::into_owned).collect()
}

/// Texts in lines of at most `width` columns, with a dot between those on one line. A text that is too long for a line
/// is broken between words; of one without spaces the end is kept, which holds numbers and versions.
pub fn joined(texts: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for text in texts {
        if text.width() > width && text.contains(' ') {
            lines.extend(wrapped(&visible_part(text, true), width));
            continue;
        }
        let text = fit_end(text, width);
        let room = |line: &&mut String| line.width() + DOT.width() + text.width() <= width;
        match lines.last_mut().filter(room) {
            Some(line) => {
                line.push_str(DOT);
                line.push_str(&text);
            }
            None => lines.push(text),
        }
    }
    lines
}

/// Parts with a dot between those on one line of `width` columns. Each has an importance: the least important ones are
/// omitted until the rest fits, the last of equals first. Only a single remaining part is cut, see
/// [`shortened`].
pub fn fitted(parts: &[(u8, String)], width: usize) -> String {
    let mut kept: Vec<&(u8, String)> = parts.iter().filter(|(_, text)| !text.is_empty()).collect();
    loop {
        let texts: Vec<&str> = kept.iter().map(|(_, text)| text.as_str()).collect();
        let line = texts.join(DOT);
        if kept.len() < 2 || line.width() <= width {
            return shortened(&line, width);
        }
        let least = kept.iter().map(|(importance, _)| *importance).min();
        kept.remove(
            kept.iter()
                .rposition(|part| Some(part.0) == least)
                .unwrap_or(0),
        );
    }
}

/// `text` in at most `width` columns, cut at the end of a clause, otherwise of a word, unless that would leave most of
/// the space empty: clauses must fill a quarter of it, and words half.
pub fn shortened(text: &str, width: usize) -> String {
    let text = visible_part(text, false);
    if text.width() <= width {
        return text;
    }
    let ends = |sign: &str, rest: usize, share: usize| {
        let places = text.match_indices(sign).map(|(at, _)| &text[..at]);
        let fits = |part: &&str| part.width() + rest <= width && share * part.width() >= width;
        places.filter(fits).last()
    };
    let clauses = [", ", "; ", ": "].map(|sign| ends(sign, 1, 4));
    match clauses.into_iter().flatten().max_by_key(|part| part.len()) {
        Some(clause) if text.ends_with('.') => format!("{clause}."),
        Some(clause) => clause.into(),
        None => match ends(" ", 2, 2) {
            Some(words) => format!("{words} …"),
            None => fit(&text, width),
        },
    }
}

/// A probability with its symbol: next to a score, a bare number would be ambiguous.
pub fn p(probability: f32) -> String {
    format!("p {}", format::percent(probability))
}

/// A number with a short unit: 950, 4.7 k, 11 M.
pub fn count(number: usize) -> String {
    const UNITS: [(usize, &str); 3] = [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
    let unit = UNITS.iter().find(|(size, _)| number >= *size);
    unit.map_or_else(
        || number.to_string(),
        |(size, name)| {
            let value = number as f64 / *size as f64;
            if value < 10.0 {
                format!("{value:.1} {name}")
            } else {
                format!("{value:.0} {name}")
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_fits_and_controls_nothing(text in "\\PC*|.*", width in 0usize..40) {
            for fitted in [fit(&text, width), fit_end(&text, width), fit_path(&text, width)] {
                prop_assert!(fitted.width() <= width, "{fitted:?}");
                prop_assert!(!fitted.chars().any(char::is_control));
            }
        }
    }

    #[test]
    fn wide_and_combining_characters_are_counted_as_they_are_seen() {
        assert_eq!(fit("火烈鸟", 5), "火烈…");
        assert_eq!(fit_end("blocks/3/conv", 8), "…/3/conv");
        assert_eq!(fit("e\u{301}e\u{301}e\u{301}", 2), "e\u{301}…");
        assert!(fit(&"x".repeat(10_000_000), 9).len() < 20);
    }

    #[test]
    fn of_a_path_that_is_too_long_the_first_folders_are_left_out() {
        let path = "/home/user/history/8835a6f0";
        for (width, fitted) in [
            (27, path),
            (26, "…/user/history/8835a6f0"),
            (20, "…/history/8835a6f0"),
            (12, "…/8835a6f0"),
            (6, "…5a6f0"),
        ] {
            assert_eq!(fit_path(path, width), fitted);
        }
        assert_eq!(fit_path("photos/cats/", 8), "…/cats/");
        assert_eq!(fit_path("no-folder.png", 9), "…lder.png");
    }

    #[test]
    fn the_cursor_of_a_line_stays_in_view_whatever_is_typed() {
        assert_eq!(window("abc", 3, 10), ("abc".into(), 3));
        assert_eq!(window("abcdef", 6, 4), ("…ef".into(), 3));
        assert_eq!(window("火烈鸟火烈鸟", 6, 6), ("…烈鸟".into(), 5));
        assert_eq!(window("火烈鸟火烈鸟", 0, 6), ("火烈…".into(), 0));
        assert_eq!(window("a\u{202e}b", 3, 9), ("a·b".into(), 3));
        assert_eq!(window("e\u{301}e\u{301}", 4, 9).1, 2);
        assert_eq!(window("", 0, 0), (String::new(), 0));
        assert_eq!(window("abc", 3, 3), ("bc".into(), 2));
    }

    proptest! {
        #[test]
        fn a_window_is_no_wider_than_asked(text in "\\PC*|.*", cursor in 0usize..40, width in 1usize..30) {
            let (seen, column) = window(&text, cursor, width);
            prop_assert!(seen.width() <= width && column < width, "{seen:?} {column}");
        }
    }

    #[test]
    fn texts_share_lines_as_long_as_they_fit() {
        let texts = ["seed 3", "tilt=1.2", "score 2.13"].map(String::from);
        assert_eq!(joined(&texts, 40), ["seed 3 · tilt=1.2 · score 2.13"]);
        assert_eq!(joined(&texts, 17), ["seed 3 · tilt=1.2", "score 2.13"]);
        assert_eq!(joined(&texts, 7), ["seed 3", "…lt=1.2", "score", "2.13"]);
    }

    #[test]
    fn the_least_important_part_is_left_out_first() {
        let parts = [(2, "flamingo"), (0, "seed 3"), (1, "p 97.5 %")];
        let parts = parts.map(|(importance, text)| (importance, text.to_string()));
        for (width, line) in [
            (40, "flamingo · seed 3 · p 97.5 %"),
            (27, "flamingo · p 97.5 %"),
            (18, "flamingo"),
            (5, "flam…"),
        ] {
            assert_eq!(fitted(&parts, width), line);
        }
    }

    #[test]
    fn a_text_ends_with_a_clause_or_a_word() {
        for (width, text) in [
            (44, "Run what is marked, or else what is selected."),
            (43, "Run what is marked."),
            (18, "Run what is …"),
        ] {
            let long = "Run what is marked, or else what is selected.";
            assert_eq!(shortened(long, width + usize::from(width == 44)), text);
        }
        assert_eq!(shortened("great white shark", 13), "great white …");
        assert_eq!(shortened("blocks/3/convolution", 8), "blocks/…");
    }

    proptest! {
        #[test]
        fn a_shortened_text_fits(text in "[a-z ,;.:火]{0,60}", width in 0usize..40) {
            prop_assert!(shortened(&text, width).width() <= width);
        }
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(count(950), "950");
        assert_eq!(count(4_652_008), "4.7 M");
    }
}
