//! Messages of ONNX Runtime and of the system's loader, on one line.

/// The loader's message: the outer error states only that `dlopen` failed, its source the reason.
pub(super) fn loader_says(error: &dyn std::error::Error) -> String {
    let inner = std::iter::successors(Some(error), |error| error.source()).last();
    one_line(&inner.unwrap_or(error).to_string())
}

/// Joins the lines of a message.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
