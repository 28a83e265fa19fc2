//! Graph passes that prepare a model for differentiation, and the pipeline of them.
//!
//! [`normalize`] works on the model: [`to_float32`], [`upgrade_opset`], [`polyfill`],
//! [`inline_functions`]. [`specialize`] works on its graph, once the dimensions of the inputs are
//! known: [`decompose`] (fused operators), [`constant_folding`], [`control_flow`] (`If`, `Loop`,
//! `Scan`), [`sequences`], and `ceil_mode` (pools that round up). It needs an
//! [`Evaluator`](super::Evaluator). [`fuse_batch_norm`] is an optimization.

mod ceil_mode;
pub mod constant_folding;
pub mod control_flow;
pub mod decompose;
pub mod fuse_batch_norm;
pub mod inline_functions;
mod pipeline;
pub mod polyfill;
pub mod sequences;
mod skipped;
pub mod to_float32;
pub mod upgrade_opset;

pub use pipeline::{PASSES, Pass, PassInfo, Passes, normalize, specialize};
