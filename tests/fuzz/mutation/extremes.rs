//! Every attribute and every small integer constant of a model with each of a few extreme values, every input and
//! output left out: one after the other, where rng would miss some.

use std::collections::BTreeMap;
use ziggurat::onnx::proto::{
    AttributeProto, AttributeType, GraphProto, ModelProto, NodeProto, TensorProto,
};

const INTEGERS: [i64; 12] = [
    i64::MIN,
    -1_000_000,
    -3,
    -2,
    -1,
    0,
    1,
    2,
    3,
    1000,
    1 << 31,
    i64::MAX,
];
const FLOATS: [f32; 6] = [f32::NAN, f32::INFINITY, -1.0, 0.0, 0.5, 1e30];
/// Longer lists are weights.
const MAX_VALUES: usize = 16;

/// By operator, the attributes that some model gives it.
pub type Attributes = BTreeMap<String, Vec<AttributeProto>>;

/// Collects what [`put`] adds to nodes.
pub fn attributes(models: &[ModelProto]) -> Attributes {
    let mut found = Attributes::new();
    let graphs = models.iter().filter_map(|model| model.graph.as_ref());
    for node in graphs.flat_map(|graph| &graph.node) {
        let known = found.entry(node.op_type.clone()).or_default();
        for attribute in &node.attribute {
            if known.iter().all(|known| known.name != attribute.name) {
                known.push(attribute.clone());
            }
        }
    }
    found
}

/// How many there are of a model.
pub fn count(model: &ModelProto, attributes: &Attributes) -> usize {
    let mut place = Place::from_index(usize::MAX);
    graph(
        model.clone().graph.get_or_insert_default(),
        attributes,
        &mut place,
    );
    place.seen
}

/// Makes number `index` of them.
pub fn put(model: &mut ModelProto, index: usize, attributes: &Attributes) {
    graph(
        model.graph.get_or_insert_default(),
        attributes,
        &mut Place::from_index(index),
    );
}

/// Goes through what can be done to a model, up to what is asked for.
struct Place {
    index: usize,
    seen: usize,
}

impl Place {
    fn from_index(index: usize) -> Self {
        Self { index, seen: 0 }
    }

    /// The one of these that is asked for, if it is one of these.
    fn here<T: Clone>(&mut self, ways: &[T]) -> Option<T> {
        let before = self.seen;
        self.seen += ways.len();
        ways.get(self.index.checked_sub(before)?).cloned()
    }
}

/// Whether it was done, as with all that follow.
fn graph(graph: &mut GraphProto, attributes: &Attributes, place: &mut Place) -> bool {
    graph.node.iter_mut().any(|node| {
        !is_scaffold(node) && (wiring(node, place) || all_attributes(node, attributes, place))
    }) || graph.initializer.iter_mut().any(|held| tensor(held, place))
}

/// What leads from the picture to the operator that a model is about, and from there to the scores.
fn is_scaffold(node: &NodeProto) -> bool {
    let is_end = |name: &String| {
        ["/part", "/whole", "/real", "/flat"]
            .iter()
            .any(|end| name.ends_with(end))
    };
    node.input.iter().chain(&node.output).any(is_end)
        || node.output.iter().any(|name| name == "pixels")
}

fn wiring(node: &mut NodeProto, place: &mut Place) -> bool {
    let inputs: Vec<usize> = (0..node.input.len()).collect();
    if let Some(index) = place.here(&inputs) {
        node.input[index].clear();
        return true;
    }
    match place.here(&["fewer inputs", "fewer outputs", "more outputs"]) {
        None => return false,
        Some("fewer inputs") => drop(node.input.pop()),
        Some("fewer outputs") => drop(node.output.pop()),
        Some(_) => node.output.push("more".into()),
    }
    true
}

fn all_attributes(node: &mut NodeProto, attributes: &Attributes, place: &mut Place) -> bool {
    for index in 0..node.attribute.len() {
        if place.here(&[()]).is_some() {
            node.attribute.remove(index);
            return true;
        }
        if attribute(&mut node.attribute[index], attributes, place) {
            return true;
        }
    }
    for known in attributes.get(&node.op_type).into_iter().flatten() {
        if node.attribute.iter().any(|own| own.name == known.name) {
            continue;
        }
        let mut added = known.clone();
        if place.here(&[()]).is_some() || attribute(&mut added, attributes, place) {
            node.attribute.push(added);
            return true;
        }
    }
    false
}

fn attribute(held: &mut AttributeProto, attributes: &Attributes, place: &mut Place) -> bool {
    if let Some(inner) = held.g.as_deref_mut() {
        return graph(inner, attributes, place);
    }
    if let Some(held) = held.t.as_deref_mut() {
        return tensor(held, place);
    }
    match AttributeType::try_from(held.r#type) {
        Ok(AttributeType::Int) => set(&mut held.i, &INTEGERS, place),
        Ok(AttributeType::Float) => set(&mut held.f, &FLOATS, place),
        Ok(AttributeType::String) => set(&mut held.s, &["".into(), "?".into()], place),
        Ok(AttributeType::Ints) => list(&mut held.ints, &INTEGERS, place),
        Ok(AttributeType::Floats) => list(&mut held.floats, &FLOATS, place),
        _ => false,
    }
}

fn set<T: Clone>(held: &mut T, ways: &[T], place: &mut Place) -> bool {
    let asked = place.here(ways);
    asked.map(|value| *held = value).is_some()
}

fn list<T: Clone>(held: &mut Vec<T>, ways: &[T], place: &mut Place) -> bool {
    match place.here(&["none", "fewer", "more"]) {
        None => {
            let few = held.iter_mut().take(MAX_VALUES);
            return few.into_iter().any(|held| set(held, ways, place));
        }
        Some("none") => held.clear(),
        Some("fewer") => drop(held.pop()),
        Some(_) => held.extend(held.last().cloned()),
    }
    true
}

/// A list of integers as it is, or of other dimensions.
fn tensor(held: &mut TensorProto, place: &mut Place) -> bool {
    let is_scaffold = |part: &str| held.name.starts_with(part) || held.name.ends_with(part);
    let scaffold = ["pixels/", "scores/", "/to", "/shape"];
    let values = held.to_i64().unwrap_or_default();
    if scaffold.into_iter().any(is_scaffold) || values.len() > MAX_VALUES || values.is_empty() {
        return false;
    }
    let (mut dims, mut changed) = (held.dims.clone(), values.clone());
    if list(&mut changed, &INTEGERS, place) {
        if changed.len() != values.len() {
            dims = vec![changed.len() as i64];
        }
    } else {
        let all = values.len() as i64;
        match place.here(&[vec![all, 1], vec![1, all], vec![]]) {
            None => return false,
            Some(others) => dims = others,
        }
        changed.truncate(if dims.is_empty() { 1 } else { values.len() });
    }
    *held = TensorProto::from_i64(&held.name, &dims, &changed);
    true
}
