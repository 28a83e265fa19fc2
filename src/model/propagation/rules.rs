//! The rule of each operator: its output axes from its input axes.

use super::axis::{Axis, DigitKind, Pieces};
use super::indices::{Cut, MAX_PICKED, resolve_indices};
use super::{dims, unknown};
use crate::onnx::proto::NodeProto;
use crate::onnx::types::resolve_index;
use crate::onnx::{Graph, Types};
use std::collections::HashMap;

/// The context of a node.
pub struct Context<'a> {
    pub graph: &'a Graph,
    pub shapes: &'a Types,
    /// The axes of earlier values.
    pub known: &'a HashMap<String, Vec<Axis>>,
    pub node: &'a NodeProto,
    /// The index of the requested output.
    pub output: usize,
    /// The dimensions of that output.
    pub dims: &'a [usize],
}

/// Computes the axes of a node's output; `None` if they are unknown.
type Rule = fn(&Context, &mut Pieces) -> Option<Vec<Axis>>;

/// The rule of each operator.
const RULES: &[(&[&str], Rule)] = &[
    (SAME, |context, _| context.first()),
    (ELEMENTWISE, |context, _| Some(context.broadcast())),
    (WINDOWED, |context, _| context.windowed()),
    (REDUCING, |context, _| context.reduced()),
    (GLOBAL_POOLS, |context, _| context.pooled()),
    (&["Flatten", "Reshape"], |context, pieces| {
        Some(pieces.reshape(&context.first()?, context.dims))
    }),
    (&["Squeeze"], |context, pieces| context.squeezed(pieces)),
    (&["Unsqueeze"], |context, pieces| context.unsqueezed(pieces)),
    (&["Transpose"], |context, _| context.transposed()),
    (&["Concat"], |context, _| context.concatenated()),
    (&["Split"], |context, _| context.split()),
    (&["Slice"], |context, _| context.sliced()),
    (&["Gather"], |context, _| context.gathered()),
    (&["Pad"], |context, _| context.padded()),
    (&["Expand", "Tile"], |context, _| context.repeated()),
    (&["MatMul"], |context, _| context.product()),
    (&["Gemm"], |context, _| context.gemm()),
    (&["Einsum"], |context, _| context.einsum()),
];

/// Operators that preserve the positions of their first input.
#[rustfmt::skip]
const SAME: &[&str] = &[
    "BatchNormalization", "Cast", "CastLike", "CumSum", "DequantizeLinear", "Dropout", "DynamicQuantizeLinear",
    "GroupNormalization", "Hardmax", "Identity", "InstanceNormalization", "LRN", "LayerNormalization", "LogSoftmax",
    "LpNormalization", "MeanVarianceNormalization", "QuantizeLinear", "RMSNormalization", "ScatterND",
    "SimplifiedLayerNormalization", "Softmax", "Trilu",
];

/// Elementwise operators with broadcasting.
#[rustfmt::skip]
const ELEMENTWISE: &[&str] = &[
    "Abs", "Acos", "Acosh", "Add", "And", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Celu", "Clip", "Cos", "Cosh", "Div",
    "Elu", "Equal", "Erf", "Exp", "Floor", "Gelu", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "IsInf", "IsNaN",
    "LeakyRelu", "Less", "LessOrEqual", "Log", "Max", "Mean", "Min", "Mish", "Mod", "Mul", "Neg", "Not", "Or", "PRelu", "Pow",
    "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Sub",
    "Sum", "Swish", "Tan", "Tanh", "ThresholdedRelu", "Where", "Xor",
];

/// Operators with channels on the second axis that preserve rows and columns.
#[rustfmt::skip]
const WINDOWED: &[&str] = &[
    "AveragePool", "Conv", "ConvTranspose", "DepthToSpace", "LpPool", "MaxPool", "Resize", "SpaceToDepth", "Upsample",
];

#[rustfmt::skip]
const REDUCING: &[&str] = &[
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd",
    "ReduceSum", "ReduceSumSquare",
];

const GLOBAL_POOLS: &[&str] = &["GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool"];

impl Context<'_> {
    /// The axes of the output.
    pub fn axes(&self, pieces: &mut Pieces) -> Vec<Axis> {
        let is = |ops: &&[&str]| ops.iter().any(|op| self.node.is_op(op));
        let rule = RULES.iter().find(|(ops, _)| is(ops)).map(|(_, rule)| rule);
        let axes = rule.and_then(|rule| rule(self, pieces));
        // Only a result that matches the dimensions is valid.
        let fits = |axes: &Vec<Axis>| {
            let extents = axes.iter().map(Axis::extent);
            extents.eq(self.dims.iter().copied())
        };
        axes.filter(fits).unwrap_or_else(|| unknown(self.dims))
    }

    /// The axes of input `index`, if it depends on the image.
    fn input(&self, index: usize) -> Option<Vec<Axis>> {
        self.known.get(self.node.input_at(index)?).cloned()
    }

    fn first(&self) -> Option<Vec<Axis>> {
        self.input(0)
    }

    /// The elements of input `index`, if it is constant.
    fn numbers(&self, index: usize) -> Option<Vec<i64>> {
        let constant = self.graph.constant(self.node.input_at(index)?)?;
        constant.to_i64().ok()
    }

    /// The elements of input `index`, or the default if it is omitted; `None` if it is not constant.
    fn numbers_or(&self, index: usize, default: Vec<i64>) -> Option<Vec<i64>> {
        match self.node.input_at(index) {
            Some(_) => self.numbers(index),
            None => Some(default),
        }
    }

    fn constant_dims(&self, index: usize) -> Option<Vec<usize>> {
        let name = self.node.input_at(index)?;
        let constant = || self.graph.constant(name)?.shape().ok();
        dims(self.shapes, name)
            .map(<[usize]>::to_vec)
            .or_else(constant)
    }

    /// The axes of all inputs for each axis of the output, by broadcasting.
    fn broadcast(&self) -> Vec<Axis> {
        let inputs = (0..self.node.input.len()).filter_map(|index| self.input(index));
        aligned(&inputs.collect::<Vec<_>>(), self.dims)
    }

    /// Sliding windows: rows stay rows, of another number.
    fn windowed(&self) -> Option<Vec<Axis>> {
        let from = self.first()?;
        let mut axes = unknown(self.dims);
        let is_placed = from.iter().any(Axis::has_places);
        for (at, (&extent, axis)) in self.dims.iter().zip(&from).enumerate() {
            let is_narrow = || {
                let kernel = self.node.ints("kernel_shape");
                let kernel = kernel.map(|kernel| kernel.get(at.checked_sub(2)?).copied());
                self.node.is_op("Conv") && kernel.flatten() == Some(1)
            };
            axes[at] = match (at, axis.line()) {
                (0, _) => axis.clone(),
                (1, _) => Axis::new(DigitKind::Channels, extent),
                (_, Some(DigitKind::Rows(_))) => Axis::new(DigitKind::Rows(extent), extent),
                (_, Some(DigitKind::Columns(_))) => Axis::new(DigitKind::Columns(extent), extent),
                _ if extent == axis.extent() && (extent == 1 || is_narrow()) => axis.clone(),
                // After an unknown operator: input and output are feature maps.
                (2, _) if !is_placed && from.len() == 4 => {
                    Axis::new(DigitKind::Rows(extent), extent)
                }
                (3, _) if !is_placed && from.len() == 4 => {
                    Axis::new(DigitKind::Columns(extent), extent)
                }
                _ => Axis::new(DigitKind::Other, extent),
            };
        }
        Some(axes)
    }

    fn pooled(&self) -> Option<Vec<Axis>> {
        let axes = self.first()?.into_iter().enumerate();
        let axes = axes.map(|(at, axis)| match at {
            0 | 1 => axis,
            _ => Axis::new(DigitKind::Other, 1),
        });
        Some(axes.collect())
    }

    fn reduced(&self) -> Option<Vec<Axis>> {
        let axes = self.first()?;
        let is_set = |flag: &str, default: i64| self.node.int(flag).unwrap_or(default) != 0;
        let mut over = self.numbers_or(1, Vec::new())?;
        if over.is_empty() && !is_set("noop_with_empty_axes", 0) {
            over = (0..axes.len() as i64).collect();
        }
        let over = resolve_indices(&over, axes.len())?;
        let mut kept = Vec::with_capacity(axes.len());
        for (at, axis) in axes.into_iter().enumerate() {
            match (over.contains(&at), is_set("keepdims", 1)) {
                (false, _) => kept.push(axis),
                (true, true) => kept.push(Axis::new(DigitKind::Other, 1)),
                (true, false) => {}
            }
        }
        Some(kept)
    }

    fn squeezed(&self, pieces: &mut Pieces) -> Option<Vec<Axis>> {
        let mut axes = self.first()?;
        let Some(gone) = self.numbers(1) else {
            return Some(pieces.reshape(&axes, self.dims));
        };
        let mut gone = resolve_indices(&gone, axes.len())?;
        gone.sort_unstable();
        gone.dedup();
        for at in gone.into_iter().rev() {
            axes.remove(at);
        }
        Some(axes)
    }

    fn unsqueezed(&self, pieces: &mut Pieces) -> Option<Vec<Axis>> {
        let mut axes = self.first()?;
        let Some(new) = self.numbers(1) else {
            return Some(pieces.reshape(&axes, self.dims));
        };
        let mut new = resolve_indices(&new, self.dims.len())?;
        new.sort_unstable();
        for at in new {
            (at <= axes.len()).then(|| axes.insert(at, Axis::new(DigitKind::Other, 1)))?;
        }
        Some(axes)
    }

    fn transposed(&self) -> Option<Vec<Axis>> {
        let axes = self.first()?;
        let order = match self.node.ints("perm") {
            Some(order) => resolve_indices(order, axes.len())?,
            None => (0..axes.len()).rev().collect(),
        };
        Some(order.into_iter().map(|at| axes[at].clone()).collect())
    }

    fn concatenated(&self) -> Option<Vec<Axis>> {
        let along = resolve_index(self.node.int("axis")?, self.dims.len())?;
        let mut parts = Vec::with_capacity(self.node.input.len());
        let mut others = Vec::new();
        for index in 0..self.node.input.len() {
            let known = self.input(index);
            let dims = self.constant_dims(index)?;
            let part = known.as_ref().and_then(|axes| axes.get(along).cloned());
            parts.push(part.unwrap_or_else(|| {
                Axis::new(DigitKind::Other, dims.get(along).copied().unwrap_or(0))
            }));
            others.extend(known);
        }
        for axes in &mut others {
            *axes.get_mut(along)? = Axis::new(DigitKind::Other, 1);
        }
        let mut axes = aligned(&others, self.dims);
        axes[along] = Axis::concat(&parts);
        Some(axes)
    }

    fn split(&self) -> Option<Vec<Axis>> {
        let mut axes = self.first()?;
        let along = resolve_index(self.node.int("axis").unwrap_or(0), axes.len())?;
        let mut start = 0;
        for name in &self.node.output[..self.output] {
            start += dims(self.shapes, name)?.get(along)?;
        }
        axes[along] = axes[along].slice(start, start + self.dims.get(along)?);
        Some(axes)
    }

    fn sliced(&self) -> Option<Vec<Axis>> {
        let mut axes = self.first()?;
        let whole = |axis: &Axis, &extent: &usize| {
            if axis.extent() == extent {
                axis.clone()
            } else {
                Axis::new(DigitKind::Other, extent)
            }
        };
        let count = self.constant_dims(1)?.iter().product::<usize>();
        if count > axes.len() {
            return None;
        }
        let axes_of = self.numbers_or(3, (0..count as i64).collect());
        let steps = self.numbers_or(4, vec![1; count]);
        let (Some(over), Some(steps)) = (axes_of, steps) else {
            return None;
        };
        let over = resolve_indices(&over, axes.len())?;
        let (Some(starts), Some(ends)) = (self.numbers(1), self.numbers(2)) else {
            // The start is unknown: an axis of equal length is unchanged, unless it is reversed.
            let forward = steps.iter().all(|&step| step > 0);
            let kept = || {
                axes.iter()
                    .zip(self.dims)
                    .map(|(axis, dim)| whole(axis, dim))
            };
            return forward.then(|| kept().collect());
        };
        let bounds = starts
            .into_iter()
            .zip(ends)
            .zip(over.into_iter().zip(steps));
        for ((start, end), (at, step)) in bounds {
            let extent = axes[at].extent();
            let cut = Cut::new(extent, start, end, step)?;
            axes[at] = match (step, axes[at].line()) {
                (1, _) => axes[at].slice(cut.first, cut.first + cut.count),
                // Every second row is a row of a coarser grid.
                (2.., Some(of)) if cut.covers(extent) => match of {
                    DigitKind::Rows(_) => Axis::new(DigitKind::Rows(cut.count), cut.count),
                    _ => Axis::new(DigitKind::Columns(cut.count), cut.count),
                },
                _ => axes[at].pick(&cut.indices()?),
            };
        }
        Some(axes)
    }

    fn gathered(&self) -> Option<Vec<Axis>> {
        let mut axes = self.first()?;
        let along = resolve_index(self.node.int("axis").unwrap_or(0), axes.len())?;
        let indices = self.constant_dims(1)?;
        let picked = self.numbers(1).and_then(|numbers| {
            let extent = axes[along].extent();
            resolve_indices(&numbers, extent)
        });
        let picked = picked.filter(|picked| indices.len() == 1 && picked.len() <= MAX_PICKED);
        let picked = picked.map(|picked| axes[along].pick(&picked));
        let new = match picked {
            Some(axis) => vec![axis],
            None => indices
                .iter()
                .map(|&extent| Axis::new(DigitKind::Other, extent))
                .collect(),
        };
        axes.splice(along..=along, new);
        Some(axes)
    }

    fn padded(&self) -> Option<Vec<Axis>> {
        let mut axes = self.first()?;
        let pads = self.numbers(1)?;
        let all = (0..axes.len() as i64).collect();
        let over = resolve_indices(&self.numbers_or(3, all)?, axes.len())?;
        let (before, behind) = pads.split_at_checked(over.len())?;
        for ((at, &before), &behind) in over.into_iter().zip(before).zip(behind) {
            // Negative padding crops.
            let less = |pad: i64| usize::try_from(pad.min(0).unsigned_abs()).ok();
            let more = |pad: i64| usize::try_from(pad.max(0)).ok();
            let is_small = |pad: &usize| self.dims.get(at).is_some_and(|dim| pad <= dim);
            let margin = |pad: i64| Some(Axis::new(DigitKind::Other, more(pad).filter(is_small)?));
            let end = axes[at].extent().saturating_sub(less(behind)?);
            let inner = axes[at].slice(less(before)?, end);
            let (before, behind) = (margin(before)?, margin(behind)?);
            axes[at] = Axis::concat(&[before, inner, behind]);
        }
        Some(axes)
    }

    /// Repetitions: an axis of equal length is unchanged.
    fn repeated(&self) -> Option<Vec<Axis>> {
        Some(aligned(&[self.first()?], self.dims))
    }

    /// Matrix products, of which one factor may be constant: rows are from the first, columns from the second.
    fn product(&self) -> Option<Vec<Axis>> {
        let rank = self.dims.len();
        let [left, right] = [0, 1].map(|index| self.input(index));
        let is_matrix = |index| {
            self.constant_dims(index)
                .is_some_and(|dims| dims.len() >= 2)
        };
        if rank < 2 || !is_matrix(0) || !is_matrix(1) {
            return None;
        }
        let weights = |at: usize| Axis::new(DigitKind::Channels, self.dims[at]);
        let row = left
            .as_ref()
            .and_then(|axes| axes.iter().nth_back(1).cloned());
        let column = right.as_ref().and_then(|axes| axes.last().cloned());
        let factors = [left, right].into_iter().flatten();
        let stacks = factors.map(|mut axes| {
            axes.truncate(axes.len() - 2);
            axes
        });
        let mut axes = aligned(&stacks.collect::<Vec<_>>(), &self.dims[..rank - 2]);
        axes.push(row.unwrap_or_else(|| weights(rank - 2)));
        axes.push(column.unwrap_or_else(|| weights(rank - 1)));
        Some(axes)
    }

    fn gemm(&self) -> Option<Vec<Axis>> {
        let of = |index: usize, turned: &str, kept: usize| {
            let is_turned = self.node.int(turned).unwrap_or(0) != 0;
            let axes = self.input(index)?;
            axes.get(if is_turned { 1 - kept } else { kept }).cloned()
        };
        let weights = |at: usize| Some(Axis::new(DigitKind::Channels, *self.dims.get(at)?));
        let row = of(0, "transA", 0).or_else(|| weights(0))?;
        let column = of(1, "transB", 1).or_else(|| weights(1))?;
        Some(vec![row, column])
    }

    fn einsum(&self) -> Option<Vec<Axis>> {
        let equation: String = self.node.string("equation")?.split_whitespace().collect();
        let (terms, made) = equation.split_once("->")?;
        let letters = |term: &str| term.chars().all(|letter| letter.is_ascii_alphabetic());
        if !letters(made) || made.len() != self.dims.len() || !terms.split(',').all(letters) {
            return None;
        }
        let named = terms.split(',').enumerate();
        let named = named.filter_map(|(index, term)| Some((term, self.input(index)?)));
        let named: Vec<(&str, Vec<Axis>)> = named.collect();
        let axes = made.chars().zip(self.dims).map(|(letter, &extent)| {
            let of = |(term, axes): &(&str, Vec<Axis>)| axes.get(term.find(letter)?).cloned();
            let found: Vec<Axis> = named.iter().filter_map(of).collect();
            if found.is_empty() {
                Axis::new(DigitKind::Channels, extent)
            } else {
                agreed(&found, extent)
            }
        });
        Some(axes.collect())
    }
}

/// The axes of `dims` by broadcasting: for each, the merged axes of equal length.
fn aligned(values: &[Vec<Axis>], dims: &[usize]) -> Vec<Axis> {
    let axes = dims.iter().enumerate().map(|(at, &extent)| {
        let from_end = dims.len() - at;
        let of = |axes: &Vec<Axis>| axes.get(axes.len().checked_sub(from_end)?).cloned();
        agreed(&values.iter().filter_map(of).collect::<Vec<_>>(), extent)
    });
    axes.collect()
}

/// Merges several candidates of an axis: positions take precedence, then channels. Contradictory candidates give an
/// unknown axis.
fn agreed(axes: &[Axis], extent: usize) -> Axis {
    let mut best: Option<&Axis> = None;
    for axis in axes.iter().filter(|axis| axis.extent() == extent) {
        let rank = |axis: &Axis| (axis.has_places(), axis.is_batch(), axis.is_channels());
        match best {
            Some(other) if rank(other) > rank(axis) => {}
            Some(other) if rank(other) == rank(axis) && other != axis && axis.has_places() => {
                return Axis::new(DigitKind::Other, extent);
            }
            _ => best = Some(axis),
        }
    }
    best.cloned()
        .unwrap_or_else(|| Axis::new(DigitKind::Other, extent))
}
