//! Element types and dimensions of values, for fixed dimensions of the graph inputs. Shape inference itself is done by
//! ONNX Runtime (see [`crate::runtime`]); this is its result.

use super::proto::{
    Dim, Dimension, TensorShapeProto, TensorType, TypeProto, TypeValue, ValueInfoProto,
};
use super::{ElementType, Error};
use crate::text::quoted;
use std::collections::HashMap;

/// Type of a tensor of static shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueType {
    /// Element type.
    pub elem: ElementType,
    /// Size of each axis.
    pub dims: Vec<usize>,
}

impl ValueType {
    /// Number of elements.
    pub fn count(&self) -> usize {
        self.dims.iter().product()
    }
}

/// Types by value name.
#[derive(Debug, Clone, Default)]
pub struct Types(HashMap<String, ValueType>);

impl Types {
    /// The type of `value`, if it is known.
    pub fn find(&self, value: &str) -> Option<&ValueType> {
        self.0.get(value)
    }

    /// The type of `value`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if it is unknown: its dimensions depend on the contents of the inputs.
    pub fn get(&self, value: &str) -> Result<&ValueType, Error> {
        self.find(value).ok_or_else(|| {
            Error::Unsupported(format!(
                "value {}: its dimensions are not known before the model runs",
                quoted(value)
            ))
        })
    }

    /// Sets the type of `value`.
    pub fn insert(&mut self, value: impl Into<String>, value_type: ValueType) {
        self.0.insert(value.into(), value_type);
    }

    /// Adds the types of `others`, which replace existing ones.
    pub fn extend(&mut self, others: Types) {
        self.0.extend(others.0);
    }
}

impl FromIterator<(String, ValueType)> for Types {
    fn from_iter<I: IntoIterator<Item = (String, ValueType)>>(types: I) -> Self {
        Self(types.into_iter().collect())
    }
}

/// Declaration of a tensor value.
pub fn value_info(name: &str, elem: ElementType, dims: &[Dim]) -> ValueInfoProto {
    let dim = dims.iter().map(|dim| Dimension {
        value: Some(dim.clone()),
        ..Default::default()
    });
    let tensor = TensorType {
        elem_type: elem.code(),
        shape: Some(TensorShapeProto { dim: dim.collect() }),
    };
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto {
            value: Some(TypeValue::TensorType(tensor)),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Declaration of a value by name only, whose type is to be inferred.
pub fn untyped_value(name: &str) -> ValueInfoProto {
    ValueInfoProto {
        name: name.into(),
        ..Default::default()
    }
}

/// Static dimensions for [`value_info`].
pub fn fixed_dims(dims: &[usize]) -> Vec<Dim> {
    dims.iter().map(|&dim| Dim::DimValue(dim as i64)).collect()
}

/// An axis of a value of rank `length`, or an index along an axis of that size; negative ones count
/// from the end. `None` if it is out of range.
pub fn resolve_index(index: i64, length: usize) -> Option<usize> {
    let resolved = usize::try_from(from_front(index, length)).ok();
    resolved.filter(|&resolved| resolved < length)
}

/// A position along an axis of size `length`, counted from the front: a negative one counts from the end. It may be out
/// of range, as those of ONNX's `Slice` and `Shape`, which clamp them.
pub fn from_front(position: i64, length: usize) -> i64 {
    if position < 0 {
        position.saturating_add(length as i64)
    } else {
        position
    }
}
