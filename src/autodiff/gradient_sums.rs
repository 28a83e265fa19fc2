//! Gradients of values that several nodes read.

use crate::onnx::{Builder, Graph, Types};
use std::collections::HashMap;

/// The gradient of each value: the contributions of its consumers, summed on request.
#[derive(Default)]
pub(super) struct GradientSums(HashMap<String, Vec<String>>);

impl GradientSums {
    /// Adds a contribution to the gradient of a value.
    pub fn contribute(&mut self, value: &str, contribution: String) {
        self.0.entry(value.into()).or_default().push(contribution);
    }

    /// Whether a value has a gradient.
    pub fn has(&self, value: &str) -> bool {
        self.0.contains_key(value)
    }

    /// The gradient of a value of the original graph; `None` if it has none.
    pub fn of(&mut self, value: &str, builder: &mut Builder, types: &Types) -> Option<String> {
        let contributions = self.0.get_mut(value)?;
        if contributions.len() > 1 {
            let sum = concatenated(builder, types, value, contributions)
                .unwrap_or_else(|| added(builder, contributions));
            *contributions = vec![sum];
        }
        contributions.first().cloned()
    }
}

fn added(builder: &mut Builder, contributions: &[String]) -> String {
    let mut sum = contributions[0].clone();
    for contribution in &contributions[1..] {
        sum = builder.emit("Add", &[&sum, contribution], &[]);
    }
    sum
}

/// The sum of contributions that are padded with zeros and do not overlap, as those of slices that tile a value: their
/// parts, concatenated. `None` for other contributions.
fn concatenated(
    builder: &mut Builder,
    types: &Types,
    value: &str,
    contributions: &[String],
) -> Option<String> {
    let dims = builder.graph().dims(value, types).ok()?;
    let parts = contributions
        .iter()
        .map(|contribution| Part::padded(builder.graph(), contribution, &dims));
    let mut parts: Vec<Part> = parts.collect::<Option<_>>()?;
    parts.sort_by_key(|part| part.start);
    let axis = parts.first()?.axis;
    let mut end = 0;
    for part in &parts {
        if part.axis != axis || part.start != end {
            return None;
        }
        end = part.end;
    }
    if end != dims[axis] as i64 {
        return None;
    }
    let values: Vec<&str> = parts.iter().map(|part| part.value.as_str()).collect();
    let attributes = [("axis", (axis as i64).into())];
    Some(builder.emit("Concat", &values, &attributes))
}

/// A range along one axis of a gradient that is zero elsewhere.
struct Part {
    value: String,
    axis: usize,
    start: i64,
    end: i64,
}

impl Part {
    /// What a contribution of dimensions `dims` pads with zeros along one axis.
    fn padded(graph: &Graph, contribution: &str, dims: &[usize]) -> Option<Self> {
        let node = &graph.nodes()[graph.producer(contribution)?];
        let [value, amounts] = node.input.as_slice() else {
            return None;
        };
        if !node.is_op("Pad") || node.string("mode").is_some_and(|mode| mode != "constant") {
            return None;
        }
        let amounts = graph.constant(amounts)?.to_i64().ok()?;
        let (before, after) = amounts.split_at_checked(dims.len())?;
        let mut axes = (0..dims.len()).filter(|&axis| [before[axis], after[axis]] != [0, 0]);
        let (Some(axis), None) = (axes.next(), axes.next()) else {
            return None;
        };
        let (start, end) = (before[axis], dims[axis] as i64 - after[axis]);
        (0 <= start && start <= end && after[axis] >= 0).then(|| Self {
            value: value.clone(),
            axis,
            start,
            end,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{ElementType, ValueType};

    /// The operator that sums contributions which pad parts of 5 elements along axis 1: zeros before and after each.
    fn sum_of(paddings: &[[i64; 4]]) -> String {
        let mut builder = Builder::empty(18, "");
        let mut types = Types::default();
        let dims = vec![2, 5];
        types.insert(
            "value",
            ValueType {
                elem: ElementType::F32,
                dims,
            },
        );
        let mut sums = GradientSums::default();
        for padding in paddings {
            let part = builder.floats(&[1], &[1.0]);
            let amounts = builder.ints(padding);
            let padded = builder.emit("Pad", &[&part, &amounts], &[]);
            sums.contribute("value", padded);
        }
        let sum = sums.of("value", &mut builder, &types).unwrap();
        assert_eq!(sums.of("value", &mut builder, &types).unwrap(), sum);
        let graph = builder.graph();
        graph.nodes()[graph.producer(&sum).unwrap()].op_type.clone()
    }

    #[test]
    fn parts_that_tile_a_value_are_concatenated_in_their_order() {
        assert_eq!(sum_of(&[[0, 2, 0, 0], [0, 0, 0, 3]]), "Concat");
        assert_eq!(
            sum_of(&[[0, 0, 0, 4], [0, 4, 0, 0], [0, 1, 0, 1]]),
            "Concat"
        );
    }

    #[test]
    fn parts_that_overlap_leave_a_gap_or_lie_along_other_axes_are_added() {
        let others: [&[[i64; 4]]; 6] = [
            &[[0, 1, 0, 0], [0, 0, 0, 3]],
            &[[0, 3, 0, 0], [0, 0, 0, 3]],
            &[[0, 2, 0, 1], [0, 0, 0, 3]],
            &[[1, 0, 0, 0], [0, 0, 0, 3]],
            &[[1, 2, 0, 0], [0, 0, 0, 3]],
            &[[0, -1, 0, 3], [0, 2, 0, 0]],
        ];
        for paddings in others {
            assert_eq!(sum_of(paddings), "Add", "{paddings:?}");
        }
    }
}
