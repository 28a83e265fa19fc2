//! ONNX models as plain data: reading and writing files, querying graphs, adding nodes, and graph passes.
//!
//! The lowest layer: every other module may use it, and nothing here runs a model. Files are untrusted: every problem
//! with one is reported as an [`Error`] that names it.

#![warn(missing_docs)]

mod attribute;
pub mod builder;
pub mod declared_interface;
mod element_type;
pub mod evaluator;
pub mod file;
mod file_buf;
pub mod graph;
pub mod names;
pub mod node;
pub mod other_format;
pub mod own_operators;
pub mod passes;
mod patch;
pub mod proto;
pub mod ranges;
pub mod residual;
pub mod tensor;
pub mod types;
mod validate;

pub use attribute::Attribute;
pub use builder::{Builder, NodeSink};
pub use element_type::ElementType;
pub use evaluator::{Dims, Evaluator};
pub use graph::Graph;
pub use names::NameScope;
pub use patch::Patch;
pub use types::{Types, ValueType};

/// Prefix of the names of values that passes add to a model. Explorers of a graph may hide such
/// values. A model that uses the prefix itself is read as any other: new names avoid those in use,
/// or the pass reports the conflict.
pub const INTERNAL_PREFIX: &str = "ziggurat/";

/// A problem with an ONNX file or graph.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file, as it was named.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The bytes are not an ONNX model.
    #[error("{path} is not an ONNX model ({reason}); it may be truncated, or of another format")]
    NotOnnx {
        /// The file, as it was named.
        path: String,
        /// The error of the protobuf decoder.
        reason: String,
    },
    /// The file or folder is of another, recognised format.
    #[error("{path} is not an ONNX model but {name}: {remedy}")]
    OtherFormat {
        /// The file, as it was named.
        path: String,
        /// The format, with its article.
        name: String,
        /// What to do instead.
        remedy: String,
    },
    /// The model is inconsistent.
    #[error("the model is damaged: {0}")]
    Corrupt(String),
    /// The model is valid, but uses something that is not supported.
    #[error("not supported: {0}")]
    Unsupported(String),
}
