//! The part of a step graph that shapes the gradient: normalizes and weights each band and colour axis of its Laplacian
//! pyramid.

use super::Step;
use super::names::*;
use super::resampling::Matrix;

/// Avoids division by 0 for a band without gradient. The complete gradient is normalized before its bands, so this is
/// small compared with any relevant band.
const TINY: f64 = 1e-6;

impl Step {
    /// Root mean square of `value` over `axes`, which are kept with size 1.
    pub(super) fn rms(&mut self, value: &str, axes: &[i64]) -> String {
        let square = self.plain("Mul", &[value, value]);
        let axes = self.builder.ints(axes);
        let mean = self.plain("ReduceMean", &[&square, &axes]);
        self.plain("Sqrt", &[&mean])
    }

    /// `value / (scale + tiny)`: zero stays zero.
    pub(super) fn over(&mut self, value: &str, scale: &str, tiny: f64) -> String {
        let tiny = self.number(tiny);
        let safe = self.plain("Add", &[scale, &tiny]);
        self.plain("Div", &[value, &safe])
    }

    /// Normalizes and weights the bands of the Laplacian pyramid. Also returns the rms of the raw gradient.
    pub(super) fn shape_gradient(&mut self, raw: &str, levels: u32) -> (String, String) {
        let raw_rms = self.rms(raw, &[1, 2, 3]);
        // Gradients of deep networks may be tiny; normalizing first keeps the following operations in range.
        let mut level_value = self.over(raw, &raw_rms, 1e-30);
        let mut bands = Vec::with_capacity(levels as usize);
        for level in 0..levels - 1 {
            let coarse = self.reduce(&level_value, level);
            let back = self.expand(&coarse, level);
            bands.push(self.plain("Sub", &[&level_value, &back]));
            level_value = coarse;
        }
        let mut total = self.weighted_band(&level_value, levels - 1);
        for (level, band) in bands.iter().enumerate().rev() {
            let wider = self.expand(&total, level as u32);
            let band = self.weighted_band(band, level as u32);
            total = self.plain("Add", &[&wider, &band]);
        }
        (raw_rms, total)
    }

    fn weighted_band(&mut self, band: &str, level: u32) -> String {
        let rms = self.rms(band, &[2, 3]);
        let tiny = self.number(TINY);
        let safe = self.plain("Add", &[&rms, &tiny]);
        let factor = self.plain("Div", &[&band_weight(level), &safe]);
        self.plain("Mul", &[band, &factor])
    }

    /// One level of the Gaussian pyramid down.
    pub(super) fn reduce(&mut self, value: &str, level: u32) -> String {
        self.both_axes(value, &reduce_rows(level), &reduce_columns(level))
    }

    /// One level of the Gaussian pyramid up.
    pub(super) fn expand(&mut self, value: &str, level: u32) -> String {
        self.both_axes(value, &expand_rows(level), &expand_columns(level))
    }

    /// `rows · value · columnsᵀ`.
    fn both_axes(&mut self, value: &str, rows: &str, columns: &str) -> String {
        let columns = Matrix::shared(columns).transposed();
        self.resampled(value, Matrix::shared(rows), columns)
    }
}
