//! What a node may say that ONNX Runtime builds on without a look, and ends the process.

use super::proto::NodeProto;
use super::{Error, scope};

/// Brings a node, and those within it, into a form that ONNX Runtime survives.
///
/// # Errors
/// [`Error::Corrupt`] if there is none.
pub fn vet(node: &mut NodeProto) -> Result<(), Error> {
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        drop_missing(node);
        check_counts(node)?;
        check_outputs(node)?;
        let graphs = node.attribute.iter_mut().flat_map(scope::graphs_mut);
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

/// Attributes that count axes.
const COUNTS: &[(&str, &str)] = &[("GatherND", "batch_dims")];

fn check_counts(node: &NodeProto) -> Result<(), Error> {
    for (op, name) in COUNTS {
        let count = node.int(name).filter(|count| *count < 0 && node.is(op));
        if let Some(count) = count {
            let node = node.title();
            return Err(Error::Corrupt(format!(
                "node {node} ({op}) has {name} = {count}"
            )));
        }
    }
    Ok(())
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
