//! Half precision becomes single precision: weights, casts and declared types of float16 and bfloat16 are float32 from
//! here on. Numbers stay as they are, what is computed of them is rounded less; CPUs are faster for it, and gradients do
//! not vanish.

use super::proto::{
    AttributeProto, AttributeType, GraphProto, ModelProto, NodeProto, TensorProto, TypeProto,
    TypeValue, ValueInfoProto,
};
use super::{Elem, Error, scope};

/// Integer attributes that name an element type.
const TYPES: &[&str] = &[
    "to",
    "dtype",
    "output_dtype",
    "stash_type",
    "softmax_precision",
];

/// The model with float32 for every float16 and bfloat16.
///
/// # Errors
/// [`Error::Corrupt`] if a weight's data does not fit its dimensions.
pub fn single(mut model: ModelProto) -> Result<ModelProto, Error> {
    if let Some(graph) = &mut model.graph {
        single_values(graph)?;
        single_nodes(graph.node.iter_mut().collect())?;
    }
    for function in &mut model.functions {
        function
            .attribute_proto
            .iter_mut()
            .try_for_each(single_attribute)?;
        single_nodes(function.node.iter_mut().collect())?;
    }
    Ok(model)
}

/// Constants and declared types of a graph, but not its nodes.
fn single_values(graph: &mut GraphProto) -> Result<(), Error> {
    graph.initializer.iter_mut().try_for_each(single_tensor)?;
    let declared = graph
        .input
        .iter_mut()
        .chain(&mut graph.output)
        .chain(&mut graph.value_info);
    declared.for_each(single_value);
    Ok(())
}

fn single_nodes(mut open: Vec<&mut NodeProto>) -> Result<(), Error> {
    while let Some(node) = open.pop() {
        for attribute in &mut node.attribute {
            single_attribute(attribute)?;
            for graph in scope::graphs_mut(attribute) {
                single_values(graph)?;
                open.extend(&mut graph.node);
            }
        }
    }
    Ok(())
}

fn single_attribute(attribute: &mut AttributeProto) -> Result<(), Error> {
    if attribute.r#type == AttributeType::Int as i32 && TYPES.contains(&attribute.name.as_str()) {
        attribute.i =
            i32::try_from(attribute.i).map_or(attribute.i, |code| single_code(code).into());
    }
    let tensors = attribute
        .t
        .as_deref_mut()
        .into_iter()
        .chain(&mut attribute.tensors);
    tensors.into_iter().try_for_each(single_tensor)
}

fn single_tensor(tensor: &mut TensorProto) -> Result<(), Error> {
    if single_code(tensor.data_type) == tensor.data_type {
        return Ok(());
    }
    *tensor = TensorProto::from_f32(&tensor.name, &tensor.dims, &tensor.to_f32()?);
    Ok(())
}

fn single_value(value: &mut ValueInfoProto) {
    let mut held = value.r#type.as_mut();
    // Sequences and optional values hold types in their turn.
    while let Some(TypeProto {
        value: Some(kind), ..
    }) = held
    {
        held = match kind {
            TypeValue::TensorType(tensor) | TypeValue::SparseTensorType(tensor) => {
                tensor.elem_type = single_code(tensor.elem_type);
                None
            }
            TypeValue::SequenceType(sequence) => sequence.elem_type.as_deref_mut(),
            TypeValue::OptionalType(optional) => optional.elem_type.as_deref_mut(),
            _ => None,
        };
    }
}

/// ONNX's number for the type that stands for the type numbered `code`.
fn single_code(code: i32) -> i32 {
    match Elem::from_code(code) {
        Some(Elem::F16 | Elem::BF16) => Elem::F32.code(),
        _ => code,
    }
}
