//! Parses class names in JSON or Python syntax: a list of strings, a dictionary of strings by index, or of indices by
//! string, such as the `class_indices` of Keras. Instead of a string, a dictionary may contain a list of an identifier
//! and a string.

use std::collections::BTreeMap;

/// Maximum length of a parsed text, in bytes.
const MAX_TEXT: usize = 8 << 20;

/// The names by index; `None` if the text has another form, or an index is missing.
pub fn names(text: &str) -> Option<Vec<String>> {
    if text.len() > MAX_TEXT {
        return None;
    }
    let mut rest = Cursor(text);
    let names = match rest.one_of(&['[', '{'])? {
        '[' => rest.list()?,
        _ => rest.dictionary()?,
    };
    rest.is_at_end().then_some(names)
}

/// A key or a value of a dictionary.
enum Scalar {
    Text(String),
    Index(usize),
}

impl Scalar {
    /// A number, with or without quotes.
    fn index(&self) -> Option<usize> {
        match self {
            Self::Text(text) => text.parse().ok(),
            Self::Index(index) => Some(*index),
        }
    }
}

/// The remaining text.
struct Cursor<'a>(&'a str);

impl Cursor<'_> {
    fn is_at_end(&self) -> bool {
        self.0.trim_start().is_empty()
    }

    /// Consumes the next non-space character if it is one of these.
    fn one_of(&mut self, wanted: &[char]) -> Option<char> {
        let rest = self.0.trim_start();
        let next = rest.chars().next().filter(|next| wanted.contains(next))?;
        self.0 = &rest[next.len_utf8()..];
        Some(next)
    }

    /// Strings up to the closing bracket.
    fn list(&mut self) -> Option<Vec<String>> {
        let mut names = Vec::new();
        while self.one_of(&[']']).is_none() {
            names.push(self.text()?);
            self.separator(']')?;
        }
        Some(names)
    }

    /// Strings and their indices up to the closing brace.
    fn dictionary(&mut self) -> Option<Vec<String>> {
        let mut names = BTreeMap::new();
        while self.one_of(&['}']).is_none() {
            let key = self.scalar()?;
            self.one_of(&[':'])?;
            let (index, name) = match (key, self.described()?) {
                (Scalar::Text(name), Scalar::Index(index)) => (index, name),
                (key, Scalar::Text(name)) => (key.index()?, name),
                (Scalar::Index(_), Scalar::Index(_)) => return None,
            };
            if names.insert(index, name).is_some() {
                return None;
            }
            self.separator('}')?;
        }
        let is_complete = names.keys().copied().eq(0..names.len());
        is_complete.then(|| names.into_values().collect())
    }

    /// A comma, unless `end` comes next.
    fn separator(&mut self, end: char) -> Option<()> {
        let ends = self.0.trim_start().starts_with(end);
        (ends || self.one_of(&[',']).is_some()).then_some(())
    }

    /// A scalar, or the last string of a list, which may start with an identifier.
    fn described(&mut self) -> Option<Scalar> {
        match self.one_of(&['[']) {
            Some(_) => self.list()?.pop().map(Scalar::Text),
            None => self.scalar(),
        }
    }

    /// A quoted string, or a number without quotes.
    fn scalar(&mut self) -> Option<Scalar> {
        let rest = self.0.trim_start();
        if rest.starts_with(['"', '\'']) {
            return self.text().map(Scalar::Text);
        }
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        self.0 = &rest[end..];
        rest[..end].parse().ok().map(Scalar::Index)
    }

    /// A quoted string.
    fn text(&mut self) -> Option<String> {
        let quote = self.one_of(&['"', '\''])?;
        let mut text = String::new();
        let mut characters = self.0.chars();
        loop {
            match characters.next()? {
                '\\' => match characters.next()? {
                    'n' | 't' | 'r' | 'b' | 'f' => text.push(' '),
                    'x' => text.push(coded(&mut characters, 2)?),
                    'u' => text.push(coded(&mut characters, 4)?),
                    'U' => text.push(coded(&mut characters, 8)?),
                    other => text.push(other),
                },
                end if end == quote => break,
                other => text.push(other),
            }
        }
        self.0 = characters.as_str();
        Some(text)
    }
}

/// The character of a code point of `digits` hexadecimal digits.
fn coded(characters: &mut std::str::Chars, digits: usize) -> Option<char> {
    let mut number = 0;
    for _ in 0..digits {
        number = number * 16 + characters.next()?.to_digit(16)?;
    }
    Some(char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists_and_dictionaries_of_json_and_python() {
        for text in [
            r#"["cat", "dog's", "Kärpfen"]"#,
            r#"['cat', "dog's", 'K\xe4rpfen',]"#,
            r#"{0: 'cat', 1: "dog's", 2: 'Kärpfen'}"#,
            r#" { "1" : "dog's", "0" : "cat", "2" : "K\u00e4rpfen" } "#,
            r#"{2: 'Kärpfen', 0: 'cat', 1: 'dog\'s', }"#,
            r#"{"dog's": 1, "Kärpfen": 2, "cat": 0}"#,
            r#"{"0": ["n02121620", "cat"], "1": ["n02084071", "dog's"], "2": ["n1", "Kärpfen"]}"#,
        ] {
            assert_eq!(names(text).unwrap(), ["cat", "dog's", "Kärpfen"], "{text}");
        }
        assert_eq!(names("[]").unwrap().len(), 0);
        assert_eq!(names(r#"{"1": 0, "0": 1}"#).unwrap(), ["1", "0"]);
        assert_eq!(names(r#"{"1": "0", "0": "1"}"#).unwrap(), ["1", "0"]);
    }

    #[test]
    fn other_texts_hold_no_names() {
        for text in [
            "",
            "cat",
            "['cat'",
            "['cat' 'dog']",
            "['cat'] dog",
            "[1, 2]",
            "{1: 'dog'}",
            "{0: 'cat', 2: 'dog'}",
            "{-1: 'cat'}",
            "{0 'cat'}",
            "{0: 0}",
            "{'cat': 0, 'dog': 0}",
            "{'cat': 1, 'dog': 2}",
            "{'cat': 0, 1: 'dog', 'ray': 1}",
            "{0: []}",
            "{0: [['cat']]}",
            "{99999999999999999999: 'cat'}",
            r"['\x4']",
            r"['\",
        ] {
            assert_eq!(names(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_json_writes_is_read(texts in prop::collection::vec("[^\u{0}-\u{1f}]{0,9}", 0..9)) {
            let written = serde_json::to_string(&texts).unwrap();
            prop_assert_eq!(names(&written).unwrap(), texts);
        }

        #[test]
        fn no_text_is_too_much(text in r#"[\[\]{}:,'"\\xuU0-9a ä]{0,40}"#) {
            let _ = names(&text);
        }
    }
}
