//! Resolves control flow that is known statically: an `If` with a constant condition is replaced by the branch taken,
//! and a `Loop` or `Scan` of known trip count is unrolled. Outputs keep their names. Values of a branch keep theirs
//! unless they are taken; values of a loop body are called `LOOP/ITERATION/VALUE`.

mod splice;
mod trip_count;
mod unroll;

use crate::onnx::passes::skipped::Skipped;
use crate::onnx::proto::{GraphProto, NodeProto, TensorProto};
use crate::onnx::tensor::element_count;
use crate::onnx::{Error, Graph, NameScope, Types, names};
use crate::text::quoted;
use splice::Splicer;
use std::cell::OnceCell;
use unroll::UnrolledLoop;

/// Maximum cost of the graph after unrolling (see [`names::cost`]). Loops that would exceed it are kept.
const MAX_COST: usize = 1 << 18;

/// The graph with control flow resolved, or `None` if nothing can be. Control flow nested in a branch or body is
/// resolved by the next call. `shapes` holds the types of the values for each choice of the input dimensions; the
/// length of a scan axis counts as known if it is the same in all of them.
///
/// # Errors
/// [`Error::Corrupt`] if a branch or body is inconsistent with the graph around it.
pub fn resolve(graph: &Graph, shapes: &[Types]) -> Result<Option<Graph>, Error> {
    let mut budget = Budget::new(graph);
    let mut replacements = Vec::new();
    for node in graph.nodes() {
        let replacement = is_control_flow(node).then(|| replacement(graph, shapes, node, budget));
        let replacement = replacement.and_then(Result::ok);
        if let Some(Replacement::Unrolled(unrolled)) = &replacement {
            budget.growth = budget.growth.saturating_sub(unrolled.cost());
        }
        replacements.push(replacement);
    }
    if replacements.iter().all(Option::is_none) {
        return Ok(None);
    }
    let result = graph.without_nodes();
    // Values within a replaced node may keep their names.
    let mut scope = NameScope::from_values(graph);
    for (node, replacement) in graph.nodes().iter().zip(&replacements) {
        if replacement.is_none() {
            scope.insert_outputs(std::slice::from_ref(node));
        }
    }
    let mut splicer = Splicer::new(result, scope);
    for (node, replacement) in graph.nodes().iter().zip(replacements) {
        match replacement {
            None => splicer.keep(node.clone())?,
            Some(Replacement::Branch(branch)) => splicer.inline_branch(node, branch)?,
            Some(Replacement::Unrolled(unrolled)) => splicer.unroll(node, &unrolled)?,
        }
    }
    let mut result = splicer.into_graph();
    result.set_outputs(graph.outputs().to_vec());
    Ok(Some(result))
}

/// Why control flow of a graph is not resolved.
pub struct SkipReasons<'a> {
    graph: &'a Graph,
    shapes: &'a Types,
    /// Computed on first use.
    budget: OnceCell<Budget>,
}

impl<'a> SkipReasons<'a> {
    /// For `graph`, whose values have the types `shapes`.
    pub fn new(graph: &'a Graph, shapes: &'a Types) -> Self {
        Self {
            graph,
            shapes,
            budget: OnceCell::new(),
        }
    }

    /// Why an `If`, `Loop` or `Scan` is kept; `None` if it can be resolved, or for other operators.
    pub fn find(&self, node: &NodeProto) -> Option<String> {
        if !is_control_flow(node) {
            return None;
        }
        let budget = *self.budget.get_or_init(|| Budget::new(self.graph));
        let shapes = std::slice::from_ref(self.shapes);
        Some(replacement(self.graph, shapes, node, budget).err()?.0)
    }
}

fn is_control_flow(node: &NodeProto) -> bool {
    matches!(node.op_key(), ("", "If" | "Loop" | "Scan"))
}

/// What replaces a node.
enum Replacement<'a> {
    Branch(&'a GraphProto),
    Unrolled(UnrolledLoop<'a>),
}

/// Limits on resolving the control flow of a graph.
#[derive(Clone, Copy)]
struct Budget {
    /// How much the cost of the graph may still grow (see [`names::cost`]).
    growth: usize,
    /// Maximum cost of the iterations evaluated to find the trip count of one loop. A file may hold many loops.
    evaluation: usize,
}

impl Budget {
    fn new(graph: &Graph) -> Self {
        let nodes = graph.nodes().iter();
        let loops = nodes.filter(|node| is_control_flow(node)).count();
        Self {
            growth: MAX_COST.saturating_sub(names::cost(graph.nodes())),
            evaluation: MAX_COST / loops.max(1),
        }
    }
}

/// What replaces an `If`, `Loop` or `Scan`.
fn replacement<'a>(
    graph: &Graph,
    shapes: &[Types],
    node: &'a NodeProto,
    budget: Budget,
) -> Result<Replacement<'a>, Skipped> {
    let unrolled = match node.op_type.as_str() {
        "If" => return taken_branch(graph, node).map(Replacement::Branch),
        "Loop" => unroll::of_loop(graph, node, budget)?,
        _ => unroll::of_scan(graph, shapes, node)?,
    };
    unrolled.check(budget)?;
    Ok(Replacement::Unrolled(unrolled))
}

/// The branch that an `If` with a constant condition takes.
fn taken_branch<'a>(graph: &Graph, node: &'a NodeProto) -> Result<&'a GraphProto, Skipped> {
    let condition = node.input_at(0).unwrap_or_default();
    let constant = graph.constant(condition).map(scalar_value).transpose()?;
    let Some(value) = constant.flatten() else {
        let condition = quoted(condition);
        return Err(Skipped(format!(
            "its condition {condition} depends on the input"
        )));
    };
    let name = if value == 0.0 {
        "else_branch"
    } else {
        "then_branch"
    };
    let attribute = node.attribute_named(name);
    let branch = attribute.and_then(|attribute| attribute.g.as_deref());
    let matches =
        |branch: &&GraphProto| branch.output.len() == node.output.len() && is_dense(branch);
    let branch = branch.filter(matches);
    branch.ok_or_else(|| "its branch has other outputs, or sparse initializers".into())
}

/// Whether a graph has no sparse initializers, which are not supported.
fn is_dense(graph: &GraphProto) -> bool {
    graph.sparse_initializer.is_empty()
}

/// The value of a tensor of one element, with booleans as 0 or 1; `None` for other tensors.
fn scalar_value(tensor: &TensorProto) -> Result<Option<f64>, Error> {
    if element_count(&tensor.dims) != Some(1) {
        return Ok(None);
    }
    Ok(tensor.to_f64()?.first().copied())
}
