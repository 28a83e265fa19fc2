//! What a terminal pastes when files are dropped on it: their paths, in one of several notations: quoted, with
//! backslashes before spaces, or as `file://` URLs. `user` is the user's home folder, which is `~/` in a path.

use crate::home;
use crate::model::picture;
use std::path::{Path, PathBuf};

/// Maximum length of a pasted text that may name files, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// The files named by a pasted text, if it consists of names of pictures only.
pub fn pictures(text: &str, user: Option<&Path>) -> Option<Vec<PathBuf>> {
    if text.len() > MAX_BYTES {
        return None;
    }
    // tmux pastes carriage returns.
    let lines = text
        .split(['\n', '\r'])
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let paths = lines
        .map(|text| line(text, user))
        .collect::<Option<Vec<Vec<PathBuf>>>>()?;
    let paths: Vec<PathBuf> = paths.into_iter().flatten().collect();
    (!paths.is_empty()).then_some(paths)
}

/// The path in a line of text.
///
/// # Errors
/// If it names no path, or a file of another machine.
pub fn path(text: &str, user: Option<&Path>) -> Result<PathBuf, String> {
    let words = words(text).unwrap_or_default();
    let local = match words.as_slice() {
        [word] => local(word, user),
        _ => None,
    };
    local.ok_or_else(|| match host(text) {
        Some(host) => {
            format!("{text} is a file of {host}: only files of this machine can be opened")
        }
        None => format!("{text} is no path of a file"),
    })
}

/// A pasted path that may be a folder, or a picture with another extension: one absolute path, unless it is that of
/// a model. `None` for other texts.
///
/// # Errors
/// If it names a file of another machine.
pub fn other(text: &str, user: Option<&Path>) -> Option<Result<PathBuf, String>> {
    let text = text.trim();
    let is_path = text.len() <= MAX_BYTES && !text.contains(['\n', '\r']);
    if !is_path {
        return None;
    }
    match path(text, user) {
        Err(why) => host(text).is_some().then_some(Err(why)),
        Ok(path) => {
            let is_model = path.extension().is_some_and(|end| end == "onnx");
            (path.is_absolute() && !is_model).then_some(Ok(path))
        }
    }
}

/// The other machine named by a `file://` URL.
fn host(text: &str) -> Option<&str> {
    let (host, _) = text.trim().strip_prefix("file://")?.split_once('/')?;
    (!is_here(host)).then_some(host)
}

/// Whether a `file://` URL names this machine.
fn is_here(host: &str) -> bool {
    host.is_empty() || host.eq_ignore_ascii_case("localhost")
}

/// The pictures named in one line.
fn line(text: &str, user: Option<&Path>) -> Option<Vec<PathBuf>> {
    let several = words(text).and_then(|words| {
        let paths = words.iter().map(|word| local(word, user));
        paths.collect::<Option<Vec<PathBuf>>>()
    });
    let are_pictures = |paths: &Vec<PathBuf>| paths.iter().all(|path| picture::is_named(path));
    // A copied path has unescaped spaces.
    let one = || {
        local(text, user)
            .map(|path| vec![path])
            .filter(are_pictures)
    };
    several.filter(are_pictures).or_else(one)
}

/// The words of a line by the rules of a shell; `None` if a quote is not closed.
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

/// Reads up to the closing quote; within double quotes a backslash keeps its meaning before a quote or another
/// backslash.
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

/// The path of a file on this machine; `None` for a file on another machine.
fn local(word: &str, user: Option<&Path>) -> Option<PathBuf> {
    let path = match word.split_once("://") {
        Some(("file", rest)) => {
            let (host, path) = rest.split_at(rest.find('/')?);
            decoded(path).filter(|_| is_here(host))?
        }
        Some(_) => return None,
        None => word.to_string(),
    };
    let steers = path.chars().any(char::is_control);
    (!steers && !path.is_empty()).then(|| home::expand_tilde(&path, user))
}

/// Decodes percent escapes; `None` if the result is not UTF-8.
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
        assert_eq!(pictures(text, None), Some(paths), "{text}");
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
            "file://my-host/a/b.png\r\n",
            "file:///a%0a.png",
            "a.png\nb",
        ] {
            assert_eq!(pictures(text, None), None, "{text}");
        }
    }

    #[test]
    fn a_folder_may_be_dropped_and_other_machines_are_named() {
        let folder = |text: &str| other(text, None).and_then(Result::ok);
        assert_eq!(folder("'/a/my photos' "), Some("/a/my photos".into()));
        assert_eq!(
            folder("file:///a/my%20photos/\n"),
            Some("/a/my photos/".into())
        );
        assert_eq!(folder("/a/trip.2024"), Some("/a/trip.2024".into()));
        for text in [
            "flamingo",
            "photos/",
            "/a/model.onnx",
            "/a /b",
            "/a\n/b",
            "https://a/b",
        ] {
            assert_eq!(folder(text), None, "{text}");
        }
        let why = other("file://my-host/a/b.png", None).unwrap().unwrap_err();
        assert!(why.contains("a file of my-host"), "{why}");
        assert_eq!(
            path("file://LOCALHOST/a", None).unwrap(),
            PathBuf::from("/a")
        );
        assert!(path("'/a", None).unwrap_err().contains("no path of a file"));
    }

    proptest! {
        #[test]
        fn whatever_is_pasted_is_read_or_refused(text in "\\PC*|.*|(file://)?[%a-f0-9\\\\'\" /.]*png") {
            for path in pictures(&text, None).unwrap_or_default() {
                prop_assert!(picture::is_named(&path));
                prop_assert!(!path.display().to_string().chars().any(char::is_control));
            }
        }
    }
}
