//! The step graph's inputs that stay the same for a whole octave: resampling matrices, and the knobs of every run.

use super::machine::{Machine, Plan};
use super::octaves::Octave;
use super::resampling::{expand, reduce};
use super::run::Running;
use super::step_graph::names;
use super::target::flat_position;
use super::{Error, Settings, spectrum};
use crate::model::Network;
use crate::runtime::{DeviceLoop, Tensor};
use ndarray::{Array, Array1, Array2, Array4, Axis};

/// Gives the graph all that does not change within an octave.
pub(super) fn set(
    network: &Network,
    plan: &Plan,
    runs: &[Running],
    octave: Octave,
    machine: &Machine,
    state: &mut DeviceLoop,
) -> Result<(), Error> {
    let mut constants = matrices(plan, octave);
    constants.extend(knobs(network, plan, runs));
    constants.push((names::UNITS.into(), units(network, plan, runs)?));
    for (name, tensor) in &constants {
        // A layer's objective needs no unit, and says so by not having the input.
        let mut known = machine.session.inputs().iter();
        if known.any(|port| port.name == *name) {
            state.set(&machine.session, name, tensor)?;
        }
    }
    Ok(())
}

/// One number a run: (N, 1, 1, 1).
pub(super) fn scalars(runs: &[Running], value: impl Fn(&Running) -> f64) -> Tensor {
    per_run(runs.iter().map(|run| value(run) as f32).collect())
}

/// One number per run, as the step graph takes them: (N, 1, 1, 1).
pub(super) fn per_run(numbers: Vec<f32>) -> Tensor {
    Array::from(numbers)
        .insert_axis(Axis(1))
        .insert_axis(Axis(2))
        .insert_axis(Axis(3))
        .into()
}

/// The pixels of the canvas, and how the pyramid's levels are made of each other.
fn matrices(plan: &Plan, octave: Octave) -> Vec<(String, Tensor)> {
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

/// Each run's settings that the graph reads at every step.
fn knobs(network: &Network, plan: &Plan, runs: &[Running]) -> Vec<(String, Tensor)> {
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
        // 0 sets no limit, also where a companion has one.
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

/// How strong a band of a colour axis is in a step.
fn band_weight(settings: &Settings, level: u32, axis: usize) -> f64 {
    let chroma = if axis == 0 { 1.0 } else { settings.chroma };
    spectrum::strength(level, axis) * chroma * settings.tilt.powi(level as i32)
}

fn units(network: &Network, plan: &Plan, runs: &[Running]) -> Result<Tensor, Error> {
    let mut units = Array2::<i64>::zeros((runs.len(), 2));
    for (run, mut row) in runs.iter().zip(units.outer_iter_mut()) {
        let unit = run.run.unit;
        row[0] = unit.index as i64;
        row[1] = flat_position(network, &plan.objective, unit)? as i64;
    }
    Ok(units.into())
}
