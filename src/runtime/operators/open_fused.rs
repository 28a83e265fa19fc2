//! Opens a model with its element-wise nodes fused (see [`super::fusion`]), and gradients of depthwise convolutions,
//! of a network's first convolution and of maximum pools as single nodes (see [`super::depthwise_rewrite`],
//! [`super::stem_rewrite`] and [`super::max_pool_rewrite`]).
//!
//! ONNX Runtime optimizes a model when it opens it: it fuses nodes itself, and computes convolutional networks in
//! blocked channels (NCHWc), which it does not extend past operators that it does not know. So the nodes are fused
//! afterwards: the optimized model is stored, read, fused, and opened without further optimization.

use super::blocked::{block_size, without_round_trips};
use super::depthwise_rewrite::with_depthwise_gradients;
use super::fusion::fused;
use super::known_types::{KnownTypes, Nodes, renamed};
use super::layout::with_blocked_nodes;
use super::max_pool_rewrite::with_max_pool_gradients;
use super::optimized::optimized;
use super::phases_rewrite::with_phases;
use super::stem_rewrite::with_stem_gradients;
use crate::onnx::own_operators::{DOMAIN, import};
use crate::onnx::proto::ModelProto;
use crate::onnx::{Graph, Types};
use crate::runtime::matrices::Matrices;
use crate::runtime::{Device, Error, Optimisation, Session, SessionOptions};
use std::collections::HashSet;

/// Maximum bytes of the constants that are stored with a model. A session, the file and the fused model hold them at
/// the same time, filters of convolutions twice: once for each pass.
const MAX_STORED: usize = 1 << 30;

impl Session {
    /// Opens a model with [`operators`](super) on the CPU, its nodes fused. `types` are those of its values for example
    /// inputs. The inner error says why there is no such session: the optimized model cannot be stored, or the fused
    /// one cannot be opened.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn open_fused(
        mut model: ModelProto,
        types: &Types,
        options: &SessionOptions,
    ) -> Result<Result<Self, String>, Error> {
        let options = SessionOptions {
            operators: true,
            ..options.clone()
        };
        let nodes = renamed(&mut model);
        let matrices = Matrices::detach(&mut model);
        let stored = weight_bytes(&model);
        if stored > MAX_STORED {
            let (stored, most) = (stored >> 20, MAX_STORED >> 20);
            return Ok(Err(format!(
                "its filters have {stored} MiB, more than {most}"
            )));
        }
        let mut optimized = optimized(&model, &options);
        // Its weights are no longer needed.
        drop(model);
        if let Ok(optimized) = &mut optimized {
            matrices.attach(optimized);
        }
        let options = SessionOptions {
            optimisation: Optimisation::None,
            ..options
        };
        let opened = optimized
            .and_then(|optimized| fused_model(optimized, &nodes, types))
            .and_then(|fused| Self::open_model(&fused, Device::Cpu.into(), &options));
        match opened {
            Err(Error::Stopped) => Err(Error::Stopped),
            Err(problem) => Ok(Err(problem.into_reason())),
            Ok(session) => Ok(Ok(session)),
        }
    }
}

/// The bytes of the constants in a model.
fn weight_bytes(model: &ModelProto) -> usize {
    let constants = model.graph.iter().flat_map(|graph| &graph.initializer);
    constants
        .filter_map(|tensor| tensor.raw_data.as_ref())
        .map(bytes::Bytes::len)
        .sum()
}

/// The optimized model with its nodes fused, under their former names. `types` are those of the values that the model
/// had before.
pub(super) fn fused_model(
    mut model: ModelProto,
    nodes: &Nodes,
    types: &Types,
) -> Result<ModelProto, Error> {
    let mut imports = model.opset_import.iter();
    if !imports.any(|opset| opset.domain == DOMAIN) {
        model.opset_import.push(import());
    }
    let known = KnownTypes { nodes, types };
    let mut graph = with_max_pool_gradients(Graph::new(model)?, types)?;
    if let Some(block) = block_size() {
        graph = without_round_trips(with_phases(graph, types, block)?, block)?;
        graph = with_blocked_nodes(&graph, &known, block)?;
    }
    let graph = fused(&graph, &known)?;
    let graph = with_stem_gradients(with_depthwise_gradients(graph)?)?;
    let mut model = graph.to_model(graph.outputs())?;
    let all = model.graph.iter_mut().flat_map(|graph| &mut graph.node);
    let (renamed, others): (Vec<_>, Vec<_>) = all.partition(|node| nodes.contains_key(&node.name));
    // ONNX Runtime may have given a former name to another node.
    let taken: HashSet<&str> = others.iter().map(|node| node.name.as_str()).collect();
    for node in renamed {
        let (name, _) = &nodes[&node.name];
        if !taken.contains(name.as_str()) {
            node.name.clone_from(name);
        }
    }
    Ok(model)
}
