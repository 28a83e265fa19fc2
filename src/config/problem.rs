//! An error in one of the user's files, with its line. It is shown, and the rest of the file is used.

use crate::text::one_line;
use std::fmt;
use std::path::PathBuf;

/// Longest name or key of a file that is shown, in characters.
const MAX_NAME: usize = 200;

/// Longest reason: it may name a path, and ends with what to do.
const MAX_REASON: usize = 600;

/// How the reason of a syntax error begins.
pub const SYNTAX: &str = "invalid TOML";

/// An invalid value or key in one of the user's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub file: PathBuf,
    /// The line number, from 1; `None` if the problem concerns the file.
    pub line: Option<usize>,
    /// The full key, such as `keys.quit`; empty if unknown.
    pub key: String,
    /// What is wrong and what to do.
    pub why: String,
}

impl Problem {
    /// Whether it may hide any key of the file: it concerns the whole file, or TOML itself.
    pub fn may_hide_keys(&self) -> bool {
        self.line.is_none() || self.why.starts_with(SYNTAX)
    }
}

impl fmt::Display for Problem {
    /// One line, `config.toml:12: keys.quit: …`, safe for a terminal whatever the file contains.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.file.file_name().unwrap_or(self.file.as_os_str());
        write!(out, "{}:", shortened(&name.to_string_lossy(), MAX_NAME))?;
        if let Some(line) = self.line {
            write!(out, "{line}:")?;
        }
        if !self.key.is_empty() {
            write!(out, " {}:", shortened(&self.key, MAX_NAME))?;
        }
        write!(out, " {}", shortened(&self.why, MAX_REASON))
    }
}

/// The text on one line of at most `max` characters, without control and zero-width characters.
fn shortened(text: &str, max: usize) -> String {
    let short: String = text.chars().take(max).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("{}{more}", one_line(&short))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(file: &str, line: Option<usize>, key: &str, why: &str) -> String {
        Problem {
            file: file.into(),
            line,
            key: key.into(),
            why: why.into(),
        }
        .to_string()
    }

    #[test]
    fn a_problem_is_one_line_with_file_line_and_key() {
        assert_eq!(
            problem("/h/config.toml", Some(12), "keys.quit", "\"é\" is no key"),
            "config.toml:12: keys.quit: \"é\" is no key"
        );
        assert_eq!(
            problem("config.toml", None, "", "too large"),
            "config.toml: too large"
        );
    }

    #[test]
    fn control_characters_of_a_file_are_escaped() {
        let shown = problem(
            "a\u{1b}[2J.toml",
            Some(1),
            "k\u{202e}\u{7}",
            &"x\ny\t".repeat(1000),
        );
        assert!(!shown.contains(char::is_control), "{shown}");
        assert!(!shown.contains('\u{202e}'));
        assert!(shown.len() < 2000);
    }
}
