//! What chance decides in a step of a run: the view of the canvas, the noise in it, and which residual branches are left
//! out; and all of that as inputs of the step graph.

use super::random::{Noise, Random};
use super::settings::Settings;
use super::step_graph::names;
use super::views::{Frame, Line, View};
use crate::model::InputSize;
use crate::runtime::Tensor;
use ndarray::{Array2, Array4};

/// The random part of a step of one run.
#[derive(Clone)]
pub(super) struct StepRandomness {
    /// What the network sees of the canvas.
    view: View,
    /// What is added to the brightness that the network sees.
    noise: Option<Noise>,
    /// What each residual branch is multiplied by: 0 if it is left out.
    branches: Vec<f32>,
}

impl StepRandomness {
    /// Draws a step. `noise` is the share of the setting [`Settings::view_noise`] that the view may have, `branches` the
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

    /// What a classifier sees of the picture: nothing is random.
    pub fn still(frame: Frame, branches: usize) -> Self {
        Self {
            view: frame.middle(),
            noise: None,
            branches: vec![1.0; branches],
        }
    }
}

/// Numbers in an input.
fn count(size: InputSize) -> usize {
    size.channels().count() * size.height as usize * size.width as usize
}

/// The draws of all runs as inputs of a step graph that has noise in its views or not.
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

/// The views of all runs along one axis: (N, 3, 1, 1).
fn lines(draws: &[StepRandomness], axis: fn(&View) -> Line) -> Tensor {
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

/// The noise of all views (N, C, H, W), zeros where there is none.
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
