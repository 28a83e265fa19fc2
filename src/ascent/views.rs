//! Random views of the canvas: the part that the network sees in a step.
//!
//! A view is a random rectangle of the canvas with the aspect ratio of the network's input, sometimes blurred. It may
//! extend beyond the canvas, which is surrounded by mid-grey. Random positions and sizes favour an object that is
//! recognised at any position and size (expectation over transformations, Athalye et al. 2018), blur favours shape over
//! fine texture, and views beyond the canvas fill the frame.
//!
//! A view may also have noise ([`Settings::view_noise`]). Averaged over it, the gradient is that of the
//! randomized-smoothing classifier (Cohen, Rosenfeld and Kolter 2019), whose gradients are perceptually aligned (Kaur,
//! Cohen and Lipton 2019). The amount of noise depends on the network's response: see `run`.
//!
//! Along each axis a view has three parameters, [`AxisView`], from which the step graph computes a
//! resampling matrix (see [`super::step_graph`]); [`AxisView::matrix`] is the reference.

use super::random::Random;
use super::settings::Settings;
use ndarray::Array2;

/// A view along one axis. Sample `i` of the network's input is the mean of the canvas around
/// `start + (i + 1/2) · scale - 1/2`, weighted by a triangle of half-width `support`. Pixel centres are integers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AxisView {
    /// The start of the view in pixels of the canvas; negative before its first pixel.
    pub start: f32,
    /// Pixels of the canvas per sample.
    pub scale: f32,
    /// Half-width of the triangle in pixels of the canvas. An integer, so that the weights sum to 1 for every centre. 1
    /// is linear interpolation.
    pub support: f32,
}

impl AxisView {
    /// The centre crop of a canvas of `canvas` pixels: the fraction `share` of it, in `samples` samples.
    pub fn middle(canvas: usize, samples: usize, share: f64) -> Self {
        let scale = share * canvas as f64 / samples as f64;
        Self {
            start: ((1.0 - share) / 2.0 * canvas as f64) as f32,
            scale: scale as f32,
            support: scale.round().max(1.0) as f32,
        }
    }

    /// The matrix (samples, canvas) of the view. The rows of samples within the canvas sum to 1; beyond it, rows are
    /// zeros, which give mid-grey.
    pub fn matrix(&self, samples: usize, canvas: usize) -> Array2<f32> {
        Array2::from_shape_fn((samples, canvas), |(sample, pixel)| {
            let centre = self.start + (sample as f32 + 0.5) * self.scale - 0.5;
            let distance = (centre - pixel as f32).abs();
            (1.0 - distance / self.support).max(0.0) / self.support
        })
    }
}

/// A view along both axes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    pub rows: AxisView,
    pub columns: AxisView,
}

/// The geometry of the canvas, the network's input, and the centre crop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// Height and width of the canvas in pixels.
    pub canvas: (usize, usize),
    /// Height and width of the network's input in pixels.
    pub input: (usize, usize),
    /// The fraction of each side of the canvas within the network's centre crop, 0 to 1.
    pub share: f64,
    /// The position that views must preserve; `None` if they are unconstrained.
    pub anchor: Option<Anchor>,
}

/// A position in the network's input that views keep at its position on the canvas.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Anchor {
    /// Row and column, as fractions of the input's sides.
    pub at: (f64, f64),
    /// How far views may move it, as fractions of the input's sides.
    pub slack: (f64, f64),
}

impl Frame {
    /// The centre crop.
    pub fn middle(&self) -> View {
        View {
            rows: AxisView::middle(self.canvas.0, self.input.0, self.share),
            columns: AxisView::middle(self.canvas.1, self.input.1, self.share),
        }
    }

    /// A random view of a size between [`Settings::view_min`] and [`Settings::view_max`]. Always consumes the same
    /// number of draws from `random`.
    pub fn draw(&self, settings: &Settings, random: &mut Random) -> View {
        // The network's resolution is fixed, so the detail of a larger canvas is only visible in smaller views.
        let zoom = (self.input.0 as f64 / (self.share * self.canvas.0 as f64)).min(1.0);
        let least = settings.view_min * zoom.sqrt();
        let size = random.uniform(least, settings.view_max.max(least));
        let (row, column) = (random.uniform(0.0, 1.0), random.uniform(0.0, 1.0));
        let (blurred, sigma) = (
            random.chance(settings.blur_share),
            random.uniform(0.0, settings.blur),
        );
        let dither = random.uniform(0.0, 1.0);
        let sigma = if blurred { sigma } else { 0.0 };
        let line = |canvas: usize, input: usize, at: f64, anchor: Option<(f64, f64)>| {
            let (canvas, input) = (canvas as f64, input as f64);
            let side = size * self.share * canvas;
            let scale = side / input;
            let start = match anchor {
                None => at * (canvas - side),
                Some((place, slack)) => {
                    let fixed = ((1.0 - self.share) / 2.0 + place * self.share) * canvas;
                    fixed - (place + slack * (2.0 * at - 1.0)) * side
                }
            };
            // A triangle of half-width s has the variance s² / 6; the variances of successive blurs add up.
            let support = (scale.max(1.0).powi(2) + 6.0 * (sigma * scale).powi(2)).sqrt();
            AxisView {
                start: start as f32,
                scale: scale as f32,
                // Stochastic rounding keeps the mean correct.
                support: (support + dither).floor() as f32,
            }
        };
        let anchor = |axis: fn((f64, f64)) -> f64| {
            let anchor = self.anchor?;
            Some((axis(anchor.at), axis(anchor.slack)))
        };
        View {
            rows: line(self.canvas.0, self.input.0, row, anchor(|pair| pair.0)),
            columns: line(self.canvas.1, self.input.1, column, anchor(|pair| pair.1)),
        }
    }
}
