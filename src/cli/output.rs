//! Writing to a person or to a program: one line stays one line, and nothing from a file steers the terminal.

use serde::Serialize;
use std::io::Write;
use ziggurat::text;
pub use ziggurat::text::one_line;

/// Prints a line to standard output.
///
/// # Errors
/// If nobody reads it any more.
pub fn line(text: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout().lock(), "{}", one_line(text))
}

/// Prints an object as one line of JSON.
///
/// # Errors
/// If nobody reads it any more.
pub fn json(object: &impl Serialize) -> anyhow::Result<()> {
    let text = text::json(&serde_json::to_string(object)?);
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}

/// Prints a remark that is no result to standard error.
pub fn remark(text: &str) {
    eprintln!("{}", one_line(text));
}
