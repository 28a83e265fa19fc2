//! Reverse-mode automatic differentiation from ONNX to ONNX.
//!
//! Inference builds of ONNX Runtime cannot differentiate. This module reads a graph and appends standard nodes that
//! compute vector-Jacobian products (VJPs). Any execution provider can then run forward and backward pass in one
//! session. It knows nothing of what the values mean, nor of sessions: value names go in, value names come out.
//!
//! ```text
//! Builder (graph so far) + Types + seeds (value, cotangent) + sources ──▶ gradient of each source, as a value name
//! ```
//!
//! - [`gradient_model()`] adds gradients to a model as outputs: the entry point for most uses.
//! - [`gradient`] is the backward pass. It visits only nodes on a path from a source to a seeded value.
//! - [`rules`] is one table from operator to gradient rule. A rule receives a [`Context`] (node,
//!   constants, shapes, the gradient of each output, helpers that emit nodes) and returns the
//!   gradients of the requested inputs. Most rules are one formula, written as such (see
//!   `formula`).
//! - [`lowering`] holds every choice between equivalent forms that depends on the device.
//! - [`differentiability`] finds which values can be differentiated with respect to an input, and which node blocks the
//!   others.
//!
//! All dimensions must be known (see [`Types`](crate::onnx::Types)); the graph must be at opset 18 or newer
//! (see [`upgrade`](crate::onnx::passes::upgrade_opset)), and fused operators must be decomposed (see
//! [`decompose`](crate::onnx::passes::decompose)), so that operators which optimizers fuse need no rules of their own.

#![warn(missing_docs)]

mod backward;
mod context;
pub mod differentiability;
mod einsum_equation;
mod formula;
mod gradient_model;
mod gradient_sums;
pub mod lowering;
mod rank_check;
pub mod rules;

pub use backward::gradient;
pub use context::Context;
pub(crate) use gradient_model::{BATCHES, batch};
pub use gradient_model::{GradientError, GradientModel, GradientRequest, gradient_model};
pub use lowering::{Device, GradientOptions};

/// Why a graph cannot be differentiated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operator has no gradient rule.
    #[error(
        "node {node} ({op}, opset {opset}) has no gradient rule; only values computed before it can be differentiated"
    )]
    NoRule {
        /// The node's name, quoted.
        node: String,
        /// The operator, with its domain if that is not the standard one.
        op: String,
        /// Version of the standard opset.
        opset: i64,
    },
    /// The operator has a rule that does not cover this node's attributes or inputs.
    #[error("node {node} ({op}) cannot be differentiated: {why}")]
    Unsupported {
        /// The node's name, quoted.
        node: String,
        /// The operator.
        op: String,
        /// What is not covered.
        why: String,
    },
    /// The seeded values do not depend on a source.
    #[error("{objective} does not depend on {input}: there is no gradient")]
    Independent {
        /// The seeded values, quoted.
        objective: String,
        /// The source, quoted.
        input: String,
    },
    /// The graph is invalid or incomplete.
    #[error(transparent)]
    Graph(#[from] crate::onnx::Error),
}
