//! Text for display: escaping of text from files, plurals, durations and ages.
//!
//! Names of files, layers, classes and runs may contain any character. [`is_safe`] defines which characters may
//! reach a terminal; how the others are replaced depends on the use:
//!
//! - [`safe`]: a name within a line: escaped, of bounded length
//! - [`quoted`]: a name in an error: the same, in quotes
//! - [`one_line`]: a line of output: escaped; line breaks become spaces
//! - [`joined_lines`]: a message of several lines: joined, not escaped
//! - [`json`]: a line of JSON: escaped as in JSON
//! - [`clean`]: a text whose characters keep their columns: each is replaced by a dot
//! - [`stripped`]: a name: removed, of bounded length
//! - [`with_subject`]: a message with the name of its subject before it
//! - [`fit`]: a text in so many columns: as [`clean`], and cut

mod amounts;
mod columns;

pub use amounts::{age, counted, duration};
pub(crate) use columns::visible_part;
pub use columns::{fit, fit_end, fit_path};

/// Maximum characters of a shown name.
pub const MAX_SHOWN: usize = 200;

/// Maximum characters of a quoted name.
const MAX_QUOTED: usize = 80;

/// Whether a character is displayed as itself. Others control the terminal, end the line, change the direction of
/// the surrounding text, or are invisible, so that a name looks like another.
pub fn is_safe(c: char) -> bool {
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
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        // Letters and marks without a glyph: grapheme joiner, Hangul fillers, Khmer inherent vowels.
        | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{17b4}' | '\u{17b5}'
        // Format controls of hieroglyphs, shorthand and music.
        | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}');
    !is_hidden && !c.is_control()
}

/// A message with the name of its subject before it, unless it begins with the name already.
pub fn with_subject(name: &str, text: &str) -> String {
    format!("{name}: {}", without_subject(name, text))
}

/// A message without the name of its subject before it.
pub fn without_subject<'a>(name: &str, text: &'a str) -> &'a str {
    let rest = text.strip_prefix(name);
    rest.and_then(|rest| rest.strip_prefix(": "))
        .unwrap_or(text)
}

/// A name as it may be shown within a line: what is not harmless is escaped, and it has at most [`MAX_SHOWN`]
/// characters.
pub fn safe(text: &str) -> String {
    if text.len() <= MAX_SHOWN && text.chars().all(is_safe) {
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
pub fn quoted(text: &str) -> String {
    let short: String = text.chars().take(MAX_QUOTED).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    let mut quoted = String::new();
    // Debug escapes quotes, controls and most invisible characters, but not letters without a glyph.
    format!("{short:?}")
        .chars()
        .for_each(|c| escape(c, &mut quoted));
    quoted + more
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

/// The lines of a message joined to one, with single spaces between its words. Nothing is escaped.
pub fn joined_lines(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A line of JSON in which unsafe characters are escaped too: they can occur only within strings.
pub fn json(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if is_safe(c) {
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
    let visible = |c: char| if is_safe(c) { c } else { '·' };
    text.chars().map(visible).collect()
}

/// A name without unsafe characters, trimmed, and with at most `most` characters. A tab separates words like a
/// space.
pub fn stripped(text: &str, most: usize) -> String {
    let spaced = |c: char| if c == '\t' { ' ' } else { c };
    let kept = text.chars().map(spaced).filter(|c| is_safe(*c));
    let kept: String = kept.take(most).collect();
    kept.trim().to_owned()
}

fn escape(c: char, out: &mut String) {
    if is_safe(c) {
        out.push(c);
    } else {
        out.extend(c.escape_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_is_named_once() {
        assert_eq!(with_subject("goose", "no memory"), "goose: no memory");
        assert_eq!(
            with_subject("goose", "goose: no memory"),
            "goose: no memory"
        );
        assert_eq!(with_subject("goose", "goose has"), "goose: goose has");
        assert_eq!(without_subject("goose", "goose: no memory"), "no memory");
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
        ("Hangul fillers", '\u{115f}'..='\u{1160}'),
        ("Hangul filler", '\u{3164}'..='\u{3164}'),
        ("musical format controls", '\u{1d173}'..='\u{1d17a}'),
    ];

    #[test]
    fn no_function_lets_a_hostile_character_through() {
        let is_hostile = |c: char| HOSTILE.iter().any(|(_, range)| range.contains(&c));
        for c in '\0'..=char::MAX {
            assert!(!(is_safe(c) && is_hostile(c)), "{c:?}");
            let text = format!("a{c}b");
            let string = serde_json::to_string(&text).unwrap();
            for result in [
                safe(&text),
                quoted(&text),
                one_line(&text),
                json(&string),
                clean(&text),
                stripped(&text, 9),
            ] {
                assert!(result.chars().all(is_safe), "{c:?}: {result:?}");
            }
            let read: String = serde_json::from_str(&json(&string)).unwrap();
            assert_eq!(read, text);
            if is_safe(c) && !c.is_whitespace() {
                assert_eq!((safe(&text), clean(&text)), (text.clone(), text.clone()));
                assert_eq!((one_line(&text), stripped(&text, 9)), (text.clone(), text));
            }
        }
    }

    #[test]
    fn shown_text_is_one_short_line() {
        let hostile = "a\u{1b}[2J\u{202e}\u{9b}31m\nb";
        assert_eq!(safe(hostile), "a\\u{1b}[2J\\u{202e}\\u{9b}31m\\nb");
        assert_eq!(one_line("a\r\nb\u{2066}c\n"), "a  b\\u{2066}c");
        assert_eq!(joined_lines(" a\n  b\tc \n"), "a b c");
        assert_eq!(clean(hostile), "a·[2J··31m·b");
        assert_eq!(stripped(" \u{1b}]0;x\u{7}\tb ", 7), "]0;x b");
        assert_eq!(stripped("abcdef", 3), "abc");
        assert_eq!(json("\"\u{e0041}\u{202e}\""), r#""\udb40\udc41\u202e""#);
        assert_eq!(safe("groß と wide"), "groß と wide");
        assert_eq!(safe(&"ß".repeat(10_000)).chars().count(), MAX_SHOWN + 1);
        assert_eq!(safe(&"x".repeat(MAX_SHOWN)), "x".repeat(MAX_SHOWN));
        assert_eq!(quoted(&"x".repeat(1000)).len(), 2 + 80 + "…".len());
    }
}
