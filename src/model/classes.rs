//! The class names of a model, and their lookup.

use std::collections::BTreeSet;
use std::path::Path;

use super::text_file;
use super::{Error, prefixes};
use crate::suggest::{did_you_mean, suggestions};

/// Maximum size of a list of class names, in bytes.
const MAX_FILE: u64 = 8 << 20;

/// Maximum number of classes of a list; ImageNet-22k has 21,841.
const MAX_CLASSES: usize = 1 << 17;

/// Maximum length of a name in characters; the rest is dropped.
const MAX_NAME: usize = 200;

/// Class names by index. A name may hold synonyms, separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classes {
    names: Vec<String>,
}

impl Classes {
    /// Class names in order. Control characters are removed, so that names are safe to print, and so are numbers and
    /// identifiers with which all names begin (see `prefixes`).
    ///
    /// # Errors
    /// [`Error::Classes`] if there are no names or too many; `list` names them in the message.
    pub fn new<T: AsRef<str>>(
        names: impl IntoIterator<Item = T>,
        list: &str,
    ) -> Result<Self, Error> {
        let names: Vec<String> = names
            .into_iter()
            .take(MAX_CLASSES + 1)
            .map(|name| safe_name(name.as_ref()))
            .collect();
        let names = prefixes::stripped(names);
        let why = match names.len() {
            0 => "there are no class names".to_owned(),
            count if count > MAX_CLASSES => format!("more than {MAX_CLASSES} class names"),
            _ => return Ok(Self { names }),
        };
        let list = list.to_owned();
        Err(Error::Classes { list, why })
    }

    /// One name per line; empty lines count, except at the end.
    ///
    /// # Errors
    /// As [`Classes::new`].
    pub fn parse(text: &str, list: &str) -> Result<Self, Error> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self::new(text.trim_end().lines(), list)
    }

    /// Reads a file with one name per line.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::TooLarge`], or as [`Classes::new`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = text_file::read(path, "a list of class names", MAX_FILE)?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Default names: `class 0`, `class 1`, ...
    pub fn numbered(count: usize) -> Self {
        let names = (0..count).map(|index| format!("class {index}")).collect();
        Self { names }
    }

    /// No classes, for a model without class scores.
    pub fn none() -> Self {
        Self { names: Vec::new() }
    }

    /// Number of classes.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are no classes.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The full name of a class, with its synonyms.
    pub fn name(&self, index: usize) -> Option<&str> {
        self.names.get(index).map(String::as_str)
    }

    /// Index and full name of every class, in order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &str)> {
        self.names.iter().map(String::as_str).enumerate()
    }

    /// The class of a name, a synonym (the parts between commas), or an index. Names take precedence over indices, and
    /// exact case over other case. `#5` is an index, too, unless a class is called so.
    ///
    /// # Errors
    /// [`Error::ClassOutOfRange`], [`Error::UnknownClass`] with similar names, or [`Error::AmbiguousClass`]
    /// with the indices to choose from.
    pub fn find(&self, wanted: &str) -> Result<usize, Error> {
        let wanted = safe_name(wanted);
        let exact = self.called(&wanted);
        if exact.is_empty()
            && let Some(digits) = digits(&wanted)
        {
            return self.index(digits);
        }
        let found = if exact.is_empty() {
            self.called_in_any_case(&wanted)
        } else {
            exact
        };
        match found[..] {
            [index] => Ok(index),
            [] => Err(self.unknown(wanted)),
            _ => Err(Error::AmbiguousClass {
                name: wanted,
                indices: found,
            }),
        }
    }

    /// The class that corresponds to `name` and `index` of another model: the one of that name or, if there is none,
    /// that synonym; a number counts as a name. The index only disambiguates classes of equal name.
    ///
    /// # Errors
    /// [`Error::UnknownClass`] with similar names, or [`Error::AmbiguousClass`].
    pub fn counterpart(&self, name: &str, index: usize) -> Result<usize, Error> {
        let name = safe_name(name);
        let mut alike = None;
        for word in std::iter::once(name.as_str()).chain(synonyms(&name)) {
            let exact = self.called(word);
            let found = if exact.is_empty() {
                self.called_in_any_case(word)
            } else {
                exact
            };
            match found[..] {
                [] => {}
                [only] => return Ok(only),
                _ if found.contains(&index) => return Ok(index),
                _ => alike = alike.or(Some(found)),
            }
        }
        match alike {
            Some(indices) => Err(Error::AmbiguousClass { name, indices }),
            None => Err(self.unknown(name)),
        }
    }

    /// The classes of a non-empty name; if there are none, those with it as a synonym.
    fn called(&self, wanted: &str) -> Vec<usize> {
        self.named(&|name| name == wanted && !name.is_empty())
    }

    /// As [`Classes::called`], ignoring case.
    fn called_in_any_case(&self, wanted: &str) -> Vec<usize> {
        let key = wanted.to_lowercase();
        self.named(&|name| name.to_lowercase() == key && !name.is_empty())
    }

    /// The classes whose name matches; if there are none, those with a matching synonym.
    fn named(&self, fits: &dyn Fn(&str) -> bool) -> Vec<usize> {
        let by_name = self.matching(fits);
        if by_name.is_empty() {
            self.matching(|name| synonyms(name).any(fits))
        } else {
            by_name
        }
    }

    /// A text that [`Classes::find`] reads as this index: `#5`, with zeros before the digits if a class is called so.
    pub fn index_text(&self, index: usize) -> String {
        let digits = index.to_string();
        let mut texts = (0..).map(|zeros| format!("#{}{digits}", "0".repeat(zeros)));
        // There are fewer classes than texts.
        let free = texts.find(|text| self.called(text).is_empty());
        free.unwrap_or(digits)
    }

    /// The class of the index `wanted`, regardless of names.
    pub fn by_index(&self, wanted: &str) -> Option<usize> {
        digits(wanted).and_then(|digits| self.index(digits).ok())
    }

    fn index(&self, digits: &str) -> Result<usize, Error> {
        let count = self.len();
        match digits.parse() {
            Ok(index) if index < count => return Ok(index),
            _ => {}
        }
        // As it was given: it may be too large for a number.
        let index = digits.into();
        Err(Error::ClassOutOfRange { index, count })
    }

    fn matching(&self, fits: impl Fn(&str) -> bool) -> Vec<usize> {
        self.iter()
            .filter(|(_, name)| fits(name))
            .map(|(index, _)| index)
            .collect()
    }

    fn unknown(&self, name: String) -> Error {
        let candidates: BTreeSet<&str> =
            self.names.iter().flat_map(|name| synonyms(name)).collect();
        let suggestion = did_you_mean(&suggestions(&name, candidates.into_iter()));
        Error::UnknownClass { name, suggestion }
    }
}

/// The digits of an index: `5` or `#5`.
fn digits(text: &str) -> Option<&str> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    let is_index = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_index.then_some(digits)
}

fn synonyms(name: &str) -> impl Iterator<Item = &str> {
    name.split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
}

/// A sanitised name: without control characters, trimmed, and of bounded length. A tab becomes a space, since it may
/// follow the class number.
pub(super) fn safe_name(name: &str) -> String {
    crate::text::stripped(name, MAX_NAME)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn classes() -> Classes {
        let text = "tench, Tinca tinca\nflamingo\ncrane\ncrane\nflame\n";
        Classes::parse(text, "test").unwrap()
    }

    #[test]
    fn a_class_is_found_by_index_name_and_synonym() {
        let classes = classes();
        assert_eq!(classes.find("1").unwrap(), 1);
        assert_eq!(classes.find("Flamingo").unwrap(), 1);
        assert_eq!(classes.find("tinca TINCA").unwrap(), 0);
        assert_eq!(classes.find(" tench, tinca tinca ").unwrap(), 0);
        assert_eq!(classes.name(1), Some("flamingo"));
        assert_eq!(classes.len(), 5);
    }

    #[test]
    fn exact_names_come_before_indices_and_exact_case_before_folded_case() {
        let classes = Classes::new(
            ["9", "crane", "0", "Crane", "90", "a, Apple", "apple"],
            "test",
        );
        let classes = classes.unwrap();
        for (wanted, index) in [
            ("9", 0),
            ("0", 2),
            ("90", 4),
            ("1", 1),
            ("#0", 0),
            ("#2", 2),
            ("crane", 1),
            ("Crane", 3),
            ("Apple", 5),
            ("apple", 6),
        ] {
            assert_eq!(classes.find(wanted).unwrap(), index, "{wanted}");
        }
        assert!(matches!(
            classes.find("CRANE"),
            Err(Error::AmbiguousClass { .. })
        ));
        assert!(matches!(
            classes.find("#7"),
            Err(Error::ClassOutOfRange { .. })
        ));
    }

    #[test]
    fn every_class_has_an_index_that_is_no_name() {
        let names = ["#1", "1", "#2", "#02", "cat, #3", "2"];
        let classes = Classes::new(names, "test").unwrap();
        // A name in the form of an index is a name.
        assert_eq!(classes.find("#1").unwrap(), 0);
        let texts: Vec<String> = (0..6).map(|index| classes.index_text(index)).collect();
        assert_eq!(texts, ["#0", "#01", "#002", "#03", "#4", "#5"]);
        for (index, text) in texts.iter().enumerate() {
            assert_eq!(classes.find(text).unwrap(), index, "{text}");
        }
    }

    #[test]
    fn the_class_of_another_model_is_found_by_its_name_and_never_by_its_index() {
        let of = |name: &str, index| classes().counterpart(name, index).ok();
        assert_eq!(of("flamingo", 130), Some(1));
        assert_eq!(of("Flamingo, Phoenicopterus ruber", 0), Some(1));
        assert_eq!(of("tench", 3), Some(0));
        assert_eq!(of("Tinca tinca", 3), Some(0));
        // The index disambiguates equal names.
        assert_eq!((of("crane", 2), of("crane", 3)), (Some(2), Some(3)));
        assert!(matches!(
            classes().counterpart("crane", 517),
            Err(Error::AmbiguousClass { .. })
        ));
        assert_eq!((of("1", 1), of("#1", 1), of("", 1)), (None, None, None));
        let blank = Classes::parse("a\n\nc\n", "test").unwrap();
        assert!(blank.counterpart("", 1).is_err());
        let error = classes().counterpart("flamigo", 1).unwrap_err().to_string();
        assert!(error.contains("did you mean `flamingo`"), "{error}");
    }

    #[test]
    fn an_unknown_name_suggests_near_ones() {
        let error = classes().find("flamigo").unwrap_err().to_string();
        assert!(
            error.contains("`flamigo`; did you mean `flamingo`"),
            "{error}"
        );
        let error = classes().find("xyzzyx").unwrap_err().to_string();
        assert_eq!(error, "no class is called `xyzzyx`");
    }

    #[test]
    fn a_name_of_two_classes_asks_for_an_index() {
        let error = classes().find("crane").unwrap_err().to_string();
        assert_eq!(error, "`crane` is the name of 2 classes: say 2 or 3");
    }

    #[test]
    fn an_index_beyond_the_last_class_says_the_range() {
        for index in ["5", "99999999999999999999999999"] {
            let error = classes().find(index).unwrap_err().to_string();
            assert!(
                error.ends_with("the model has 5 classes, 0 to 4"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_left_out() {
        let classes = Classes::new(["\u{1b}]0;owned\u{7}cat\u{202e}", "a\tb"], "test").unwrap();
        assert_eq!(classes.name(0), Some("]0;ownedcat"));
        assert_eq!(classes.name(1), Some("a b"));
        let long = Classes::new(["x".repeat(10_000)], "test").unwrap();
        assert_eq!(long.name(0).unwrap().len(), MAX_NAME);
    }

    #[test]
    fn a_list_without_names_is_an_error() {
        assert!(Classes::parse("\n\n", "empty.txt").is_err());
        assert!(Classes::new(Vec::<String>::new(), "[]").is_err());
        assert!(Classes::new((0..=MAX_CLASSES).map(|_| "x"), "long").is_err());
    }

    #[test]
    fn a_blank_line_inside_keeps_its_index() {
        let classes = Classes::parse("a\n\nc\n\n", "test").unwrap();
        assert_eq!((classes.len(), classes.find("c").unwrap()), (3, 2));
    }

    proptest! {
        #[test]
        fn any_text_can_be_asked_for(text in ".{0,64}") {
            let _ = classes().find(&text);
        }
    }
}
