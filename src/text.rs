//! Text for display: escaping of text from files, plurals, durations and ages.
//!
//! Names of files, layers, classes and runs may contain any character. [`is_harmless`] defines which characters may
//! reach a terminal; how the others are replaced depends on the use:
//!
//! - [`shown`]: a name within a line: escaped, of bounded length
//! - [`printable`]: a name in an error: the same, in quotes
//! - [`one_line`]: a line of output: escaped; line breaks become spaces
//! - [`json`]: a line of JSON: escaped as in JSON
//! - [`clean`]: a text whose characters keep their columns: each is replaced by a dot
//! - [`without`]: a name: removed
//! - [`about`]: a text after the name of what it is about
//! - [`fit`]: a text in so many columns: as [`clean`], and cut

mod amounts;
mod columns;

pub use amounts::{age, counted, span};
pub(crate) use columns::readable;
pub use columns::{fit, fit_end, fit_path};

/// Maximum characters of a shown name.
pub const MAX_SHOWN: usize = 200;

/// Maximum characters of a quoted name.
const MAX_QUOTED: usize = 80;

/// Whether a character is displayed as itself. Others control the terminal, end the line, change the direction of
/// the surrounding text, or are invisible, so that a name looks like another.
pub fn is_harmless(c: char) -> bool {
    let is_hidden = matches!(c,
        // Soft hyphen; Arabic letter mark; Mongolian vowel separator.
        '\u{ad}' | '\u{61c}' | '\u{180e}'
        // Zero width space and joiners, direction marks.
        | '\u{200b}'..='\u{200f}'
        // Line and paragraph separators, embeddings and overrides of direction.
        | '\u{2028}'..='\u{202e}'
        // Word joiner, invisible operators, isolates of direction, deprecated format characters.
        | '\u{2060}'..='\u{206f}'
        // Byte order mark, annotations, tags.
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    !is_hidden && !c.is_control()
}

/// What is said about something, after its name; as it is, if it begins with the name already.
pub fn about(name: &str, text: &str) -> String {
    format!("{name}: {}", after_name(name, text))
}

/// What is said about something, without its name at the beginning.
pub fn after_name<'a>(name: &str, text: &'a str) -> &'a str {
    let rest = text.strip_prefix(name);
    rest.and_then(|rest| rest.strip_prefix(": "))
        .unwrap_or(text)
}

/// A name as it may be shown within a line: what is not harmless is escaped, and it has at most [`MAX_SHOWN`]
/// characters.
pub fn shown(text: &str) -> String {
    if text.len() <= MAX_SHOWN && text.chars().all(is_harmless) {
        return text.into();
    }
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == MAX_SHOWN {
            out.push('…');
            break;
        }
        escape(c, &mut out);
    }
    out
}

/// A name in quotes, for errors: unsafe characters are escaped, at most 80 characters.
pub fn printable(text: &str) -> String {
    let short: String = text.chars().take(MAX_QUOTED).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("{short:?}{more}")
}

/// A text on one line: line breaks and tabs become spaces, other unsafe characters are escaped.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        match c {
            '\n' | '\r' | '\t' => line.push(' '),
            c => escape(c, &mut line),
        }
    }
    line
}

/// A line of JSON in which unsafe characters are escaped too: they can occur only within strings.
pub fn json(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmless(c) {
            line.push(c);
        } else {
            let units = c.encode_utf16(&mut [0; 2]).to_vec();
            line.extend(units.iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    line
}

/// A text in which each unsafe character is replaced by a dot.
pub fn clean(text: &str) -> String {
    let visible = |c: char| if is_harmless(c) { c } else { '·' };
    text.chars().map(visible).collect()
}

/// A name without unsafe characters, trimmed, and with at most `most` characters. A tab separates words like a
/// space.
pub fn without(text: &str, most: usize) -> String {
    let spaced = |c: char| if c == '\t' { ' ' } else { c };
    let kept = text.chars().map(spaced).filter(|c| is_harmless(*c));
    let kept: String = kept.take(most).collect();
    kept.trim().to_owned()
}

fn escape(c: char, out: &mut String) {
    if is_harmless(c) {
        out.push(c);
    } else {
        out.extend(c.escape_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_said_once() {
        assert_eq!(about("goose", "no memory"), "goose: no memory");
        assert_eq!(about("goose", "goose: no memory"), "goose: no memory");
        assert_eq!(about("goose", "goose has"), "goose: goose has");
        assert_eq!(after_name("goose", "goose: no memory"), "no memory");
    }

    /// Characters that must never reach a terminal, by Unicode's names.
    const HOSTILE: &[(&str, std::ops::RangeInclusive<char>)] = &[
        ("C0 controls", '\0'..='\u{1f}'),
        ("DEL and C1 controls", '\u{7f}'..='\u{9f}'),
        ("Arabic letter mark", '\u{61c}'..='\u{61c}'),
        (
            "zero width space and direction marks",
            '\u{200b}'..='\u{200f}',
        ),
        ("line and paragraph separator", '\u{2028}'..='\u{2029}'),
        ("embeddings and overrides", '\u{202a}'..='\u{202e}'),
        ("word joiner", '\u{2060}'..='\u{2060}'),
        ("isolates", '\u{2066}'..='\u{2069}'),
        ("byte order mark", '\u{feff}'..='\u{feff}'),
        ("tags", '\u{e0000}'..='\u{e007f}'),
    ];

    #[test]
    fn no_function_lets_a_hostile_character_through() {
        let is_hostile = |c: char| HOSTILE.iter().any(|(_, range)| range.contains(&c));
        for c in '\0'..=char::MAX {
            assert!(!(is_harmless(c) && is_hostile(c)), "{c:?}");
            let text = format!("a{c}b");
            let quoted = serde_json::to_string(&text).unwrap();
            for made in [
                shown(&text),
                printable(&text),
                one_line(&text),
                json(&quoted),
                clean(&text),
                without(&text, 9),
            ] {
                assert!(made.chars().all(is_harmless), "{c:?}: {made:?}");
            }
            let read: String = serde_json::from_str(&json(&quoted)).unwrap();
            assert_eq!(read, text);
            if is_harmless(c) && !c.is_whitespace() {
                assert_eq!((shown(&text), clean(&text)), (text.clone(), text.clone()));
                assert_eq!((one_line(&text), without(&text, 9)), (text.clone(), text));
            }
        }
    }

    #[test]
    fn shown_text_is_one_short_line() {
        let hostile = "a\u{1b}[2J\u{202e}\u{9b}31m\nb";
        assert_eq!(shown(hostile), "a\\u{1b}[2J\\u{202e}\\u{9b}31m\\nb");
        assert_eq!(one_line("a\r\nb\u{2066}c\n"), "a  b\\u{2066}c");
        assert_eq!(clean(hostile), "a·[2J··31m·b");
        assert_eq!(without(" \u{1b}]0;x\u{7}\tb ", 7), "]0;x b");
        assert_eq!(without("abcdef", 3), "abc");
        assert_eq!(json("\"\u{e0041}\u{202e}\""), r#""\udb40\udc41\u202e""#);
        assert_eq!(shown("groß と wide"), "groß と wide");
        assert_eq!(shown(&"ß".repeat(10_000)).chars().count(), MAX_SHOWN + 1);
        assert_eq!(shown(&"x".repeat(MAX_SHOWN)), "x".repeat(MAX_SHOWN));
        assert_eq!(printable(&"x".repeat(1000)).len(), 2 + 80 + "…".len());
    }
}
