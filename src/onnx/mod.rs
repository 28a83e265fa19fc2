//! ONNX models as plain data: reading and writing files, querying graphs, adding nodes, and graph passes.
//!
//! The lowest layer: every other module may use it, and nothing here runs a model. Files are untrusted: every problem
//! with one is reported as an [`Error`] that names it.

pub mod builder;
pub mod evaluator;
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
pub mod tensor;
pub mod types;
mod validate;

pub use builder::{Attribute, Builder};
pub use evaluator::{Dims, Evaluator};
pub use graph::Graph;
pub use tensor::ElementType;
pub use types::{Types, ValueType};

/// Prefix of the names of values that passes add to a model.
pub const INTERNAL_PREFIX: &str = "ziggurat/";

/// A problem with an ONNX file or graph.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read or written.
    #[error("{path}: {source}")]
    File {
        path: String,
        source: std::io::Error,
    },
    /// The bytes are not an ONNX model.
    #[error("{path} is not an ONNX model ({reason}); it may be truncated, or of another format")]
    NotOnnx { path: String, reason: String },
    /// The file or folder is of another, recognised format.
    #[error("{path} is not an ONNX model but {name}: {remedy}")]
    OtherFormat {
        path: String,
        name: String,
        remedy: String,
    },
    /// The model is inconsistent.
    #[error("the model is damaged: {0}")]
    Corrupt(String),
    /// The model is valid, but uses something that Ziggurat does not support.
    #[error("not supported: {0}")]
    Unsupported(String),
}
