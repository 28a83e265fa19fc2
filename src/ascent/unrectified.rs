//! A layer without the rectifier before it: a ReLU, or a Clip such as ReLU6.
//!
//! An inactive channel has a gradient of 0 after its rectifier, but not before it. Between the rectifier and the layer
//! there may be operators that only move, average or scale values, such as pooling: they are repeated on the input of
//! the rectifier.

use crate::onnx::proto::NodeProto;
use crate::onnx::{Builder, Error, Graph, Types};

/// Operators of one non-constant input that move, average, select or scale its elements.
const PASSING: &[&str] = &[
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Concat",
    "Div",
    "Dropout",
    "Flatten",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Identity",
    "MaxPool",
    "Mul",
    "Pad",
    "ReduceMax",
    "ReduceMean",
    "Reshape",
    "Slice",
    "Squeeze",
    "Sub",
    "Transpose",
    "Unsqueeze",
];

/// Maximum number of operators between the rectifier and the layer.
const MAX_DEPTH: usize = 8;

/// Emits `value` without its rectifier, and returns the name of the result; `None` if there is no rectifier.
///
/// # Errors
/// [`Error`] if the type of a value is unknown.
pub(super) fn emit(
    builder: &mut Builder,
    shapes: &mut Types,
    value: &str,
) -> Result<Option<String>, Error> {
    let Some(path) = path(builder.graph(), shapes, value) else {
        return Ok(None);
    };
    let mut before = path.before;
    for step in path.nodes.into_iter().rev() {
        let original = step.node.output[0].clone();
        let mut node = step.node;
        node.input[step.place].clone_from(&before);
        before = builder.emit_copy(node)?;
        let value_type = shapes.get(&original)?.clone();
        shapes.insert(&before, value_type);
    }
    Ok(Some(before))
}

/// The operators from the input of a rectifier to the layer.
struct Path {
    /// The input of the rectifier.
    before: String,
    /// The operators in between, in reverse order.
    nodes: Vec<Step>,
}

/// An operator between the rectifier and the layer.
struct Step {
    node: NodeProto,
    /// The index of its input that comes from the rectifier.
    place: usize,
}

/// The path from a rectifier to `value`; `None` if there is no rectifier, or another operator lies between.
fn path(graph: &Graph, shapes: &Types, value: &str) -> Option<Path> {
    let (mut at, mut nodes) = (value.to_string(), Vec::new());
    while nodes.len() <= MAX_DEPTH {
        let node = &graph.nodes()[graph.producer(&at)?];
        if node.is_op("Relu") || node.is_op("Clip") {
            let before = node.input_at(0)?;
            let same = shapes.find(before)?.dims == shapes.find(&at)?.dims;
            return same.then(|| Path {
                before: before.into(),
                nodes,
            });
        }
        let place = passing(graph, node)?;
        at.clone_from(&node.input[place]);
        nodes.push(Step {
            node: node.clone(),
            place,
        });
    }
    None
}

/// The only non-constant input of an operator of the table.
fn passing(graph: &Graph, node: &NodeProto) -> Option<usize> {
    let is_known = PASSING.iter().any(|op| node.is_op(op));
    let is_fixed = |name: &String| name.is_empty() || graph.constant(name).is_some();
    let mut moving = (0..node.input.len()).filter(|&place| !is_fixed(&node.input[place]));
    let place = moving
        .next()
        .filter(|_| is_known && node.output.len() == 1)?;
    moving.next().is_none().then_some(place)
}
