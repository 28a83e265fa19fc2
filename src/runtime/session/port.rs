//! Inputs and outputs of a model.

use crate::runtime::{Element, Error, Tensor};

/// An input or output that a model declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub element: Element,
    /// Its extent along each axis; `None` where the model leaves it open.
    pub dims: Vec<Option<u64>>,
}

impl Port {
    pub(super) fn of(outlet: &ort::value::Outlet) -> Self {
        let shape = outlet.dtype().tensor_shape();
        let dims = shape.map(|shape| shape.iter().map(|&dim| u64::try_from(dim).ok()));
        Self {
            name: outlet.name().to_string(),
            element: Element::of(outlet.dtype()),
            dims: dims.map(Iterator::collect).unwrap_or_default(),
        }
    }

    /// Whether a tensor can be this port's value.
    pub(in crate::runtime) fn check_tensor(&self, tensor: &Tensor) -> Result<(), Error> {
        let fits = tensor.shape().len() == self.dims.len()
            && tensor
                .shape()
                .iter()
                .zip(&self.dims)
                .all(|(&extent, dim)| dim.is_none_or(|dim| dim == extent as u64));
        // An input without any dimension may be a scalar or one of undeclared rank: that is ONNX Runtime's to judge.
        if tensor.element() == self.element && (fits || self.dims.is_empty()) {
            return Ok(());
        }
        Err(Error::Mismatch {
            name: self.name.clone(),
            wanted: self.to_string(),
            got: tensor.describe(),
        })
    }
}

impl std::fmt::Display for Port {
    /// Type and shape, open extents as `?`: `float32 [?, 3, 224, 224]`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let dims = self.dims.iter();
        let dims: Vec<_> = dims
            .map(|dim| dim.map_or("?".into(), |dim| dim.to_string()))
            .collect();
        write!(f, "{} [{}]", self.element, dims.join(", "))
    }
}

/// The port with this name.
pub(super) fn port<'p>(
    kind: &'static str,
    ports: &'p [Port],
    name: &str,
) -> Result<&'p Port, Error> {
    ports
        .iter()
        .find(|port| port.name == name)
        .ok_or_else(|| Error::NoPort {
            kind,
            name: name.to_string(),
            known: known(ports),
        })
}

/// A few of the valid names.
fn known(ports: &[Port]) -> String {
    const SHOWN: usize = 8;
    let mut names: Vec<&str> = ports
        .iter()
        .take(SHOWN)
        .map(|port| port.name.as_str())
        .collect();
    if ports.len() > SHOWN {
        names.push("…");
    }
    names.join(", ")
}
