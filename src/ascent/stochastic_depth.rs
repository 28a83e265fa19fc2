//! Stochastic depth (Huang et al. 2016): in each step a residual network leaves some of its branches out, drawn at random.
//! A picture that suits every such thinner network owes little to the quirks of the one at hand, and other networks
//! recognise it more readily. Many residual networks were trained in this way.
//!
//! Rewrites a network's graph; for the machine that steps it.

use super::step_graph::names::BRANCHES;
use crate::onnx::shapes::{fixed, value_info};
use crate::onnx::{Builder, Elem, Error, Graph, Shapes, residual};

/// A network whose residual branches are multiplied by numbers that a run gives.
pub(super) struct Gated {
    pub graph: Graph,
    /// How many branches have a gate. If there are any, the graph has the further input [`BRANCHES`], (N, branches).
    pub branches: usize,
}

/// Puts a gate on every residual branch that `value` depends on. `shapes`, for a batch of `runs`, learns the types of what
/// is added. Values that the network had keep their names and, where all gates are 1, what they hold.
///
/// # Errors
/// [`Error::Corrupt`] if the graph has a value that is called as what is added would be.
pub(super) fn gate(
    graph: &Graph,
    shapes: &mut Shapes,
    runs: usize,
    value: &str,
) -> Result<Gated, Error> {
    let needed = graph.needed_for([value]);
    let branch_of: Vec<Option<usize>> = (0..graph.nodes().len())
        .map(|sum| residual::branch(graph, sum).filter(|_| needed[sum]))
        .collect();
    let branches = branch_of.iter().flatten().count();
    let mut result = graph.hollow();
    if branches > 0 {
        let gates = value_info(BRANCHES, Elem::F32, &fixed(&[runs, branches]));
        result.insert_input(gates)?;
    }
    for input in graph.inputs() {
        result.insert_input(input.clone())?;
    }
    for constant in graph.constants() {
        result.insert_constant(constant.clone())?;
    }
    let mut builder = Builder::over(result, "ascent/gated/");
    let mut column = 0;
    for (node, branch) in graph.nodes().iter().zip(branch_of) {
        let mut node = node.clone();
        if let Some(place) = branch {
            let open = &mut node.input[place];
            let gated = shapes.get(open)?.clone();
            // One number a run: (N, 1, …) of the branch's rank.
            let mut dims = vec![1; gated.dims.len()];
            dims[0] = runs as i64;
            let (index, dims) = (builder.ints(&[column]), builder.ints(&dims));
            let gate = builder.emit("Gather", &[BRANCHES, &index], &[("axis", 1i64.into())]);
            let gate = builder.emit("Reshape", &[&gate, &dims], &[]);
            *open = builder.emit("Mul", &[open, &gate], &[]);
            shapes.insert(open.as_str(), gated);
            column += 1;
        }
        builder.append(node)?;
    }
    let mut graph_with_gates = builder.into_graph();
    graph_with_gates.set_outputs(graph.outputs().to_vec());
    Ok(Gated {
        graph: graph_with_gates,
        branches,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::Dim;
    use crate::onnx::shapes::{untyped, value_info};
    use crate::onnx::{Graph, ValueType};

    const DIMS: [usize; 4] = [2, 3, 4, 4];

    /// `start + f(start)` with `f` a convolution, plus, beside it, a function of the result without weights.
    fn network() -> (Graph, Shapes) {
        let mut builder = Builder::empty(18, "");
        let dims = DIMS.map(|size| Dim::DimValue(size as i64));
        let start = builder.input("start", Elem::F32, &dims).unwrap();
        let weight = builder.floats(&[3, 3, 1, 1], &[0.5; 9]);
        builder
            .emit_named("branch", "Conv", &[&start, &weight], &[])
            .unwrap();
        builder
            .emit_named("sum", "Add", &["branch", &start], &[])
            .unwrap();
        builder
            .emit_named("cube", "Mul", &["sum", "sum"], &[])
            .unwrap();
        builder
            .emit_named("curve", "Add", &["sum", "cube"], &[])
            .unwrap();
        let mut graph = builder.into_graph();
        graph.set_outputs(vec![untyped("curve")]);
        let mut shapes = Shapes::default();
        for value in ["start", "branch", "sum", "cube", "curve"] {
            let value_type = ValueType {
                elem: Elem::F32,
                dims: DIMS.to_vec(),
            };
            shapes.insert(value, value_type);
        }
        (graph, shapes)
    }

    #[test]
    fn only_branches_with_weights_get_a_gate() {
        let (graph, mut shapes) = network();
        let gated = gate(&graph, &mut shapes, 2, "curve").unwrap();
        assert_eq!(gated.branches, 1);
        let gates = value_info(BRANCHES, Elem::F32, &fixed(&[2, 1]));
        assert!(gated.graph.inputs().contains(&gates));
        let sum = &gated.graph.nodes()[gated.graph.producer("sum").unwrap()];
        assert_eq!(sum.input[1], "start");
        let product = &gated.graph.nodes()[gated.graph.producer(&sum.input[0]).unwrap()];
        assert!(product.is("Mul") && product.input[0] == "branch");
        assert_eq!(shapes.get(&sum.input[0]).unwrap().dims, DIMS);
        let curve = &gated.graph.nodes()[gated.graph.producer("curve").unwrap()];
        assert_eq!(curve.input, ["sum", "cube"]);
    }

    #[test]
    fn a_value_without_branches_before_it_needs_no_gates() {
        let (graph, mut shapes) = network();
        let gated = gate(&graph, &mut shapes, 2, "branch").unwrap();
        assert_eq!(gated.branches, 0);
        assert_eq!(gated.graph.inputs(), graph.inputs());
        assert_eq!(gated.graph.nodes(), graph.nodes());
    }
}
