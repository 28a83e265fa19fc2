//! The unit of an objective in a network: whether it exists, its position, and the position that views must preserve.

use super::views::Anchor;
use super::{Error, Kind, Objective, Unit};
use crate::model::{Layout, Network};
use crate::text::quoted;

/// Checks that the network has `unit`.
///
/// # Errors
/// [`Error::NoSuchUnit`].
pub(super) fn check_unit(
    network: &Network,
    objective: &Objective,
    unit: Unit,
) -> Result<(), Error> {
    if objective.kind == Kind::Layer {
        return Ok(());
    }
    let name = quoted(&objective.value);
    let layout = layout(network, objective)?;
    if unit.index >= layout.channels {
        let (channels, index) = (layout.channels, unit.index);
        return Err(Error::NoSuchUnit(format!(
            "{name} has {channels} channels, 0 to {}; channel {index} does not exist",
            channels.saturating_sub(1)
        )));
    }
    let (row, column) = unit.position;
    let (rows, columns) = layout.plane().unwrap_or((0, 0));
    if objective.kind == Kind::Neuron && (row >= rows || column >= columns) {
        return Err(Error::NoSuchUnit(format!(
            "{name} has {rows} rows and {columns} columns; position {row},{column} does not exist"
        )));
    }
    Ok(())
}

/// The layout of the objective's value.
///
/// # Errors
/// [`Error::NoSuchUnit`] if it has no channels.
pub(super) fn layout(network: &Network, objective: &Objective) -> Result<Layout, Error> {
    let dims = &network.shapes.get(&objective.value)?.dims;
    let name = quoted(&objective.value);
    network.layout(&objective.value).ok_or_else(|| {
        Error::NoSuchUnit(format!(
            "{name} has no channels: its dimensions are {dims:?}"
        ))
    })
}

/// The flat position of `unit` in its channel; 0 for objectives without a position.
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

/// The position in the network's input that views must preserve: that of a neuron, with a tolerance of half a neuron,
/// since a view that moved it further would show its neighbour's receptive field.
pub(super) fn anchor(network: &Network, objective: &Objective, unit: Unit) -> Option<Anchor> {
    let layout = network.layout(&objective.value)?;
    let (rows, columns) = layout.plane().filter(|_| objective.kind == Kind::Neuron)?;
    let centre = |index: usize, count: usize| (index as f64 + 0.5) / count as f64;
    Some(Anchor {
        at: (
            centre(unit.position.0, rows),
            centre(unit.position.1, columns),
        ),
        slack: (0.5 / rows as f64, 0.5 / columns as f64),
    })
}
