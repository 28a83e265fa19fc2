//! Residual branches: where a graph adds to a value what weights make of it.

use super::Graph;

/// Operators that have weights.
const WEIGHTED: &[&str] = &["Conv", "Gemm", "MatMul"];

/// Which input of node `sum` is a residual branch: the node adds it to a value that it is made from, by way of weights.
/// Without weights in between it is a function such as GELU, written out.
pub fn residual_input(graph: &Graph, sum: usize) -> Option<usize> {
    let node = &graph.nodes()[sum];
    let [first, second] = node.input.as_slice() else {
        return None;
    };
    if !node.is("Add") {
        return None;
    }
    match (
        is_branch(graph, first, second),
        is_branch(graph, second, first),
    ) {
        (true, _) => Some(1),
        (_, true) => Some(0),
        _ => None,
    }
}

/// Whether `branch` is made from `start` by way of weights.
fn is_branch(graph: &Graph, start: &str, branch: &str) -> bool {
    let after = graph.descendants([start]);
    let between = |outputs: &[String]| outputs.iter().any(|made| after.contains(made.as_str()));
    after.contains(branch)
        && graph
            .nodes()
            .iter()
            .zip(graph.needed_for([branch]))
            .filter(|(node, needed)| *needed && between(&node.output))
            .any(|(node, _)| WEIGHTED.iter().any(|op| node.is(op)))
}
