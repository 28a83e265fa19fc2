//! The objective of an ascent: the score of a class, a channel, a neuron, or a complete layer.
//!
//! | kind | score | its gradient with respect to the value |
//! |---|---|---|
//! | class | the logit `x_c` | 1 at `c` |
//! | class | the log-probability `log softmax(x)_c` | `(1 - p) (1_c - q)` |
//! | class, independent of the others | the log-probability `log σ(x_c)` | `1 - p` at `c` |
//! | not a class | minus the logit | -1 at `c` |
//! | not a class | the log-probability `log (1 - p)` of all other classes | `-p (1_c - q)` |
//! | channel | the mean over its positions | 1 / positions |
//! | neuron | one position of a channel | 1 there |
//! | layer | the mean square of all elements | 2 `x` / count |
//!
//! Here `p` is the probability of the class and `q` the softmax without it.
//!
//! An ascent normalizes gradients, so factors per picture (`p` and `1 - p`) are omitted: see the module `class`.

mod class;

use super::{Error, unrectified};
use crate::model::{Activation, Layout, Network};
use crate::onnx::{Builder, Error as GraphError, Types, ValueType};
use class::ClassObjective;
use serde::{Deserialize, Serialize};

/// The kind of score. Equal kinds of equal values share one step graph; runs differ in their [`Unit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The logit of a class. The value is (N, classes).
    Class,
    /// The negative of a class: minus its logit, or the log-probability of all other classes. The value is (N,
    /// classes).
    NotClass,
    /// The mean of a channel over its positions.
    Channel,
    /// One position of a channel.
    Neuron,
    /// The mean square of a value of any rank.
    Layer,
}

impl Kind {
    /// Whether the objective is a class or its negative.
    pub fn is_of_class(self) -> bool {
        matches!(self, Self::Class | Self::NotClass)
    }
}

/// The score of a class that is maximized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClassScore {
    /// Its log-probability, which also suppresses rival classes.
    #[default]
    LogProbability,
    /// Its logit alone.
    Logit,
}

/// Every score of a class and its name.
pub const CLASS_SCORES: &[(&str, ClassScore)] = &[
    ("log-probability", ClassScore::LogProbability),
    ("logit", ClassScore::Logit),
];

/// The objective: a kind of score of one of the network's values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Objective {
    pub kind: Kind,
    /// Name of the value: the logits for a class, otherwise a layer.
    pub value: String,
}

impl Objective {
    /// The score of a class of `network`; the [`Unit`] says which.
    ///
    /// # Errors
    /// [`Error::NoClassScores`] if the network has none.
    pub fn class(network: &Network) -> Result<Self, Error> {
        let scores = network.scores.as_ref();
        let scores = scores.map_err(|why| Error::NoClassScores(why.clone()))?;
        Ok(Self {
            kind: Kind::Class,
            value: scores.value.clone(),
        })
    }
}

/// The class, channel or neuron of the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Unit {
    /// Class or channel; not used for a layer.
    pub index: usize,
    /// Row and column; used for a neuron only.
    pub position: (usize, usize),
}

impl Unit {
    /// A class or channel.
    pub fn new(index: usize) -> Self {
        Self {
            index,
            position: (0, 0),
        }
    }
}

/// The specification of a score in a graph.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scored<'a> {
    pub kind: Kind,
    pub value: &'a str,
    /// The layout of the value; not needed for a layer.
    pub layout: Option<Layout>,
    /// The fraction of the gradient that bypasses the rectifier of the value, 0 to 1. 0 is the true gradient; more
    /// activates an inactive channel or neuron.
    pub leak: f64,
    /// The score of a class, and the activation of its logits; not used for other kinds.
    pub class: (ClassScore, Activation),
}

/// The names of an objective's parts in a step graph.
pub(super) struct EmittedScore {
    /// The score (N).
    pub score: String,
    /// Values and their seed gradients, of equal dimensions: the scored value, or its transposition to channels first;
    /// and the input of its rectifier, see [`Scored::leak`].
    pub seeds: Vec<(String, String)>,
}

/// Emits a score and its gradient. `units` is an input (N, 2) of int64: class or channel, and the flat position in a
/// channel. Adds the types of emitted values to `shapes`.
pub(super) fn emit(
    builder: &mut Builder,
    shapes: &mut Types,
    scored: Scored,
    units: &str,
) -> Result<EmittedScore, GraphError> {
    let Scored {
        kind,
        value,
        layout,
        leak,
        class: class_score,
    } = scored;
    if kind.is_of_class() {
        let class = ClassObjective {
            classes: shapes.get(value)?.dims[1],
            elem: shapes.get(value)?.elem,
            logits: value,
            units,
            is_negative: kind == Kind::NotClass,
        };
        let (score, activation) = class_score;
        return class.emit(builder, shapes, score, activation);
    }
    let Some(layout) = layout.filter(|_| kind != Kind::Layer) else {
        let value = match layout {
            Some(layout) => layout.runs_first(builder, shapes, value)?,
            None => value.to_string(),
        };
        let value_type = shapes.get(&value)?.clone();
        let (score, seed) = emit_score(builder, kind, &value, &value_type, units)?;
        let seeds = vec![(value, seed)];
        return Ok(EmittedScore { score, seeds });
    };
    let planes = layout.planes(builder, shapes, value)?;
    let value_type = shapes.get(&planes)?.clone();
    let (score, seed) = emit_score(builder, kind, &planes, &value_type, units)?;
    let mut seeds = vec![(planes, seed.clone())];
    let before = if leak > 0.0 {
        unrectified::emit(builder, shapes, value)?
    } else {
        None
    };
    if let Some(before) = before {
        let before = layout.planes(builder, shapes, &before)?;
        let leak = builder.scalar(value_type.elem, leak)?;
        seeds.push((before, builder.emit("Mul", &[&seed, &leak], &[])));
    }
    Ok(EmittedScore { score, seeds })
}

/// The score of `value` and its gradient; for a channel or neuron the value is (N, channels) or (N, channels, rows,
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

/// (N, depth): 1 at the index in column `column` of `units` (N, 2), otherwise 0.
pub(super) fn one_hot(builder: &mut Builder, units: &str, column: i64, depth: usize) -> String {
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
