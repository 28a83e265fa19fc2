//! The step of several runs at once, in a form that gives each the bytes that it gets alone.
//!
//! On the CPU, ONNX Runtime computes every picture of a batch as it computes one alone: convolutions, products of matrices,
//! pools and normalisations add up each result in an order that does not hang on the number of pictures. Measured op by op
//! (1.32.0, 1 to 16 threads), two kinds of nodes do not. Sums and means add up 16 elements at a time, from the first that
//! lies on a boundary of 64 bytes; and over an axis that has another one after it, row by row for one picture but by a
//! product of matrices once an axis stands before it. Some functions are computed for 16 elements at once by one formula and
//! for what is left over by another. Either way the last bit hangs on where in memory a picture lies. An ascent is chaotic:
//! one bit becomes another picture within ten steps.
//!
//! Such nodes are given one picture at a time, and so is a sum whose axes may become others because ONNX Runtime moves a
//! transposition past it. It may move it for one picture and not for several: for networks with such sums, those that turn
//! channels or tokens to another axis, nothing is promised. Where the pictures lie in a value follows from the step graph of one run,
//! which is the same but for that.

use super::Error;
use super::step_graph;
use super::stochastic_depth::Batch;
use crate::onnx::proto::{ModelProto, NodeProto};
use crate::onnx::{Builder, Graph, Shapes};
use crate::runtime::shape_inference;
use std::collections::HashSet;

/// Ops whose result for an element hangs on where it lies in memory.
const PLACED: [&str; 11] = [
    "Acos", "Asin", "Atan", "Celu", "Cos", "Elu", "Log", "Mish", "Selu", "Sin", "Softplus",
];

/// Ops whose result hangs on where rows begin, and on which axes stand around the ones that they reduce.
const SUMS: [&str; 3] = ["InstanceNormalization", "ReduceMean", "ReduceSum"];

/// Ops past which ONNX Runtime moves no transposition. Past others it may, and with it the axes of a sum.
const FIXED: [&str; 12] = [
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

/// As many float32 elements lie between the boundaries at which sums begin anew.
const BOUNDARY: usize = 16;

/// A step graph of several runs.
pub(super) struct Alike {
    pub model: ModelProto,
    /// Whether each run gets the bytes that it gets alone.
    pub is_exact: bool,
}

/// `batch`, the step graph of `runs` runs, in a form that treats each as `one`, the step graph of one run, does.
///
/// # Errors
/// [`Error::Runtime`] if ONNX Runtime refuses either.
pub(super) fn form(batch: ModelProto, one: ModelProto, runs: usize) -> Result<Alike, Error> {
    let unchanged = batch.clone();
    let (graph, one) = (Graph::new(batch)?, Graph::new(one)?);
    if !same_nodes(&graph, &one) {
        tracing::warn!("the step graphs of one run and of {runs} differ: their pictures may");
        return Ok(Alike {
            model: unchanged,
            is_exact: false,
        });
    }
    let (shapes, shapes_of_one) = (types(&graph)?, renamed(&types(&one)?, &one, &graph));
    let pictures = Pictures {
        turned: turned(&graph),
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
    let mut builder = Builder::extend(result, "ascent/alike/");
    let mut is_exact = true;
    for node in graph.nodes() {
        match pictures.treatment(&graph, node) {
            Treatment::Together => builder.append(node.clone())?,
            Treatment::Apart {
                input,
                output,
                is_settled,
            } => {
                is_exact &= is_settled;
                apart(&mut builder, node, (input, output), runs)?;
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
    Ok(Alike { model, is_exact })
}

/// Whether two graphs have the same nodes in the same order, whatever their values are called.
fn same_nodes(a: &Graph, b: &Graph) -> bool {
    let alike = |(a, b): (&NodeProto, &NodeProto)| {
        let counts = |node: &NodeProto| (node.input.len(), node.output.len());
        a.op_type == b.op_type && counts(a) == counts(b)
    };
    a.nodes().len() == b.nodes().len() && a.nodes().iter().zip(b.nodes()).all(alike)
}

/// The types of the values of `one`, by the names that `batch` has for them. Both have the same nodes.
fn renamed(types: &Shapes, one: &Graph, batch: &Graph) -> Shapes {
    let nodes = one.nodes().iter().zip(batch.nodes());
    let outputs = nodes.flat_map(|(one, batch)| one.output.iter().zip(&batch.output));
    let inputs = one.inputs().iter().map(|input| (&input.name, &input.name));
    let typed = outputs
        .chain(inputs)
        .filter_map(|(name, known_as)| Some((known_as.clone(), types.find(name)?.clone())));
    typed.collect()
}

/// The types of all values, for a canvas of some size.
fn types(graph: &Graph) -> Result<Shapes, Error> {
    let dims = step_graph::example_dims(graph);
    let dims: Vec<(&str, &[usize])> = dims
        .iter()
        .map(|(name, dims)| (name.as_str(), dims.as_slice()))
        .collect();
    Ok(shape_inference::infer_types(graph, &dims)?)
}

/// The values that transpositions may be moved past.
fn turned(graph: &Graph) -> HashSet<&str> {
    let mut turned = HashSet::new();
    for node in graph.nodes() {
        let is_turned = node.is("Transpose")
            || !FIXED.iter().any(|op| node.is(op))
                && node.reads().any(|value| turned.contains(value));
        if is_turned {
            turned.extend(node.output.iter().map(String::as_str));
        }
    }
    turned
}

/// What is to become of a node.
enum Treatment {
    /// It treats all pictures alike.
    Together,
    /// It is given one picture at a time.
    Apart {
        /// Where they lie in its first input.
        input: usize,
        /// Where they lie in its output.
        output: usize,
        /// Whether the axes that it reduces will be those that it reduces now.
        is_settled: bool,
    },
    /// It may not treat them alike, and where they lie is not known.
    Unknown,
}

/// Where the pictures lie in each value.
struct Pictures<'a> {
    /// Values behind transpositions that ONNX Runtime may move.
    turned: HashSet<&'a str>,
    shapes: &'a Shapes,
    batch: Batch<'a>,
}

impl Pictures<'_> {
    fn treatment(&self, graph: &Graph, node: &NodeProto) -> Treatment {
        let is_placed = PLACED.iter().any(|op| node.is(op));
        if !is_placed && !SUMS.iter().any(|op| node.is(op)) {
            return Treatment::Together;
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
            // The same for every picture, or something else.
            return match of_one == Some(dims) {
                true => Treatment::Together,
                false => Treatment::Unknown,
            };
        };
        if !is_placed {
            match reduced(graph, node, dims.len()) {
                None => return Treatment::Unknown,
                Some(reduced) if is_alike(&reduced, axis, dims) && self.is_settled(input) => {
                    return Treatment::Together;
                }
                Some(_) => {}
            }
        }
        match self.axis(output) {
            Some(output) => Treatment::Apart {
                input: axis,
                output,
                is_settled: is_placed || self.is_settled(input),
            },
            None => Treatment::Unknown,
        }
    }

    /// Whether the axes of a value will be those that it has now.
    fn is_settled(&self, value: &str) -> bool {
        !self.turned.contains(value)
    }

    /// The axis of a value that has the pictures.
    fn axis(&self, value: &str) -> Option<usize> {
        let dims = &self.shapes.find(value)?.dims;
        self.batch.axis(value, dims).map(|(axis, _)| axis)
    }
}

/// The axes that sums or means of a value of this rank run over.
fn reduced(graph: &Graph, node: &NodeProto, rank: usize) -> Option<Vec<usize>> {
    if node.is("InstanceNormalization") {
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
    let resolved = axes.into_iter().map(|axis| {
        let axis = if axis < 0 { axis + rank as i64 } else { axis };
        usize::try_from(axis).ok().filter(|axis| *axis < rank)
    });
    resolved.collect()
}

/// Whether sums over the axes `reduced` add up each picture alike.
fn is_alike(reduced: &[usize], pictures: usize, dims: &[usize]) -> bool {
    let adds_nothing = reduced.iter().all(|axis| dims[*axis] == 1);
    adds_nothing || is_last(reduced, pictures, dims) && fills(pictures, dims)
}

/// Whether no axis that is kept comes after one that is reduced; the pictures' own and those of size 1 do not count.
fn is_last(reduced: &[usize], pictures: usize, dims: &[usize]) -> bool {
    let counts = |axis: &usize| *axis != pictures && dims[*axis] != 1;
    let is_reduced = |axis: &usize| reduced.contains(axis);
    let axes = (0..dims.len()).filter(counts);
    axes.skip_while(|axis| !is_reduced(axis))
        .all(|axis| is_reduced(&axis))
}

/// Whether every picture begins at a boundary if the first does.
fn fills(pictures: usize, dims: &[usize]) -> bool {
    let picture: usize = dims[pictures + 1..].iter().product();
    picture.is_multiple_of(BOUNDARY)
}

/// Appends `node` once for each of `runs` pictures, which lie on the first of `axes` in its first input and on the second in
/// its output.
fn apart(
    builder: &mut Builder,
    node: &NodeProto,
    axes: (usize, usize),
    runs: usize,
) -> Result<(), Error> {
    let along = [
        ("axis", (axes.0 as i64).into()),
        ("num_outputs", (runs as i64).into()),
    ];
    // A square is taken picture by picture too: it need not go to memory and back.
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

/// What `value` is the square of.
fn squared(graph: &Graph, value: &str) -> Option<String> {
    let node = &graph.nodes()[graph.producer(value)?];
    let is_square = node.is("Mul") && node.input.len() == 2 && node.input[0] == node.input[1];
    is_square.then(|| node.input[0].clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_that_end_with_the_last_axis_are_alike() {
        // Over places, over all of a picture, over tokens of one feature.
        assert!(is_last(&[2, 3], 0, &[8, 3, 7, 7]));
        assert!(is_last(&[1, 2, 3], 0, &[8, 3, 7, 7]));
        assert!(is_last(&[1], 0, &[8, 50, 1]));
        // Over channels, over tokens, over the rows of pixels with their channels last.
        assert!(!is_last(&[1], 0, &[8, 320, 7, 7]));
        assert!(!is_last(&[1], 0, &[8, 50, 64]));
        assert!(!is_last(&[1, 2], 0, &[8, 7, 7, 64]));
        // 3 · 53 · 53 elements are no multiple of 16, 320 · 7 · 7 are.
        assert!(!fills(0, &[8, 3, 53, 53]) && fills(0, &[8, 320, 7, 7]));
        assert!(fills(1, &[50, 8, 64]) && !fills(1, &[50, 8, 60]));
        // Tokens first: the pictures' axis is none of those that count.
        assert!(is_last(&[2], 1, &[50, 8, 64]));
        assert!(!is_last(&[0], 1, &[50, 8, 64]));
    }
}
