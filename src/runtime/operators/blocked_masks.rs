//! Opens a model with `Mask` nodes so that they keep blocked channels (NCHWc), the layout in which
//! ONNX Runtime computes convolutional networks.
//!
//! ONNX Runtime chooses the layout when it optimizes a model, and reorders the tensors around
//! operators that it does not know. So the model is optimized with a product in place of each mask:
//! the layout of a product of two tensors is that of both of them. In the optimized model the masks
//! replace their products, and that model is opened without further optimization. A mask is
//! computed element by element, hence the same in any layout that its inputs share.

use super::super::{Device, Error, Optimisation, Options, Session};
use crate::onnx::file;
use crate::onnx::own_operators::{DOMAIN, MASK};
use crate::onnx::proto::{AttributeProto, ModelProto, NodeProto};
use std::collections::HashMap;

/// What the names of the products in place of masks begin with.
const PRODUCT: &str = "ziggurat/mask/";

/// The attributes of each mask, by the name of the product in its place.
type Masks = HashMap<String, Vec<AttributeProto>>;

impl Session {
    /// Opens a model with [`operators`](super) on the CPU, its masks in blocked channels where its other nodes are.
    /// `None` if the optimized model cannot be stored in a temporary file, or does not have all masks.
    ///
    /// # Errors
    /// Those of [`Session::open_model`].
    pub fn open_with_blocked_masks(
        mut model: ModelProto,
        options: &Options,
    ) -> Result<Option<Self>, Error> {
        let options = Options {
            operators: true,
            ..options.clone()
        };
        let masks = products_for_masks(&mut model);
        if masks.is_empty() {
            return Self::open_model(&model, Device::Cpu.into(), &options).map(Some);
        }
        let mut optimized = match optimized(&model, &options) {
            Ok(optimized) => optimized,
            Err(Error::Stopped) => return Err(Error::Stopped),
            Err(problem) => {
                tracing::warn!(%problem, "there is no optimized model in which masks keep their layout: steps are slower");
                return Ok(None);
            }
        };
        // Its weights are no longer needed.
        drop(model);
        if !masks_for_products(&mut optimized, masks) {
            tracing::warn!(
                "ONNX Runtime has changed products that stand for masks: steps are slower"
            );
            return Ok(None);
        }
        let options = Options {
            optimisation: Optimisation::None,
            ..options
        };
        Self::open_model(&optimized, Device::Cpu.into(), &options).map(Some)
    }
}

/// The optimized model. ONNX Runtime writes it to a file only.
pub(super) fn optimized(model: &ModelProto, options: &Options) -> Result<ModelProto, Error> {
    let folder = tempfile::tempdir().map_err(Error::run)?;
    let path = folder.path().join("optimized.onnx");
    let options = Options {
        optimised: Some(path.clone()),
        ..options.clone()
    };
    Session::open_model(model, Device::Cpu.into(), &options)?;
    Ok(file::read(&path)?)
}

/// Replaces the masks by products.
pub(super) fn products_for_masks(model: &mut ModelProto) -> Masks {
    let mut masks = Masks::new();
    let nodes = model.graph.iter_mut().flat_map(|graph| &mut graph.node);
    for node in nodes.filter(|node| node.domain == DOMAIN && node.op_type == MASK) {
        let name = format!("{PRODUCT}{}", masks.len());
        masks.insert(name.clone(), std::mem::take(&mut node.attribute));
        (node.domain, node.op_type) = (String::new(), "Mul".into());
        node.name = name;
    }
    masks
}

/// Replaces the products by their masks; returns whether each of them was there.
fn masks_for_products(model: &mut ModelProto, mut masks: Masks) -> bool {
    let is_product = |node: &NodeProto| node.is_op("Mul") && node.input.len() == 2;
    let nodes = model.graph.iter_mut().flat_map(|graph| &mut graph.node);
    for node in nodes.filter(|node| node.name.starts_with(PRODUCT)) {
        let Some(attributes) = masks.remove(&node.name).filter(|_| is_product(node)) else {
            return false;
        };
        (node.domain, node.op_type) = (DOMAIN.into(), MASK.into());
        node.attribute = attributes;
    }
    masks.is_empty()
}
