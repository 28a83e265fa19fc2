//! The step graph's inputs that stay the same for a whole octave: resampling matrices, and the knobs of every run.

use super::Error;
use super::colour::mixing;
use super::machine::{Machine, Plan};
use super::octaves::Octave;
use super::resampling::{expand, reduce, view};
use super::run::Running;
use super::step_graph::names;
use super::target::flat_position;
use crate::model::Network;
use crate::runtime::{Loop, Tensor};
use ndarray::{Array, Array2, Array3, Axis};

/// Gives the graph all that does not change within an octave.
pub(super) fn set(
    network: &Network,
    plan: &Plan,
    runs: &[Running],
    octave: Octave,
    machine: &Machine,
    state: &mut Loop,
) -> Result<(), Error> {
    let mut constants = matrices(network, plan, octave, machine);
    constants.extend(knobs(plan, runs));
    constants.push((names::UNITS.into(), units(network, plan, runs)?));
    constants.push((names::COLOUR.into(), colours(network, runs)));
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
    let values: Vec<f32> = runs.iter().map(|run| value(run) as f32).collect();
    Array::from(values)
        .insert_axis(Axis(1))
        .insert_axis(Axis(2))
        .insert_axis(Axis(3))
        .into()
}

/// How the canvas, the network's input, the class activation map and the pyramid's levels are made of each other.
fn matrices(
    network: &Network,
    plan: &Plan,
    octave: Octave,
    machine: &Machine,
) -> Vec<(String, Tensor)> {
    let Octave { height, width, .. } = octave;
    let size = network.size;
    let mut matrices: Vec<(String, Tensor)> = Vec::new();
    let mut set = |name: &str, tensor: Tensor| matrices.push((name.into(), tensor));
    // The network sees the picture as it sees every picture: the middle of it. Shifts bring the rest into view.
    let share = network.preprocessing.crop();
    let rows = view(height, size.height as usize, share);
    let columns = view(width, size.width as usize, share);
    set(names::ROWS, transposed(rows));
    set(names::COLUMNS, transposed(columns));
    if let Some((rows, columns)) = machine.map_size {
        set(names::MASK_ROWS, view(rows, height, 1.0 / share).into());
        let columns = view(columns, width, 1.0 / share);
        set(names::MASK_COLUMNS, columns.into());
    }
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
fn knobs(plan: &Plan, runs: &[Running]) -> Vec<(String, Tensor)> {
    let terms = plan.terms;
    let mut knobs: Vec<(String, Tensor)> = Vec::new();
    let mut set = |name: &str, value: &dyn Fn(&super::Settings) -> f64| {
        knobs.push((name.into(), scalars(runs, |run| value(&run.run.settings))));
    };
    if plan.map.is_some() {
        set(names::MASK_STRENGTH, &|settings| settings.mask);
        set(names::MASK_MEMORY, &|settings| settings.mask_memory);
    }
    for level in 0..terms.levels {
        let name = names::band_weight(level);
        set(&name, &|settings| settings.boost.powi(level as i32));
    }
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
    knobs
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

fn colours(network: &Network, runs: &[Running]) -> Tensor {
    let channels = network.size.channels().count();
    let order = network.preprocessing.rgb_of_channel();
    let mut colour = Array3::zeros((runs.len(), channels, channels));
    for (run, mut target) in runs.iter().zip(colour.outer_iter_mut()) {
        target.assign(&mixing(run.run.settings.decorrelation, channels, order));
    }
    colour.into()
}

fn transposed(matrix: Array2<f32>) -> Tensor {
    matrix.t().as_standard_layout().into_owned().into()
}
