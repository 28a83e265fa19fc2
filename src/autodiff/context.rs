//! The interface between gradient rules and the graph: the node's inputs, shapes and attributes, and helpers that emit
//! nodes.

use super::{Error, GradientOptions};
use crate::onnx::proto::{NodeProto, TensorProto};
use crate::onnx::types::resolve_index;
use crate::onnx::{Attribute, Builder, ElementType, Error as GraphError, Types};
use crate::text::quoted;

/// The gradients that a rule returns, one per input: `None` where it was not requested or is zero. Trailing entries may
/// be omitted.
pub type Gradients = Vec<Option<String>>;

/// Maximum number of elements of a value.
const MAX_ELEMENTS: usize = 1 << 40;

/// Maximum number of elements of a constant in the gradient graph.
const MAX_CONSTANT: usize = 1 << 24;

/// One node under differentiation.
pub struct Context<'a> {
    pub(super) node: &'a NodeProto,
    pub(super) builder: &'a mut Builder,
    pub(super) shapes: &'a Types,
    pub(super) options: &'a GradientOptions,
    /// The gradient of each output; `None` where the objective does not depend on it.
    pub(super) gradients: Vec<Option<String>>,
    /// Whether the gradient of each input is requested.
    pub(super) needs_grad: Vec<bool>,
}

impl Context<'_> {
    /// Input `index` of the node.
    ///
    /// # Errors
    /// [`GraphError::Corrupt`] if the node lacks it.
    pub fn input(&self, index: usize) -> Result<String, GraphError> {
        self.optional_input(index).ok_or_else(|| {
            let node = self.node.display_name();
            GraphError::Corrupt(format!(
                "node {node} ({}) lacks input {index}",
                quoted(&self.node.op_type)
            ))
        })
    }

    /// Input `index` of the node, if it is given.
    pub fn optional_input(&self, index: usize) -> Option<String> {
        self.node.input_at(index).map(str::to_owned)
    }

    /// Output 0 of the node.
    pub fn output(&self) -> String {
        self.node.output[0].clone()
    }

    /// The gradient of output 0.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if only another output has one.
    pub fn grad_output(&self) -> Result<String, Error> {
        let first = self.gradients.first().cloned().flatten();
        first.ok_or_else(|| {
            self.unsupported("the objective depends on an output other than its first")
        })
    }

    /// Whether the gradient of input `index` is requested.
    pub fn needs_input_grad(&self, index: usize) -> bool {
        self.needs_grad.get(index).copied().unwrap_or(false)
    }

    /// Checks that only the gradient of input 0 is requested, for operators whose further inputs are parameters.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if another one is requested.
    pub fn first_input_only(&self) -> Result<(), Error> {
        match (1..self.needs_grad.len()).find(|&index| self.needs_input_grad(index)) {
            None => Ok(()),
            Some(index) => Err(self.unsupported(&format!(
                "the gradient of its input {index} is not implemented"
            ))),
        }
    }

    /// The error for a node that its rule does not cover, with the reason.
    pub fn unsupported(&self, why: &str) -> Error {
        Error::Unsupported {
            node: self.node.display_name(),
            op: self.node.op_type.clone(),
            why: why.into(),
        }
    }

    /// Checks that a constant of dimensions `dims` is not too large.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for more than `MAX_CONSTANT` elements.
    pub fn check_constant(&self, dims: &[usize]) -> Result<(), Error> {
        let count = dims
            .iter()
            .fold(1, |count: usize, &dim| count.saturating_mul(dim));
        if count > MAX_CONSTANT {
            Err(self.unsupported(&format!(
                "it needs a constant of dimensions {dims:?}, which is too large"
            )))
        } else {
            Ok(())
        }
    }

    /// Dimensions of a value of the original graph. Their product does not overflow.
    ///
    /// # Errors
    /// [`GraphError::Unsupported`] if they are unknown or the value has too many elements.
    pub fn dims(&self, value: &str) -> Result<Vec<usize>, GraphError> {
        let dims = self.builder.graph().dims(value, self.shapes)?;
        let count = dims
            .iter()
            .try_fold(1usize, |count, &dim| count.checked_mul(dim.max(1)));
        match count {
            Some(count) if count <= MAX_ELEMENTS => Ok(dims),
            _ => Err(GraphError::Unsupported(format!(
                "value {}: dimensions {dims:?} are too large",
                quoted(value)
            ))),
        }
    }

    /// Element type of a value of the original graph.
    ///
    /// # Errors
    /// [`GraphError::Unsupported`] if it is unknown.
    pub fn elem(&self, value: &str) -> Result<ElementType, GraphError> {
        self.builder.graph().elem(value, self.shapes)
    }

    /// Whether the device has [`own_operators`](crate::onnx::own_operators) for a value: they compute in float32.
    ///
    /// # Errors
    /// As [`Context::elem`].
    pub fn has_own_operators(&self, value: &str) -> Result<bool, GraphError> {
        Ok(self.options.device.own_operators && self.elem(value)? == ElementType::F32)
    }

    /// Input `index`, if it is a constant.
    pub fn constant(&self, index: usize) -> Option<&TensorProto> {
        self.builder.graph().constant(self.node.input_at(index)?)
    }

    /// The integers of input `index`: `None` if the input is not given.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if it is not a constant.
    pub fn constant_ints(&self, index: usize) -> Result<Option<Vec<i64>>, Error> {
        if self.node.input_at(index).is_none() {
            return Ok(None);
        }
        match self.constant(index) {
            Some(tensor) => Ok(Some(tensor.to_i64()?)),
            None => Err(self.unsupported(&format!("its input {index} is not a constant"))),
        }
    }

    /// The single number of input `index`: `None` if the input is not given.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if it is not a constant of one element.
    pub fn constant_number(&self, index: usize) -> Result<Option<f64>, Error> {
        if self.node.input_at(index).is_none() {
            return Ok(None);
        }
        let values = self.constant(index).map(TensorProto::to_f64).transpose()?;
        match values.as_deref() {
            Some([number]) => Ok(Some(*number)),
            _ => Err(self.unsupported(&format!("its input {index} is not a constant number"))),
        }
    }

    /// The axis attribute `name` as a non-negative axis.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if it is out of range for `rank`.
    pub fn axis(&self, name: &str, default: i64, rank: usize) -> Result<usize, Error> {
        self.resolve_axis(self.node.int(name).unwrap_or(default), rank)
    }

    /// `axis` as a non-negative axis.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if it is out of range for `rank`.
    pub fn resolve_axis(&self, axis: i64, rank: usize) -> Result<usize, Error> {
        resolve_index(axis, rank)
            .ok_or_else(|| self.unsupported(&format!("axis {axis} of a tensor of rank {rank}")))
    }

    /// Emits a node with one output.
    pub fn emit(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        self.builder.emit(op, inputs, attributes)
    }

    /// Emits a node without attributes.
    pub fn op(&mut self, op: &str, inputs: &[&str]) -> String {
        self.builder.emit(op, inputs, &[])
    }

    /// `a · b`, broadcast.
    pub fn mul(&mut self, a: &str, b: &str) -> String {
        self.op("Mul", &[a, b])
    }

    /// `a + b`, broadcast.
    pub fn add(&mut self, a: &str, b: &str) -> String {
        self.op("Add", &[a, b])
    }

    /// `value · factor`, for a value of the type `elem`.
    ///
    /// # Errors
    /// [`GraphError::Unsupported`] for element types that constants cannot have.
    pub fn scale(
        &mut self,
        value: &str,
        elem: ElementType,
        factor: f64,
    ) -> Result<String, GraphError> {
        if factor == 1.0 {
            return Ok(value.into());
        }
        let factor = self.scalar(elem, factor)?;
        Ok(self.mul(value, &factor))
    }

    /// A constant number.
    ///
    /// # Errors
    /// [`GraphError::Unsupported`] for element types that constants cannot have.
    pub fn scalar(&mut self, elem: ElementType, value: f64) -> Result<String, GraphError> {
        self.builder.scalar(elem, value)
    }

    /// A constant integer.
    pub fn int(&mut self, value: i64) -> String {
        self.builder.int(value)
    }

    /// A constant list of integers.
    pub fn ints(&mut self, values: &[i64]) -> String {
        self.builder.ints(values)
    }

    /// `value` with other dimensions for the same elements.
    pub fn reshape(&mut self, value: &str, dims: &[usize]) -> String {
        let dims = self.dims_constant(dims);
        self.op("Reshape", &[value, &dims])
    }

    /// `value` repeated to fill `dims`.
    pub fn expand(&mut self, value: &str, dims: &[usize]) -> String {
        let dims = self.dims_constant(dims);
        self.op("Expand", &[value, &dims])
    }

    /// A zero gradient for a value of type `elem`; float32 for quantized values.
    ///
    /// # Errors
    /// [`GraphError::Unsupported`] for element types that constants cannot have.
    pub fn zeros(&mut self, elem: ElementType, dims: &[usize]) -> Result<String, GraphError> {
        let elem = if elem.is_float() {
            elem
        } else {
            ElementType::F32
        };
        let zero = self.scalar(elem, 0.0)?;
        Ok(self.expand(&zero, dims))
    }

    /// The reduction `op` over `axes`, kept as dimensions of size 1.
    pub fn reduce(&mut self, op: &str, value: &str, axes: &[usize]) -> String {
        let axes = self.dims_constant(axes);
        self.emit(op, &[value, &axes], &[("keepdims", 1i64.into())])
    }

    /// Sum over `axes`, kept as dimensions of size 1.
    pub fn sum_over(&mut self, value: &str, axes: &[usize]) -> String {
        self.reduce("ReduceSum", value, axes)
    }

    /// `value` converted to `elem`.
    pub fn cast(&mut self, value: &str, elem: ElementType) -> String {
        self.emit("Cast", &[value], &[("to", i64::from(elem.code()).into())])
    }

    /// `value` with its axes in the order `permutation`.
    pub fn transpose(&mut self, value: &str, permutation: &[usize]) -> String {
        let permutation: Vec<i64> = permutation.iter().map(|&axis| axis as i64).collect();
        self.emit("Transpose", &[value], &[("perm", permutation.into())])
    }

    /// `value` padded with `before` and `after` zeros along each axis; negative amounts crop.
    ///
    /// The amounts always cover all axes: ONNX Runtime (1.32) ignores the input `axes` when it moves a Transpose past a
    /// Pad.
    pub fn pad(&mut self, value: &str, before: &[i64], after: &[i64]) -> String {
        if before.iter().chain(after).all(|&amount| amount == 0) {
            return value.into();
        }
        let amounts = self.ints(&[before, after].concat());
        self.op("Pad", &[value, &amounts])
    }

    /// Checks that the objective depends on no output but the first.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the objective depends on another.
    pub fn first_output_only(&self) -> Result<(), Error> {
        if self.gradients.iter().skip(1).any(Option::is_some) {
            Err(self.unsupported("the objective depends on an output other than its first"))
        } else {
            Ok(())
        }
    }

    /// Sums a gradient over the axes along which its primal was broadcast from dimensions `to` to `from`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if `to` does not broadcast to `from`: the known dimensions contradict the operator.
    pub fn sum_to_shape(
        &mut self,
        gradient: &str,
        from: &[usize],
        to: &[usize],
    ) -> Result<String, Error> {
        if from == to {
            return Ok(gradient.into());
        }
        let fits = |lead: &usize| {
            let mut pairs = from[*lead..].iter().zip(to);
            pairs.all(|(&from, &to)| to == 1 || to == from)
        };
        let lead = from.len().checked_sub(to.len()).filter(fits);
        let lead = lead
            .ok_or_else(|| self.unsupported(&format!("{to:?} does not broadcast to {from:?}")))?;
        let is_broadcast = |&axis: &usize| axis < lead || (to[axis - lead] == 1 && from[axis] != 1);
        let axes: Vec<usize> = (0..from.len()).filter(is_broadcast).collect();
        let summed = if axes.is_empty() {
            gradient.into()
        } else {
            self.sum_over(gradient, &axes)
        };
        Ok(if lead == 0 {
            summed
        } else {
            self.reshape(&summed, to)
        })
    }

    /// The gradient of input `index`, given that of the broadcast output, summed to the input's dimensions.
    ///
    /// # Errors
    /// As [`Context::sum_to_shape`], and if dimensions are unknown.
    pub fn sum_to_input(&mut self, index: usize, gradient: &str) -> Result<String, Error> {
        let (from, to) = (self.dims(&self.output())?, self.dims(&self.input(index)?)?);
        self.sum_to_shape(gradient, &from, &to)
    }

    /// The gradient of each of the first `count` inputs for which it is requested, by `rule` of the input's index.
    ///
    /// # Errors
    /// Those of `rule`.
    pub fn for_each_requested(
        &mut self,
        count: usize,
        mut rule: impl FnMut(&mut Self, usize) -> Result<String, Error>,
    ) -> Result<Gradients, Error> {
        (0..count)
            .map(|index| {
                let is_requested = self.needs_input_grad(index);
                is_requested.then(|| rule(self, index)).transpose()
            })
            .collect()
    }

    fn dims_constant(&mut self, dims: &[usize]) -> String {
        let dims: Vec<i64> = dims.iter().map(|&dim| dim as i64).collect();
        self.ints(&dims)
    }
}
