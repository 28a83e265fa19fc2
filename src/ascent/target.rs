//! Where a network has what an objective asks for: whether the unit exists, where its class activation map is taken, and
//! how far a picture may be shifted.

use super::{Error, Kind, Objective, Unit};
use crate::model::Network;

/// Whether the network has `unit`.
pub(super) fn check_unit(
    network: &Network,
    objective: &Objective,
    unit: Unit,
) -> Result<(), Error> {
    let dims = &network.shapes.get(&objective.value)?.dims;
    let name = crate::onnx::printable(&objective.value);
    let channels = dims.get(1).copied().unwrap_or(0);
    if objective.kind != Kind::Layer && unit.index >= channels {
        let index = unit.index;
        return Err(Error::NoSuchUnit(format!(
            "{name} has {channels} channels, 0 to {}: there is no {index}",
            channels.saturating_sub(1)
        )));
    }
    let (row, column) = unit.position;
    let inside =
        matches!(dims.as_slice(), &[_, _, height, width] if row < height && column < width);
    if objective.kind == Kind::Neuron && !inside {
        let plane = dims.get(2..).unwrap_or_default();
        return Err(Error::NoSuchUnit(format!(
            "{name} has channels of {plane:?} (rows, columns): there is no {row},{column}"
        )));
    }
    Ok(())
}

/// The flat position in a channel that `unit` names; 0 for whatever has no place.
pub(super) fn flat_position(
    network: &Network,
    objective: &Objective,
    unit: Unit,
) -> Result<usize, Error> {
    let dims = &network.shapes.get(&objective.value)?.dims;
    let columns = dims.get(3).copied().unwrap_or(1);
    Ok(match objective.kind {
        Kind::Neuron => unit.position.0 * columns + unit.position.1,
        Kind::Class | Kind::Channel | Kind::Layer => 0,
    })
}

/// Where the class activation map is taken: for a class, the last activations before the scores that still have rows and
/// columns; for a channel, its own layer. A neuron is one place, and a layer is everywhere: neither has a map.
pub(super) fn map_layer(network: &Network, objective: &Objective) -> Result<Option<String>, Error> {
    // Transformers have values of four dimensions that are no planes: windows, heads, or tokens before pictures.
    let plane = |value: &str| match network.shapes.find(value)?.dims.as_slice() {
        &[1, _, rows, columns] if rows * columns > 1 => Some((rows, columns)),
        _ => None,
    };
    let picture = (network.size.height as usize, network.size.width as usize);
    let shows_picture = |value: &str| plane(value).is_some_and(|plane| resembles(plane, picture));
    match objective.kind {
        Kind::Neuron | Kind::Layer => Ok(None),
        Kind::Channel => Ok(Some(objective.value.clone()).filter(|value| plane(value).is_some())),
        Kind::Class => {
            let graph = &network.graph;
            let needed = graph.needed_for([objective.value.as_str()]);
            let dependent = graph.descendants([network.input.as_str()]);
            let on_the_way = graph
                .nodes()
                .iter()
                .zip(needed)
                .rev()
                .filter(|(_, needed)| *needed);
            let outputs = on_the_way.flat_map(|(node, _)| &node.output);
            let mut maps = outputs
                .filter(|output| dependent.contains(output.as_str()) && shows_picture(output));
            Ok(maps.next().cloned())
        }
    }
}

/// Whether a plane has a picture's shape, up to one place, and at most half of its rows: only then can it be a picture's
/// activations, seen from far enough to be a map.
fn resembles((rows, columns): (usize, usize), (height, width): (usize, usize)) -> bool {
    2 * rows <= height + 1 && (rows * width).abs_diff(columns * height) <= height.max(width)
}

/// How far (rows, columns, in pixels of the network's input) a picture may be shifted for this objective: a neuron has a
/// place, and a shift by more than half of it would ask for its neighbour's picture.
pub(super) fn largest_jitter(network: &Network, objective: &Objective) -> (f64, f64) {
    let plane = network
        .shapes
        .find(&objective.value)
        .map(|value| value.dims.as_slice());
    match (objective.kind, plane) {
        (Kind::Neuron, Some(&[_, _, rows, columns])) => {
            let size = network.size;
            let half = |input: u32, places: usize| f64::from(input) / places as f64 / 2.0;
            (half(size.height, rows), half(size.width, columns))
        }
        _ => (f64::INFINITY, f64::INFINITY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_has_the_pictures_shape() {
        for (plane, picture, expected) in [
            ((7, 7), (224, 224), true),
            ((13, 13), (224, 224), true),
            ((5, 7), (160, 224), true),
            ((112, 112), (223, 223), true),
            // Tokens by tokens, and a plane whose channels come last.
            ((197, 197), (224, 224), false),
            ((7, 768), (224, 224), false),
            ((1, 49), (224, 224), false),
        ] {
            assert_eq!(
                resembles(plane, picture),
                expected,
                "{plane:?} of {picture:?}"
            );
        }
    }
}
