//! An error in a file of the user, with its line. It is shown, and the rest of the file is used.

use crate::text::one_line;
use std::fmt;
use std::path::PathBuf;

/// Longest name or key of a file that is shown, in characters.
const MAX_NAME: usize = 200;

/// Longest reason: it may name a path, and ends with what to do.
const MAX_REASON: usize = 600;

/// How the reason of a syntax error begins.
pub const SYNTAX: &str = "it is no TOML";

/// Something in a user's file that could not be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub file: PathBuf,
    /// The line, from 1; `None` if it concerns the whole file.
    pub line: Option<usize>,
    /// The key with all it is in, such as `keys.quit`; empty if none is known.
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
    /// One line, `config.toml:12: keys.quit: …`, harmless to a terminal whatever the file holds.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.file.file_name().unwrap_or(self.file.as_os_str());
        write!(out, "{}:", harmless(&name.to_string_lossy(), MAX_NAME))?;
        if let Some(line) = self.line {
            write!(out, "{line}:")?;
        }
        if !self.key.is_empty() {
            write!(out, " {}:", harmless(&self.key, MAX_NAME))?;
        }
        write!(out, " {}", harmless(&self.why, MAX_REASON))
    }
}

/// The text in one line of bounded length, without control characters and what else has no width of its own.
fn harmless(text: &str, max: usize) -> String {
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
    fn a_problem_reads_as_one_line_with_file_line_and_key() {
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
    fn nothing_in_a_file_reaches_the_terminal_as_it_is() {
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
