//! Messages of ONNX Runtime and of the system's loader, on one line.

use std::path::Path;

/// The loader's message: the outer error states only that `dlopen` failed, its source the reason.
pub(super) fn loader_says(error: &dyn std::error::Error) -> String {
    let inner = std::iter::successors(Some(error), |error| error.source()).last();
    one_line(&inner.unwrap_or(error).to_string())
}

/// The loader's message about the library at `path`, without the path that it begins with.
pub(super) fn loader_says_of(path: &Path, error: &dyn std::error::Error) -> String {
    let text = loader_says(error);
    let start = format!("{}: ", one_line(&path.to_string_lossy()));
    text.strip_prefix(&start).unwrap_or(&text).to_string()
}

/// Joins the lines of a message.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
