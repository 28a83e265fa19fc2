//! Sequences whose elements are known before a model runs: a list of names. What reads an element reads the tensor of that
//! name instead, so that nothing is left of the sequence; what is left is what a gradient can go through. Optional values
//! are decided in the same way. Lists that a loop carries are known once it is unrolled (see [`control`](crate::onnx::passes::control_flow)).

mod interpret;

use crate::onnx::graph::is_default_domain;
use crate::onnx::proto::{NodeProto, TensorProto};
use crate::onnx::{Error, Graph, Shapes, names};
use interpret::Interpreter;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// How many elements all lists together may have, and how large a graph may be after they are resolved (see
/// [`names::cost`]). Later ones stay what they are.
const MOST: usize = 1 << 18;

/// Operators that make, change, or read what is no tensor.
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

/// What is in a value that is no tensor.
#[derive(Debug, Clone)]
enum SequenceValue {
    /// Tensors, by name.
    List(Vec<Rc<str>>),
    /// An optional value that is there, and is a tensor.
    Tensor(Rc<str>),
    /// An optional value that is not there.
    Nothing,
}

/// What a node becomes.
enum Step {
    Stays,
    /// Its content is known: it stays only for those who read it without knowing that.
    Known(SequenceValue),
    Becomes(Vec<NodeProto>, Vec<TensorProto>),
}

/// The graph with every sequence resolved whose elements are known, or `None` if nothing changes. `shapes` are the types of
/// its values, once for each choice of its inputs' dimensions.
///
/// # Errors
/// [`Error::Corrupt`] if the graph contradicts itself.
pub fn resolve(graph: &Graph, shapes: &[Shapes]) -> Result<Option<Graph>, Error> {
    if !graph.nodes().iter().any(is_concerned) {
        return Ok(None);
    }
    let mut taken: HashSet<String> = graph.names().map(str::to_owned).collect();
    names::for_each_output(graph.nodes(), &mut |name| {
        taken.insert(name.to_owned());
    });
    let mut reader = Interpreter {
        graph,
        shapes,
        contents: HashMap::new(),
        taken,
        room: MOST.saturating_sub(names::cost(graph.nodes())),
    };
    let steps: Vec<Step> = graph.nodes().iter().map(|node| reader.step(node)).collect();
    let kept = kept(graph, &steps);
    let changes = |(step, kept): (&Step, &bool)| !kept || matches!(step, Step::Becomes(..));
    if !steps.iter().zip(&kept).any(changes) {
        return Ok(None);
    }
    let mut result = graph.without_nodes();
    for ((node, step), kept) in graph.nodes().iter().zip(steps).zip(kept) {
        match step {
            Step::Becomes(nodes, constants) => {
                for constant in constants {
                    result.insert_constant(constant)?;
                }
                for node in nodes {
                    result.insert_node(node)?;
                }
            }
            _ if kept => result.insert_node(node.clone())?,
            _ => {}
        }
    }
    result.set_outputs(graph.outputs().to_vec());
    Ok(Some(result))
}

fn is_concerned(node: &NodeProto) -> bool {
    is_default_domain(&node.domain) && OPERATORS.binary_search(&node.op_type.as_str()).is_ok()
}

/// Which nodes something needs as they are: all but those of known content that nothing reads any more.
fn kept(graph: &Graph, steps: &[Step]) -> Vec<bool> {
    let outputs = graph.outputs().iter().map(|output| output.name.as_str());
    let mut read: HashSet<&str> = outputs.collect();
    let mut kept = vec![true; steps.len()];
    for (index, (node, step)) in graph.nodes().iter().zip(steps).enumerate().rev() {
        let read_by: &[NodeProto] = match step {
            Step::Becomes(nodes, _) => nodes,
            Step::Known(_) if !node.output.iter().any(|name| read.contains(name.as_str())) => {
                kept[index] = false;
                &[]
            }
            _ => std::slice::from_ref(node),
        };
        read.extend(read_by.iter().flat_map(NodeProto::reads));
    }
    kept
}
