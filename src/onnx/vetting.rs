//! What a file may say that ONNX Runtime does not look at before it builds on it, and ends the process.

use super::proto::{GraphProto, NodeProto};
use super::{Error, scope};

/// Brings the nodes of a graph, those within others too, into a form that ONNX Runtime survives.
///
/// # Errors
/// [`Error::Corrupt`] for a node of which there is none.
pub fn vet(graph: &mut GraphProto) -> Result<(), Error> {
    let mut open = vec![graph];
    while let Some(graph) = open.pop() {
        for node in &mut graph.node {
            drop_missing(node);
            check_outputs(node)?;
            open.extend(node.attribute.iter_mut().flat_map(scope::graphs_mut));
        }
    }
    Ok(())
}

/// Leaves out inputs at the end that are not given. Opset 20's DFT reads an axis that is none otherwise.
fn drop_missing(node: &mut NodeProto) {
    while node.input.last().is_some_and(String::is_empty) {
        node.input.pop();
    }
}

/// `Split` is asked for as many parts as it makes, or more.
fn check_outputs(node: &NodeProto) -> Result<(), Error> {
    let parts = node.int("num_outputs").filter(|_| node.is("Split"));
    let made = node.output.len();
    match parts {
        Some(parts) if parts < made as i64 => Err(Error::Corrupt(format!(
            "node {} (Split) has {made} outputs and num_outputs = {parts}",
            node.title()
        ))),
        _ => Ok(()),
    }
}
