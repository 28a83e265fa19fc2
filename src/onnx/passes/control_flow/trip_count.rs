//! How often a loop runs whose condition counts. TensorFlow's `while` says "the counter that I carry is less than 16", not
//! how many turns that are: the condition is followed from turn to turn, with what it needs of what the loop carries, as
//! long as all of that are single numbers that depend on nothing but constants.

use crate::onnx::graph::{constant_of, is_default_domain};
use crate::onnx::passes::control_flow::number;
use crate::onnx::passes::skipped::Skipped;
use crate::onnx::proto::{GraphProto, NodeProto, TensorProto};
use crate::onnx::{Elem, Graph, printable};
use std::collections::{HashMap, HashSet};

/// Integers beyond this are not all float64 numbers.
const LARGEST: f64 = 9_007_199_254_740_992.0;

/// A tensor of one element. Which dimensions it has makes no difference.
#[derive(Debug, Clone, Copy)]
struct Number {
    elem: Elem,
    value: f64,
}

type Numbers<'a> = HashMap<&'a str, Number>;

/// How many turns the loop takes that carries `carried` at first and has begun: at most `limit`, if it has one. UnrolledLoop are
/// counted up to `most`.
///
/// # Errors
/// [`Skipped`] if the condition depends on more than constants, or still holds after `most` turns.
pub fn turns(
    graph: &Graph,
    body: &GraphProto,
    carried: &[String],
    (limit, most): (Option<usize>, usize),
) -> Result<usize, Skipped> {
    let needed = needed(body);
    let nodes = body
        .node
        .iter()
        .filter(|node| makes_any(node, &needed))
        .collect::<Vec<_>>();
    let constants = constants(graph, body, &nodes);
    let mut state = Numbers::new();
    let mut carried_on = Vec::new();
    for ((input, output), value) in body.input[2..].iter().zip(1..).zip(carried) {
        if needed.contains(input.name.as_str()) {
            let found = graph.constant(value).and_then(Number::of);
            state.insert(&input.name, found.ok_or_else(|| depends_on(value))?);
            carried_on.push((input, output));
        }
    }
    let is_same = state.is_empty() && !needed.contains(body.input[0].name.as_str());
    for turn in 0..limit.map_or(most, |limit| limit.min(most)) {
        let mut numbers = constants.clone();
        numbers.extend(state.drain());
        numbers.insert(&body.input[0].name, Number::int(turn as f64));
        numbers.insert(&body.input[1].name, Number::truth(true));
        for node in &nodes {
            let made = computed(node, &numbers)?;
            numbers.insert(&node.output[0], made);
        }
        let made = |index: usize| {
            let name = body.output[index].name.as_str();
            numbers.get(name).copied().ok_or_else(|| depends_on(name))
        };
        if made(0)?.value == 0.0 {
            // The turn that ends it is the last.
            return Ok(turn + 1);
        }
        if is_same {
            // It will be the same in every turn.
            return limit.ok_or_else(|| "it never ends".into());
        }
        for &(input, output) in &carried_on {
            state.insert(&input.name, made(output)?);
        }
    }
    match limit {
        Some(limit) if limit <= most => Ok(limit),
        _ => Err(Skipped(format!("it goes on for more than {most} turns"))),
    }
}

/// The values of a body that its condition needs, in this turn or in one before it.
fn needed(body: &GraphProto) -> HashSet<&str> {
    let mut needed = HashSet::new();
    let mut open = vec![body.output[0].name.as_str()];
    let carried: HashMap<&str, usize> = body.input[2..]
        .iter()
        .zip(1..)
        .map(|(input, output)| (input.name.as_str(), output))
        .collect();
    let makers: HashMap<&str, &NodeProto> = body
        .node
        .iter()
        .flat_map(|node| node.output.iter().map(move |made| (made.as_str(), node)))
        .collect();
    while let Some(value) = open.pop() {
        if value.is_empty() || !needed.insert(value) {
            continue;
        }
        if let Some(output) = carried.get(value) {
            open.push(&body.output[*output].name);
        }
        if let Some(node) = makers.get(value) {
            open.extend(node.input.iter().map(String::as_str));
        }
    }
    needed
}

fn makes_any(node: &NodeProto, values: &HashSet<&str>) -> bool {
    constant_of(node).is_none()
        && node
            .output
            .iter()
            .any(|made| values.contains(made.as_str()))
}

/// The constants that `nodes`, and a body's outputs, read: the body's own, and those around it.
fn constants<'a>(graph: &'a Graph, body: &'a GraphProto, nodes: &[&'a NodeProto]) -> Numbers<'a> {
    let mut own: HashMap<String, TensorProto> = HashMap::new();
    let held = body.node.iter().filter_map(constant_of);
    for tensor in held.chain(body.initializer.iter().cloned()) {
        own.insert(tensor.name.clone(), tensor);
    }
    let read = nodes.iter().flat_map(|node| &node.input);
    let read = read.chain(body.output.iter().map(|output| &output.name));
    let mut found = Numbers::new();
    for name in read {
        let constant = own.get(name).or_else(|| graph.constant(name));
        if let Some(number) = constant.and_then(Number::of) {
            found.insert(name, number);
        }
    }
    found
}

fn depends_on(value: &str) -> Skipped {
    let value = printable(value);
    Skipped(format!(
        "its condition depends on {value}, which is no constant number"
    ))
}

/// What a node makes of numbers.
fn computed(node: &NodeProto, numbers: &Numbers) -> Result<Number, Skipped> {
    let inputs = node.input.iter().filter(|name| !name.is_empty());
    // Of dimensions only that there is one element matters.
    let counted = match node.op_type.as_str() {
        "Squeeze" | "Unsqueeze" | "Reshape" => 1,
        _ => usize::MAX,
    };
    let mut given = Vec::with_capacity(2);
    for name in inputs.take(counted) {
        let found = numbers.get(name.as_str());
        given.push(*found.ok_or_else(|| depends_on(name))?);
    }
    let known = is_default_domain(&node.domain) && node.output.len() == 1;
    let made = known.then(|| apply(node, &given)).flatten();
    made.ok_or_else(|| {
        let (node, op) = (node.display_name(), printable(&node.op_type));
        Skipped(format!(
            "its condition depends on node {node} ({op}), which is not counted with"
        ))
    })
}

/// The operators that conditions are made of.
fn apply(node: &NodeProto, given: &[Number]) -> Option<Number> {
    let op = node.op_type.as_str();
    match *given {
        [x] => match op {
            "Identity" | "Squeeze" | "Unsqueeze" | "Reshape" => Some(x),
            "Cast" => x.cast(Elem::from_code(i32::try_from(node.int("to")?).ok()?)?),
            "Not" => Some(Number::truth(x.value == 0.0)),
            "Neg" => Number::holding(x.elem, -x.value),
            "Abs" => Number::holding(x.elem, x.value.abs()),
            "Floor" => Number::holding(x.elem, x.value.floor()),
            "Ceil" => Number::holding(x.elem, x.value.ceil()),
            _ => None,
        },
        [a, b] if a.elem == b.elem => {
            let (elem, a, b) = (a.elem, a.value, b.value);
            match op {
                "Add" => Number::holding(elem, a + b),
                "Sub" => Number::holding(elem, a - b),
                "Mul" => Number::holding(elem, a * b),
                "Div" if elem.is_float() => Number::holding(elem, a / b),
                "Div" if b != 0.0 => Number::holding(elem, (a / b).trunc()),
                "Min" => Number::holding(elem, a.min(b)),
                "Max" => Number::holding(elem, a.max(b)),
                "Less" => Some(Number::truth(a < b)),
                "LessOrEqual" => Some(Number::truth(a <= b)),
                "Greater" => Some(Number::truth(a > b)),
                "GreaterOrEqual" => Some(Number::truth(a >= b)),
                "Equal" => Some(Number::truth(a == b)),
                "And" => Some(Number::truth(a != 0.0 && b != 0.0)),
                "Or" => Some(Number::truth(a != 0.0 || b != 0.0)),
                "Xor" => Some(Number::truth((a != 0.0) != (b != 0.0))),
                _ => None,
            }
        }
        _ => None,
    }
}

impl Number {
    fn of(tensor: &TensorProto) -> Option<Self> {
        let (elem, value) = (tensor.elem().ok()?, number(tensor).ok()??);
        Some(Self { elem, value })
    }

    fn truth(value: bool) -> Self {
        let value = f64::from(value);
        let elem = Elem::Bool;
        Self { elem, value }
    }

    fn int(value: f64) -> Self {
        let elem = Elem::I64;
        Self { elem, value }
    }

    fn cast(self, to: Elem) -> Option<Self> {
        match to {
            Elem::Bool => Some(Self::truth(self.value != 0.0)),
            _ if to.is_float() => Self::holding(to, self.value),
            _ => Self::holding(to, self.value.trunc()),
        }
    }

    /// What a number computed exactly is in the type `elem`; `None` where that is not known here: integers that overflow,
    /// and types that nobody counts with.
    fn holding(elem: Elem, value: f64) -> Option<Self> {
        let whole = |most: f64| (value.abs() <= most).then_some(value);
        let value = match elem {
            Elem::F32 => Some(f64::from(value as f32)),
            Elem::F64 => Some(value),
            Elem::I32 => whole(f64::from(i32::MAX)),
            Elem::I64 => whole(LARGEST),
            _ => None,
        };
        value.map(|value| Self { elem, value })
    }
}
