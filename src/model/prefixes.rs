//! Strips prefixes of class names: numbers (`0 tench`, `0: tench`), as in files of Teachable Machine, and identifiers
//! of WordNet (`n01440764 tench`).

use std::collections::HashSet;

/// Separators between a number and a name.
const SEPARATORS: &[char] = &[':', ',', ';', '.', ')', '-', '_', '=', '|'];

/// Number of digits after the `n` of a WordNet identifier.
const DIGITS: usize = 8;

/// The names without such prefixes, if all of them have one.
pub fn stripped(names: Vec<String>) -> Vec<String> {
    let names = without(names, |index, name| {
        let digits = name.find(|c: char| !c.is_ascii_digit())?;
        let (number, rest) = name.split_at(digits);
        (number.parse() == Ok(index)).then(|| behind_separator(rest))?
    });
    without(names, |_, name| {
        let digits = name.strip_prefix('n')?;
        let (digits, rest) = digits.split_at_checked(DIGITS)?;
        let is_identifier = digits.bytes().all(|byte| byte.is_ascii_digit());
        is_identifier.then(|| behind_separator(rest))?
    })
}

/// The names without the prefix that `rest` strips, if it strips one from all of them and most remain distinct: in `0
/// stars`, `1 star`, `2 stars` the numbers matter.
fn without(names: Vec<String>, rest: impl Fn(usize, &str) -> Option<&str>) -> Vec<String> {
    let kept: Option<Vec<&str>> = names
        .iter()
        .enumerate()
        .map(|(index, name)| rest(index, name))
        .collect();
    let Some(kept) = kept.filter(|kept| kept.len() > 1) else {
        return names;
    };
    let different: HashSet<&&str> = kept.iter().collect();
    if 4 * different.len() > 3 * kept.len() {
        kept.into_iter().map(str::to_owned).collect()
    } else {
        names
    }
}

/// The text after a separator or a space; `None` if it is empty. A digit directly after a separator is part of a
/// number, as in `0.5`.
fn behind_separator(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(SEPARATORS).unwrap_or(text);
    let name = rest.trim();
    let has_space = rest.starts_with(char::is_whitespace);
    let is_apart = rest.len() < text.len() || has_space;
    let is_number = !has_space && name.starts_with(|c: char| c.is_ascii_digit());
    (is_apart && !is_number && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn strip(names: &[&str]) -> Vec<String> {
        stripped(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn numbers_and_identifiers_are_stripped_if_all_names_have_them() {
        for names in [
            &["0 tench", "1 gold fish", "2 ray"][..],
            &["0: tench", "1: gold fish", "2: ray"],
            &["0:tench", "1:gold fish", "2:ray"],
            &["0\ttench", "1\tgold fish", "2\tray"],
            &["0,tench", "1,gold fish", "2,ray"],
            &["0. tench", "1. gold fish", "2. ray"],
            &["000_tench", "001_gold fish", "002_ray"],
            &["n01440764 tench", "n01443537 gold fish", "n01498041 ray"],
            &["n01440764_tench", "n01443537_gold fish", "n01498041_ray"],
            &[
                "0 n01440764 tench",
                "1 n01443537 gold fish",
                "2 n01498041 ray",
            ],
        ] {
            assert_eq!(strip(names), ["tench", "gold fish", "ray"], "{names:?}");
        }
        assert_eq!(strip(&["0 Class 1", "1 Class 2"]), ["Class 1", "Class 2"]);
        let thousand: Vec<String> = (0..1000).map(|n| format!("{n} {}", n % 990)).collect();
        assert_eq!(stripped(thousand)[999], "9");
    }

    #[test]
    fn what_is_part_of_a_name_stays() {
        for names in [
            &["0", "1", "2"][..],
            &["0", "90", "180"],
            &["0 tench", "ray"],
            &["1 tench", "2 ray"],
            &["0 tench", "2 ray"],
            &["0.5", "1.5", "2.5"],
            &["0-2", "1-3"],
            &["0 stars", "1 star", "2 stars", "3 stars"],
            &["0th", "1st"],
            &["0 ", "1 "],
            &["n01440764", "n01443537"],
            &["n0144076 tench", "n0144353 ray"],
            &["night owl", "newt"],
            &["0 tench"],
            &[],
        ] {
            assert_eq!(strip(names), names, "{names:?}");
        }
    }

    proptest! {
        #[test]
        fn any_names_can_be_looked_at(names in prop::collection::vec("[0-2n .:_é]{0,12}", 0..4)) {
            prop_assert_eq!(stripped(names.clone()).len(), names.len());
        }
    }
}
