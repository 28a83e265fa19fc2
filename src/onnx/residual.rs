//! Residual branches: `x + f(x)`, where `f` has weights.

use super::Graph;

/// Operators with weights.
const WEIGHTED: &[&str] = &["Conv", "Gemm", "MatMul"];

/// Index of the input of node `sum` that is a residual branch: `sum` is an Add, and that input depends on the other one
/// through a weighted operator. Without weights in between, it is a decomposed function such as GELU.
pub fn residual_input(graph: &Graph, sum: usize) -> Option<usize> {
    let node = &graph.nodes()[sum];
    let [first, second] = node.input.as_slice() else {
        return None;
    };
    if !node.is_op("Add") {
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

/// Whether `branch` depends on `start` through a weighted operator.
fn is_branch(graph: &Graph, start: &str, branch: &str) -> bool {
    let reached = graph.descendants([start]);
    let between = |outputs: &[String]| {
        outputs
            .iter()
            .any(|output| reached.contains(output.as_str()))
    };
    reached.contains(branch)
        && graph
            .nodes()
            .iter()
            .zip(graph.ancestors([branch]))
            .filter(|(node, is_ancestor)| *is_ancestor && between(&node.output))
            .any(|(node, _)| WEIGHTED.iter().any(|op| node.is_op(op)))
}
