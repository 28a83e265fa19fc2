//! The layers of a network: its values between the image and the class scores.

use super::layer_filter::LayerFilter;
use super::layout::Layout;
use super::{Error, Network};
use crate::autodiff::differentiability::{Differentiability, analyze};
use crate::onnx::proto::NodeProto;
use crate::onnx::{ElementType, Graph, INTERNAL_PREFIX};
use crate::suggest;

/// A value that can be a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Its name in targets.
    pub name: String,
    /// The operator of the file that computes it.
    pub op: String,
    /// Its dimensions for one picture, in the model's layout.
    pub dims: Vec<usize>,
    /// The meaning of the dimensions: channels and positions.
    pub layout: Layout,
    /// Number of learned parameters.
    pub parameters: usize,
    /// Whether it is a layer in the usual sense, not an intermediate step or a rearrangement.
    pub is_activation: bool,
    /// Whether it is differentiable, or why not.
    pub differentiability: Differentiability,
}

impl Layer {
    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.layout.channels
    }

    /// Height and width of a channel; `None` without positions.
    pub fn plane(&self) -> Option<(usize, usize)> {
        self.layout.plane()
    }
}

/// The values of `network` that depend on the image and have channels, in graph order, without values added by passes.
pub(super) fn layers(network: &Network) -> Vec<Layer> {
    let reached = analyze(&network.graph, &network.shapes, &network.input);
    let activations = LayerFilter::new(network);
    let mut layers = Vec::new();
    for (index, node) in network.graph.nodes().iter().enumerate() {
        for name in node.output.iter().filter(|name| !name.is_empty()) {
            let differentiability = reached
                .get(name.as_str())
                .cloned()
                .unwrap_or(Differentiability::Independent);
            let (Some(value), Some(layout)) = (network.shapes.find(name), network.layout(name))
            else {
                continue;
            };
            let of_the_file = !name.starts_with(INTERNAL_PREFIX);
            if of_the_file
                && differentiability != Differentiability::Independent
                && value.elem.is_float()
            {
                let fused = network.fused_ops.producing(name);
                let linear = activations.linear_before(index);
                let makers = linear.into_iter().chain([node]);
                let learned = makers.map(|node| parameters(&network.graph, node));
                layers.push(Layer {
                    name: name.clone(),
                    op: fused.map_or(&node.op_type, |fused| &fused.op).clone(),
                    dims: value.dims.clone(),
                    layout,
                    parameters: match fused {
                        Some(fused) => fused.parameters,
                        None => learned.fold(0, usize::saturating_add),
                    },
                    is_activation: activations.contains(index, name, layout),
                    differentiability,
                });
            }
        }
    }
    layers
}

/// Number of learned parameters that a node reads. Shapes, axes and limits are not learned.
pub(super) fn parameters(graph: &Graph, node: &NodeProto) -> usize {
    let weight = |name: &String| {
        let constant = graph.constant(name)?;
        let real = ElementType::from_code(constant.data_type).is_some_and(ElementType::is_float);
        let learned = real && !constant.dims.is_empty();
        let extents = constant.dims.iter().map(|&extent| extent.max(0) as usize);
        learned.then(|| extents.fold(1, usize::saturating_mul))
    };
    let weights = node.input.iter().filter_map(weight);
    weights.fold(0, usize::saturating_add)
}

/// The layer called `name`.
///
/// # Errors
/// [`Error::UnknownLayer`] with similar names.
pub fn find<'a>(layers: &'a [Layer], name: &str) -> Result<&'a Layer, Error> {
    layers
        .iter()
        .find(|layer| layer.name == name)
        .ok_or_else(|| {
            let names = || layers.iter().map(|layer| layer.name.as_str());
            // A channel in the notation of targets.
            let of_channel = name.rsplit_once(':').map(|(layer, _)| layer);
            let exact = names().find(|known| Some(*known) == of_channel);
            let near =
                exact.map_or_else(|| suggest::suggestions(name, names()), |exact| vec![exact]);
            Error::UnknownLayer {
                name: name.into(),
                suggestion: suggest::did_you_mean(&near),
            }
        })
}
