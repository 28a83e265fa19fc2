//! Changes of what a graph is made of: operators, wiring, attributes, tensors.

use super::{change_graph, lists};
use crate::rng::Rng;
use ziggurat::autodiff::rules;
use ziggurat::onnx::Attribute;
use ziggurat::onnx::passes::decompose::FUSIONS;
use ziggurat::onnx::proto::{AttributeProto, NodeProto, StringStringEntryProto, TensorProto};
use ziggurat::onnx::types::untyped_value;

const FURTHER_OPS: &[&str] = &[
    "Bernoulli",
    "Constant",
    "ConstantOfShape",
    "If",
    "Loop",
    "NonZero",
    "Range",
    "Scan",
    "Shape",
    "Size",
    "block",
    "share",
];
const ATTRIBUTES: &[&str] = &[
    "allowzero",
    "alpha",
    "antialias",
    "auto_pad",
    "axes",
    "axis",
    "batch_dims",
    "beta",
    "blocksize",
    "body",
    "ceil_mode",
    "count_include_pad",
    "dilations",
    "else_branch",
    "end",
    "epsilon",
    "equation",
    "exclusive",
    "group",
    "keepdims",
    "kernel_shape",
    "mode",
    "num_groups",
    "num_heads",
    "num_outputs",
    "output_padding",
    "p",
    "pads",
    "perm",
    "reduction",
    "reverse",
    "size",
    "split",
    "start",
    "strides",
    "then_branch",
    "to",
    "transA",
    "transB",
    "upper",
    "value",
    "value_int",
    "value_ints",
    "value_floats",
];
const TEXTS: &[&str] = &[
    "",
    "x",
    "image",
    "logits",
    "ziggurat/x",
    "weights.bin",
    "../weights.bin",
    "/dev/zero",
    "reflect",
    "wrap",
    "edge",
    "cubic",
    "SAME_UPPER",
    "VALID",
    "...ij,jk->ik",
    "i,i->",
    "->",
    "ii->i",
    "tanh",
    "\u{1b}[2J\r\n",
    "a\u{301}\u{202e}",
    "18446744073709551615",
];
pub(super) const DOMAINS: &[&str] = &["", "ai.onnx", "local", "com.microsoft", "\n"];

/// A node, rather one that has attributes.
pub(super) fn choose(nodes: &[NodeProto], rng: &mut Rng) -> Option<usize> {
    let with: Vec<usize> = (0..nodes.len())
        .filter(|&place| !nodes[place].attribute.is_empty())
        .collect();
    if !rng.once_in(3) && !with.is_empty() {
        rng.pick(&with).copied()
    } else {
        (!nodes.is_empty()).then(|| rng.below(nodes.len()))
    }
}

pub(super) fn text(rng: &mut Rng) -> String {
    match rng.below(12) {
        0 => "n".repeat(1 << rng.below(16)),
        _ => TEXTS[rng.below(TEXTS.len())].into(),
    }
}

pub(super) fn operator(node: &mut NodeProto, rng: &mut Rng) {
    match rng.below(6) {
        0 => node.domain = DOMAINS[rng.below(DOMAINS.len())].into(),
        1 => node.op_type = text(rng),
        2 => node.op_type = FURTHER_OPS[rng.below(FURTHER_OPS.len())].into(),
        3 => {
            let fusion = FUSIONS[rng.below(FUSIONS.len())];
            (node.domain, node.op_type) = (fusion.domain.into(), fusion.op.into());
        }
        _ => {
            let rules = rules::supported();
            node.op_type = rules[rng.below(rules.len())].op.into();
        }
    }
}

pub(super) fn wiring(node: &mut NodeProto, names: &[String], rng: &mut Rng) {
    let name = names
        .get(rng.below(names.len()))
        .cloned()
        .unwrap_or_default();
    let place = rng.below(node.input.len());
    match rng.below(10) {
        0 if !node.input.is_empty() => drop(node.input.remove(place)),
        1 => node.input.push(name),
        2 if !node.input.is_empty() => node.input[place] = String::new(),
        3 => node.input.truncate(place),
        4 => node.output.push(text(rng)),
        5 => drop(node.output.pop()),
        6 => node.output.insert(0, String::new()),
        7 => node.input.reverse(),
        8 => node.name = text(rng),
        _ if !node.input.is_empty() => node.input[place] = name,
        _ => {}
    }
}

pub(super) fn change_attribute_of(node: &mut NodeProto, names: &[String], rng: &mut Rng) {
    if node.attribute.is_empty() || rng.once_in(4) {
        node.attribute.push(attribute(rng));
        return;
    }
    let place = rng.below(node.attribute.len());
    match rng.below(8) {
        0 => drop(node.attribute.remove(place)),
        1 => node.attribute.push(node.attribute[place].clone()),
        2 => node.attribute[place].name = ATTRIBUTES[rng.below(ATTRIBUTES.len())].into(),
        3 => node.attribute[place].r#type = rng.below(16) as i32,
        4 => node.attribute[place].ref_attr_name = "axis".into(),
        _ => change_value(&mut node.attribute[place], names, rng),
    }
}

fn attribute(rng: &mut Rng) -> AttributeProto {
    let name = ATTRIBUTES[rng.below(ATTRIBUTES.len())];
    let value = match rng.below(4) {
        0 => Attribute::Int(rng.integer()),
        1 => Attribute::Float(rng.real()),
        2 => Attribute::String(text(rng)),
        _ => Attribute::Ints((0..rng.below(6)).map(|_| rng.integer()).collect()),
    };
    value.named(name)
}

fn change_value(attribute: &mut AttributeProto, names: &[String], rng: &mut Rng) {
    attribute.i = rng.integer();
    attribute.f = rng.real();
    if !attribute.s.is_empty() {
        attribute.s = if rng.once_in(8) {
            vec![0xff, 0xfe].into()
        } else {
            text(rng).into()
        };
    }
    match rng.below(4) {
        0 => attribute.ints.push(rng.integer()),
        1 => drop(attribute.ints.pop()),
        2 => attribute.ints.clear(),
        _ => {
            let number = rng.integer();
            if let Some(value) = rng.pick_mut(&mut attribute.ints) {
                *value = number;
            }
        }
    }
    if let Some(tensor) = attribute.t.as_deref_mut() {
        change_tensor(tensor, rng);
    }
    if let Some(graph) = attribute.g.as_deref_mut() {
        match rng.below(3) {
            0 => lists(graph, rng),
            1 => graph.output.push(untyped_value(
                names.get(rng.below(names.len())).map_or("", |name| name),
            )),
            _ => change_graph(graph, &[], rng),
        }
    }
}

pub(super) fn change_tensor(tensor: &mut TensorProto, rng: &mut Rng) {
    match rng.below(12) {
        0 => tensor.data_type = rng.below(24) as i32,
        1 => tensor.dims.push(rng.integer()),
        2 => drop(tensor.dims.pop()),
        3 => {
            let dim = rng.integer();
            if let Some(first) = rng.pick_mut(&mut tensor.dims) {
                *first = dim;
            }
        }
        // Other dimensions for as many elements.
        4 => tensor.dims.insert(0, 1),
        5 => tensor.raw_data = tensor.raw_data.take().map(|raw| raw.slice(..raw.len() / 2)),
        6 => external(tensor, rng),
        7 => {
            tensor.raw_data = None;
            tensor.float_data = (0..rng.below(9)).map(|_| rng.real()).collect();
            tensor.int64_data = (0..rng.below(9)).map(|_| rng.integer()).collect();
            tensor.int32_data = (0..rng.below(9)).map(|_| rng.integer() as i32).collect();
        }
        8 => tensor.dims.iter_mut().for_each(|dim| *dim = 0),
        // Elements of interest, of any type of eight or four bytes.
        _ => {
            let Some(mut raw) = tensor.raw_data.take().map(|raw| raw.to_vec()) else {
                return;
            };
            let value: Vec<u8> = if rng.once_in(3) {
                rng.real().to_le_bytes().into()
            } else {
                rng.integer().to_le_bytes().into()
            };
            let place = rng.below(raw.len() / value.len()) * value.len();
            if let Some(part) = raw.get_mut(place..place + value.len()) {
                part.copy_from_slice(&value);
            }
            tensor.raw_data = Some(raw.into());
        }
    }
}

fn external(tensor: &mut TensorProto, rng: &mut Rng) {
    tensor.raw_data = None;
    tensor.data_location = 1;
    for key in ["location", "offset", "length", "checksum"] {
        let value = match rng.below(4) {
            0 => text(rng),
            1 => rng.integer().to_string(),
            2 => "64".into(),
            _ => "weights.bin".into(),
        };
        tensor.external_data.push(StringStringEntryProto {
            key: key.into(),
            value,
        });
    }
}
