//! What a node may say that ONNX Runtime builds on without a look, and ends the process or takes minutes.

use crate::onnx::graph::is_default_domain;
use crate::onnx::proto::NodeProto;
use crate::onnx::{Error, names};

/// The most elements of a window. A picture has fewer; what is not there, ONNX Runtime goes through for every place, or
/// makes room for.
const LARGEST_WINDOW: i64 = 1 << 24;

/// Brings a node, and those within it, into a form that ONNX Runtime survives.
///
/// # Errors
/// [`Error::Corrupt`] if there is none.
pub fn validate_node(node: &mut NodeProto) -> Result<(), Error> {
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        drop_missing(node);
        if let Some(violation) = violation(node) {
            let (node, op) = (node.title(), &node.op_type);
            let why = format!("node {node} ({op}) has {violation}");
            return Err(Error::Corrupt(why));
        }
        let graphs = node.attribute.iter_mut().flat_map(names::graphs_mut);
        open.extend(graphs.flat_map(|graph| &mut graph.node));
    }
    Ok(())
}

/// Leaves out inputs at the end that are not given: DFT would read an axis of opset 20 that is none, and the fusion of Add and
/// LayerNormalization a bias.
fn drop_missing(node: &mut NodeProto) {
    while node.input.last().is_some_and(String::is_empty) {
        node.input.pop();
    }
}

/// What a node says that cannot be, or is beyond all measure.
fn violation(node: &NodeProto) -> Option<String> {
    let made = node.output.len();
    match node.op_type.as_str() {
        _ if !is_default_domain(&node.domain) => None,
        "GatherND" => {
            let axes = node.int("batch_dims").filter(|&axes| axes < 0)?;
            Some(format!("batch_dims = {axes}"))
        }
        "AveragePool" | "LpPool" | "MaxPool" => oversized(node.ints("kernel_shape")?),
        "LRN" => oversized(&[node.int("size")?]),
        "Split" => {
            let parts = node
                .int("num_outputs")
                .filter(|&parts| parts < made as i64)?;
            Some(format!("num_outputs = {parts} and {made} outputs"))
        }
        _ => None,
    }
}

/// Whether a window is larger than any that has a use.
fn oversized(window: &[i64]) -> Option<String> {
    let area = window
        .iter()
        .fold(1, |area: i64, &size| area.saturating_mul(size));
    (area > LARGEST_WINDOW).then(|| format!("windows of {window:?}"))
}
