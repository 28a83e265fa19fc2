//! Resolves sequences and optional values that are known statically, as lists of tensor names. Nodes that read an
//! element read the tensor itself instead, so that the sequence operators disappear and the graph becomes
//! differentiable. Loop-carried sequences are known once the loop is unrolled (see
//! [`control_flow`](crate::onnx::passes::control_flow)).

mod interpret;

use crate::onnx::proto::NodeProto;
use crate::onnx::{Error, Graph, NameScope, Patch, Types, names};
use interpret::Interpreter;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// Maximum of the cost of the resulting graph (see [`names::cost`]) plus the lengths of all lists. Sequences beyond it
/// are kept.
const MAX_COST: usize = 1 << 18;

/// Sequence and optional operators, sorted.
const OPERATORS: &[&str] = &[
    "ConcatFromSequence",
    "Optional",
    "OptionalGetElement",
    "OptionalHasElement",
    "SequenceAt",
    "SequenceConstruct",
    "SequenceEmpty",
    "SequenceErase",
    "SequenceInsert",
    "SequenceLength",
    "SplitToSequence",
];

/// The value of a sequence or optional.
#[derive(Debug, Clone)]
enum SequenceValue {
    /// A sequence of tensors, by name.
    List(Vec<Rc<str>>),
    /// An optional that holds a tensor.
    Tensor(Rc<str>),
    /// An empty optional.
    Empty,
}

/// What becomes of a node.
enum Rewrite {
    Keep,
    /// The value of its output is known. The node is removed if nothing reads the output any more.
    Known(SequenceValue),
    Replace(Patch),
}

/// The graph with all known sequences resolved, or `None` if nothing changes. `shapes` holds the types of the values
/// for each choice of the input dimensions.
///
/// # Errors
/// [`Error::Corrupt`] if the graph is inconsistent.
pub fn resolve(graph: &Graph, shapes: &[Types]) -> Result<Option<Graph>, Error> {
    if !graph.nodes().iter().any(is_sequence_op) {
        return Ok(None);
    }
    let mut interpreter = Interpreter {
        graph,
        shapes,
        values: HashMap::new(),
        scope: NameScope::from_graph(graph),
        budget: MAX_COST.saturating_sub(names::cost(graph.nodes())),
    };
    let nodes = graph.nodes().iter();
    let rewrites: Vec<Rewrite> = nodes.map(|node| interpreter.rewrite(node)).collect();
    let kept = kept(graph, &rewrites);
    let changes =
        |(rewrite, kept): (&Rewrite, &bool)| !kept || matches!(rewrite, Rewrite::Replace(..));
    if !rewrites.iter().zip(&kept).any(changes) {
        return Ok(None);
    }
    let mut result = graph.without_nodes();
    for ((node, rewrite), kept) in graph.nodes().iter().zip(rewrites).zip(kept) {
        match rewrite {
            Rewrite::Replace(patch) => patch.insert_into(&mut result)?,
            _ if kept => result.insert_node(node.clone())?,
            _ => {}
        }
    }
    result.set_outputs(graph.outputs().to_vec());
    Ok(Some(result))
}

fn is_sequence_op(node: &NodeProto) -> bool {
    let op = node.standard_op();
    op.is_some_and(|op| OPERATORS.binary_search(&op).is_ok())
}

/// Whether each node is kept: all except those of known value that nothing reads any more.
fn kept(graph: &Graph, rewrites: &[Rewrite]) -> Vec<bool> {
    let outputs = graph.outputs().iter().map(|output| output.name.as_str());
    let mut read: HashSet<&str> = outputs.collect();
    let mut kept = vec![true; rewrites.len()];
    for (index, (node, rewrite)) in graph.nodes().iter().zip(rewrites).enumerate().rev() {
        let readers: &[NodeProto] = match rewrite {
            Rewrite::Replace(patch) => &patch.nodes,
            Rewrite::Known(_) if !node.output.iter().any(|name| read.contains(name.as_str())) => {
                kept[index] = false;
                &[]
            }
            _ => std::slice::from_ref(node),
        };
        read.extend(readers.iter().flat_map(NodeProto::reads));
    }
    kept
}
