//! Values of negative size. ONNX Runtime infers such where a window is larger than what it slides over, and ends the whole
//! process where a part of one is taken (`Slice`). A model that is guarded is refused instead.

use crate::onnx::proto::{GraphProto, NodeProto, TensorProto};
use crate::onnx::tensor::element_count;
use crate::onnx::{Attribute, Elem, Graph, builder, scope};
use std::collections::HashSet;

/// What the guards' nodes are called; the number of the node follows that they watch, and an axis.
const GUARD: &str = "ziggurat/guard";

/// What ONNX's shape inference says of a size that is less than 0.
const COMPLAINT: &str = "Axis has less than the requested k elements";

/// Most axes of a value that are watched.
const MOST_AXES: i64 = 8;

/// Lets ONNX Runtime refuse `model`, which has the nodes of `graph`, where it would end the process. Values keep their names
/// and dimensions.
///
/// Nothing has fewer elements than none, but for what is of negative size: to ask for its 0 largest (`TopK`) is refused.
/// They are put behind the value, which changes nothing of it, so that whoever reads it comes later.
pub fn put(graph: &Graph, model: &mut GraphProto) {
    let takes_part = |node: &&NodeProto| {
        let holds_graphs = node.attribute.iter().any(|held| held.g.is_some());
        node.is("Slice") || holds_graphs
    };
    let parted = graph
        .nodes()
        .iter()
        .filter(takes_part)
        .flat_map(NodeProto::reads);
    let needed = graph.needed_for(parted);
    let watched = |(node, needed): (&NodeProto, bool)| match needed {
        true => watched_axes(graph, node),
        false => Vec::new(),
    };
    let axes: Vec<Vec<i64>> = graph.nodes().iter().zip(needed).map(watched).collect();
    if axes.iter().all(Vec::is_empty) {
        return;
    }
    let mut taken: HashSet<String> = graph.names().map(str::to_owned).collect();
    scope::made(graph.nodes(), &mut |name| {
        taken.insert(name.to_owned());
    });
    let mut fresh = |what: &str| scope::fresh(&mut taken, GUARD, what);
    let none = fresh("none");
    let mut nodes = Vec::with_capacity(model.node.len());
    let old = std::mem::take(&mut model.node);
    for (index, (mut node, axes)) in old.into_iter().zip(axes).enumerate() {
        let Some(output) = node.output.first_mut().filter(|_| !axes.is_empty()) else {
            nodes.push(node);
            continue;
        };
        let made = output.clone();
        let mut value = fresh("value");
        output.clone_from(&value);
        nodes.push(node);
        for (place, &axis) in axes.iter().enumerate() {
            let [number, largest, places, like] =
                ["number", "largest", "places", "like"].map(&mut fresh);
            let next = match place + 1 == axes.len() {
                true => made.clone(),
                false => fresh("value"),
            };
            let along = [("axis", axis.into())];
            let float: Attribute = i64::from(Elem::F32.code()).into();
            let name = format!("{GUARD}/{index}/{axis}");
            let found = [largest.clone(), places];
            // There are types that have no largest elements.
            nodes.extend([
                builder::node(
                    "",
                    "Cast",
                    &[&value],
                    std::slice::from_ref(&number),
                    &[("to", float)],
                ),
                builder::node(&name, "TopK", &[&number, &none], &found, &along),
                builder::node(
                    "",
                    "CastLike",
                    &[&largest, &value],
                    std::slice::from_ref(&like),
                    &[],
                ),
                builder::node(
                    "",
                    "Concat",
                    &[&value, &like],
                    std::slice::from_ref(&next),
                    &along,
                ),
            ]);
            value = next;
        }
    }
    model.node = nodes;
    model
        .initializer
        .push(TensorProto::from_i64(&none, &[1], &[0]));
}

/// The node whose guard ONNX Runtime complains of.
pub fn complained_of<'a>(graph: &'a Graph, complaint: &str) -> Option<&'a NodeProto> {
    let (_, rest) = complaint.split_once(GUARD)?;
    let digits = rest.strip_prefix('/')?;
    let number = digits
        .split(|letter: char| !letter.is_ascii_digit())
        .next()?;
    let node = graph.nodes().get(number.parse::<usize>().ok()?)?;
    complaint.contains(COMPLAINT).then_some(node)
}

/// The axes along which a node may make something smaller than nothing.
fn watched_axes(graph: &Graph, node: &NodeProto) -> Vec<i64> {
    let constant = |index: usize| graph.constant(node.input_at(index)?);
    let elements = |index: usize| element_count(&constant(index)?.dims).map(|count| count as i64);
    let windows = || node.ints("kernel_shape").map(|kernel| kernel.len() as i64);
    let filters = || Some(constant(1)?.dims.len() as i64 - 2);
    let axes = match node.op_type.as_str() {
        "Conv" | "ConvTranspose" => filters().map(|axes| 2..2 + axes),
        "AveragePool" | "LpPool" | "MaxPool" => windows().map(|axes| 2..2 + axes),
        // Where axes are chosen, how many numbers there are tells nothing of the rank.
        "Pad" if node.input_at(3).is_none() => elements(1).map(|ends| 0..ends / 2),
        "Resize" if node.ints("axes").is_none() => {
            let factors = elements(2).filter(|&count| count > 0);
            factors.or_else(|| elements(3)).map(|count| 0..count)
        }
        _ => None,
    };
    axes.map_or(Vec::new(), |axes| axes.take(MOST_AXES as usize).collect())
}
