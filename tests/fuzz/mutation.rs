//! What makes a valid model a hostile one: changes of its messages, and of the bytes that they are written as.

pub mod extremes;
mod parts;

use crate::models::{node, subgraph};
use crate::rng::Rng;
use parts::{DOMAINS, change_attribute_of, change_tensor, choose, operator, text, wiring};
use ziggurat::onnx::proto::{
    Dim, Dimension, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, SparseTensorProto,
    TensorProto, TensorShapeProto, TypeValue, ValueInfoProto,
};
use ziggurat::onnx::types::untyped_value;

/// Changes one thing about a model; `others` are the models that it may take parts of.
pub fn change(model: &mut ModelProto, others: &[ModelProto], rng: &mut Rng) {
    match rng.below(16) {
        0 => opsets(model, rng),
        1 => functions(model, rng),
        _ => {
            let mut graph = model.graph.get_or_insert_default();
            // Now and then in a subgraph, if there is one.
            while rng.below(3) > 0 {
                let mut inner = graph.node.iter().enumerate().flat_map(|(place, node)| {
                    let held = node.attribute.iter().enumerate();
                    held.filter(|(_, held)| held.g.is_some())
                        .map(move |(held, _)| (place, held))
                });
                let Some((place, held)) = inner.next() else {
                    break;
                };
                drop(inner);
                let Some(inner) = graph.node[place].attribute[held].g.as_deref_mut() else {
                    return;
                };
                graph = inner;
            }
            change_graph(graph, others, rng);
        }
    }
}

fn change_graph(graph: &mut GraphProto, others: &[ModelProto], rng: &mut Rng) {
    match rng.below(20) {
        0..=5 => {
            if let Some(place) = choose(&graph.node, rng) {
                let names = names(graph);
                change_attribute_of(&mut graph.node[place], &names, rng);
            }
        }
        6..=8 => {
            let names = names(graph);
            if let Some(node) = rng.pick_mut(&mut graph.node) {
                wiring(node, &names, rng);
            }
        }
        9 | 10 => {
            if let Some(node) = rng.pick_mut(&mut graph.node) {
                operator(node, rng);
            }
        }
        11..=13 => {
            if let Some(tensor) = rng.pick_mut(&mut graph.initializer) {
                change_tensor(tensor, rng);
            }
        }
        14 => order(graph, rng),
        15 => graft(graph, others, rng),
        16 => values(graph, rng),
        17 => nest(graph, rng),
        18 => lists(graph, rng),
        _ => {
            let names = names(graph);
            let name = names
                .get(rng.below(names.len()))
                .cloned()
                .unwrap_or_default();
            let new = text(rng);
            rename(graph, &name, &new);
        }
    }
}

fn names(graph: &GraphProto) -> Vec<String> {
    let made = graph.node.iter().flat_map(|node| &node.output);
    let constants = graph.initializer.iter().map(|tensor| &tensor.name);
    let inputs = graph.input.iter().map(|input| &input.name);
    made.chain(constants).chain(inputs).cloned().collect()
}

fn opsets(model: &mut ModelProto, rng: &mut Rng) {
    match rng.below(5) {
        0 => {
            let version = rng.integer();
            let domain = DOMAINS[rng.below(DOMAINS.len())].into();
            model
                .opset_import
                .push(OperatorSetIdProto { domain, version });
        }
        1 => model.opset_import.truncate(rng.below(3)),
        2 => model.ir_version = rng.integer(),
        _ => {
            let version = if rng.once_in(4) {
                rng.integer()
            } else {
                6 + rng.below(21) as i64
            };
            if let Some(import) = model.opset_import.first_mut() {
                import.version = version;
            }
        }
    }
}

fn functions(model: &mut ModelProto, rng: &mut Rng) {
    let Some(place) = (!model.functions.is_empty()).then(|| rng.below(model.functions.len()))
    else {
        return opsets(model, rng);
    };
    let copy = model.functions[place].clone();
    let function = &mut model.functions[place];
    match rng.below(9) {
        0 => model.functions.push(copy),
        // One that calls itself, or another more often.
        1 | 2 => {
            let call = NodeProto {
                domain: "local".into(),
                ..node(
                    ["block", "share"][rng.below(2)],
                    &["a"],
                    &[&format!("more_{}", function.node.len())],
                    vec![],
                )
            };
            for turn in 0..1 << rng.below(6) {
                let mut call = call.clone();
                call.output[0] += &turn.to_string();
                function.node.push(call);
            }
        }
        3 => function.input.push(text(rng)),
        4 => function.output.push(text(rng)),
        5 => function.opset_import.clear(),
        6 => function.name = text(rng),
        7 => function.input.clear(),
        _ => {
            let mut graph = GraphProto {
                node: std::mem::take(&mut function.node),
                ..Default::default()
            };
            change_graph(&mut graph, &[], rng);
            function.node = graph.node;
        }
    }
}

fn order(graph: &mut GraphProto, rng: &mut Rng) {
    let (a, b) = (rng.below(graph.node.len()), rng.below(graph.node.len()));
    if graph.node.is_empty() {
        return;
    }
    match rng.below(4) {
        0 => graph.node.swap(a, b),
        1 => drop(graph.node.remove(a)),
        // A copy under other names, so that it is not refused at once.
        _ => {
            let mut copy = graph.node[a].clone();
            for output in &mut copy.output {
                let new = format!("{output}_{b}");
                *output = new;
            }
            graph.node.insert(a + 1, copy);
        }
    }
}

/// Puts a node of another model somewhere, with the constants that it reads.
fn graft(graph: &mut GraphProto, others: &[ModelProto], rng: &mut Rng) {
    let Some(other) = rng.pick(others).and_then(|model| model.graph.as_ref()) else {
        return;
    };
    let Some(mut node) = rng.pick(&other.node).cloned() else {
        return;
    };
    let place = rng.below(graph.node.len());
    let Some(before) = graph.node.get(place) else {
        return;
    };
    let made = before.output.first().cloned().unwrap_or_default();
    if let Some(input) = node.input.first_mut() {
        input.clone_from(&made);
    }
    for (index, output) in node.output.iter_mut().enumerate() {
        *output = format!("grafted_{}_{index}", graph.node.len());
    }
    let constants = other.initializer.iter();
    let constants = constants.filter(|tensor| node.input.contains(&tensor.name));
    let new = constants.filter(|tensor| {
        graph
            .initializer
            .iter()
            .all(|known| known.name != tensor.name)
    });
    let new: Vec<TensorProto> = new.cloned().collect();
    graph.initializer.extend(new);
    let output = node.output.first().cloned().unwrap_or_default();
    for reader in graph.node.iter_mut().skip(place + 1) {
        let read = reader.input.iter_mut().filter(|input| **input == made);
        read.for_each(|input| input.clone_from(&output));
    }
    graph.node.insert(place + 1, node);
}

/// Dimensions and types that inputs and outputs declare.
fn values(graph: &mut GraphProto, rng: &mut Rng) {
    let list = if rng.once_in(4) {
        &mut graph.output
    } else {
        &mut graph.input
    };
    let Some(ValueInfoProto { name, r#type, .. }) = rng.pick_mut(list) else {
        return;
    };
    let Some(TypeValue::TensorType(tensor)) = r#type.as_mut().and_then(|held| held.value.as_mut())
    else {
        *name = text(rng);
        return;
    };
    let dims = &mut tensor
        .shape
        .get_or_insert_with(TensorShapeProto::default)
        .dim;
    let new = Dimension {
        value: match rng.below(4) {
            0 => None,
            1 => Some(Dim::DimParam(text(rng))),
            _ => Some(Dim::DimValue(rng.integer())),
        },
        ..Default::default()
    };
    match rng.below(6) {
        0 => tensor.elem_type = rng.below(24) as i32,
        1 => tensor.shape = None,
        2 => dims.push(new),
        3 => drop(dims.pop()),
        4 => *r#type = None,
        _ => {
            if let Some(dim) = rng.pick_mut(dims) {
                *dim = new;
            }
        }
    }
}

/// Puts a copy of the graph into one of its nodes, so that graphs become deep.
fn nest(graph: &mut GraphProto, rng: &mut Rng) {
    for _ in 0..1 << rng.below(4) {
        let mut copy = graph.clone();
        copy.node.truncate(4);
        let inner = subgraph(["body", "then_branch", "else_branch"][rng.below(3)], copy);
        if let Some(node) = rng.pick_mut(&mut graph.node) {
            node.attribute.push(inner);
        }
    }
}

/// What a graph lists.
fn lists(graph: &mut GraphProto, rng: &mut Rng) {
    match rng.below(8) {
        0 => graph.output.clear(),
        1 => graph.input.clear(),
        2 => graph.node.clear(),
        3 => graph.output.extend(graph.output.clone()),
        4 => graph.input.push(untyped_value(&text(rng))),
        5 => {
            let values = graph.initializer.pop();
            graph.sparse_initializer.push(SparseTensorProto {
                values,
                indices: None,
                dims: vec![rng.integer()],
            });
        }
        6 => drop(graph.initializer.pop()),
        _ => {
            if let Some(tensor) = rng.pick(&graph.initializer).cloned() {
                graph.initializer.push(tensor);
            }
        }
    }
}

fn rename(graph: &mut GraphProto, name: &str, new: &str) {
    let values = graph
        .node
        .iter_mut()
        .flat_map(|node| node.input.iter_mut().chain(&mut node.output));
    let constants = graph.initializer.iter_mut().map(|tensor| &mut tensor.name);
    let declared = graph
        .input
        .iter_mut()
        .chain(&mut graph.output)
        .map(|value| &mut value.name);
    for found in values
        .chain(constants)
        .chain(declared)
        .filter(|found| *found == name)
    {
        *found = new.into();
    }
}

/// Changes one thing about a file.
pub fn change_bytes(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let (a, b) = (rng.below(bytes.len()), rng.below(bytes.len()));
    if bytes.is_empty() {
        return;
    }
    match rng.below(7) {
        0 => bytes[a] ^= 1 << rng.below(8),
        1 => bytes[a] = rng.number() as u8,
        2 => bytes.truncate(a),
        3 => drop(bytes.drain(a.min(b)..a.max(b))),
        4 => bytes.insert(a, rng.number() as u8),
        5 => {
            let part = bytes[a.min(b)..a.max(b)].to_vec();
            bytes.splice(a..a, part);
        }
        // A length or number of ten bytes: as large as there are.
        _ => drop(bytes.splice(
            a..a + 1,
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        )),
    }
}
