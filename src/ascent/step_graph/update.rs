//! The part of a step graph that updates the canvas: mask, momentum and regularizers.

use super::names::*;
use super::{Step, Terms};

/// The difference of neighbouring pixels above which the total-variation penalty treats them as an edge instead of
/// texture.
const EDGE: f64 = 0.2;

impl Step {
    /// `share · old + (1 - share) · fresh`.
    fn blend(&mut self, old: &str, fresh: &str, share: &str) -> String {
        let one = self.number(1.0);
        let rest = self.plain("Sub", &[&one, share]);
        let old = self.plain("Mul", &[old, share]);
        let fresh = self.plain("Mul", &[fresh, &rest]);
        self.plain("Add", &[&old, &fresh])
    }

    /// `direction · (1 - strength + strength · mask)`.
    pub(super) fn masked(&mut self, direction: &str, mask: &str) -> String {
        let one = self.number(1.0);
        let factor = self.blend(mask, &one, MASK_STRENGTH);
        self.plain("Mul", &[direction, &factor])
    }

    /// The new canvas and velocity.
    pub(super) fn update(&mut self, direction: &str, terms: Terms) -> (String, String) {
        let velocity = self.blend(VELOCITY, direction, MOMENTUM);
        let moved = self.plain("Mul", &[&velocity, STEP_SIZE]);
        let mut canvas = self.plain("Add", &[CANVAS, &moved]);
        if terms.decay {
            canvas = self.minus(&canvas, CANVAS, DECAY);
        }
        if terms.damping {
            let coarse = self.reduce(CANVAS, 0);
            let blurred = self.expand(&coarse, 0);
            let detail = self.plain("Sub", &[CANVAS, &blurred]);
            canvas = self.minus(&canvas, &detail, DAMPING);
        }
        if terms.variation {
            let slope = self.total_variation_slope();
            canvas = self.minus(&canvas, &slope, VARIATION);
        }
        if terms.contrast {
            canvas = self.limited(&canvas);
        }
        (canvas, velocity)
    }

    /// Each colour axis of `canvas` scaled down until its rms is no larger than [`CONTRAST`].
    fn limited(&mut self, canvas: &str) -> String {
        let rms = self.rms(canvas, &[2, 3]);
        let factor = self.over(CONTRAST, &rms, 1e-12);
        let one = self.number(1.0);
        let factor = self.plain("Min", &[&factor, &one]);
        self.plain("Mul", &[canvas, &factor])
    }

    /// `value - factor · what`.
    fn minus(&mut self, value: &str, what: &str, factor: &str) -> String {
        let part = self.plain("Mul", &[what, factor]);
        self.plain("Sub", &[value, &part])
    }

    /// The gradient of Σ √(d² + [`EDGE`]²) over the differences d between vertical and horizontal neighbours, times
    /// [`EDGE`] / 4. Its Lipschitz constant is then 2, so that 1 is the maximum strength without oscillation.
    fn total_variation_slope(&mut self) -> String {
        let vertical = self.total_variation_along(2);
        let horizontal = self.total_variation_along(3);
        let slope = self.plain("Add", &[&vertical, &horizontal]);
        let stable = self.number(EDGE / 4.0);
        self.plain("Mul", &[&slope, &stable])
    }

    fn total_variation_along(&mut self, axis: usize) -> String {
        let [zero, one, last, end, along] =
            [0, 1, -1, i64::MAX, axis as i64].map(|number| self.builder.ints(&[number]));
        let later = self.plain("Slice", &[CANVAS, &one, &end, &along]);
        let earlier = self.plain("Slice", &[CANVAS, &zero, &last, &along]);
        let difference = self.plain("Sub", &[&later, &earlier]);
        let square = self.plain("Mul", &[&difference, &difference]);
        let smooth = self.number(EDGE * EDGE);
        let square = self.plain("Add", &[&square, &smooth]);
        let length = self.plain("Sqrt", &[&square]);
        let slope = self.plain("Div", &[&difference, &length]);
        // Each difference pulls its later pixel down and its earlier one up.
        let [before, after] = [axis, axis + 4].map(|place| {
            let mut pads = [0i64; 8];
            pads[place] = 1;
            self.builder.ints(&pads)
        });
        let on_later = self.plain("Pad", &[&slope, &before]);
        let on_earlier = self.plain("Pad", &[&slope, &after]);
        self.plain("Sub", &[&on_later, &on_earlier])
    }
}
