//! Receptive fields: the part of the image on which each position of a value can depend, from kernels, strides and
//! dilations. Of several paths the largest field counts. If it is unknown, it is the complete image. For display only.

use crate::onnx::proto::NodeProto;
use crate::onnx::types::{from_front, resolve_index};
use crate::onnx::{Graph, Types};
use std::collections::HashMap;

/// The part of the network's input on which one position of a value can depend, without cropping at the borders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceptiveField {
    /// Height and width in pixels; may exceed the image.
    Pixels { rows: usize, columns: usize },
    /// The complete image: an operator is global, or mixes positions in an unknown way.
    Whole,
}

/// One spatial dimension of the image in a value.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Way {
    /// The axis of the value.
    axis: usize,
    /// Number of pixels on which one position depends.
    size: f64,
    /// Distance of adjacent positions in pixels.
    jump: f64,
}

/// Both spatial dimensions; `None` for one along which every position depends on all pixels.
type Ways = [Option<Way>; 2];

/// The receptive fields of all values that depend on `input`, (N, channels, height, width). `shapes` are for one
/// picture.
pub fn receptive_fields(
    graph: &Graph,
    shapes: &Types,
    input: &str,
) -> HashMap<String, ReceptiveField> {
    let way = |axis| {
        Some(Way {
            axis,
            size: 1.0,
            jump: 1.0,
        })
    };
    let mut known: HashMap<&str, Ways> = HashMap::from([(input, [way(2), way(3)])]);
    for node in graph.nodes() {
        if !node.reads().any(|name| known.contains_key(name)) {
            continue;
        }
        for name in node.output.iter().filter(|name| !name.is_empty()) {
            let step = Step {
                graph,
                shapes,
                known: &known,
                node,
                output: name,
            };
            let ways = step.ways();
            known.insert(name, ways);
        }
    }
    let field = |ways: Ways| match ways {
        [Some(rows), Some(columns)] => ReceptiveField::Pixels {
            rows: rows.size.round() as usize,
            columns: columns.size.round() as usize,
        },
        _ => ReceptiveField::Whole,
    };
    known
        .into_iter()
        .map(|(name, ways)| (name.to_string(), field(ways)))
        .collect()
}

/// A node, and the known fields of its inputs.
struct Step<'a> {
    graph: &'a Graph,
    shapes: &'a Types,
    known: &'a HashMap<&'a str, Ways>,
    node: &'a NodeProto,
    output: &'a str,
}

/// Elementwise operators with broadcasting.
#[rustfmt::skip]
const ELEMENTWISE: &[&str] = &[
    "Abs", "Add", "Atan", "BatchNormalization", "Cast", "CastLike", "Ceil", "Celu", "Clip", "Cos", "DequantizeLinear", "Div",
    "Dropout", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "Identity", "LRN", "LeakyRelu", "Log", "Max",
    "Mean", "Min", "Mish", "Mul", "Neg", "PRelu", "Pow", "QuantizeLinear", "Reciprocal", "Relu", "Round", "Selu", "Shrink",
    "Sigmoid", "Sign", "Sin", "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Swish", "Tanh", "ThresholdedRelu", "Where",
];

/// Operators that preserve positions and their axes.
const IN_PLACE: &[&str] = &["Concat", "Pad", "Split"];

impl Step<'_> {
    fn ways(&self) -> Ways {
        let op = self.node.op_type.as_str();
        match op {
            _ if ELEMENTWISE.contains(&op) || IN_PLACE.contains(&op) => self.merged(),
            "Conv" | "MaxPool" | "AveragePool" | "LpPool" => self.each(|way| self.windowed(way)),
            "ConvTranspose" => self.each(|way| self.spread(way)),
            "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => self.each(|way| self.reshaped(way)),
            "Transpose" => self.each(|way| self.transposed(way)),
            "Slice" => self.each(|way| self.sliced(way)),
            "Resize" | "Upsample" => self.each(|way| self.resized(way)),
            "DepthToSpace" => self.each(|way| {
                let jump = way.jump / self.node.int("blocksize")? as f64;
                Some(Way { jump, ..way })
            }),
            "SpaceToDepth" => self.each(|way| {
                let block = self.node.int("blocksize")? as f64;
                Some(Way {
                    size: way.size + (block - 1.0) * way.jump,
                    jump: way.jump * block,
                    ..way
                })
            }),
            "Softmax" | "LogSoftmax" | "Hardmax" => {
                self.each(|way| self.unless_along(way, &[self.node.int("axis").unwrap_or(-1)]))
            }
            "LayerNormalization" | "RMSNormalization" => self.each(|way| {
                let first = self.node.int("axis").unwrap_or(-1);
                let rank = self.dims(self.first()?)?.len();
                ((way.axis as i64) < from_front(first, rank)).then_some(way)
            }),
            "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceMin" | "ReduceL1" | "ReduceL2"
            | "ReduceProd" | "ReduceSumSquare" | "ReduceLogSumExp" => {
                self.each(|way| self.reduced(way))
            }
            "MatMul" => self.each(|way| self.multiplied(way)),
            _ => [None, None],
        }
    }

    /// The field of its first input.
    fn first(&self) -> Option<&str> {
        self.node.input_at(0)
    }

    /// Both dimensions of its first input, after `rule`.
    fn each(&self, rule: impl Fn(Way) -> Option<Way>) -> Ways {
        // Other inputs that depend on the image, such as dynamic weights, may depend on all of it.
        let others = self.node.input.iter().skip(1);
        let is_alone = !others
            .clone()
            .any(|name| self.known.contains_key(name.as_str()));
        let ways = self.first().and_then(|name| self.known.get(name));
        match ways {
            Some(ways) if is_alone => ways.map(|way| way.and_then(&rule)),
            _ => [None, None],
        }
    }

    fn dims(&self, name: &str) -> Option<&[usize]> {
        self.shapes.find(name).map(|value| value.dims.as_slice())
    }

    fn out(&self) -> Option<&[usize]> {
        self.dims(self.output)
    }

    fn ints(&self, index: usize) -> Option<Vec<i64>> {
        let name = self.node.input_at(index)?;
        self.graph.constant(name)?.to_i64().ok()
    }

    /// The largest field of all inputs that depend on the image, with axes counted from the last.
    fn merged(&self) -> Ways {
        let Some(rank) = self.out().map(<[usize]>::len) else {
            return [None, None];
        };
        let inputs = self.node.reads().filter_map(|name| {
            let ways = self.known.get(name)?;
            let own = self.dims(name).map_or(rank, <[usize]>::len);
            let shifted = ways.map(|way| {
                let way = way?;
                let axis = (way.axis + rank).checked_sub(own)?;
                Some(Way { axis, ..way })
            });
            Some(shifted)
        });
        inputs
            .reduce(|one, other| [0, 1].map(|side| farther(one[side]?, other[side]?)))
            .unwrap_or([None, None])
    }

    /// A window over the third and fourth axes.
    fn windowed(&self, way: Way) -> Option<Way> {
        let (kernel, stride, dilation) = self.window(way)?;
        Some(Way {
            size: way.size + (kernel - 1.0) * dilation * way.jump,
            jump: way.jump * stride,
            ..way
        })
    }

    /// The transpose of a window: every position is spread over several.
    fn spread(&self, way: Way) -> Option<Way> {
        let (kernel, stride, dilation) = self.window(way)?;
        let reached = (((kernel - 1.0) * dilation + 1.0) / stride).ceil();
        Some(Way {
            size: way.size + (reached - 1.0) * way.jump,
            jump: way.jump / stride,
            ..way
        })
    }

    /// Kernel, stride and dilation along a spatial axis.
    fn window(&self, way: Way) -> Option<(f64, f64, f64)> {
        let side = way.axis.checked_sub(2)?;
        let kernel = match self.node.ints("kernel_shape") {
            Some(sides) => *sides.get(side)?,
            None => *self.dims(self.node.input_at(1)?)?.get(way.axis)? as i64,
        };
        let along = |name| match self.node.ints(name) {
            Some(sides) => sides.get(side).copied(),
            None => Some(1),
        };
        let (stride, dilation) = (along("strides")?, along("dilations")?);
        let is_sound = kernel > 0 && stride > 0 && dilation > 0;
        is_sound.then_some((kernel as f64, stride as f64, dilation as f64))
    }

    /// An axis is preserved if its length and the number of elements before it are equal.
    fn reshaped(&self, way: Way) -> Option<Way> {
        let (from, to) = (self.dims(self.first()?)?, self.out()?);
        let before: usize = from[..way.axis].iter().product();
        let mut sum = 1usize;
        let axis = to.iter().position(|&extent| {
            let found = sum == before && extent == *from.get(way.axis).unwrap_or(&0);
            sum = sum.saturating_mul(extent);
            found
        })?;
        Some(Way { axis, ..way })
    }

    fn transposed(&self, way: Way) -> Option<Way> {
        let rank = self.out()?.len();
        let axis = match self.node.ints("perm") {
            Some(order) => order.iter().position(|&axis| axis == way.axis as i64)?,
            None => (rank - 1).checked_sub(way.axis)?,
        };
        Some(Way { axis, ..way })
    }

    fn sliced(&self, way: Way) -> Option<Way> {
        if self.node.input_at(4).is_none() {
            return Some(way);
        }
        let steps = self.ints(4)?;
        let rank = self.out()?.len();
        let axes = match self.node.input_at(3) {
            Some(_) => self.ints(3)?,
            None => (0..steps.len() as i64).collect(),
        };
        let own = |&axis: &i64| resolve_index(axis, rank) == Some(way.axis);
        let step = axes
            .iter()
            .position(own)
            .map_or(Some(1), |at| steps.get(at).copied())?;
        let jump = way.jump * step.unsigned_abs() as f64;
        Some(Way { jump, ..way })
    }

    fn resized(&self, way: Way) -> Option<Way> {
        let (from, to) = (self.dims(self.first()?)?, self.out()?);
        let (from, to) = (*from.get(way.axis)?, *to.get(way.axis)?);
        // Number of interpolated neighbours besides the nearest.
        let neighbours = match self.node.string("mode").unwrap_or("nearest") {
            _ if self.node.int("antialias") == Some(1) => return None,
            _ if from == to => 0.0,
            "nearest" => 0.0,
            "linear" => 1.0,
            "cubic" => 3.0,
            _ => return None,
        };
        Some(Way {
            size: way.size + neighbours * way.jump,
            jump: way.jump * from as f64 / to.max(1) as f64,
            ..way
        })
    }

    /// The dimension unchanged, unless its axis is one of these, which may be negative.
    fn unless_along(&self, way: Way, axes: &[i64]) -> Option<Way> {
        let rank = self.dims(self.first()?)?.len();
        let own = |&axis: &i64| resolve_index(axis, rank) == Some(way.axis);
        (!axes.iter().any(own)).then_some(way)
    }

    fn reduced(&self, way: Way) -> Option<Way> {
        let axes = match self.node.ints("axes") {
            Some(axes) => axes.to_vec(),
            None => self.ints(1)?,
        };
        let way = self.unless_along(way, &axes)?;
        let rank = self.dims(self.first()?)?.len();
        if self.node.int("keepdims").unwrap_or(1) == 1 {
            return Some(way);
        }
        let removed = axes
            .iter()
            .filter(|&&axis| resolve_index(axis, rank).is_some_and(|axis| axis < way.axis));
        let axis = way.axis.checked_sub(removed.count())?;
        Some(Way { axis, ..way })
    }

    /// A product with a constant mixes the last axis.
    fn multiplied(&self, way: Way) -> Option<Way> {
        let own = self.dims(self.first()?)?.len();
        let is_as_deep = self.out()?.len() == own;
        (is_as_deep && way.axis + 1 < own).then_some(way)
    }
}

/// The larger of two fields along the same axis.
fn farther(one: Way, other: Way) -> Option<Way> {
    (one.axis == other.axis).then(|| Way {
        axis: one.axis,
        size: one.size.max(other.size),
        jump: one.jump.max(other.jump),
    })
}

#[cfg(test)]
mod tests;
