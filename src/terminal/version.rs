//! Names and versions of terminals, as reported (XTVERSION): `kitty(0.26.5)`, `iTerm2 3.6.6`, `VTE(7900)`.

/// Whether `reported` has the name `name` and `version` or a later one. The report must have at least as many
/// numbers; an empty `version` matches any.
pub(super) fn is_at_least(reported: &str, name: &str, version: &[u32]) -> bool {
    let Some(rest) = reported.strip_prefix(name) else {
        return false;
    };
    if !rest.is_empty() && !rest.starts_with(['(', ' ']) {
        return false;
    }
    let digits = rest.trim_start_matches(['(', ' ']);
    let numbers = digits.split(|letter: char| !letter.is_ascii_digit());
    let numbers: Vec<u32> = numbers.map_while(|number| number.parse().ok()).collect();
    numbers.len() >= version.len() && numbers.as_slice() >= version
}

#[cfg(test)]
mod tests {
    use super::is_at_least;

    #[test]
    fn versions_are_compared_number_by_number() {
        assert!(is_at_least("kitty(0.40.1)", "kitty", &[0, 33]));
        assert!(!is_at_least("kitty(28)", "kitty", &[0, 28]));
        assert!(!is_at_least("kitty(0.26.5)", "kitty", &[0, 33]));
        assert!(is_at_least("VTE(7900)", "VTE", &[7800]));
        assert!(is_at_least(
            "WezTerm 20240203-110809-5046fc22",
            "WezTerm",
            &[20_210_814]
        ));
        assert!(is_at_least("foot", "foot", &[]));
    }

    #[test]
    fn another_name_or_no_version_is_not_enough() {
        assert!(!is_at_least("kittycat(1.0)", "kitty", &[]));
        assert!(!is_at_least("", "kitty", &[]));
        assert!(!is_at_least("kitty", "kitty", &[0, 1]));
        assert!(!is_at_least("kitty(x)", "kitty", &[0, 1]));
    }
}
