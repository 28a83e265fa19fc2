//! An ONNX file as plain data: reading and writing it, looking at its graph, and adding nodes to it.
//!
//! The ground floor: every room may use it, it uses none. Nothing here runs a model. Files are not trusted: whatever is
//! wrong with one becomes an [`Error`] that names it.

pub mod builder;
pub mod control;
pub mod decompose;
pub mod file;
pub mod fold;
pub mod foreign;
pub mod functions;
pub mod graph;
pub mod node;
pub mod other_format;
pub mod precision;
pub mod proto;
pub mod ranges;
mod refusal;
pub mod residual;
pub mod scope;
pub mod sequences;
pub mod shapes;
mod stream;
pub mod tensor;
pub mod upgrade;
mod vetting;

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
