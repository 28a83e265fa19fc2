//! Graph passes that prepare a model for differentiation.
//!
//! On the model: [`to_float32`], [`upgrade_opset`], [`polyfill`], [`inline_functions`]. On its graph, once the
//! dimensions of the input are known: [`decompose`] (fused operators), [`control_flow`] (`If`, `Loop`, `Scan`),
//! [`sequences`], and constant constant_folding, which needs a runtime (see [`crate::runtime::constant_folding`]). [`fuse_batch_norm`] is
//! an optimization. [`crate::model::passes`] runs them in order.

pub mod control_flow;
pub mod decompose;
pub mod fuse_batch_norm;
pub mod inline_functions;
pub mod polyfill;
pub mod sequences;
mod skipped;
pub mod to_float32;
pub mod upgrade_opset;
