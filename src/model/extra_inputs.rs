//! Inputs of a model other than the image. They become constants filled with a number from a card or the command line
//! (`training = 0`, `scale_factor = 1`).

use super::{Error, ModelFile};
use crate::onnx::graph::declared_dims;
use crate::onnx::proto::{Dim, TensorProto, ValueInfoProto};
use crate::onnx::tensor::element_count;
use crate::onnx::{ElementType, Graph};
use crate::text::quoted;

/// Maximum number of elements of such an input.
const MAX_ELEMENTS: usize = 1 << 20;

/// The inputs of `graph` other than `picture` as constants, without unused ones. Dynamic dimensions are 1.
///
/// # Errors
/// [`Error::FurtherInput`] for an input without a value or with an invalid one, and for a value whose input does not
/// exist.
pub(super) fn constants(
    graph: &Graph,
    picture: &str,
    file: &ModelFile,
) -> Result<Vec<TensorProto>, Error> {
    let wrong = |why: String| Error::FurtherInput {
        path: file.path.clone(),
        why,
    };
    let others = graph.inputs().iter().filter(|input| input.name != picture);
    let others: Vec<&ValueInfoProto> = others.collect();
    let exists = |name: &String| others.iter().any(|input| input.name == *name);
    if let Some(unknown) = file.card.feed.keys().find(|name| !exists(name)) {
        let unknown = quoted(unknown);
        return Err(wrong(format!("it has no further input called {unknown}")));
    }
    let constant = |input: &&ValueInfoProto| {
        let name = quoted(&input.name);
        let value = file.card.feed.get(&input.name).ok_or_else(|| {
            wrong(format!(
                "it needs the further input {name}: set its value with --feed NAME=NUMBER, or in a card under [feed]"
            ))
        })?;
        filled(input, *value).ok_or_else(|| {
            wrong(format!(
                "its further input {name} cannot hold {value} everywhere"
            ))
        })
    };
    let read = graph.read_values();
    let needed = others
        .iter()
        .filter(|input| read.contains(input.name.as_str()));
    needed.map(constant).collect()
}

/// The input as a constant; `None` if its type is unknown, it is too large, or cannot represent `value`.
fn filled(input: &ValueInfoProto, value: f64) -> Option<TensorProto> {
    let (elem, dims) = declared_dims(input)?;
    let extent = |dim: Option<Dim>| match dim {
        Some(Dim::DimValue(extent)) => extent,
        _ => 1,
    };
    let dims: Vec<i64> = dims.into_iter().map(extent).collect();
    element_count(&dims).filter(|count| *count <= MAX_ELEMENTS)?;
    TensorProto::filled(&input.name, &dims, ElementType::from_code(elem)?, value)
}
