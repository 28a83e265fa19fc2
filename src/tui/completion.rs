//! Completion of a path that is being typed. The disk lists the names; the completion is computed here.

use std::path::Path;

/// A name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub text: String,
    pub is_folder: bool,
}

/// The completion of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// The text with the common prefix of all choices.
    pub text: String,
    /// The possible names, folders with a trailing slash; one if it is complete.
    pub choices: Vec<String>,
}

/// The folder of a path as typed, and the start of the name in it.
pub fn split(text: &str) -> (&str, &str) {
    text.split_at(text.rfind('/').map_or(0, |slash| slash + 1))
}

/// Completes `text` with `names`, the matching names in its folder. Only files with one of `endings` count.
pub fn complete(text: &str, names: &[Name], endings: &[&str]) -> Completed {
    let (folder, part) = split(text);
    let counts = |name: &&Name| {
        let ending = Path::new(&name.text)
            .extension()
            .and_then(|end| end.to_str());
        let is_known = |ending: &str| {
            endings
                .iter()
                .any(|known| known.eq_ignore_ascii_case(ending))
        };
        let is_hidden = name.text.starts_with('.') && !part.starts_with('.');
        let is_wanted = name.is_folder || ending.is_some_and(is_known);
        is_wanted && !is_hidden && name.text.starts_with(part)
    };
    let choice = |name: &Name| {
        if name.is_folder {
            format!("{}/", name.text)
        } else {
            name.text.clone()
        }
    };
    let mut choices: Vec<String> = names.iter().filter(counts).map(choice).collect();
    choices.sort();
    let common = match choices.as_slice() {
        [] => part.to_string(),
        [first, rest @ ..] => rest.iter().fold(first.clone(), |common, other| {
            let same = common.chars().zip(other.chars());
            same.take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
        }),
    };
    Completed {
        text: format!("{folder}{common}"),
        choices,
    }
}

/// Whether a text in the picker is a path rather than a part of a name.
pub fn is_path(text: &str) -> bool {
    text.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Vec<Name> {
        let name = |text: &&str| Name {
            text: text.trim_end_matches('/').into(),
            is_folder: text.ends_with('/'),
        };
        texts.iter().map(name).collect()
    }

    #[track_caller]
    fn expect(text: &str, listed: &[&str], completed: &str, choices: &[&str]) {
        let found = complete(text, &names(listed), &["png", "jpg"]);
        assert_eq!(found.text, completed);
        assert_eq!(found.choices, choices);
    }

    #[test]
    fn a_path_is_completed_as_far_as_its_choices_agree() {
        let listed = ["cat.jpg", "catalogue/", "cats.PNG", "dog.png", "cat.txt"];
        expect("pets/d", &listed, "pets/dog.png", &["dog.png"]);
        expect("c", &listed, "cat", &["cat.jpg", "catalogue/", "cats.PNG"]);
        expect("/a/cata", &listed, "/a/catalogue/", &["catalogue/"]);
        expect("/a/x", &listed, "/a/x", &[]);
        expect("é", &["éa.png", "éb.png"], "é", &["éa.png", "éb.png"]);
    }

    #[test]
    fn hidden_names_are_offered_to_who_types_the_dot() {
        let listed = [".cache/", ".photo.png", "photo.png"];
        expect("", &listed, "photo.png", &["photo.png"]);
        expect(".", &listed, ".", &[".cache/", ".photo.png"]);
    }

    #[test]
    fn a_text_is_split_after_its_last_slash() {
        assert_eq!(split("cat"), ("", "cat"));
        assert_eq!(split("/cat"), ("/", "cat"));
        assert_eq!(split("a/b/c"), ("a/b/", "c"));
        assert_eq!(split("~/x"), ("~/", "x"));
    }
}
