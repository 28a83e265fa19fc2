//! Operators of Ziggurat's own, for the CPU: computations that no standard operator does in one pass.
//!
//! - `resample`: resampling of pictures by matrices that are mostly zeros (`banded`)
//! - `mask`: the gradient of rectifiers
//! - `context`: inputs, outputs and threads of the kernels
//! - `blocked_masks`: opens a model so that masks keep blocked channels
//!
//! They are registered with sessions whose options say so. Other providers do not have them: the graphs for those are
//! made of standard operators. Each operator is tested against its standard form.

mod banded;
mod blocked_masks;
mod context;
mod mask;
mod resample;
#[cfg(test)]
mod tests;

use crate::onnx::own_operators::DOMAIN;
use ort::operator::OperatorDomain;

/// The operators, to be registered with a session. They cannot be shared between threads, so each session has its own.
pub(super) fn domain() -> ort::Result<OperatorDomain> {
    OperatorDomain::new(DOMAIN)?
        .add(resample::Resample)?
        .add(mask::Mask)
}
