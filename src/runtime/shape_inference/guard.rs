//! Negative dimensions. ONNX Runtime infers them where a window is larger than its input, and
//! aborts the process when such a value is sliced (`Slice`). Guard nodes make it reject the model
//! instead.

use crate::onnx::proto::{AttributeProto, GraphProto, NodeProto, TensorProto};
use crate::onnx::tensor::element_count;
use crate::onnx::{ElementType, Graph, NameScope};
use std::collections::HashMap;

/// Prefix of the names of guard nodes; the index of the guarded node and a unique number follow.
const GUARD: &str = "ziggurat/guard";

/// The message of ONNX's shape inference for a dimension below 0.
const COMPLAINT: &str = "Axis has less than the requested k elements";

/// At most as many axes of a value are guarded.
const MAX_AXES: usize = 8;

/// Makes ONNX Runtime reject `model`, which has the nodes of `graph`, where it would abort the
/// process. Values keep their names and dimensions.
///
/// A guard is a `TopK` of 0 elements, which is rejected only along an axis of negative size. Its empty output is
/// concatenated to the value, which does not change it, so that the guard is checked before the value's consumers.
pub fn insert_guards(graph: &Graph, model: &mut GraphProto) {
    let holds_graphs = |node: &NodeProto| node.subgraphs().next().is_some();
    let takes_part = |node: &&NodeProto| node.is_op("Slice") || holds_graphs(node);
    let parted = graph.nodes().iter().filter(takes_part);
    let needed = graph.ancestors(parted.flat_map(NodeProto::reads));
    let places = graph.nodes().iter().enumerate().zip(needed);
    let places = places.filter_map(|((index, node), needed)| {
        let (is_watched, output) = (needed, node.output.first()?.as_str());
        (is_watched || holds_graphs(node)).then_some((output, NodePosition { index, is_watched }))
    });
    let places: HashMap<&str, NodePosition> = places.collect();
    if places.is_empty() {
        return;
    }
    let mut scope = NameScope::from_graph(graph);
    let none = scope.fresh(GUARD, "none");
    let mut guards = Guards {
        graph,
        within: Vec::new(),
        scope,
        none,
        is_any_inserted: false,
    };
    let place = |node: &NodeProto| places.get(node.output.first()?.as_str()).copied();
    guards.insert(&mut model.node, &place);
    if guards.is_any_inserted {
        let none = TensorProto::from_i64(&guards.none, &[1], &[0]);
        model.initializer.push(none);
    }
}

/// The position of a node.
#[derive(Clone, Copy)]
struct NodePosition {
    /// The index of the graph's node that it is, or is inside of.
    index: usize,
    /// Whether its output may be sliced.
    is_watched: bool,
}

/// Inserts guards.
struct Guards<'a> {
    graph: &'a Graph,
    /// The dimensions of the constants of the enclosing subgraphs, the outermost first.
    within: Vec<HashMap<String, Vec<i64>>>,
    scope: NameScope,
    /// The name of the constant 0: the number of elements that `TopK` selects.
    none: String,
    is_any_inserted: bool,
}

impl Guards<'_> {
    /// Inserts guards behind the watched ones of `nodes`, and behind the nodes of their subgraphs.
    fn insert(
        &mut self,
        nodes: &mut Vec<NodeProto>,
        place: &dyn Fn(&NodeProto) -> Option<NodePosition>,
    ) {
        for mut node in std::mem::take(nodes) {
            let Some(NodePosition { index, is_watched }) = place(&node) else {
                nodes.push(node);
                continue;
            };
            for subgraph in node
                .attribute
                .iter_mut()
                .flat_map(AttributeProto::graphs_mut)
            {
                self.within.push(constants_of(subgraph));
                // Few models have windows there: all are guarded, sliced or not.
                let is_watched = true;
                self.insert(&mut subgraph.node, &|_| {
                    Some(NodePosition { index, is_watched })
                });
                self.within.pop();
            }
            let axes = if is_watched {
                watched_axes(&node, &|name| self.constant(name))
            } else {
                Vec::new()
            };
            self.watch(node, index, &axes, nodes);
        }
    }

    /// The dimensions of a constant.
    fn constant(&self, name: &str) -> Option<&[i64]> {
        let within = self.within.iter().find_map(|constants| constants.get(name));
        let around = || self.graph.constant(name).map(|constant| &constant.dims);
        within.or_else(around).map(Vec::as_slice)
    }

    /// Adds `node` to `nodes`, with a guard for each of `axes` behind its output.
    fn watch(
        &mut self,
        mut node: NodeProto,
        index: usize,
        axes: &[i64],
        nodes: &mut Vec<NodeProto>,
    ) {
        let output = node.output.first_mut().filter(|output| !output.is_empty());
        let Some(output) = output.filter(|_| !axes.is_empty()) else {
            nodes.push(node);
            return;
        };
        self.is_any_inserted = true;
        let mut value = self.scope.fresh(GUARD, "value");
        let called = std::mem::replace(output, value.clone());
        nodes.push(node);
        for &axis in axes {
            // The error names the graph's node, wherever inside it the guard is.
            let name = format!("{GUARD}/{index}/{}", self.scope.count());
            value = self.guard(&name, axis, &value, nodes);
        }
        nodes.push(NodeProto::identity(&value, &called));
    }

    /// Adds a guard: `value` with its 0 largest elements along `axis` concatenated. Returns the name of the result.
    fn guard(&mut self, name: &str, axis: i64, value: &str, nodes: &mut Vec<NodeProto>) -> String {
        let [number, largest, places, like, same] =
            ["number", "largest", "places", "like", "value"]
                .map(|what| self.scope.fresh(GUARD, what));
        // `TopK` does not accept every type.
        let float = i64::from(ElementType::F32.code());
        nodes.extend([
            NodeProto::new("Cast", &[value], &[&number]).attr("to", float),
            NodeProto::new("TopK", &[&number, &self.none], &[&largest, &places])
                .with_name(name)
                .attr("axis", axis),
            NodeProto::new("CastLike", &[&largest, value], &[&like]),
            NodeProto::new("Concat", &[value, &like], &[&same]).attr("axis", axis),
        ]);
        same
    }
}

/// The dimensions of the constants of a subgraph.
fn constants_of(graph: &GraphProto) -> HashMap<String, Vec<i64>> {
    let stored = graph.initializer.iter();
    let stored = stored.map(|tensor| (tensor.name.clone(), tensor.dims.clone()));
    let held = graph.node.iter().filter_map(NodeProto::constant_value);
    stored
        .chain(held.map(|tensor| (tensor.name, tensor.dims)))
        .collect()
}

/// The node whose guard an error message of ONNX Runtime names.
pub fn reported_node<'a>(graph: &'a Graph, complaint: &str) -> Option<&'a NodeProto> {
    let (_, rest) = complaint.split_once(GUARD)?;
    let digits = rest.strip_prefix('/')?;
    let number = digits
        .split(|letter: char| !letter.is_ascii_digit())
        .next()?;
    let node = graph.nodes().get(number.parse::<usize>().ok()?)?;
    complaint.contains(COMPLAINT).then_some(node)
}

/// The axes along which a node's output may have a negative dimension; `constant` returns the dimensions of a constant.
fn watched_axes<'a>(node: &NodeProto, constant: &dyn Fn(&str) -> Option<&'a [i64]>) -> Vec<i64> {
    let dims = |index: usize| constant(node.input_at(index)?);
    let elements = |index: usize| element_count(dims(index)?).map(|count| count as i64);
    let windows = || node.ints("kernel_shape").map(|kernel| kernel.len() as i64);
    let filters = || Some(dims(1)?.len() as i64 - 2);
    let axes = match node.op_type.as_str() {
        "Conv" | "ConvTranspose" => filters().map(|axes| 2..2 + axes),
        "AveragePool" | "LpPool" | "MaxPool" => windows().map(|axes| 2..2 + axes),
        // With explicit axes, the number of pads does not determine the rank.
        "Pad" if node.input_at(3).is_none() => elements(1).map(|ends| 0..ends / 2),
        "Resize" if node.ints("axes").is_none() => {
            let factors = elements(2).filter(|&count| count > 0);
            factors.or_else(|| elements(3)).map(|count| 0..count)
        }
        _ => None,
    };
    axes.map_or(Vec::new(), |axes| axes.take(MAX_AXES).collect())
}
