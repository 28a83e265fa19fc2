//! Locates the layer at which a network's values stop being finite (NaN or infinity).

use crate::model::Network;
use crate::text::quoted;

/// The first layer of `network` before `value`, in graph order, with a value that is not finite, and its operator:
/// `"c1" ("Conv")`. `is_finite` evaluates one value of the network. Values that are not finite propagate to later
/// layers, so that a binary search finds the first without all layers in memory. `None` if `value` is finite, or cannot
/// be computed.
pub(super) fn first_layer(
    network: &Network,
    value: &str,
    is_finite: impl Fn(&str) -> Option<bool>,
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
    let (mut finite, mut not_finite) = (0, on_path.len().checked_sub(1)?);
    if is_finite(on_path[not_finite].0)? {
        return None;
    }
    while finite < not_finite {
        let middle = (finite + not_finite) / 2;
        if is_finite(on_path[middle].0)? {
            finite = middle + 1;
        } else {
            not_finite = middle;
        }
    }
    let (name, op) = on_path[not_finite];
    Some(format!("{} ({})", quoted(name), quoted(op)))
}
