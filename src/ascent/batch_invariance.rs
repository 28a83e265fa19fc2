//! Batch invariance: a step graph for several runs whose results equal those of separate runs, bit for bit.
//!
//! On the CPU, most operators of ONNX Runtime are batch-invariant: convolutions, matrix products, pools and
//! normalizations sum each result in an order that does not depend on the batch size. Two kinds of operators are not
//! (measured per operator with 1.32.0 and 1 to 16 threads). Sums and means add 16 elements at a time, from the first
//! 64-byte boundary on; and over an axis that is not the last, they use a matrix product if another axis precedes it.
//! Some functions use one formula for blocks of 16 elements and another for the remainder. Either way, the last bit
//! depends on the position of a picture in memory. An ascent is chaotic: one bit leads to a different picture within
//! ten steps.
//!
//! Such nodes are split into one node per picture. So are sums past which ONNX Runtime may move a transposition, which
//! changes their axes. It may do so for one picture and not for several, hence networks with such sums (those that
//! transpose channels or tokens) are not guaranteed to be invariant. The batch axis of each value is determined by
//! comparison with the step graph of a single run, which is otherwise identical.

use super::Error;
use super::step_graph::example_types;
use super::stochastic_depth::Batch;
use crate::onnx::proto::{ModelProto, NodeProto};
use crate::onnx::types::resolve_index;
use crate::onnx::{Builder, Graph, NameScope, Types, own_operators};
use std::collections::HashSet;

/// Operators whose result for an element depends on its position in memory.
const POSITION_DEPENDENT: [&str; 11] = [
    "Acos", "Asin", "Atan", "Celu", "Cos", "Elu", "Log", "Mish", "Selu", "Sin", "Softplus",
];

/// Operators whose result depends on the alignment of rows, and on the axes around the reduced ones.
const SUMS: [&str; 3] = ["InstanceNormalization", "ReduceMean", "ReduceSum"];

/// Operators past which ONNX Runtime never moves a transposition. Past others it may, which changes the axes of a sum.
const TRANSPOSE_BARRIERS: [&str; 12] = [
    "AveragePool",
    "Conv",
    "ConvTranspose",
    "Einsum",
    "Flatten",
    "Gemm",
    "GlobalAveragePool",
    "InstanceNormalization",
    "LayerNormalization",
    "MatMul",
    "MaxPool",
    "Reshape",
];

/// Number of float32 elements between two aligned boundaries.
const ALIGNMENT: usize = 16;

/// A step graph for several runs.
pub(super) struct BatchInvariant {
    pub model: ModelProto,
    /// Whether each result equals that of a separate run, bit for bit.
    pub is_exact: bool,
}

/// Rewrites `batch`, the step graph for `runs` runs, to treat each run as `one`, the step graph for a single run, does.
///
/// # Errors
/// [`Error::Runtime`] if ONNX Runtime rejects either graph.
pub(super) fn make_batch_invariant(
    batch: ModelProto,
    one: ModelProto,
    runs: usize,
) -> Result<BatchInvariant, Error> {
    let unchanged = batch.clone();
    let (graph, one) = (Graph::new(batch)?, Graph::new(one)?);
    if !same_nodes(&graph, &one) {
        tracing::warn!(
            "the step graphs of one run and of {runs} differ; their pictures may differ too"
        );
        return Ok(BatchInvariant {
            model: unchanged,
            is_exact: false,
        });
    }
    let shapes = example_types(&graph)?;
    let shapes_of_one = renamed(&example_types(&one)?, &one, &graph);
    let pictures = Pictures {
        transposable: transposable(&graph),
        shapes: &shapes,
        batch: Batch {
            one: &shapes_of_one,
            runs,
        },
    };
    let mut result = graph.empty_like();
    for input in graph.inputs() {
        result.insert_input(input.clone())?;
    }
    for constant in graph.constants() {
        result.insert_constant(constant.clone())?;
    }
    let mut builder = Builder::extend(result, "ascent/batch_invariance/");
    builder.reserve(NameScope::from_graph(&graph));
    let mut is_exact = true;
    for node in graph.nodes() {
        match pictures.treatment(&graph, node) {
            Treatment::Batched => builder.append(node.clone())?,
            Treatment::PerPicture {
                input,
                output,
                is_settled,
            } => {
                is_exact &= is_settled;
                split(&mut builder, node, (input, output), runs)?;
            }
            Treatment::Unknown => {
                tracing::warn!(
                    node = node.display_name(),
                    "may treat the pictures of a batch differently"
                );
                is_exact = false;
                builder.append(node.clone())?;
            }
        }
    }
    let model = builder.graph().to_model(graph.outputs())?;
    Ok(BatchInvariant { model, is_exact })
}

/// Whether two graphs have the same nodes in the same order, ignoring names.
fn same_nodes(a: &Graph, b: &Graph) -> bool {
    let alike = |(a, b): (&NodeProto, &NodeProto)| {
        let counts = |node: &NodeProto| (node.input.len(), node.output.len());
        a.op_type == b.op_type && counts(a) == counts(b)
    };
    a.nodes().len() == b.nodes().len() && a.nodes().iter().zip(b.nodes()).all(alike)
}

/// The types of the values of `one`, by the corresponding names in `batch`. Both have the same nodes.
fn renamed(types: &Types, one: &Graph, batch: &Graph) -> Types {
    let nodes = one.nodes().iter().zip(batch.nodes());
    let outputs = nodes.flat_map(|(one, batch)| one.output.iter().zip(&batch.output));
    let inputs = one.inputs().iter().map(|input| (&input.name, &input.name));
    let typed = outputs
        .chain(inputs)
        .filter_map(|(name, known_as)| Some((known_as.clone(), types.find(name)?.clone())));
    typed.collect()
}

/// The values past which ONNX Runtime may move a transposition.
fn transposable(graph: &Graph) -> HashSet<&str> {
    let mut transposable = HashSet::new();
    for node in graph.nodes() {
        let is_transposable = node.is_op("Transpose")
            || !is_transpose_barrier(node)
                && node.reads().any(|value| transposable.contains(value));
        if is_transposable {
            transposable.extend(node.output.iter().map(String::as_str));
        }
    }
    transposable
}

/// ONNX Runtime does not know [`own_operators`], and moves nothing past them.
fn is_transpose_barrier(node: &NodeProto) -> bool {
    node.domain == own_operators::DOMAIN || TRANSPOSE_BARRIERS.iter().any(|op| node.is_op(op))
}

/// The treatment of a node.
enum Treatment {
    /// It is batch-invariant and stays.
    Batched,
    /// It is split into one node per picture.
    PerPicture {
        /// The batch axis of its first input.
        input: usize,
        /// The batch axis of its output.
        output: usize,
        /// Whether the reduced axes are final: no transposition can be moved past the node.
        is_settled: bool,
    },
    /// It may not be batch-invariant, and its batch axis is unknown.
    Unknown,
}

/// The batch axes of the values.
struct Pictures<'a> {
    /// Values after transpositions that ONNX Runtime may move.
    transposable: HashSet<&'a str>,
    shapes: &'a Types,
    batch: Batch<'a>,
}

impl Pictures<'_> {
    fn treatment(&self, graph: &Graph, node: &NodeProto) -> Treatment {
        let is_position_dependent = POSITION_DEPENDENT.iter().any(|op| node.is_op(op));
        if !is_position_dependent && !SUMS.iter().any(|op| node.is_op(op)) {
            return Treatment::Batched;
        }
        let (Some(input), [output]) = (node.input_at(0), node.output.as_slice()) else {
            return Treatment::Unknown;
        };
        let Some(value_type) = self.shapes.find(input) else {
            return Treatment::Unknown;
        };
        let dims = &value_type.dims;
        let Some(axis) = self.axis(input) else {
            let of_one = self.batch.one.find(input).map(|one| &one.dims);
            // Equal for all pictures, or without a recognisable batch axis.
            return if of_one == Some(dims) {
                Treatment::Batched
            } else {
                Treatment::Unknown
            };
        };
        if !is_position_dependent {
            match reduced(graph, node, dims.len()) {
                None => return Treatment::Unknown,
                Some(reduced) if is_invariant(&reduced, axis, dims) && self.is_settled(input) => {
                    return Treatment::Batched;
                }
                Some(_) => {}
            }
        }
        match self.axis(output) {
            Some(output) => Treatment::PerPicture {
                input: axis,
                output,
                is_settled: is_position_dependent || self.is_settled(input),
            },
            None => Treatment::Unknown,
        }
    }

    /// Whether the axes of a value are final.
    fn is_settled(&self, value: &str) -> bool {
        !self.transposable.contains(value)
    }

    /// The batch axis of a value.
    fn axis(&self, value: &str) -> Option<usize> {
        let dims = &self.shapes.find(value)?.dims;
        self.batch.axis(value, dims).map(|(axis, _)| axis)
    }
}

/// The axes that a node reduces, for an input of this rank.
fn reduced(graph: &Graph, node: &NodeProto, rank: usize) -> Option<Vec<usize>> {
    if node.is_op("InstanceNormalization") {
        return Some((2..rank).collect());
    }
    let axes = match node.input_at(1) {
        Some(axes) => graph.constant(axes)?.to_i64().ok()?,
        None => node.ints("axes").unwrap_or_default().to_vec(),
    };
    if axes.is_empty() {
        let is_nothing = node.int("noop_with_empty_axes").unwrap_or(0) != 0;
        return Some(if is_nothing {
            Vec::new()
        } else {
            (0..rank).collect()
        });
    }
    axes.into_iter()
        .map(|axis| resolve_index(axis, rank))
        .collect()
}

/// Whether sums over the axes `reduced` are batch-invariant.
fn is_invariant(reduced: &[usize], pictures: usize, dims: &[usize]) -> bool {
    let adds_nothing = reduced.iter().all(|axis| dims[*axis] == 1);
    adds_nothing || is_last(reduced, pictures, dims) && are_aligned(pictures, dims)
}

/// Whether no kept axis follows a reduced one, ignoring the batch axis and axes of size 1.
fn is_last(reduced: &[usize], pictures: usize, dims: &[usize]) -> bool {
    let counts = |axis: &usize| *axis != pictures && dims[*axis] != 1;
    let is_reduced = |axis: &usize| reduced.contains(axis);
    let axes = (0..dims.len()).filter(counts);
    axes.skip_while(|axis| !is_reduced(axis))
        .all(|axis| is_reduced(&axis))
}

/// Whether every picture is aligned if the first is.
fn are_aligned(pictures: usize, dims: &[usize]) -> bool {
    let picture: usize = dims[pictures + 1..].iter().product();
    picture.is_multiple_of(ALIGNMENT)
}

/// Appends `node` once per picture. `axes` are the batch axes of its first input and of its output.
fn split(
    builder: &mut Builder,
    node: &NodeProto,
    axes: (usize, usize),
    runs: usize,
) -> Result<(), Error> {
    let along = [
        ("axis", (axes.0 as i64).into()),
        ("num_outputs", (runs as i64).into()),
    ];
    // A square is computed per picture too, which saves a round trip to memory.
    let squared = squared(builder.graph(), &node.input[0]);
    let value = squared.as_ref().unwrap_or(&node.input[0]);
    let pictures = builder.emit_many("Split", &[value], &along, runs);
    let results = pictures.into_iter().map(|picture| {
        let mut single = node.clone();
        let picture = match squared {
            Some(_) => builder.emit("Mul", &[&picture, &picture], &[]),
            None => picture,
        };
        single.input[0] = picture;
        builder.emit_copy(single)
    });
    let results = results.collect::<Result<Vec<String>, _>>()?;
    let results: Vec<&str> = results.iter().map(String::as_str).collect();
    let along = [("axis", (axes.1 as i64).into())];
    builder.emit_named(&node.output[0], "Concat", &results, &along)?;
    Ok(())
}

/// The value of which `value` is the square.
fn squared(graph: &Graph, value: &str) -> Option<String> {
    let node = &graph.nodes()[graph.producer(value)?];
    let is_square = node.is_op("Mul") && node.input.len() == 2 && node.input[0] == node.input[1];
    is_square.then(|| node.input[0].clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_up_to_the_last_axis_are_invariant() {
        // Over positions, over a complete picture, over tokens of one feature.
        assert!(is_last(&[2, 3], 0, &[8, 3, 7, 7]));
        assert!(is_last(&[1, 2, 3], 0, &[8, 3, 7, 7]));
        assert!(is_last(&[1], 0, &[8, 50, 1]));
        // Over channels, over tokens, over positions with channels last.
        assert!(!is_last(&[1], 0, &[8, 320, 7, 7]));
        assert!(!is_last(&[1], 0, &[8, 50, 64]));
        assert!(!is_last(&[1, 2], 0, &[8, 7, 7, 64]));
        // 3 · 53 · 53 elements are not a multiple of 16, 320 · 7 · 7 are.
        assert!(!are_aligned(0, &[8, 3, 53, 53]) && are_aligned(0, &[8, 320, 7, 7]));
        assert!(are_aligned(1, &[50, 8, 64]) && !are_aligned(1, &[50, 8, 60]));
        // Tokens first: the batch axis does not count.
        assert!(is_last(&[2], 1, &[50, 8, 64]));
        assert!(!is_last(&[0], 1, &[50, 8, 64]));
    }
}
