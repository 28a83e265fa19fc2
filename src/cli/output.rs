//! Printing results and notices: one line stays one line, and nothing from a file controls the terminal.

use serde::Serialize;
use std::io::{self, StdoutLock, Write};
use ziggurat::text;
pub use ziggurat::text::one_line;

/// Prints a line to standard output.
///
/// # Errors
/// As [`to_stdout`].
pub fn line(text: &str) -> io::Result<()> {
    to_stdout(|out| writeln!(out, "{}", one_line(text)))
}

/// Prints a text of several lines that contains nothing from a file.
///
/// # Errors
/// As [`to_stdout`].
pub fn generated(text: &str) -> io::Result<()> {
    to_stdout(|out| out.write_all(text.as_bytes()))
}

/// Prints an object as one line of JSON.
///
/// # Errors
/// As [`to_stdout`].
pub fn json(object: &impl Serialize) -> anyhow::Result<()> {
    let text = text::json(&serde_json::to_string(object)?);
    Ok(to_stdout(|out| writeln!(out, "{text}"))?)
}

/// Writes what is left in the buffer of standard output: at the end of the program, an error would be lost.
///
/// # Errors
/// As [`to_stdout`].
pub fn flush() -> io::Result<()> {
    to_stdout(|out| out.flush())
}

/// Prints to standard output.
///
/// # Errors
/// If standard output is closed or cannot be written, with its name.
pub fn to_stdout(print: impl FnOnce(&mut StdoutLock) -> io::Result<()>) -> io::Result<()> {
    print(&mut io::stdout().lock()).map_err(|problem| {
        let why = format!("standard output cannot be written: {problem}");
        io::Error::new(problem.kind(), why)
    })
}

/// Ends the program at once. The usual end would run ONNX Runtime's destructors beneath a thread
/// that is still using it.
pub fn end(status: i32) -> ! {
    drop(io::stdout().flush());
    signal_hook::low_level::exit(status)
}

/// Prints a notice or an error to standard error.
pub fn notice(text: &str) {
    // Nobody reads it: a closed pipe, a full disk. The work goes on.
    let _ = writeln!(io::stderr(), "{}", one_line(&without_numbers(text)));
}

/// The text without the numbers of system errors, ` (os error 2)`: the words before them mean the same.
pub fn without_numbers(text: &str) -> String {
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
