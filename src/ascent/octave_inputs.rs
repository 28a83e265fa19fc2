//! The step graph inputs that are constant within an octave: resampling matrices, and the settings of every run.

use super::octaves::Octave;
use super::resampling::{expand, reduce};
use super::run::RunState;
use super::step_graph::names;
use super::step_session::{StepPlan, StepSession};
use super::unit::flat_position;
use super::{Error, Settings, spectrum};
use crate::model::Network;
use crate::runtime::{DeviceLoop, Tensor};
use ndarray::{Array, Array1, Array2, Array4, Axis};

/// Binds the inputs that are constant within an octave.
pub(super) fn bind_octave_inputs(
    network: &Network,
    plan: &StepPlan,
    runs: &[RunState],
    octave: Octave,
    machine: &StepSession,
    state: &mut DeviceLoop,
) -> Result<(), Error> {
    let mut constants = matrices(plan, octave);
    constants.extend(knobs(network, plan, runs));
    constants.push((names::UNITS.into(), units(network, plan, runs)?));
    for (name, tensor) in &constants {
        // Unused inputs are pruned from the graph, for example the unit of a layer objective.
        let mut known = machine.session.inputs().iter();
        if known.any(|port| port.name == *name) {
            state.set(&machine.session, name, tensor)?;
        }
    }
    Ok(())
}

/// A number of each run: (N, 1, 1, 1).
pub(super) fn scalars(runs: &[RunState], value: impl Fn(&RunState) -> f64) -> Tensor {
    per_run(runs.iter().map(|run| value(run) as f32).collect())
}

/// One number per run as a tensor of the step graph: (N, 1, 1, 1).
pub(super) fn per_run(numbers: Vec<f32>) -> Tensor {
    Array::from(numbers)
        .insert_axis(Axis(1))
        .insert_axis(Axis(2))
        .insert_axis(Axis(3))
        .into()
}

/// The pixel indices of the canvas, and the resampling matrices of the pyramid.
fn matrices(plan: &StepPlan, octave: Octave) -> Vec<(String, Tensor)> {
    let Octave { height, width, .. } = octave;
    let mut matrices: Vec<(String, Tensor)> = Vec::new();
    let mut set = |name: &str, tensor: Tensor| matrices.push((name.into(), tensor));
    let pixels = |size: usize| Array1::from_iter((0..size).map(|pixel| pixel as f32));
    set(names::ROW_PIXELS, pixels(height).into());
    set(names::COLUMN_PIXELS, pixels(width).into());
    let terms = plan.terms;
    let (mut rows, mut columns) = (height, width);
    for level in 0..(terms.levels - 1).max(u32::from(terms.damping)) {
        set(&names::reduce_rows(level), reduce(rows).into());
        set(&names::reduce_columns(level), reduce(columns).into());
        set(&names::expand_rows(level), expand(rows).into());
        set(&names::expand_columns(level), expand(columns).into());
        (rows, columns) = (rows.div_ceil(2), columns.div_ceil(2));
    }
    matrices
}

/// The settings of each run that the graph reads.
fn knobs(network: &Network, plan: &StepPlan, runs: &[RunState]) -> Vec<(String, Tensor)> {
    let terms = plan.terms;
    let mut knobs: Vec<(String, Tensor)> = Vec::new();
    let mut set = |name: &str, value: &dyn Fn(&Settings) -> f64| {
        knobs.push((name.into(), scalars(runs, |run| value(&run.run.settings))));
    };
    if plan.map.is_some() {
        set(names::MASK_STRENGTH, &|settings| settings.mask);
        set(names::MASK_MEMORY, &|settings| settings.mask_memory);
    }
    set(names::CLIP, &|settings| settings.clip);
    set(names::MOMENTUM, &|settings| settings.momentum);
    if terms.decay {
        set(names::DECAY, &|settings| settings.decay);
    }
    if terms.damping {
        set(names::DAMPING, &|settings| settings.damping);
    }
    if terms.variation {
        set(names::VARIATION, &|settings| settings.total_variation);
    }
    if terms.contrast {
        // 0 means no limit, even if another run of the batch has one.
        set(names::CONTRAST, &|settings| match settings.contrast {
            0.0 => f64::from(f32::MAX),
            limit => limit,
        });
    }
    let axes = network.size.channels().count();
    let weights = (0..terms.levels).map(|level| {
        let weights = Array4::from_shape_fn((runs.len(), axes, 1, 1), |(run, axis, ..)| {
            band_weight(&runs[run].run.settings, level, axis) as f32
        });
        (names::band_weight(level), weights.into())
    });
    knobs.extend(weights);
    knobs
}

/// The weight of a band of a colour axis in a step.
fn band_weight(settings: &Settings, level: u32, axis: usize) -> f64 {
    let chroma = if axis == 0 { 1.0 } else { settings.chroma };
    spectrum::strength(level, axis) * chroma * settings.tilt.powi(level as i32)
}

fn units(network: &Network, plan: &StepPlan, runs: &[RunState]) -> Result<Tensor, Error> {
    let mut units = Array2::<i64>::zeros((runs.len(), 2));
    for (run, mut row) in runs.iter().zip(units.outer_iter_mut()) {
        let unit = run.run.unit;
        row[0] = unit.index as i64;
        row[1] = flat_position(network, &plan.objective, unit)? as i64;
    }
    Ok(units.into())
}
