//! What a network is made of: the values along the way from the picture to the class scores.

use super::{Error, Network};
use crate::autodiff::reach::{Reach, reach};
use crate::onnx::{Elem, OWN};

/// One value that can be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Its name: what targets use.
    pub name: String,
    /// The operator that makes it.
    pub op: String,
    /// Its dimensions for one picture, (1, channels, height, width) or (1, channels).
    pub dims: Vec<usize>,
    /// How many learned numbers its node has.
    pub parameters: usize,
    /// Whether it can be visualised, or why not.
    pub reach: Reach,
}

impl Layer {
    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.dims[1]
    }

    /// Height and width of a channel, if it has any.
    pub fn plane(&self) -> Option<(usize, usize)> {
        match self.dims.as_slice() {
            &[_, _, height, width] => Some((height, width)),
            _ => None,
        }
    }
}

/// The values of `network` that depend on the picture and have channels, in graph order; not those that were added when it
/// was read.
pub(super) fn layers(network: &Network) -> Vec<Layer> {
    let reached = reach(&network.graph, &network.input);
    let mut layers = Vec::new();
    for node in network.graph.nodes() {
        let weights = node.input.iter().filter_map(|name| weight(network, name));
        let parameters = weights.fold(0, usize::saturating_add);
        for name in node.output.iter().filter(|name| !name.is_empty()) {
            let reach = reached
                .get(name.as_str())
                .cloned()
                .unwrap_or(Reach::Independent);
            let Some(value) = network.shapes.find(name) else {
                continue;
            };
            let has_channels = matches!(value.dims.len(), 2 | 4) && value.dims[1] > 0;
            let of_the_file = !name.starts_with(OWN);
            if of_the_file && reach != Reach::Independent && value.elem.is_float() && has_channels {
                layers.push(Layer {
                    name: name.clone(),
                    op: node.op_type.clone(),
                    dims: value.dims.clone(),
                    parameters,
                    reach,
                });
            }
        }
    }
    layers
}

/// How many numbers the constant `name` has, if it is a list of real ones: shapes, axes and limits are not learned.
fn weight(network: &Network, name: &str) -> Option<usize> {
    let constant = network.graph.constant(name)?;
    let real = Elem::from_code(constant.data_type).is_some_and(Elem::is_float);
    let learned = real && !constant.dims.is_empty();
    let extents = constant.dims.iter().map(|&extent| extent.max(0) as usize);
    learned.then(|| extents.fold(1, usize::saturating_mul))
}

/// The layer called `name`.
///
/// # Errors
/// [`Error::UnknownLayer`] with names that come near.
pub fn find<'a>(layers: &'a [Layer], name: &str) -> Result<&'a Layer, Error> {
    layers
        .iter()
        .find(|layer| layer.name == name)
        .ok_or_else(|| {
            let names = layers.iter().map(|layer| layer.name.as_str());
            Error::UnknownLayer {
                name: name.into(),
                suggestion: super::near::did_you_mean(&super::near::nearest(name, names)),
            }
        })
}
