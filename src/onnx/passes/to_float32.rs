//! Converts models to float32.
//!
//! Weights, casts and declared types of float16 and bfloat16 become float32. That is exact for the weights, more
//! accurate for intermediate values, faster on CPUs, and keeps gradients from underflowing. Models of float64 are
//! converted too, with rounded weights: execution providers implement few float64 operators (ONNX Runtime's CPU
//! provider lacks Conv).

use crate::onnx::proto::{
    AttributeProto, AttributeType, GraphProto, ModelProto, NodeProto, TensorProto, TypeProto,
    TypeValue, ValueInfoProto,
};
use crate::onnx::{ElementType, Error, graph::declared_dims};

/// Int attributes that hold an element type.
const TYPES: &[&str] = &[
    "to",
    "dtype",
    "output_dtype",
    "stash_type",
    "softmax_precision",
];

/// The model with float16 and bfloat16 replaced by float32. So is float64, if an input of the model has that type:
/// other models may depend on the precision of intermediate float64 values.
///
/// # Errors
/// [`Error::Corrupt`] if a weight's data do not fit its dimensions.
pub fn to_float32(mut model: ModelProto) -> Result<ModelProto, Error> {
    let widening = if model.graph.as_ref().is_some_and(has_f64_input) {
        Widening(&[ElementType::F16, ElementType::BF16, ElementType::F64])
    } else {
        Widening(&[ElementType::F16, ElementType::BF16])
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

/// Whether a graph has a float64 input that is not an initializer.
fn has_f64_input(graph: &GraphProto) -> bool {
    let mut inputs = graph.input.iter().filter(|input| {
        let mut weights = graph.initializer.iter();
        !weights.any(|weight| weight.name == input.name)
    });
    inputs
        .any(|input| declared_dims(input).is_some_and(|(elem, _)| elem == ElementType::F64.code()))
}

/// The types to convert to float32.
#[derive(Clone, Copy)]
struct Widening(&'static [ElementType]);

impl Widening {
    /// Converts the initializers and declared types of a graph, but not its nodes.
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

    fn nodes(self, mut worklist: Vec<&mut NodeProto>) -> Result<(), Error> {
        while let Some(node) = worklist.pop() {
            for attribute in &mut node.attribute {
                self.attribute(attribute)?;
                for graph in attribute.graphs_mut() {
                    self.values(graph)?;
                    worklist.extend(&mut graph.node);
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
        let values = tensor.to_f64()?.into_iter().map(to_f32_finite);
        let values: Vec<f32> = values.collect();
        *tensor = TensorProto::from_f32(&tensor.name, &tensor.dims, &values);
        Ok(())
    }

    fn value(self, value: &mut ValueInfoProto) {
        let mut next = value.r#type.as_mut();
        // Types of sequences and optional values are nested.
        while let Some(TypeProto {
            value: Some(kind), ..
        }) = next
        {
            next = match kind {
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

    /// The ONNX code of the type that replaces the one of code `code`.
    fn code(self, code: i32) -> i32 {
        match ElementType::from_code(code) {
            Some(elem) if self.0.contains(&elem) => ElementType::F32.code(),
            _ => code,
        }
    }
}

/// Rounds to float32. Finite numbers out of range, such as the lowest float64 in a mask, are clamped.
fn to_f32_finite(number: f64) -> f32 {
    if number.is_finite() {
        (number as f32).clamp(f32::MIN, f32::MAX)
    } else {
        number as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finite_numbers_out_of_range_are_clamped() {
        assert_eq!(to_f32_finite(f64::MIN), f32::MIN);
        assert_eq!(to_f32_finite(1e300), f32::MAX);
        assert_eq!(to_f32_finite(f64::NEG_INFINITY), f32::NEG_INFINITY);
        assert_eq!(to_f32_finite(0.1), 0.1);
    }
}
