//! An error in one of the user's files, with its line. It is shown, and the rest of the file is used.

use crate::text::one_line;
use std::fmt;
use std::path::PathBuf;

/// Maximum length of the file's text in a message.
const MAX_SHOWN: usize = 200;

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

impl fmt::Display for Problem {
    /// One line, `config.toml:12: keys.quit: …`, safe for a terminal whatever the file contains.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.file.file_name().unwrap_or(self.file.as_os_str());
        write!(out, "{}:", harmless(&name.to_string_lossy()))?;
        if let Some(line) = self.line {
            write!(out, "{line}:")?;
        }
        if !self.key.is_empty() {
            write!(out, " {}:", harmless(&self.key))?;
        }
        write!(out, " {}", harmless(&self.why))
    }
}

/// The text on one line of bounded length, without control and zero-width characters.
fn harmless(text: &str) -> String {
    let short: String = text.chars().take(MAX_SHOWN).collect();
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
        assert!(shown.len() < 1000);
    }
}
