//! What a terminal pastes when files are dropped on it: their paths, each in its own way: quoted, with backslashes before
//! spaces, or as `file://` addresses.

use crate::model::picture;
use std::path::PathBuf;

/// Longest text that is looked at, in bytes.
const LONGEST: usize = 64 << 10;

/// Most files of a text.
const MOST: usize = 100;

/// The files that a pasted text names, if all that it says is names of pictures.
pub fn pictures(text: &str) -> Option<Vec<PathBuf>> {
    if text.len() > LONGEST {
        return None;
    }
    // tmux pastes carriage returns.
    let lines = text
        .split(['\n', '\r'])
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let paths = lines.map(line).collect::<Option<Vec<Vec<PathBuf>>>>()?;
    let paths: Vec<PathBuf> = paths.into_iter().flatten().take(MOST).collect();
    (!paths.is_empty()).then_some(paths)
}

/// The path that a line of text names.
pub fn path(text: &str) -> Option<PathBuf> {
    let words = words(text)?;
    match words.as_slice() {
        [word] => local(word),
        _ => None,
    }
}

/// The pictures that one line names.
fn line(text: &str) -> Option<Vec<PathBuf>> {
    let several = words(text).and_then(|words| {
        let paths = words.iter().map(|word| local(word));
        paths.collect::<Option<Vec<PathBuf>>>()
    });
    let are_pictures = |paths: &Vec<PathBuf>| paths.iter().all(|path| picture::is_named(path));
    // A path that was copied has its spaces as they are.
    let one = || local(text).map(|path| vec![path]).filter(are_pictures);
    several.filter(are_pictures).or_else(one)
}

/// The words of a line as a shell reads them; `None` if a quote is not closed.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().push(letters.next()?),
            '\'' | '"' => quoted(&mut letters, letter, word.get_or_insert_default())?,
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    Some(words)
}

/// Reads up to the closing quote; within double quotes a backslash keeps its meaning before a quote or another backslash.
fn quoted(letters: &mut std::str::Chars, quote: char, word: &mut String) -> Option<()> {
    loop {
        match letters.next()? {
            letter if letter == quote => return Some(()),
            '\\' if quote == '"' => match letters.next()? {
                letter @ ('"' | '\\' | '$' | '`') => word.push(letter),
                letter => word.extend(['\\', letter]),
            },
            letter => word.push(letter),
        }
    }
}

/// The path of a file on this machine; `None` for what is one elsewhere.
fn local(word: &str) -> Option<PathBuf> {
    let path = match word.split_once("://") {
        Some(("file", rest)) => {
            // What stands before the path is this machine's name, if anything.
            let (_, path) = rest.split_at(rest.find('/')?);
            decoded(path)?
        }
        Some(_) => return None,
        None => word.to_string(),
    };
    let steers = path.chars().any(char::is_control);
    (!steers && !path.is_empty()).then(|| super::completion::home_relative(&path))
}

/// A text with its percent signs resolved; `None` if that is no text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digit = |at: usize| (digits[at] as char).to_digit(16);
                (16 * digit(0)? + digit(1)?) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn expect(text: &str, paths: &[&str]) {
        let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
        assert_eq!(pictures(text), Some(paths), "{text}");
    }

    #[test]
    fn every_terminals_way_to_name_a_dropped_file_is_read() {
        expect("/a/cat.jpg", &["/a/cat.jpg"]);
        expect("  '/a/my cat.jpg' \n", &["/a/my cat.jpg"]);
        expect("\"/a/my \\\"cat\\\".webp\"", &["/a/my \"cat\".webp"]);
        expect("/a/my\\ cat\\(1\\).PNG ", &["/a/my cat(1).PNG"]);
        expect("'/a/it'\\''s.png'", &["/a/it's.png"]);
        expect("file:///a/my%20c%C3%A4t.jpeg", &["/a/my cät.jpeg"]);
        expect("file://localhost/a/b.png", &["/a/b.png"]);
        expect("file://my-host/a/b.png\r\n", &["/a/b.png"]);
        expect("/a/my cat.jpg", &["/a/my cat.jpg"]);
        expect("/a/it's.png", &["/a/it's.png"]);
    }

    #[test]
    fn several_files_come_side_by_side_or_line_by_line() {
        expect("/a.png '/b c.jpg'", &["/a.png", "/b c.jpg"]);
        expect(
            "file:///a.png\nfile:///b%20c.jpg\n",
            &["/a.png", "/b c.jpg"],
        );
    }

    #[test]
    fn what_names_no_picture_of_this_machine_is_none() {
        for text in [
            "",
            "flamingo",
            "/a/model.onnx",
            "https://example.com/cat.jpg",
            "/a.png and more",
            "file:///a%2",
            "file:///a%FF.png",
            "file://cat.png",
            "file:///a%0a.png",
            "a.png\nb",
        ] {
            assert_eq!(pictures(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_pasted_is_read_or_refused(text in "\\PC*|.*|(file://)?[%a-f0-9\\\\'\" /.]*png") {
            for path in pictures(&text).unwrap_or_default() {
                prop_assert!(picture::is_named(&path));
                prop_assert!(!path.display().to_string().chars().any(char::is_control));
            }
        }
    }
}
