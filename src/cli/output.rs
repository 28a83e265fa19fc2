//! Printing results and notices: one line stays one line, and nothing from a file controls the terminal.

use serde::Serialize;
use std::io::Write;
use ziggurat::text;
pub use ziggurat::text::one_line;

/// Prints a line to standard output.
///
/// # Errors
/// If standard output is closed.
pub fn line(text: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout().lock(), "{}", one_line(text))
}

/// Prints a text of several lines that contains nothing from a file.
///
/// # Errors
/// If standard output is closed.
pub fn generated(text: &str) -> std::io::Result<()> {
    std::io::stdout().lock().write_all(text.as_bytes())
}

/// Prints an object as one line of JSON.
///
/// # Errors
/// If standard output is closed.
pub fn json(object: &impl Serialize) -> anyhow::Result<()> {
    let text = text::json(&serde_json::to_string(object)?);
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}

/// Prints a notice or an error to standard error.
pub fn notice(text: &str) {
    eprintln!("{}", one_line(&without_numbers(text)));
}

/// The text without the numbers of system errors, ` (os error 2)`: the words before them mean the same.
fn without_numbers(text: &str) -> String {
    const MARK: &str = " (os error ";
    let mut parts = text.split(MARK);
    let mut kept = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let number = part.split_once(')');
        match number.filter(|(number, _)| number.chars().all(|c| c.is_ascii_digit())) {
            Some((_, rest)) => kept.push_str(rest),
            None => kept.extend([MARK, part]),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_errors_are_left_out() {
        assert_eq!(
            without_numbers(
                "a: No such file or directory (os error 2); b: (os error x) c (os error 13)"
            ),
            "a: No such file or directory; b: (os error x) c"
        );
    }
}
