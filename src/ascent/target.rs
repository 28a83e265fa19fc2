//! Where a network has what an objective asks for: whether the unit exists, where it lies, and how far a picture may be
//! shifted.

use super::{Error, Kind, Objective, Unit};
use crate::model::{Layout, Network};
use crate::onnx::printable;

/// Whether the network has `unit`.
pub(super) fn check_unit(
    network: &Network,
    objective: &Objective,
    unit: Unit,
) -> Result<(), Error> {
    if objective.kind == Kind::Layer {
        return Ok(());
    }
    let name = printable(&objective.value);
    let layout = layout(network, objective)?;
    if unit.index >= layout.channels {
        let (channels, index) = (layout.channels, unit.index);
        return Err(Error::NoSuchUnit(format!(
            "{name} has {channels} channels, 0 to {}: there is no {index}",
            channels.saturating_sub(1)
        )));
    }
    let (row, column) = unit.position;
    let (rows, columns) = layout.plane().unwrap_or((0, 0));
    if objective.kind == Kind::Neuron && (row >= rows || column >= columns) {
        return Err(Error::NoSuchUnit(format!(
            "{name} has channels of {rows} rows and {columns} columns: there is no {row},{column}"
        )));
    }
    Ok(())
}

/// Where the objective's value has its channels.
///
/// # Errors
/// [`Error::NoSuchUnit`] if it has none.
pub(super) fn layout(network: &Network, objective: &Objective) -> Result<Layout, Error> {
    let dims = &network.shapes.get(&objective.value)?.dims;
    let name = printable(&objective.value);
    network
        .layout(&objective.value)
        .ok_or_else(|| Error::NoSuchUnit(format!("{name} has no channels: it is {dims:?}")))
}

/// The flat position in a channel that `unit` names; 0 for whatever has no place.
pub(super) fn flat_position(
    network: &Network,
    objective: &Objective,
    unit: Unit,
) -> Result<usize, Error> {
    Ok(match objective.kind {
        Kind::Neuron => unit.position.0 * layout(network, objective)?.columns + unit.position.1,
        Kind::Class | Kind::Channel | Kind::Layer => 0,
    })
}

/// How far (rows, columns, in pixels of the network's input) a picture may be shifted for this objective: a neuron has a
/// place, and a shift by more than half of it would ask for its neighbour's picture.
pub(super) fn largest_jitter(network: &Network, objective: &Objective) -> (f64, f64) {
    let plane = network
        .layout(&objective.value)
        .and_then(|layout| layout.plane());
    match (objective.kind, plane) {
        (Kind::Neuron, Some((rows, columns))) => {
            let size = network.size;
            let half = |input: u32, places: usize| f64::from(input) / places as f64 / 2.0;
            (half(size.height, rows), half(size.width, columns))
        }
        _ => (f64::INFINITY, f64::INFINITY),
    }
}
