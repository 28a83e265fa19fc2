//! Inputs and outputs of a model.

use crate::onnx::ElementType;
use crate::runtime::{Error, PortType, Tensor};

/// An input or output that a model declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its type.
    pub port_type: PortType,
    /// Its extent along each axis; `None` where the model leaves it open.
    pub dims: Vec<Option<u64>>,
}

impl Port {
    pub(super) fn from_outlet(outlet: &ort::value::Outlet) -> Self {
        let shape = outlet.dtype().tensor_shape();
        let dims = shape.map(|shape| shape.iter().map(|&dim| u64::try_from(dim).ok()));
        Self {
            name: outlet.name().to_string(),
            port_type: PortType::from_ort(outlet.dtype()),
            dims: dims.map(Iterator::collect).unwrap_or_default(),
        }
    }

    /// The type of its elements, if it is a tensor of a supported type.
    pub fn elem(&self) -> Option<ElementType> {
        match self.port_type {
            PortType::Tensor(elem) => Some(elem),
            PortType::Other(_) => None,
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
        if self.elem() == Some(tensor.elem()) && (fits || self.dims.is_empty()) {
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
        write!(f, "{} [{}]", self.port_type, dims.join(", "))
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
