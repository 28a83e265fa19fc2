//! Reverse-mode differentiation from ONNX to ONNX.
//!
//! ONNX Runtime's inference builds cannot differentiate. This room makes them: it reads a graph and appends ordinary
//! inference nodes that compute vector-Jacobian products, so that any execution provider can run forward and backward
//! in one session. It knows nothing of images, sessions or ascents: value names go in, value names come out.
//!
//! ```text
//! Builder (graph so far) + Shapes + seeds (value, cotangent) + sources ──▶ gradient of each source, as a value name
//! ```
//!
//! - [`gradient`] is the reverse sweep. It visits only nodes on a path from a source to a seeded value.
//! - [`rules`] is one table, op type to rule. A rule receives a [`Context`] (node, constants, shapes, the gradient of each
//!   output, emission helpers) and returns the gradients of the inputs it is asked for.
//! - [`lowering`] holds every choice between equivalent forms that depends on the device.
//! - [`reach`] tells which values a gradient can come back from, and which node stands in the way of the others.
//!
//! All dimensions must be known (see [`Shapes`](crate::onnx::Shapes)); the graph must be at opset 18 or newer
//! (see [`upgrade`](crate::onnx::upgrade)), and fused operators taken apart (see [`decompose`](crate::onnx::decompose)):
//! one rule an operator is enough, and none is needed for what optimisers make of several.

mod context;
pub mod lowering;
mod ranks;
pub mod reach;
pub mod rules;
mod sweep;

pub use context::Context;
pub use lowering::{Device, Options};
pub use sweep::gradient;

/// Why a graph cannot be differentiated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No rule for the operator is known.
    #[error(
        "node {node} ({op}, opset {opset}) has no gradient rule; only values made before it can be differentiated"
    )]
    NoRule {
        node: String,
        op: String,
        opset: i64,
    },
    /// The operator has a rule, but not for how this node uses it.
    #[error("node {node} ({op}) cannot be differentiated: {why}")]
    Form {
        node: String,
        op: String,
        why: String,
    },
    /// The seeded values do not depend on a source.
    #[error("{objective} does not depend on {input}: there is no gradient")]
    Independent { objective: String, input: String },
    /// The graph itself is wrong or incomplete.
    #[error(transparent)]
    Graph(#[from] crate::onnx::Error),
}
