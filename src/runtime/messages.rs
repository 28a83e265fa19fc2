//! Messages of ONNX Runtime and of the system's loader, on one line.

/// The loader's own words: its error says only that `dlopen` failed, the error below it says why.
pub(super) fn loader_says(error: &dyn std::error::Error) -> String {
    let inner = std::iter::successors(Some(error), |error| error.source()).last();
    one_line(&inner.unwrap_or(error).to_string())
}

/// A message of several lines as one.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
