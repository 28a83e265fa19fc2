//! Everything is computed in single precision: weights, casts and declared types of float16 and bfloat16 are float32 from
//! here on. Numbers stay as they are, what is computed of them is rounded less; CPUs are faster for it, and gradients do
//! not vanish. So are those of a model of float64, whose numbers are rounded: providers have few operators for it, and
//! ONNX Runtime's CPU provider not even a convolution.

use crate::onnx::proto::{
    AttributeProto, AttributeType, GraphProto, ModelProto, NodeProto, TensorProto, TypeProto,
    TypeValue, ValueInfoProto,
};
use crate::onnx::{Elem, Error, graph::declared_dims, names};

/// Integer attributes that name an element type.
const TYPES: &[&str] = &[
    "to",
    "dtype",
    "output_dtype",
    "stash_type",
    "softmax_precision",
];

/// The model with float32 for every float16 and bfloat16, and for every float64 if it is one of float64, that is, takes
/// such an input. What other models compute in float64 in between, they may need exactly.
///
/// # Errors
/// [`Error::Corrupt`] if a weight's data does not fit its dimensions.
pub fn to_float32(mut model: ModelProto) -> Result<ModelProto, Error> {
    let widening = match model.graph.as_ref().is_some_and(takes_double) {
        true => Widening(&[Elem::F16, Elem::BF16, Elem::F64]),
        false => Widening(&[Elem::F16, Elem::BF16]),
    };
    if let Some(graph) = &mut model.graph {
        widening.values(graph)?;
        widening.nodes(graph.node.iter_mut().collect())?;
    }
    for function in &mut model.functions {
        let defaults = &mut function.attribute_proto;
        defaults
            .iter_mut()
            .try_for_each(|default| widening.attribute(default))?;
        widening.nodes(function.node.iter_mut().collect())?;
    }
    Ok(model)
}

/// Whether a graph has an input of float64 that is no weight.
fn takes_double(graph: &GraphProto) -> bool {
    let mut inputs = graph.input.iter().filter(|input| {
        let mut weights = graph.initializer.iter();
        !weights.any(|weight| weight.name == input.name)
    });
    inputs.any(|input| declared_dims(input).is_some_and(|(elem, _)| elem == Elem::F64.code()))
}

/// The types that become float32.
#[derive(Clone, Copy)]
struct Widening(&'static [Elem]);

impl Widening {
    /// Constants and declared types of a graph, but not its nodes.
    fn values(self, graph: &mut GraphProto) -> Result<(), Error> {
        let constants = &mut graph.initializer;
        constants
            .iter_mut()
            .try_for_each(|constant| self.tensor(constant))?;
        let declared = graph
            .input
            .iter_mut()
            .chain(&mut graph.output)
            .chain(&mut graph.value_info);
        declared.for_each(|value| self.value(value));
        Ok(())
    }

    fn nodes(self, mut open: Vec<&mut NodeProto>) -> Result<(), Error> {
        while let Some(node) = open.pop() {
            for attribute in &mut node.attribute {
                self.attribute(attribute)?;
                for graph in names::graphs_mut(attribute) {
                    self.values(graph)?;
                    open.extend(&mut graph.node);
                }
            }
        }
        Ok(())
    }

    fn attribute(self, attribute: &mut AttributeProto) -> Result<(), Error> {
        if attribute.r#type == AttributeType::Int as i32 && TYPES.contains(&attribute.name.as_str())
        {
            attribute.i =
                i32::try_from(attribute.i).map_or(attribute.i, |code| self.code(code).into());
        }
        let tensors = attribute
            .t
            .as_deref_mut()
            .into_iter()
            .chain(&mut attribute.tensors);
        tensors
            .into_iter()
            .try_for_each(|tensor| self.tensor(tensor))
    }

    fn tensor(self, tensor: &mut TensorProto) -> Result<(), Error> {
        if self.code(tensor.data_type) == tensor.data_type {
            return Ok(());
        }
        let numbers = tensor.to_f64()?.into_iter().map(nearest);
        let numbers: Vec<f32> = numbers.collect();
        *tensor = TensorProto::from_f32(&tensor.name, &tensor.dims, &numbers);
        Ok(())
    }

    fn value(self, value: &mut ValueInfoProto) {
        let mut held = value.r#type.as_mut();
        // Sequences and optional values hold types in their turn.
        while let Some(TypeProto {
            value: Some(kind), ..
        }) = held
        {
            held = match kind {
                TypeValue::TensorType(tensor) | TypeValue::SparseTensorType(tensor) => {
                    tensor.elem_type = self.code(tensor.elem_type);
                    None
                }
                TypeValue::SequenceType(sequence) => sequence.elem_type.as_deref_mut(),
                TypeValue::OptionalType(optional) => optional.elem_type.as_deref_mut(),
                _ => None,
            };
        }
    }

    /// ONNX's number for the type that stands for the type numbered `code`.
    fn code(self, code: i32) -> i32 {
        match Elem::from_code(code) {
            Some(elem) if self.0.contains(&elem) => Elem::F32.code(),
            _ => code,
        }
    }
}

/// The number in float32. One that is too large for it, such as the lowest of another type in a mask, stays finite.
fn nearest(number: f64) -> f32 {
    match number.is_finite() {
        true => (number as f32).clamp(f32::MIN, f32::MAX),
        false => number as f32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_too_large_for_single_precision_stay_finite_unless_they_are_not() {
        assert_eq!(nearest(f64::MIN), f32::MIN);
        assert_eq!(nearest(1e300), f32::MAX);
        assert_eq!(nearest(f64::NEG_INFINITY), f32::NEG_INFINITY);
        assert_eq!(nearest(0.1), 0.1);
    }
}
