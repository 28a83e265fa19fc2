//! Pools that round the number of their windows up (`ceil_mode`).
//!
//! ONNX Runtime's shape inference may count one window more than its kernels compute: they drop the last window along
//! an axis if it begins behind the input and the padding before it. Such a pool gets the padding with which as many
//! windows fit, and rounds down.

use crate::onnx::proto::NodeProto;
use crate::onnx::{Error, Graph, Types};

/// Pools with `ceil_mode`.
const POOLS: [&str; 3] = ["AveragePool", "LpPool", "MaxPool"];

/// Whether the graph has pools that round up.
pub(super) fn has_rounded_up(graph: &Graph) -> bool {
    graph.nodes().iter().any(is_rounded_up)
}

/// The graph with such pools rounded down, if they are the same ones with the same padding for all `types`: those of
/// its values for several choices of its inputs. `None` if there are none.
///
/// # Errors
/// [`Error`] if the graph is damaged.
pub(super) fn rounded_down(graph: &Graph, types: &[Types]) -> Result<Option<Graph>, Error> {
    let pads = |node: &NodeProto| {
        let mut choices = types.iter().map(|types| fitting_pads(node, types));
        let first = choices.next().flatten()?;
        choices
            .all(|other| other.as_ref() == Some(&first))
            .then_some(first)
    };
    let pads: Vec<Option<Vec<i64>>> = graph.nodes().iter().map(pads).collect();
    if pads.iter().all(Option::is_none) {
        return Ok(None);
    }
    let mut result = graph.without_nodes();
    for (node, pads) in graph.nodes().iter().zip(pads) {
        let mut node = node.clone();
        if let Some(pads) = pads {
            let is_replaced = |name: &str| ["auto_pad", "ceil_mode", "pads"].contains(&name);
            node.attribute
                .retain(|attribute| !is_replaced(&attribute.name));
            node = node.attr("pads", pads);
        }
        result.insert_node(node)?;
    }
    result.set_outputs(graph.outputs().to_vec());
    Ok(Some(result))
}

fn is_rounded_up(node: &NodeProto) -> bool {
    let is_explicit = node.string("auto_pad").unwrap_or("NOTSET") == "NOTSET";
    POOLS.iter().any(|op| node.is_op(op)) && is_explicit && node.int("ceil_mode") == Some(1)
}

/// The padding for which rounding down gives as many windows as the kernel computes; `None` for a node that is no pool
/// with a dropped window, or whose windows would then average other elements.
fn fitting_pads(node: &NodeProto, types: &Types) -> Option<Vec<i64>> {
    let value = node.input_at(0).filter(|_| is_rounded_up(node))?;
    let sizes = types.find(value)?.dims.get(2..)?;
    let rank = sizes.len();
    let list = |name: &str, default: i64, length: usize| {
        let values = match node.ints(name) {
            Some(values) => values.to_vec(),
            None => vec![default; length],
        };
        let is_usable = values.iter().all(|value| (0..1 << 30).contains(value));
        (values.len() == length && is_usable).then_some(values)
    };
    let kernel = list("kernel_shape", 0, rank)?;
    let (strides, dilations) = (list("strides", 1, rank)?, list("dilations", 1, rank)?);
    let mut pads = list("pads", 0, 2 * rank)?;
    let are_counted = node.int("count_include_pad") == Some(1);
    let mut has_dropped = false;
    for axis in 0..rank {
        if kernel[axis] == 0 || strides[axis] == 0 {
            return None;
        }
        let extent = (kernel[axis] - 1) * dilations[axis] + 1;
        let start = i64::try_from(sizes[axis]).ok()? + pads[axis];
        let rest = start + pads[rank + axis] - extent;
        if rest < 0 {
            return None;
        }
        let up = rest / strides[axis] + i64::from(rest % strides[axis] != 0) + 1;
        let is_dropped = (up - 1) * strides[axis] >= start;
        let windows = up - i64::from(is_dropped);
        let needed = (windows - 1) * strides[axis] + extent - start;
        if needed > pads[rank + axis] {
            if are_counted {
                return None;
            }
            pads[rank + axis] = needed;
        }
        has_dropped |= is_dropped;
    }
    has_dropped.then_some(pads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{ElementType, ValueType};

    fn pads(attributes: &[(&str, &[i64])], flags: &[(&str, i64)], size: usize) -> Option<Vec<i64>> {
        let mut node = NodeProto::new("MaxPool", &["x"], &["y"]);
        for (name, values) in attributes {
            node = node.attr(name, *values);
        }
        for (name, value) in flags {
            node = node.attr(name, *value);
        }
        let mut types = Types::default();
        types.insert(
            "x",
            ValueType {
                elem: ElementType::F32,
                dims: vec![1, 8, size, 17],
            },
        );
        fitting_pads(&node, &types)
    }

    #[test]
    fn a_window_behind_the_input_is_dropped_and_others_get_their_padding() {
        let up = [("ceil_mode", 1)];
        let far: [(&str, &[i64]); 2] = [("kernel_shape", &[1, 2]), ("strides", &[2, 4])];
        // 16 rows have 8 windows, not 9; 17 columns have 5, the last of which needs one column more.
        assert_eq!(pads(&far, &up, 16), Some(vec![0, 0, 0, 1]));
        assert_eq!(pads(&far, &[("ceil_mode", 0)], 16), None);
        // 15 rows have 8 windows, rounded up or down.
        assert_eq!(pads(&far, &up, 15), None);
        let padded: [(&str, &[i64]); 3] = [
            ("kernel_shape", &[2, 2]),
            ("strides", &[4, 4]),
            ("pads", &[0, 0, 1, 1]),
        ];
        assert_eq!(pads(&padded, &up, 16), Some(vec![0, 0, 1, 1]));
    }

    #[test]
    fn averages_that_count_the_padding_keep_their_windows() {
        let far: [(&str, &[i64]); 2] = [("kernel_shape", &[1, 2]), ("strides", &[2, 4])];
        let counted = [("ceil_mode", 1), ("count_include_pad", 1)];
        assert_eq!(pads(&far, &counted, 16), None);
    }

    #[test]
    fn attributes_that_make_no_sense_are_left_to_onnx_runtime() {
        let up = [("ceil_mode", 1)];
        let odd: [&[(&str, &[i64])]; 5] = [
            &[],
            &[("kernel_shape", &[2])],
            &[("kernel_shape", &[2, 2]), ("strides", &[0, 4])],
            &[("kernel_shape", &[-1 << 62, 2]), ("dilations", &[2, 1])],
            &[
                ("kernel_shape", &[i64::MIN, i64::MAX]),
                ("strides", &[4, 4]),
            ],
        ];
        for attributes in odd {
            assert_eq!(pads(attributes, &up, 16), None);
        }
    }
}
