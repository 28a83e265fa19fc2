//! The randomness of a step: the view of the canvas, the noise in it, and the dropped residual branches, as inputs of
//! the step graph.

use super::random::{Noise, Random};
use super::settings::Settings;
use super::step_graph::names;
use super::views::{AxisView, Frame, View};
use crate::model::InputSize;
use crate::runtime::Tensor;
use ndarray::{Array2, Array4};

/// The randomness of one run in one step.
#[derive(Clone)]
pub(super) struct StepRandomness {
    /// The view of the canvas.
    view: View,
    /// Noise added to the brightness of the view.
    noise: Option<Noise>,
    /// The factor of each residual branch; 0 drops it.
    branches: Vec<f32>,
}

impl StepRandomness {
    /// Draws the randomness of a step. `noise` is the allowed fraction of [`Settings::view_noise`], `branches` the
    /// number of residual branches.
    pub fn random(
        settings: &Settings,
        (frame, size): (Frame, InputSize),
        (noise, branches): (f64, usize),
        random: &mut Random,
    ) -> Self {
        Self {
            view: frame.draw(settings, random),
            noise: random.view_noise(settings.view_noise * noise, count(size)),
            branches: random.branches(settings.stochastic_depth, branches),
        }
    }

    /// The view of a classifier, without randomness.
    pub fn still(frame: Frame, branches: usize) -> Self {
        Self {
            view: frame.middle(),
            noise: None,
            branches: vec![1.0; branches],
        }
    }
}

/// Number of elements of an input.
fn count(size: InputSize) -> usize {
    size.channels().count() * size.height as usize * size.width as usize
}

/// The step graph inputs for all runs. `has_noise`: whether the graph has an input for noise.
pub(super) fn inputs(
    draws: &[StepRandomness],
    size: InputSize,
    has_noise: bool,
) -> Vec<(&'static str, Tensor)> {
    let mut inputs = vec![
        (names::VIEW_ROWS, lines(draws, |view| view.rows)),
        (names::VIEW_COLUMNS, lines(draws, |view| view.columns)),
    ];
    if has_noise {
        inputs.push((names::VIEW_NOISE, noise(draws, size)));
    }
    let branches = draws.first().map_or(0, |draw| draw.branches.len());
    if branches > 0 {
        let scale = |(run, branch): (usize, usize)| draws[run].branches[branch];
        let scales = Array2::from_shape_fn((draws.len(), branches), scale);
        inputs.push((names::BRANCHES, scales.into()));
    }
    inputs
}

/// The views of all runs along one axis, (N, 3, 1, 1).
fn lines(draws: &[StepRandomness], axis: fn(&View) -> AxisView) -> Tensor {
    let mut numbers = Array4::<f32>::zeros((draws.len(), 3, 1, 1));
    for (draw, mut row) in draws.iter().zip(numbers.outer_iter_mut()) {
        let line = axis(&draw.view);
        let values = [line.start - 0.5, line.scale, 1.0 / line.support];
        for (place, value) in row.iter_mut().zip(values) {
            *place = value;
        }
    }
    numbers.into()
}

/// The noise of all views, (N, C, H, W); zeros for runs without noise.
fn noise(draws: &[StepRandomness], size: InputSize) -> Tensor {
    let (height, width) = (size.height as usize, size.width as usize);
    let shape = (draws.len(), size.channels().count(), height, width);
    let mut values = Array4::<f32>::zeros(shape);
    for (draw, mut run) in draws.iter().zip(values.outer_iter_mut()) {
        let Some(noise) = draw.noise.clone() else {
            continue;
        };
        for (value, drawn) in run.iter_mut().zip(noise.values()) {
            *value = drawn;
        }
    }
    values.into()
}
