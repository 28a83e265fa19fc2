//! What an ascent climbs: the score of a class, of a channel, of one neuron, or of a whole layer.
//!
//! Every score is a weighted sum of one value of the network, so its gradient starts from the weights themselves
//! (a class, channel or neuron), or is the mean square of that value (a layer).

use crate::model::Layout;
use crate::onnx::{Builder, Error as GraphError, Shapes, ValueType};
use serde::{Deserialize, Serialize};

/// Which score. Equal kinds on equal values share one step graph; what differs between runs is in [`Unit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The logit of a class. The value is (N, classes).
    Class,
    /// The mean of a channel over its places.
    Channel,
    /// One place of a channel.
    Neuron,
    /// The mean square of a whole value, of any rank.
    Layer,
}

/// What is climbed: a kind of score of one of the network's values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Objective {
    pub kind: Kind,
    /// Name of the value: the logits for a class, else a layer.
    pub value: String,
}

/// Which class, channel or neuron of the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Unit {
    /// Class or channel; not used for a layer.
    pub index: usize,
    /// Row and column; used for a neuron only.
    pub position: (usize, usize),
}

/// What is scored in a graph.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scored<'a> {
    pub kind: Kind,
    pub value: &'a str,
    /// Where the value has its channels; not needed for a whole layer.
    pub layout: Option<Layout>,
}

/// The names of an objective's parts in a step graph.
pub(super) struct Parts {
    /// The value that is scored: the network's, or what was made of it so that channels come before places.
    pub value: String,
    /// The score (N).
    pub score: String,
    /// The gradient of the score with respect to the value, of the value's dimensions.
    pub seed: String,
}

/// Emits a score and its gradient. `units` is an input (N, 2) of int64: class or channel, and the flat position in a
/// channel. `shapes` knows the value's type and learns those of what is made of it.
pub(super) fn emit(
    builder: &mut Builder,
    shapes: &mut Shapes,
    scored: Scored,
    units: &str,
) -> Result<Parts, GraphError> {
    let Scored {
        kind,
        value,
        layout,
    } = scored;
    let value = match layout {
        Some(layout) if kind != Kind::Layer => layout.planes(builder, shapes, value)?,
        _ => value.to_string(),
    };
    let value_type = shapes.get(&value)?.clone();
    let (score, seed) = emit_score(builder, kind, &value, &value_type, units)?;
    Ok(Parts { value, score, seed })
}

/// The score of `value` and its gradient; for a class, channel or neuron the value is (N, channels) or (N, channels, rows,
/// columns).
fn emit_score(
    builder: &mut Builder,
    kind: Kind,
    value: &str,
    value_type: &ValueType,
    units: &str,
) -> Result<(String, String), GraphError> {
    let dims = &value_type.dims;
    let rank = dims.len() as i64;
    let area: usize = dims.iter().skip(2).product();
    let axes: Vec<i64> = (1..rank).collect();
    let axes = builder.ints(&axes);
    let flat = [("keepdims", 0i64.into())];
    if kind == Kind::Layer {
        let count: usize = dims.iter().skip(1).product();
        let square = builder.emit("Mul", &[value, value], &[]);
        let score = builder.emit("ReduceMean", &[&square, &axes], &flat);
        let factor = builder.scalar(value_type.elem, 2.0 / count as f64)?;
        let seed = builder.emit("Mul", &[value, &factor], &[]);
        return Ok((score, seed));
    }
    let mut seed = one_hot(builder, units, 0, dims[1]);
    if rank > 2 {
        let mut column = vec![dims[0] as i64, dims[1] as i64];
        column.resize(dims.len(), 1);
        let column = builder.ints(&column);
        seed = builder.emit("Reshape", &[&seed, &column], &[]);
        let spread = if kind == Kind::Neuron {
            let mut plane: Vec<i64> = dims.iter().map(|&dim| dim as i64).collect();
            plane[1] = 1;
            let plane = builder.ints(&plane);
            let position = one_hot(builder, units, 1, area);
            builder.emit("Reshape", &[&position, &plane], &[])
        } else {
            let mut plane = vec![1; dims.len()];
            plane[2..].copy_from_slice(&dims[2..]);
            let share = builder.scalar(value_type.elem, 1.0 / area as f64)?;
            let plane: Vec<i64> = plane.into_iter().map(|dim| dim as i64).collect();
            let plane = builder.ints(&plane);
            builder.emit("Expand", &[&share, &plane], &[])
        };
        seed = builder.emit("Mul", &[&seed, &spread], &[]);
    }
    let weighted = builder.emit("Mul", &[value, &seed], &[]);
    let score = builder.emit("ReduceSum", &[&weighted, &axes], &flat);
    Ok((score, seed))
}

/// (N, depth): 1 at the index that column `column` of `units` (N, 2) holds, else 0.
fn one_hot(builder: &mut Builder, units: &str, column: i64, depth: usize) -> String {
    let column = builder.int(column);
    let index = builder.emit("Gather", &[units, &column], &[("axis", 1i64.into())]);
    let depth = builder.ints(&[depth as i64]);
    let values = builder.floats(&[2], &[0.0, 1.0]);
    builder.emit(
        "OneHot",
        &[&index, &depth, &values],
        &[("axis", (-1i64).into())],
    )
}
