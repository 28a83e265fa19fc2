//! Control flow that is decided before a model runs: the branch that a constant condition takes, and the turns of a loop
//! or scan whose number is known, take the place of the `If`, `Loop` or `Scan`. What it makes keeps its name; values within
//! keep theirs where they are free, those of a loop are called `LOOP/TURN/VALUE`.

mod splice;
mod turns;

use super::proto::{GraphProto, NodeProto, TensorProto};
use super::tensor::element_count;
use super::{Error, Graph, Shapes, scope};
use splice::Splice;
use std::collections::HashSet;
use turns::Turns;

/// How large a graph may be after a loop is unrolled (see [`scope::size`]). Loops that would become more stay loops.
const MOST: usize = 1 << 20;

/// The graph with everything decided that is constant, or `None` if nothing is. What was within a branch may be decided
/// the next time. `shapes` are the types of the graph's values, once for each choice of its inputs' dimensions: how long a
/// sequence is counts as known if it is the same for all.
///
/// # Errors
/// [`Error::Corrupt`] if a branch or a loop's body contradicts the graph around it.
pub fn decide(graph: &Graph, shapes: &[Shapes]) -> Result<Option<Graph>, Error> {
    let mut size = scope::size(graph.nodes());
    let mut decided = Vec::new();
    for node in graph.nodes() {
        let found = match node.op_type.as_str() {
            _ if !super::graph::is_default_domain(&node.domain) => None,
            "If" => taken_branch(graph, node)?.map(Decided::Branch),
            "Loop" => turns::of_loop(graph, node)?.map(Decided::Turns),
            "Scan" => turns::of_scan(graph, shapes, node).map(Decided::Turns),
            _ => None,
        };
        let found = match found {
            Some(Decided::Turns(turns)) => {
                let fits = turns.fit(MOST.saturating_sub(size));
                size += if fits { turns.size() } else { 0 };
                fits.then_some(Decided::Turns(turns))
            }
            other => other,
        };
        decided.push(found);
    }
    if decided.iter().all(Option::is_none) {
        return Ok(None);
    }
    let mut result = graph.hollow();
    for input in graph.inputs() {
        result.insert_input(input.clone())?;
    }
    for constant in graph.constants() {
        result.insert_constant(constant.clone())?;
    }
    let mut taken: HashSet<String> = graph.names().map(str::to_owned).collect();
    let stay = graph
        .nodes()
        .iter()
        .zip(&decided)
        .filter(|(_, decided)| decided.is_none());
    stay.for_each(|(node, _)| {
        scope::made(std::slice::from_ref(node), &mut |name| {
            taken.insert(name.to_owned());
        })
    });
    let mut splice = Splice::onto(result, taken);
    for (node, decided) in graph.nodes().iter().zip(decided) {
        match decided {
            None => splice.keep(node.clone())?,
            Some(Decided::Branch(branch)) => splice.branch(node, branch)?,
            Some(Decided::Turns(turns)) => splice.unroll(node, &turns)?,
        }
    }
    let mut result = splice.into_graph();
    result.set_outputs(graph.outputs().to_vec());
    Ok(Some(result))
}

/// What stands in a node's place.
enum Decided<'a> {
    Branch(&'a GraphProto),
    Turns(Turns<'a>),
}

/// The graph that an `If` with a constant condition runs.
fn taken_branch<'a>(graph: &Graph, node: &'a NodeProto) -> Result<Option<&'a GraphProto>, Error> {
    let condition = node.input_at(0).and_then(|name| graph.constant(name));
    let Some(condition) = condition.map(truth).transpose()?.flatten() else {
        return Ok(None);
    };
    let branch = if condition {
        "then_branch"
    } else {
        "else_branch"
    };
    let branch = node
        .attribute_named(branch)
        .and_then(|held| held.g.as_deref());
    Ok(branch.filter(|branch| branch.output.len() == node.output.len() && is_dense(branch)))
}

/// Whether a graph has no constants but dense ones, which are all that is read here.
fn is_dense(graph: &GraphProto) -> bool {
    graph.sparse_initializer.is_empty()
}

/// What a tensor of one element means as a condition.
fn truth(tensor: &TensorProto) -> Result<Option<bool>, Error> {
    if element_count(&tensor.dims) != Some(1) {
        return Ok(None);
    }
    Ok(Some(tensor.to_f64()?[0] != 0.0))
}
