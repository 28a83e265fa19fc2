//! Finds out where a network's values stop being finite numbers.

use super::probe::values_of;
use crate::model::Network;
use crate::onnx::printable;
use crate::runtime::Device;
use ndarray::Array4;

/// The first layer of `network`, in graph order, with a value that is not finite for `picture` (1, C, H, W) in model-input
/// units, and its operator: `"c1" ("Conv")`. Not finite values spread from there to what follows, so that a binary search
/// finds it without all layers in memory at once. `None` if the last layer is finite, or nothing can be computed.
pub(super) fn first_layer(
    network: &Network,
    picture: &Array4<f32>,
    value: &str,
    device: Device,
) -> Option<String> {
    let needed = network.graph.ancestors([value]);
    let nodes = network.graph.nodes().iter().zip(needed);
    let on_path: Vec<(&str, &str)> = nodes
        .filter(|(_, needed)| *needed)
        .filter_map(|(node, _)| Some((node.output.first()?.as_str(), node.op_type.as_str())))
        .filter(|(name, _)| {
            network
                .shapes
                .find(name)
                .is_some_and(|known| known.elem.is_float())
        })
        .collect();
    let is_finite = |name: &str| {
        let values = values_of(network, name, picture.clone(), device).ok()?;
        Some(values.iter().all(|value| value.is_finite()))
    };
    let (mut finite, mut not_finite) = (0, on_path.len().checked_sub(1)?);
    if is_finite(on_path[not_finite].0)? {
        return None;
    }
    while finite < not_finite {
        let middle = (finite + not_finite) / 2;
        match is_finite(on_path[middle].0)? {
            true => finite = middle + 1,
            false => not_finite = middle,
        }
    }
    let (name, op) = on_path[not_finite];
    Some(format!("{} ({})", printable(name), printable(op)))
}
