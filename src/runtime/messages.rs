//! Messages of ONNX Runtime and of the system's loader, on one line.

use crate::text::joined_lines;
use std::path::Path;

/// The loader's message: the outer error states only that `dlopen` failed, its source the reason.
pub(super) fn loader_reason(error: &dyn std::error::Error) -> String {
    let inner = std::iter::successors(Some(error), |error| error.source()).last();
    joined_lines(&inner.unwrap_or(error).to_string())
}

/// The loader's message about the library at `path`, without the path that it begins with.
pub(super) fn loader_message(path: &Path, error: &dyn std::error::Error) -> String {
    let text = loader_reason(error);
    let start = format!("{}: ", joined_lines(&path.to_string_lossy()));
    text.strip_prefix(&start).unwrap_or(&text).to_string()
}
