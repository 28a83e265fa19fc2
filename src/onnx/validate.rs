//! Checks of attributes that ONNX Runtime does not validate itself, and that would crash it or keep it busy for
//! minutes.

use crate::onnx::Error;
use crate::onnx::proto::{AttributeProto, NodeProto};

/// Maximum elements of a pooling window: more than any image has. ONNX Runtime iterates over all of a window at every
/// output position, padding included, or allocates it.
const MAX_WINDOW: i64 = 1 << 24;

/// Validates a node and those of its subgraphs, and drops trailing empty inputs.
///
/// # Errors
/// [`Error::Corrupt`] for an attribute that ONNX Runtime cannot handle.
pub fn validate_node(node: &mut NodeProto) -> Result<(), Error> {
    let mut worklist = vec![node];
    while let Some(node) = worklist.pop() {
        drop_missing(node);
        if let Some(violation) = violation(node) {
            let (node, op) = (node.display_name(), &node.op_type);
            let message = format!("node {node} ({op}) has {violation}");
            return Err(Error::Corrupt(message));
        }
        let graphs = node
            .attribute
            .iter_mut()
            .flat_map(AttributeProto::graphs_mut);
        worklist.extend(graphs.flat_map(|graph| &mut graph.node));
    }
    Ok(())
}

/// Drops trailing empty inputs. ONNX Runtime would read them: DFT an axis, and the fusion of Add and LayerNormalization
/// a bias.
fn drop_missing(node: &mut NodeProto) {
    while node.input.last().is_some_and(String::is_empty) {
        node.input.pop();
    }
}

/// The attribute of a node that is invalid or absurdly large.
fn violation(node: &NodeProto) -> Option<String> {
    let outputs = node.output.len();
    match node.standard_op()? {
        "GatherND" => {
            let axes = node.int("batch_dims").filter(|&axes| axes < 0)?;
            Some(format!("batch_dims = {axes}"))
        }
        "AveragePool" | "LpPool" | "MaxPool" => oversized(node.ints("kernel_shape")?),
        "LRN" => oversized(&[node.int("size")?]),
        "Split" => {
            let parts = node
                .int("num_outputs")
                .filter(|&parts| parts < outputs as i64)?;
            Some(format!("num_outputs = {parts} and {outputs} outputs"))
        }
        _ => None,
    }
}

/// Describes a window of more than [`MAX_WINDOW`] elements.
fn oversized(window: &[i64]) -> Option<String> {
    let area = window
        .iter()
        .fold(1, |area: i64, &size| area.saturating_mul(size));
    (area > MAX_WINDOW).then(|| format!("windows of {window:?}"))
}
