//! What a gradient is computed of.

use super::axis::Axis;
use super::gate::Gate;

/// The operands, in blocks of `B` channels.
pub struct Picture<'a, const B: usize> {
    pub gradient: &'a [[f32; B]],
    pub weights: &'a [[f32; B]],
    /// Blocks of channels.
    pub blocks: usize,
    pub rows: Axis,
    pub columns: Axis,
    pub gradient_gate: Option<Gate<'a, B>>,
    pub result_gate: Option<Gate<'a, B>>,
}

impl<const B: usize> Picture<'_, B> {
    /// The weights of a block, counted over all samples.
    #[inline(always)]
    pub fn weights_of(&self, block: usize) -> &[[f32; B]] {
        let taps = self.rows.taps * self.columns.taps;
        &self.weights[block % self.blocks * taps..][..taps]
    }
}
