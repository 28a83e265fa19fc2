//! Where a network has what an objective asks for: whether the unit exists, where it lies, and which part of it views must
//! leave in place.

use super::views::Anchor;
use super::{Error, Kind, Objective, Unit};
use crate::model::{Layout, Network};
use crate::text::printable;

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
        Kind::Class | Kind::NotClass | Kind::Channel | Kind::Layer => 0,
    })
}

/// The place in the network's input that views must leave where it is on the canvas: a neuron's, give or take half of it,
/// since a view that moved it further would ask for its neighbour's picture.
pub(super) fn anchor(network: &Network, objective: &Objective, unit: Unit) -> Option<Anchor> {
    let layout = network.layout(&objective.value)?;
    let (rows, columns) = layout.plane().filter(|_| objective.kind == Kind::Neuron)?;
    let at = |place: usize, places: usize| (place as f64 + 0.5) / places as f64;
    Some(Anchor {
        at: (at(unit.position.0, rows), at(unit.position.1, columns)),
        slack: (0.5 / rows as f64, 0.5 / columns as f64),
    })
}
