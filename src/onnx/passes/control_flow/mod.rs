//! Control flow that is decided before a model runs: the branch that a constant condition takes, and the turns of a loop
//! or scan whose number is known, take the place of the `If`, `Loop` or `Scan`. What it makes keeps its name; values within
//! keep theirs where they are free, those of a loop are called `LOOP/TURN/VALUE`.

mod splice;
mod trip_count;
mod unroll;

use crate::onnx::graph::is_default_domain;
use crate::onnx::passes::skipped::Skipped;
use crate::onnx::proto::{GraphProto, NodeProto, TensorProto};
use crate::onnx::tensor::element_count;
use crate::onnx::{Error, Graph, Shapes, names, printable};
use splice::Splicer;
use std::cell::OnceCell;
use std::collections::HashSet;
use unroll::UnrolledLoop;

/// How large a graph may be after a loop is unrolled (see [`names::cost`]). Loops that would become more stay loops.
const MOST: usize = 1 << 18;

/// The graph with everything decided that is constant, or `None` if nothing is. What was within a branch may be decided
/// the next time. `shapes` are the types of the graph's values, once for each choice of its inputs' dimensions: how long a
/// sequence is counts as known if it is the same for all.
///
/// # Errors
/// [`Error::Corrupt`] if a branch or a loop's body contradicts the graph around it.
pub fn resolve(graph: &Graph, shapes: &[Shapes]) -> Result<Option<Graph>, Error> {
    let mut room = Budget::of(graph);
    let mut decided = Vec::new();
    for node in graph.nodes() {
        let found = is_control(node).then(|| found(graph, shapes, node, room));
        let found = found.and_then(Result::ok);
        if let Some(Decided::Unrolled(turns)) = &found {
            room.size = room.size.saturating_sub(turns.size());
        }
        decided.push(found);
    }
    if decided.iter().all(Option::is_none) {
        return Ok(None);
    }
    let result = graph.without_nodes();
    let mut taken: HashSet<String> = graph.names().map(str::to_owned).collect();
    let stay = graph
        .nodes()
        .iter()
        .zip(&decided)
        .filter(|(_, decided)| decided.is_none());
    stay.for_each(|(node, _)| {
        names::for_each_output(std::slice::from_ref(node), &mut |name| {
            taken.insert(name.to_owned());
        })
    });
    let mut splice = Splicer::onto(result, taken);
    for (node, decided) in graph.nodes().iter().zip(decided) {
        match decided {
            None => splice.keep(node.clone())?,
            Some(Decided::Branch(branch)) => splice.branch(node, branch)?,
            Some(Decided::Unrolled(turns)) => splice.unroll(node, &turns)?,
        }
    }
    let mut result = splice.into_graph();
    result.set_outputs(graph.outputs().to_vec());
    Ok(Some(result))
}

/// Why control flow of a graph is not decided.
pub struct SkipReasons<'a> {
    graph: &'a Graph,
    shapes: &'a Shapes,
    /// Measured when a node first asks for it, once for all.
    room: OnceCell<Budget>,
}

impl<'a> SkipReasons<'a> {
    /// Of `graph`; `shapes` are the types of its values.
    pub fn of(graph: &'a Graph, shapes: &'a Shapes) -> Self {
        Self {
            graph,
            shapes,
            room: OnceCell::new(),
        }
    }

    /// Why an `If`, `Loop` or `Scan` stays one; `None` if it need not, or is something else.
    pub fn find(&self, node: &NodeProto) -> Option<String> {
        if !is_control(node) {
            return None;
        }
        let room = *self.room.get_or_init(|| Budget::of(self.graph));
        let shapes = std::slice::from_ref(self.shapes);
        Some(found(self.graph, shapes, node, room).err()?.0)
    }
}

fn is_control(node: &NodeProto) -> bool {
    is_default_domain(&node.domain) && ["If", "Loop", "Scan"].contains(&node.op_type.as_str())
}

/// What stands in a node's place.
enum Decided<'a> {
    Branch(&'a GraphProto),
    Unrolled(UnrolledLoop<'a>),
}

/// What may be spent on a graph's control flow.
#[derive(Clone, Copy)]
struct Budget {
    /// How much larger the graph may become (see [`names::cost`]).
    size: usize,
    /// How large the turns of one loop may be that are gone through to count them: a file may hold many loops.
    trip_count: usize,
}

impl Budget {
    fn of(graph: &Graph) -> Self {
        let loops = graph.nodes().iter().filter(|node| is_control(node)).count();
        Self {
            size: MOST.saturating_sub(names::cost(graph.nodes())),
            trip_count: MOST / loops.max(1),
        }
    }
}

/// What comes in the place of an `If`, `Loop` or `Scan`.
fn found<'a>(
    graph: &Graph,
    shapes: &[Shapes],
    node: &'a NodeProto,
    room: Budget,
) -> Result<Decided<'a>, Skipped> {
    let turns = match node.op_type.as_str() {
        "If" => return taken_branch(graph, node).map(Decided::Branch),
        "Loop" => unroll::of_loop(graph, node, room)?,
        _ => unroll::of_scan(graph, shapes, node)?,
    };
    turns.check(room)?;
    Ok(Decided::Unrolled(turns))
}

/// The graph that an `If` with a constant condition runs.
fn taken_branch<'a>(graph: &Graph, node: &'a NodeProto) -> Result<&'a GraphProto, Skipped> {
    let condition = node.input_at(0).unwrap_or_default();
    let constant = graph.constant(condition).map(number).transpose()?;
    let Some(taken) = constant.flatten() else {
        let condition = printable(condition);
        return Err(Skipped(format!(
            "its condition {condition} depends on the picture"
        )));
    };
    let branch = match taken == 0.0 {
        true => "else_branch",
        false => "then_branch",
    };
    let held = node.attribute_named(branch);
    let branch = held.and_then(|held| held.g.as_deref());
    let fits = |branch: &&GraphProto| branch.output.len() == node.output.len() && is_dense(branch);
    let branch = branch.filter(fits);
    branch.ok_or_else(|| "its branch does not fit it, or has sparse constants".into())
}

/// Whether a graph has no constants but dense ones, which are all that is read here.
fn is_dense(graph: &GraphProto) -> bool {
    graph.sparse_initializer.is_empty()
}

/// What a tensor of one element holds; a truth value is 0 or 1.
fn number(tensor: &TensorProto) -> Result<Option<f64>, Error> {
    if element_count(&tensor.dims) != Some(1) {
        return Ok(None);
    }
    Ok(tensor.to_f64()?.first().copied())
}
