//! Fuzzy search, used by every list of the explorer.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// Indices of the texts that match `search`, best first; ties go to the shorter text, then to the original order.
/// An empty search matches everything.
pub fn matches<'a>(search: &str, texts: impl Iterator<Item = &'a str>) -> Vec<usize> {
    if search.trim().is_empty() {
        return (0..texts.count()).collect();
    }
    let mut matcher = Matcher::new(Config::DEFAULT);
    let pattern = Pattern::parse(search, CaseMatching::Smart, Normalization::Smart);
    let mut buffer = Vec::new();
    let mut found: Vec<(u32, usize, usize)> = texts
        .enumerate()
        .filter_map(|(index, text)| {
            let score = pattern.score(Utf32Str::new(text, &mut buffer), &mut matcher)?;
            Some((score, text.len(), index))
        })
        .collect();
    found.sort_by_key(|&(score, length, index)| (std::cmp::Reverse(score), length, index));
    found.into_iter().map(|(_, _, index)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_comes_first_and_nothing_typed_lists_all() {
        let names = ["blocks.1/expand", "tiger shark", "tiger"];
        assert_eq!(matches("tig", names.into_iter()), [2, 1]);
        assert_eq!(matches("b1x", names.into_iter()), [0]);
        assert_eq!(matches(" ", names.into_iter()), [0, 1, 2]);
        assert!(matches("zebra", names.into_iter()).is_empty());
    }
}
