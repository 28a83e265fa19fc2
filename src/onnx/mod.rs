//! An ONNX file as plain data: reading and writing it, looking at its graph, and adding nodes to it.
//!
//! The ground floor: every room may use it, it uses none. Nothing here runs a model. Files are not trusted: whatever is
//! wrong with one becomes an [`Error`] that names it.

pub mod builder;
pub mod file;
mod file_buf;
pub mod graph;
pub mod names;
pub mod node;
pub mod other_format;
pub mod passes;
pub mod proto;
pub mod ranges;
pub mod residual;
pub mod shapes;
pub mod tensor;
mod validate;

pub use builder::{Attribute, Builder};
pub use graph::Graph;
pub use shapes::{Shapes, ValueType};
pub use tensor::Elem;

/// What the names of values begin with that are added when a model is read.
pub const OWN: &str = "ziggurat/";

/// What can be wrong with an ONNX file or graph.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read or written.
    #[error("{path}: {source}")]
    File {
        path: String,
        source: std::io::Error,
    },
    /// The bytes are no ONNX model.
    #[error("{path} is not an ONNX model ({reason}); it may be truncated, or of another format")]
    NotOnnx { path: String, reason: String },
    /// The file, or folder, is of another format.
    #[error("{path} is not an ONNX model but {name}: {remedy}")]
    OtherFormat {
        path: String,
        name: String,
        remedy: String,
    },
    /// A part of the model contradicts another.
    #[error("the model is damaged: {0}")]
    Corrupt(String),
    /// Well-formed, but beyond what Ziggurat reads.
    #[error("not supported: {0}")]
    Unsupported(String),
}

/// A name or text from a file, made harmless to print: quoted, control characters escaped, at most 80 characters.
pub fn printable(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("{short:?}{more}")
}
