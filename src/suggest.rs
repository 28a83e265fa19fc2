//! Suggestions for mistyped names.

/// Maximum number of suggestions.
const MAX_SUGGESTIONS: usize = 3;

/// Minimum similarity of a suggestion, 0 to 1.
const MIN_SIMILARITY: f64 = 0.6;

/// Maximum compared length in characters; the cost grows with its square.
const MAX_COMPARED: usize = 64;

/// Up to three of `names` that are most similar to `wanted`, in descending order: by edit distance, or because they
/// contain it.
pub fn suggestions<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = comparable(wanted);
    let mut ranked: Vec<(f64, &str)> = names
        .map(|name| (similarity(&wanted, &comparable(name)), name))
        .filter(|(similarity, _)| *similarity >= MIN_SIMILARITY)
        .collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    ranked.dedup_by_key(|(_, name)| *name);
    ranked.truncate(MAX_SUGGESTIONS);
    ranked.into_iter().map(|(_, name)| name).collect()
}

/// The suggestions as the end of a sentence; empty if there is none.
pub fn did_you_mean(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => format!("; did you mean {only}?"),
        Some((last, others)) => format!("; did you mean {} or {last}?", others.join(", ")),
    }
}

fn comparable(name: &str) -> String {
    name.chars()
        .take(MAX_COMPARED)
        .collect::<String>()
        .to_lowercase()
}

fn similarity(wanted: &str, name: &str) -> f64 {
    let edits = strsim::normalized_damerau_levenshtein(wanted, name);
    // A name that contains the word scores higher the more of the name it makes up.
    let share = wanted.len() as f64 / name.len().max(1) as f64;
    if wanted.len() >= 3 && name.contains(wanted) {
        edits.max(0.7 + 0.3 * share)
    } else {
        edits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_the_name() {
        let names = ["flamingo", "flame", "tench", "crane"];
        assert_eq!(suggestions("flamigo", names.into_iter())[0], "flamingo");
        assert_eq!(suggestions("Flaimngo", names.into_iter())[0], "flamingo");
        assert!(suggestions("zzzzzz", names.into_iter()).is_empty());
    }

    #[test]
    fn a_part_of_a_name_finds_it() {
        let names = ["tabby cat", "tiger cat", "dog"];
        assert_eq!(
            suggestions("cat", names.into_iter()),
            ["tabby cat", "tiger cat"]
        );
    }

    #[test]
    fn suggestions_read_as_a_question() {
        assert_eq!(did_you_mean(&[]), "");
        assert_eq!(did_you_mean(&["a"]), "; did you mean `a`?");
        assert_eq!(
            did_you_mean(&["a", "b", "c"]),
            "; did you mean `a`, `b` or `c`?"
        );
    }
}
