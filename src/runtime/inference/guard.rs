//! Values of negative size. ONNX Runtime infers such where a window is larger than what it slides over, and ends the whole
//! process where a part of one is taken (`Slice`). A model that is guarded is refused instead.

use crate::onnx::proto::{GraphProto, NodeProto, TensorProto};
use crate::onnx::tensor::element_count;
use crate::onnx::{Attribute, Elem, Graph, builder, scope};
use std::collections::{HashMap, HashSet};

/// What the guards' nodes are called; the number of the node follows that they watch, and an axis.
const GUARD: &str = "ziggurat/guard";

/// What ONNX's shape inference says of a size that is less than 0.
const COMPLAINT: &str = "Axis has less than the requested k elements";

/// Most axes of a value that are watched.
const MOST_AXES: usize = 8;

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
    let nodes = graph.nodes().iter().enumerate().zip(needed);
    let nodes = nodes.filter_map(|(node, needed)| needed.then_some(node));
    let watched = nodes.filter_map(|(index, node)| {
        let axes = Some(watched_axes(graph, node)).filter(|axes| !axes.is_empty());
        Some((node.output.first()?.as_str(), (index, axes?)))
    });
    let watched: HashMap<&str, (usize, Vec<i64>)> = watched.collect();
    if watched.is_empty() {
        return;
    }
    let mut taken: HashSet<String> = graph.names().map(str::to_owned).collect();
    scope::made(graph.nodes(), &mut |name| {
        taken.insert(name.to_owned());
    });
    let none = scope::fresh(&mut taken, GUARD, "none");
    let mut nodes = Vec::with_capacity(model.node.len());
    for mut node in std::mem::take(&mut model.node) {
        let output = node.output.first_mut();
        let found = output.and_then(|made| Some((watched.get(made.as_str())?, made)));
        let Some(((index, axes), made)) = found else {
            nodes.push(node);
            continue;
        };
        // The last guard makes what the node made.
        let mut value = scope::fresh(&mut taken, GUARD, "value");
        let last = std::mem::replace(made, value.clone());
        nodes.push(node);
        for (place, axis) in axes.iter().enumerate() {
            let next = match place + 1 == axes.len() {
                true => last.clone(),
                false => scope::fresh(&mut taken, GUARD, "value"),
            };
            let name = format!("{GUARD}/{index}/{axis}");
            nodes.extend(watch(&mut taken, &name, *axis, [&value, &none, &next]));
            value = next;
        }
    }
    model.node = nodes;
    model
        .initializer
        .push(TensorProto::from_i64(&none, &[1], &[0]));
}

/// The guard of this name: makes `same` of `value`, with its 0 (`none`) largest elements along an axis behind it.
fn watch(
    taken: &mut HashSet<String>,
    name: &str,
    axis: i64,
    [value, none, same]: [&String; 3],
) -> [NodeProto; 4] {
    let [number, largest, places, like] =
        ["number", "largest", "places", "like"].map(|what| scope::fresh(taken, GUARD, what));
    let along = [("axis", Attribute::Int(axis))];
    // There are types that have no largest elements.
    let float = [("to", Attribute::Int(Elem::F32.code().into()))];
    let made = std::slice::from_ref;
    [
        builder::node("", "Cast", &[value], made(&number), &float),
        builder::node(
            name,
            "TopK",
            &[&number, none],
            &[largest.clone(), places],
            &along,
        ),
        builder::node("", "CastLike", &[&largest, value], made(&like), &[]),
        builder::node("", "Concat", &[value, &like], made(same), &along),
    ]
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
    axes.map_or(Vec::new(), |axes| axes.take(MOST_AXES).collect())
}
