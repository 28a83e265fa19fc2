//! Operators of Ziggurat's own, for the CPU: computations that no standard operator does in one pass.
//!
//! - `resample`: resampling of pictures by matrices that are mostly zeros (`banded`)
//! - `elementwise`: programs of element-wise operations
//! - `depthwise`: gradients of depthwise convolutions and of the activations around them
//! - `phases`: pictures of their phases, in which gradients of other convolutions of stride 2 are computed
//! - `stem`: gradients of a network's first convolution with respect to the picture
//! - `max_pool`: gradients of maximum pools (`pool_windows`)
//! - `layer_normalization`, `softmax`: gradients of both (`rows`: row by row)
//! - `domain`: their registration with a session
//! - `context`: inputs, outputs and threads of the kernels
//! - `vectorized`: loops of the kernels, compiled for several sets of vector instructions
//! - `layout`: keeps element-wise nodes of a graph in blocked channels
//! - `fusion`: makes such programs of the element-wise nodes of a graph (`formula`: what one of them computes)
//! - `depthwise_rewrite`: puts gradients of depthwise convolutions in the place of their standard form
//! - `phases_rewrite`: computes transposed convolutions of stride 2 in phases
//! - `stem_rewrite`: the same as `depthwise_rewrite` for gradients of a first convolution
//! - `transposed`: transposed convolutions that these two replace
//! - `max_pool_rewrite`: the same for gradients of maximum pools
//! - `blocked`: ONNX Runtime's blocked channels
//! - `optimized`: the model that ONNX Runtime makes of another one
//! - `known_types`: types of its values
//! - `open_fused`: opens a model with its nodes fused
//!
//! They are registered with sessions whose options say so. Other providers do not have them: the graphs for those are
//! made of standard operators. Each operator is tested against its standard form.

mod banded;
mod blocked;
mod context;
mod depthwise;
mod depthwise_rewrite;
mod domain;
mod elementwise;
mod formula;
mod fusion;
mod known_types;
mod layer_normalization;
mod layout;
mod max_pool;
mod max_pool_rewrite;
mod open_fused;
mod optimized;
mod phases;
mod phases_rewrite;
mod pool_windows;
mod resample;
mod rows;
mod softmax;
mod stem;
mod stem_rewrite;
#[cfg(test)]
mod tests;
mod transposed;
mod vectorized;

pub(super) use domain::{domain, introduce};
