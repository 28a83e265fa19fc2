//! Abstract interpretation of the sequence and optional operators.

use crate::onnx::passes::sequences::{Rewrite, SequenceValue, is_sequence_op};
use crate::onnx::proto::{NodeProto, TensorProto};
use crate::onnx::types::{from_front, resolve_index};
use crate::onnx::{Graph, NameScope, Patch, Types, names};
use std::collections::HashMap;
use std::rc::Rc;

/// Visits the nodes of a graph in order and tracks the values of sequences and optionals.
pub struct Interpreter<'a> {
    pub graph: &'a Graph,
    /// The types of its values, for each choice of the input dimensions.
    pub shapes: &'a [Types],
    /// The known sequences and optionals, by name.
    pub values: HashMap<&'a str, SequenceValue>,
    pub scope: NameScope,
    /// Remaining budget: list elements, and the cost of new nodes (see [`names::cost`]).
    pub budget: usize,
}

impl<'a> Interpreter<'a> {
    /// What becomes of the next node.
    pub fn rewrite(&mut self, node: &'a NodeProto) -> Rewrite {
        if !node.is_op("Identity") && !is_sequence_op(node) {
            return Rewrite::Keep;
        }
        let rewrite = self.evaluate(node).unwrap_or(Rewrite::Keep);
        let value = match &rewrite {
            Rewrite::Known(value) => Some(value.clone()),
            // The last of the new nodes is a SequenceConstruct.
            Rewrite::Replace(patch) if node.is_op("SplitToSequence") => {
                let last = patch.nodes.last().map(|last| last.input.as_slice());
                let elements = last.unwrap_or_default().iter();
                Some(SequenceValue::List(
                    elements.map(|name| name.as_str().into()).collect(),
                ))
            }
            _ => None,
        };
        if let (Some(value), Some(output)) = (value, node.output.first()) {
            let length = match &value {
                SequenceValue::List(list) => list.len(),
                _ => 0,
            };
            if self.spend(length).is_none() {
                return Rewrite::Keep;
            }
            self.values.insert(output, value);
        }
        rewrite
    }

    /// Evaluates a sequence or optional operator; `None` if its inputs are not known statically.
    fn evaluate(&mut self, node: &'a NodeProto) -> Option<Rewrite> {
        match node.op_type.as_str() {
            "SequenceEmpty" => Some(Rewrite::Known(SequenceValue::List(Vec::new()))),
            "SequenceConstruct" => {
                let elements = node.input.iter().map(|name| name.as_str().into());
                Some(Rewrite::Known(SequenceValue::List(elements.collect())))
            }
            "SequenceInsert" => {
                let mut list = self.list(node)?.to_vec();
                let position = self.position(node, 2, list.len(), list.len() + 1)?;
                list.insert(position, node.input_at(1)?.into());
                Some(Rewrite::Known(SequenceValue::List(list)))
            }
            "SequenceErase" => {
                let mut list = self.list(node)?.to_vec();
                let last = list.len().checked_sub(1)?;
                let position = self.position(node, 1, last, list.len())?;
                list.remove(position);
                Some(Rewrite::Known(SequenceValue::List(list)))
            }
            "SequenceAt" => {
                let list = self.list(node)?;
                node.input_at(1)?;
                let position = self.position(node, 1, 0, list.len())?;
                let element = NodeProto::identity(&list[position], node.output.first()?);
                Some(Rewrite::Replace(element.into()))
            }
            "SequenceLength" => {
                let length = self.list(node)?.len() as i64;
                let length = TensorProto::from_i64(node.output.first()?, &[], &[length]);
                Some(Rewrite::Replace(length.into()))
            }
            "ConcatFromSequence" => self.concat(node),
            "SplitToSequence" => self.split(node),
            "Optional" => Some(Rewrite::Known(match node.input_at(0) {
                None if node.attribute_named("type").is_some() => SequenceValue::Empty,
                None => return None,
                Some(value) => self.value(value)?,
            })),
            "OptionalHasElement" => {
                let has_element = match node.input_at(0) {
                    None => false,
                    Some(value) => !matches!(self.value(value)?, SequenceValue::Empty),
                };
                let constant = TensorProto::from_bool(node.output.first()?, has_element);
                Some(Rewrite::Replace(constant.into()))
            }
            "OptionalGetElement" => match self.value(node.input_at(0)?)? {
                SequenceValue::Tensor(value) => {
                    let element = NodeProto::identity(&value, node.output.first()?);
                    Some(Rewrite::Replace(element.into()))
                }
                SequenceValue::Empty => None,
                list @ SequenceValue::List(_) => Some(Rewrite::Known(list)),
            },
            "Identity" => {
                let value = self.values.get(node.input_at(0)?)?;
                Some(Rewrite::Known(value.clone()))
            }
            _ => None,
        }
    }

    /// Reduces the budget by `cost`; `None` if it does not suffice.
    fn spend(&mut self, cost: usize) -> Option<()> {
        self.budget = self.budget.checked_sub(cost)?;
        Some(())
    }

    /// The value of a sequence, optional or tensor.
    fn value(&self, value: &str) -> Option<SequenceValue> {
        if let Some(known) = self.values.get(value) {
            return Some(known.clone());
        }
        let has_dims = |shapes: &Types| shapes.find(value).is_some();
        let is_tensor = self.graph.constant(value).is_some() || self.shapes.iter().any(has_dims);
        is_tensor.then(|| SequenceValue::Tensor(value.into()))
    }

    /// Input 0, if it is a known sequence.
    fn list(&self, node: &NodeProto) -> Option<&[Rc<str>]> {
        match self.values.get(node.input_at(0)?)? {
            SequenceValue::List(list) => Some(list),
            _ => None,
        }
    }

    /// Input `index` as one of `count` positions, `default` if it is omitted. Negative positions count from the end.
    fn position(
        &self,
        node: &NodeProto,
        index: usize,
        default: usize,
        count: usize,
    ) -> Option<usize> {
        let Some(name) = node.input_at(index) else {
            return Some(default);
        };
        let position = *self.graph.constant(name)?.to_i64().ok()?.first()?;
        // SequenceInsert has one position more than the list has elements.
        let length = count - usize::from(node.is_op("SequenceInsert"));
        let position = from_front(position, length);
        usize::try_from(position)
            .ok()
            .filter(|position| *position < count)
    }

    /// ConcatFromSequence as a Concat, of unsqueezed elements for a new axis.
    fn concat(&mut self, node: &NodeProto) -> Option<Rewrite> {
        let list = self.list(node)?.to_vec();
        let axis = node.int("axis")?;
        if list.is_empty() {
            return None;
        }
        let output = node.output.first()?.clone();
        // Per element: an Unsqueeze with two inputs and an output, and an input of the Concat.
        self.spend(5 * list.len())?;
        let mut elements: Vec<String> = list.iter().map(|name| name.to_string()).collect();
        let mut patch = Patch::default();
        if node.int("new_axis").unwrap_or(0) != 0 {
            self.each_along(node, axis, "Unsqueeze", "layer", &mut elements, &mut patch);
        }
        let concat = NodeProto::new("Concat", &elements, &[output]);
        patch.nodes.push(concat.attr("axis", axis));
        Some(Rewrite::Replace(patch))
    }

    /// SplitToSequence as a Split and a SequenceConstruct.
    fn split(&mut self, node: &'a NodeProto) -> Option<Rewrite> {
        let value = node.input_at(0)?;
        let (axis, length) = self.axis_of(value, node.int("axis").unwrap_or(0))?;
        let sizes = self.split_sizes(node, length)?;
        // ONNX ignores `keepdims` if a split is given. PyTorch's `unbind` is exported with a split of 1 and `keepdims`
        // 0, which ONNX Runtime respects.
        let split = node.input_at(1).and_then(|name| self.graph.constant(name));
        let is_list = split.is_some_and(|sizes| !sizes.dims.is_empty());
        let is_unbind = !is_list && sizes.iter().all(|size| *size == 1);
        let squeezes = is_unbind && node.int("keepdims").unwrap_or(1) == 0;
        // Per element: an output of the Split, a Squeeze, and an input of the SequenceConstruct.
        self.spend(6 * sizes.len())?;
        let prefix = names::prefix(node);
        let parts = sizes.iter().map(|_| self.scope.fresh(&prefix, "part"));
        let mut elements: Vec<String> = parts.collect();
        let mut patch = Patch::default();
        let sizes = TensorProto::int_list(&self.scope.fresh(&prefix, "sizes"), &sizes);
        let sizes = patch.constant(sizes);
        let split = NodeProto::new("Split", &[value, &sizes], &elements);
        patch.nodes.push(split.attr("axis", axis));
        if squeezes {
            self.each_along(node, axis, "Squeeze", "element", &mut elements, &mut patch);
        }
        let list = NodeProto::new("SequenceConstruct", &elements, &node.output);
        patch.nodes.push(list);
        Some(Rewrite::Replace(patch))
    }

    /// Applies `op` along `axis` to each of `elements`, and replaces them by the results, called `what`.
    fn each_along(
        &mut self,
        node: &NodeProto,
        axis: i64,
        op: &str,
        what: &str,
        elements: &mut [String],
        patch: &mut Patch,
    ) {
        let prefix = names::prefix(node);
        let axes = TensorProto::int_list(&self.scope.fresh(&prefix, "axes"), &[axis]);
        let axes = patch.constant(axes);
        for element in elements {
            let result = self.scope.fresh(&prefix, what);
            let applied = NodeProto::new(op, &[&*element, &axes], &[&result]);
            patch.nodes.push(applied);
            *element = result;
        }
    }

    /// The non-negative index and the size of an axis, if they are the same for all choices of the input dimensions.
    fn axis_of(&self, value: &str, axis: i64) -> Option<(i64, usize)> {
        let types = self.shapes.iter();
        let all = types.map(|types| self.graph.dims(value, types).ok());
        let all: Vec<Vec<usize>> = all.collect::<Option<_>>()?;
        let axis = resolve_index(axis, all.first()?.len())?;
        let sizes: Option<Vec<usize>> = all.iter().map(|dims| dims.get(axis).copied()).collect();
        let sizes = sizes?;
        let all_equal = sizes.iter().all(|size| *size == sizes[0]);
        all_equal.then(|| (axis as i64, sizes[0]))
    }

    /// The split sizes of a SplitToSequence along an axis of size `length`: at least one.
    fn split_sizes(&self, node: &NodeProto, length: usize) -> Option<Vec<i64>> {
        let size = match node.input_at(1) {
            None => 1,
            Some(name) => {
                let constant = self.graph.constant(name)?;
                let sizes = constant.to_i64().ok()?;
                if !constant.dims.is_empty() {
                    let sums_to_length = sizes.iter().all(|size| *size >= 0)
                        && sizes
                            .iter()
                            .try_fold(0i64, |sum, size| sum.checked_add(*size))
                            == i64::try_from(length).ok();
                    return (sums_to_length && !sizes.is_empty()).then_some(sizes);
                }
                usize::try_from(*sizes.first()?).ok()?
            }
        };
        if length == 0 || size == 0 || length.div_ceil(size) > self.budget {
            return None;
        }
        let starts = (0..length).step_by(size);
        Some(
            starts
                .map(|start| size.min(length - start) as i64)
                .collect(),
        )
    }
}
