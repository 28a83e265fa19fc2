//! ONNX Runtime's blocked channels (NCHWc): a tensor (N, C, H, W) whose memory is (N, C/B, H, W, B).

use super::optimized::optimized;
use crate::onnx::names::{Renames, rename};
use crate::onnx::proto::NodeProto;
use crate::onnx::types::{fixed_dims, untyped_value};
use crate::onnx::{Builder, ElementType, Error, Graph};
use crate::runtime::SessionOptions;
use std::sync::OnceLock;

/// The domain of operators on blocked channels.
pub const BLOCKED: &str = "com.microsoft.nchwc";

/// Whether `node` is the operator `op` on blocked channels.
pub fn is_blocked(node: &NodeProto, op: &str) -> bool {
    (node.domain.as_str(), node.op_type.as_str()) == (BLOCKED, op)
}

/// Whether a node reorders a tensor (N, C, H, W) to blocked channels.
pub fn is_reorder_input(node: &NodeProto) -> bool {
    is_blocked(node, "ReorderInput") && is_channels_first(node)
}

/// The channels of a tensor in blocked channels that a node reorders to (N, C, H, W); `None` for any other node, or if
/// its channels do not fill blocks of `block`.
pub fn full_channels(node: &NodeProto, block: usize) -> Option<usize> {
    let is_reorder = is_blocked(node, "ReorderOutput") && is_channels_first(node);
    let channels = node.int("channels").filter(|_| is_reorder)?;
    let channels = usize::try_from(channels).ok()?;
    channels.is_multiple_of(block).then_some(channels)
}

/// Whether the side of a reordering that is not blocked is NCHW rather than NHWC.
fn is_channels_first(reorder: &NodeProto) -> bool {
    reorder.int("channels_last").unwrap_or(0) == 0
}

/// A node that computes `result`, in blocked channels, of `value`, which is NCHW.
pub fn reorder_input(value: &str, result: &str) -> NodeProto {
    NodeProto::new("ReorderInput", &[value], &[result])
        .with_name(result)
        .in_domain(BLOCKED)
        .attr("channels_last", 0i64)
}

/// A node that computes `result`, of so many channels in NCHW, of `value`, which is in blocked channels.
pub fn reorder_output(value: &str, channels: usize, result: &str) -> NodeProto {
    NodeProto::new("ReorderOutput", &[value], &[result])
        .with_name(&format!("{value}_reordered"))
        .in_domain(BLOCKED)
        .attr("channels", channels as i64)
        .attr("channels_last", 0i64)
}

/// Channels of a block on this processor; `None` if ONNX Runtime does not use blocks here. It pads the weights of a
/// convolution to whole blocks.
pub fn block_size() -> Option<usize> {
    // What fails may succeed later.
    static SIZE: OnceLock<usize> = OnceLock::new();
    if let Some(size) = SIZE.get() {
        return Some(*size);
    }
    let mut builder = Builder::empty(18, "");
    let dims = fixed_dims(&[1, 16, 4, 4]);
    let input = builder.input("x", ElementType::F32, &dims).ok()?;
    let weights = builder.floats(&[8, 16, 1, 1], &[0.5; 8 * 16]);
    let output = builder.emit("Conv", &[&input, &weights], &[]);
    let model = builder.graph().to_model(&[untyped_value(&output)]).ok()?;
    let graph = Graph::new(optimized(&model, &SessionOptions::default()).ok()?).ok()?;
    let convolution = graph.nodes().iter().find(|node| is_blocked(node, "Conv"))?;
    let weights = graph.constant(&convolution.input[1])?;
    let size = usize::try_from(weights.dims[0]).ok()?;
    [8, 16].contains(&size).then(|| *SIZE.get_or_init(|| size))
}

/// The graph whose nodes read a tensor in blocked channels itself, rather than reordered to (N, C, H, W) and back.
///
/// # Errors
/// [`Error`] if the graph is damaged.
pub fn without_round_trips(graph: Graph, block: usize) -> Result<Graph, Error> {
    let original = |node: &NodeProto| {
        let reordered = node.input_at(0).filter(|_| is_reorder_input(node))?;
        let reorder = &graph.nodes()[graph.producer(reordered)?];
        full_channels(reorder, block)?;
        Some((node.output[0].clone(), reorder.input_at(0)?.to_owned()))
    };
    let originals: Renames = graph.nodes().iter().filter_map(original).collect();
    let mut result = graph.without_nodes();
    for node in graph.nodes() {
        if !originals.contains_key(&node.output[0]) {
            let mut node = node.clone();
            rename(&mut node, &originals);
            result.insert(node)?;
        }
    }
    result.set_outputs(graph.outputs().to_vec());
    Ok(result)
}
