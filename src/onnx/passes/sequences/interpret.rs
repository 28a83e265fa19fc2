//! What each operator does to the lists.

use crate::onnx::passes::sequences::{SequenceValue, Step, is_concerned};
use crate::onnx::proto::{NodeProto, TensorProto};
use crate::onnx::{Attribute, Graph, Shapes, builder, names};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// Reads a graph from its beginning, and knows what is in its sequences so far.
pub struct Interpreter<'a> {
    pub graph: &'a Graph,
    pub shapes: &'a [Shapes],
    pub contents: HashMap<&'a str, SequenceValue>,
    /// The names of all values, also of new ones.
    pub taken: HashSet<String>,
    /// How many elements more the lists may have; what a node becomes counts as well.
    pub room: usize,
}

impl<'a> Interpreter<'a> {
    /// What the next node becomes.
    pub fn step(&mut self, node: &'a NodeProto) -> Step {
        if !node.is("Identity") && !is_concerned(node) {
            return Step::Stays;
        }
        let step = self.understood(node).unwrap_or(Step::Stays);
        let known = match &step {
            Step::Known(content) => Some(content.clone()),
            // The last of the parts of a sequence gathers them.
            Step::Becomes(parts, _) if node.is("SplitToSequence") => {
                let last = parts.last().map(|last| last.input.as_slice());
                let parts = last.unwrap_or_default().iter();
                Some(SequenceValue::List(
                    parts.map(|part| part.as_str().into()).collect(),
                ))
            }
            _ => None,
        };
        if let (Some(content), Some(output)) = (known, node.output.first()) {
            let length = match &content {
                SequenceValue::List(list) => list.len(),
                _ => 0,
            };
            if self.take(length).is_none() {
                return Step::Stays;
            }
            self.contents.insert(output, content);
        }
        step
    }

    /// What a node becomes; `None` if it depends on more than is known.
    fn understood(&mut self, node: &'a NodeProto) -> Option<Step> {
        match node.op_type.as_str() {
            "SequenceEmpty" => Some(Step::Known(SequenceValue::List(Vec::new()))),
            "SequenceConstruct" => {
                let elements = node.input.iter().map(|name| name.as_str().into());
                Some(Step::Known(SequenceValue::List(elements.collect())))
            }
            "SequenceInsert" => {
                let mut list = self.list(node)?.to_vec();
                let place = self.place(node, 2, list.len(), list.len() + 1)?;
                list.insert(place, node.input_at(1)?.into());
                Some(Step::Known(SequenceValue::List(list)))
            }
            "SequenceErase" => {
                let mut list = self.list(node)?.to_vec();
                let last = list.len().checked_sub(1)?;
                let place = self.place(node, 1, last, list.len())?;
                list.remove(place);
                Some(Step::Known(SequenceValue::List(list)))
            }
            "SequenceAt" => {
                let list = self.list(node)?;
                node.input_at(1)?;
                let place = self.place(node, 1, 0, list.len())?;
                Some(becomes(names::identity_node(
                    &list[place],
                    node.output.first()?,
                )))
            }
            "SequenceLength" => {
                let length = self.list(node)?.len() as i64;
                let length = TensorProto::from_i64(node.output.first()?, &[], &[length]);
                Some(Step::Becomes(Vec::new(), vec![length]))
            }
            "ConcatFromSequence" => self.joined(node),
            "SplitToSequence" => self.split(node),
            "Optional" => Some(Step::Known(match node.input_at(0) {
                None if node.attribute_named("type").is_some() => SequenceValue::Nothing,
                None => return None,
                Some(value) => self.content(value)?,
            })),
            "OptionalHasElement" => {
                let there = match node.input_at(0) {
                    None => false,
                    Some(value) => !matches!(self.content(value)?, SequenceValue::Nothing),
                };
                let there = TensorProto::from_bool(node.output.first()?, there);
                Some(Step::Becomes(Vec::new(), vec![there]))
            }
            "OptionalGetElement" => match self.content(node.input_at(0)?)? {
                SequenceValue::Tensor(value) => {
                    Some(becomes(names::identity_node(&value, node.output.first()?)))
                }
                SequenceValue::Nothing => None,
                list => Some(Step::Known(list)),
            },
            "Identity" => {
                let content = self.contents.get(node.input_at(0)?)?;
                Some(Step::Known(content.clone()))
            }
            _ => None,
        }
    }

    /// Takes so much room; `None` if there is less.
    fn take(&mut self, size: usize) -> Option<()> {
        self.room = self.room.checked_sub(size)?;
        Some(())
    }

    /// What is in a value, a tensor included.
    fn content(&self, value: &str) -> Option<SequenceValue> {
        if let Some(content) = self.contents.get(value) {
            return Some(content.clone());
        }
        let has_dims = |shapes: &Shapes| shapes.find(value).is_some();
        let is_tensor = self.graph.constant(value).is_some() || self.shapes.iter().any(has_dims);
        is_tensor.then(|| SequenceValue::Tensor(value.into()))
    }

    /// The list that a node's first input is.
    fn list(&self, node: &NodeProto) -> Option<&[Rc<str>]> {
        match self.contents.get(node.input_at(0)?)? {
            SequenceValue::List(list) => Some(list),
            _ => None,
        }
    }

    /// The place that input `index` is, of `count` ones, counted from the end if it is negative.
    fn place(&self, node: &NodeProto, index: usize, default: usize, count: usize) -> Option<usize> {
        let Some(name) = node.input_at(index) else {
            return Some(default);
        };
        let place = *self.graph.constant(name)?.to_i64().ok()?.first()?;
        // The end of a list, where something is inserted, is no place to count from.
        let length = count - usize::from(node.is("SequenceInsert"));
        let place = if place < 0 {
            place + length as i64
        } else {
            place
        };
        usize::try_from(place).ok().filter(|place| *place < count)
    }

    /// The elements next to each other, along an axis of theirs or a new one.
    fn joined(&mut self, node: &NodeProto) -> Option<Step> {
        let list = self.list(node)?.to_vec();
        let axis = node.int("axis")?;
        if list.is_empty() {
            return None;
        }
        let output = node.output.first()?.clone();
        // A node with two inputs and an output for each, and an input of the last.
        self.take(5 * list.len())?;
        let mut list: Vec<String> = list.iter().map(|name| name.to_string()).collect();
        let (mut nodes, mut constants) = (Vec::new(), Vec::new());
        if node.int("new_axis").unwrap_or(0) != 0 {
            let axes = self.fresh(node, "axes");
            constants.push(TensorProto::from_i64(&axes, &[1], &[axis]));
            for element in &mut list {
                let inputs = [element.as_str(), &axes];
                let layer = self.fresh(node, "layer");
                nodes.push(made(
                    "Unsqueeze",
                    &inputs,
                    std::slice::from_ref(&layer),
                    &[],
                ));
                *element = layer;
            }
        }
        let list: Vec<&str> = list.iter().map(String::as_str).collect();
        nodes.push(made("Concat", &list, &[output], &[("axis", axis.into())]));
        Some(Step::Becomes(nodes, constants))
    }

    /// A Split, and the sequence of what it makes.
    fn split(&mut self, node: &'a NodeProto) -> Option<Step> {
        let value = node.input_at(0)?;
        let (axis, length) = self.axis_of(value, node.int("axis").unwrap_or(0))?;
        let sizes = self.sizes(node, length)?;
        // Where a size is given, ONNX ignores `keepdims`; PyTorch's `unbind` gives 1 and means it, and ONNX Runtime takes it so.
        let given = node.input_at(1).and_then(|name| self.graph.constant(name));
        let is_list = given.is_some_and(|sizes| !sizes.dims.is_empty());
        let is_unbound = !is_list && sizes.iter().all(|size| *size == 1);
        let squeezes = is_unbound && node.int("keepdims").unwrap_or(1) == 0;
        // An output of the first, an input of the last, and a node between them for each.
        self.take(6 * sizes.len())?;
        let mut parts: Vec<String> = sizes.iter().map(|_| self.fresh(node, "part")).collect();
        let count = [sizes.len() as i64];
        let [sizes_name, axes] = ["sizes", "axes"].map(|what| self.fresh(node, what));
        let mut constants = vec![TensorProto::from_i64(&sizes_name, &count, &sizes)];
        let along = [("axis", axis.into())];
        let mut nodes = vec![made("Split", &[value, &sizes_name], &parts, &along)];
        if squeezes {
            constants.push(TensorProto::from_i64(&axes, &[1], &[axis]));
            for part in &mut parts {
                let element = self.fresh(node, "element");
                let outputs = std::slice::from_ref(&element);
                nodes.push(made("Squeeze", &[part, &axes], outputs, &[]));
                *part = element;
            }
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        nodes.push(made("SequenceConstruct", &parts, &node.output, &[]));
        Some(Step::Becomes(nodes, constants))
    }

    /// An axis of a value, counted from the front, and its size, if that is always the same.
    fn axis_of(&self, value: &str, axis: i64) -> Option<(i64, usize)> {
        let all: Vec<Vec<usize>> = match self.graph.constant(value) {
            Some(constant) => vec![constant.shape().ok()?],
            None => {
                let known = self.shapes.iter().map(|shapes| shapes.find(value));
                known
                    .map(|known| Some(known?.dims.clone()))
                    .collect::<Option<_>>()?
            }
        };
        let rank = all.first()?.len() as i64;
        let axis = if axis < 0 { axis + rank } else { axis };
        let at = usize::try_from(axis).ok()?;
        let sizes: Option<Vec<usize>> = all.iter().map(|dims| dims.get(at).copied()).collect();
        let sizes = sizes?;
        let same = sizes.iter().all(|size| *size == sizes[0]);
        same.then(|| (axis, sizes[0]))
    }

    /// The sizes of the parts that a SplitToSequence makes of `length` positions: at least one.
    fn sizes(&self, node: &NodeProto, length: usize) -> Option<Vec<i64>> {
        let part = match node.input_at(1) {
            None => 1,
            Some(name) => {
                let constant = self.graph.constant(name)?;
                let sizes = constant.to_i64().ok()?;
                if !constant.dims.is_empty() {
                    let fits = sizes.iter().all(|size| *size >= 0)
                        && sizes
                            .iter()
                            .try_fold(0i64, |sum, size| sum.checked_add(*size))
                            == i64::try_from(length).ok();
                    return (fits && !sizes.is_empty()).then_some(sizes);
                }
                usize::try_from(*sizes.first()?).ok()?
            }
        };
        if length == 0 || part == 0 || length.div_ceil(part) > self.room {
            return None;
        }
        let starts = (0..length).step_by(part);
        Some(
            starts
                .map(|start| part.min(length - start) as i64)
                .collect(),
        )
    }

    fn fresh(&mut self, node: &NodeProto, what: &str) -> String {
        names::fresh_name(&mut self.taken, &names::prefix(node), what)
    }
}

fn becomes(node: NodeProto) -> Step {
    Step::Becomes(vec![node], Vec::new())
}

fn made(
    op: &str,
    inputs: &[&str],
    outputs: &[String],
    attributes: &[(&str, Attribute)],
) -> NodeProto {
    builder::node("", op, inputs, outputs, attributes)
}
