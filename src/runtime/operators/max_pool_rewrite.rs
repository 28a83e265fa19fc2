//! Puts [`MaxPoolGradient`](super::max_pool) in the place of its standard form in an optimized graph: a `MaxPool` with
//! indices, and a `ScatterElements` that adds the gradient to zeros at these indices (see `autodiff::rules::pooling`).
//! It is computed in blocked channels if the input of the pool is stored so.

use super::blocked::{block_size, full_channels, reorder_input, reorder_output};
use super::pool_windows::Pool;
use crate::onnx::own_operators::{BLOCK, DOMAIN, MAX_POOL_GRADIENT};
use crate::onnx::proto::NodeProto;
use crate::onnx::{ElementType, Error, Graph, NameScope, Types};
use std::collections::{HashMap, HashSet};

/// Maximum elements of a window of channels that are not blocked. With more, the standard form is faster.
const MAX_PLAIN_AREA: i64 = 25;

/// The graph with gradients of maximum pools as operators of their own. `types` are those of its values, as far as they
/// are known.
///
/// # Errors
/// [`Error`] if the graph is damaged.
pub(super) fn with_max_pool_gradients(graph: Graph, types: &Types) -> Result<Graph, Error> {
    let rewrite = Rewrite {
        graph: &graph,
        types,
        readers: graph.consumers(),
        outputs: (graph.outputs().iter())
            .map(|output| output.name.as_str())
            .collect(),
    };
    let gradients =
        (0..graph.nodes().len()).filter_map(|index| Some((index, rewrite.matched(index)?)));
    let gradients: HashMap<usize, Gradient> = gradients.collect();
    if gradients.is_empty() {
        return Ok(graph);
    }
    let nodes = rewrite.nodes(gradients);
    let mut result = graph.without_nodes();
    for node in needed(nodes, rewrite.outputs.iter().copied()) {
        result.insert(node)?;
    }
    result.set_outputs(graph.outputs().to_vec());
    Ok(result)
}

/// The gradient of a pool.
struct Gradient {
    /// The input of the pool.
    value: String,
    /// The gradient of its output.
    gradient: String,
    attributes: Attributes,
    channels: usize,
}

/// The attributes of a pool.
struct Attributes {
    kernel: Vec<i64>,
    strides: Vec<i64>,
    pads: Vec<i64>,
    dilations: Vec<i64>,
}

impl Attributes {
    /// Those of a `MaxPool`, if it is one in NCHW.
    fn of_node(node: &NodeProto) -> Option<Self> {
        let is_plain = node.is_op("MaxPool")
            && node.string("auto_pad").unwrap_or("NOTSET") == "NOTSET"
            && node.int("storage_order").unwrap_or(0) == 0;
        let ints = |name: &str, default: &[i64]| node.ints(name).unwrap_or(default).to_vec();
        is_plain.then(|| Self {
            kernel: ints("kernel_shape", &[]),
            strides: ints("strides", &[1; 2]),
            pads: ints("pads", &[0; 4]),
            dilations: ints("dilations", &[1; 2]),
        })
    }

    fn pool(&self) -> Option<Pool> {
        Pool::new(&self.kernel, &self.strides, &self.pads, &self.dilations)
    }
}

struct Rewrite<'g> {
    graph: &'g Graph,
    types: &'g Types,
    readers: HashMap<&'g str, Vec<usize>>,
    outputs: HashSet<&'g str>,
}

impl<'g> Rewrite<'g> {
    fn producer(&self, value: &str) -> Option<&'g NodeProto> {
        self.graph
            .producer(value)
            .map(|index| &self.graph.nodes()[index])
    }

    /// Whether a value is read once, and is no output.
    fn is_read_once(&self, value: &str) -> bool {
        !self.outputs.contains(value) && self.readers.get(value).map_or(0, Vec::len) == 1
    }

    fn ints(&self, constant: &str) -> Option<Vec<i64>> {
        self.graph.constant(constant)?.to_i64().ok()
    }

    /// The dimensions of a float32 value with four axes.
    fn sizes(&self, value: &str) -> Option<[usize; 4]> {
        let known = self.types.find(value)?;
        let dims = known.dims.as_slice().try_into().ok()?;
        (known.elem == ElementType::F32).then_some(dims)
    }

    /// The gradient whose standard form ends with the node `index`.
    fn matched(&self, index: usize) -> Option<Gradient> {
        let node = &self.graph.nodes()[index];
        let [scattered, shape] = reshape(node)?;
        let scatter = self.producer(scattered)?;
        let is_sum = scatter.is_op("ScatterElements")
            && scatter.int("axis").unwrap_or(0) == 0
            && scatter.string("reduction") == Some("add")
            && self.is_read_once(scattered);
        let [zeros, indices, updates] = scatter.input.as_slice() else {
            return None;
        };
        let pooled = self.flattened(indices).filter(|_| is_sum)?;
        let gradient = self.flattened(updates)?;
        let pool = self.producer(pooled)?;
        let [value, ..] = pool.input.as_slice() else {
            return None;
        };
        let are_indices = pool.output.get(1).is_some_and(|output| output == pooled)
            && self.is_read_once(pooled)
            && self.is_read_once(indices);
        let attributes = Attributes::of_node(pool).filter(|_| are_indices)?;
        let dims @ [samples, channels, height, width] = self.sizes(value)?;
        let [others, other_channels, rows, columns] = self.sizes(gradient)?;
        let fits = (samples, channels) == (others, other_channels)
            && attributes.pool()?.fits([height, width], [rows, columns]);
        let count = dims
            .iter()
            .try_fold(1usize, |count, size| count.checked_mul(*size))?;
        let has_shape = self.ints(shape)? == dims.map(|size| size as i64);
        let area: i64 = attributes.kernel.iter().product();
        let is_faster = area <= MAX_PLAIN_AREA || self.in_blocks(value).is_some();
        let fits = fits && count > 0 && has_shape && is_faster;
        (fits && self.are_zeros(zeros, count)).then(|| Gradient {
            value: value.clone(),
            gradient: gradient.to_owned(),
            attributes,
            channels,
        })
    }

    /// The value whose elements, as a list, are `value`.
    fn flattened(&self, value: &str) -> Option<&'g str> {
        let [original, shape] = reshape(self.producer(value)?)?;
        (self.ints(shape)? == [-1]).then_some(original)
    }

    /// Whether a value is a list of so many zeros.
    fn are_zeros(&self, value: &str, count: usize) -> bool {
        let is_zero = |value: &f32| value.to_bits() == 0;
        let check = || {
            if let Some(zeros) = self.graph.constant(value) {
                let is_list =
                    zeros.elem().ok()? == ElementType::F32 && zeros.dims == [count as i64];
                return Some(is_list && zeros.to_f32().ok()?.iter().all(is_zero));
            }
            let [zero, shape] = self
                .producer(value)
                .filter(|node| node.is_op("Expand"))?
                .input
                .as_slice()
            else {
                return None;
            };
            let zero = self.graph.constant(zero)?;
            let is_number = zero.elem().ok()? == ElementType::F32 && zero.dims.len() < 2;
            let is_list = is_number && self.ints(shape)? == [count as i64];
            Some(is_list && zero.to_f32().ok()?.iter().all(is_zero))
        };
        check().unwrap_or(false)
    }

    /// The channels of a block and the tensor in blocked channels that is `value`, if the operator can compute so.
    fn in_blocks(&self, value: &str) -> Option<(usize, &'g str)> {
        let block = block_size()?;
        let reorder = self.producer(value)?;
        full_channels(reorder, block)?;
        Some((block, reorder.input_at(0)?))
    }

    /// The nodes, with the gradients as operators, by the index of the last node of their standard form. Some nodes may
    /// no longer be needed.
    fn nodes(&self, mut gradients: HashMap<usize, Gradient>) -> Vec<NodeProto> {
        let mut names = NameScope::from_graph(self.graph);
        let mut fresh = || names.fresh("max_pool_gradient", "blocked");
        let mut nodes = Vec::new();
        for (index, node) in self.graph.nodes().iter().enumerate() {
            let Some(form) = gradients.remove(&index) else {
                nodes.push(node.clone());
                continue;
            };
            let channels = form.channels;
            let Some((block, value)) = self.in_blocks(&form.value) else {
                nodes.push(form.operator(1, [&form.value, &form.gradient], node, &node.output[0]));
                continue;
            };
            let (gradient, result) = (fresh(), fresh());
            nodes.push(reorder_input(&form.gradient, &gradient));
            nodes.push(form.operator(block, [value, &gradient], node, &result));
            nodes.push(reorder_output(&result, channels, &node.output[0]));
        }
        nodes
    }
}

impl Gradient {
    /// The operator in the place of `node`.
    fn operator(
        &self,
        block: usize,
        inputs: [&str; 2],
        node: &NodeProto,
        result: &str,
    ) -> NodeProto {
        let Attributes {
            kernel,
            strides,
            pads,
            dilations,
        } = &self.attributes;
        NodeProto::new(MAX_POOL_GRADIENT, &inputs, &[result])
            .with_name(&node.name)
            .in_domain(DOMAIN)
            .attr("kernel_shape", kernel.as_slice())
            .attr("strides", strides.as_slice())
            .attr("pads", pads.as_slice())
            .attr("dilations", dilations.as_slice())
            .attr(BLOCK, block as i64)
    }
}

/// The value and the shape that a `Reshape` reads.
fn reshape(node: &NodeProto) -> Option<[&str; 2]> {
    match node.input.as_slice() {
        [value, shape] if node.is_op("Reshape") => Some([value, shape]),
        _ => None,
    }
}

/// The nodes that `outputs` need.
fn needed<'g>(nodes: Vec<NodeProto>, outputs: impl Iterator<Item = &'g str>) -> Vec<NodeProto> {
    let mut read: HashSet<String> = outputs.map(str::to_owned).collect();
    let mut needed = Vec::new();
    for node in nodes.into_iter().rev() {
        if node.output.iter().any(|output| read.contains(output)) {
            read.extend(node.reads().map(str::to_owned));
            needed.push(node);
        }
    }
    needed.reverse();
    needed
}
