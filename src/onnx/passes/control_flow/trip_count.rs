//! The trip count of a loop whose condition is computed in its body. TensorFlow's `while` exports conditions such as
//! "the loop-carried counter is less than 16" instead of a trip count. The condition, and the loop-carried values that
//! it depends on, are evaluated iteration by iteration, as long as all of them are scalars that depend only on
//! constants.

use crate::onnx::passes::control_flow::scalar_value;
use crate::onnx::passes::skipped::Skipped;
use crate::onnx::proto::{GraphProto, NodeProto, TensorProto};
use crate::onnx::{ElementType, Graph};
use crate::text::quoted;
use std::collections::{HashMap, HashSet};

/// 2^53: float64 represents all integers up to it exactly.
const MAX_EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;

/// A tensor of one element, of whatever rank.
#[derive(Debug, Clone, Copy)]
struct Scalar {
    elem: ElementType,
    value: f64,
}

type Scalars<'a> = HashMap<&'a str, Scalar>;

/// Trip count of a loop whose first iteration runs and whose loop-carried values start as `carried`: at most `limit`,
/// if given. Evaluates at most `max` iterations.
///
/// # Errors
/// [`Skipped`] if the condition depends on more than constants, or still holds after `max` iterations.
pub fn trip_count(
    graph: &Graph,
    body: &GraphProto,
    carried: &[String],
    (limit, max): (Option<usize>, usize),
) -> Result<usize, Skipped> {
    let needed = condition_dependencies(body);
    let nodes = body
        .node
        .iter()
        .filter(|node| computes_any(node, &needed))
        .collect::<Vec<_>>();
    let constants = constants(graph, body, &nodes);
    let mut state = Scalars::new();
    let mut evaluated = Vec::new();
    for ((input, output), value) in body.input[2..].iter().zip(1..).zip(carried) {
        if needed.contains(input.name.as_str()) {
            let initial = graph.constant(value).and_then(Scalar::from_tensor);
            state.insert(&input.name, initial.ok_or_else(|| not_constant(value))?);
            evaluated.push((input, output));
        }
    }
    let is_invariant = state.is_empty() && !needed.contains(body.input[0].name.as_str());
    for iteration in 0..limit.map_or(max, |limit| limit.min(max)) {
        let mut scalars = constants.clone();
        scalars.extend(state.drain());
        scalars.insert(&body.input[0].name, Scalar::from_int(iteration as f64));
        scalars.insert(&body.input[1].name, Scalar::from_bool(true));
        for node in &nodes {
            let result = evaluate(node, &scalars)?;
            scalars.insert(&node.output[0], result);
        }
        let output = |index: usize| {
            let name = body.output[index].name.as_str();
            scalars.get(name).copied().ok_or_else(|| not_constant(name))
        };
        if output(0)?.value == 0.0 {
            // The iteration that clears the condition is the last.
            return Ok(iteration + 1);
        }
        if is_invariant {
            return limit.ok_or_else(|| "it never ends".into());
        }
        for &(input, index) in &evaluated {
            state.insert(&input.name, output(index)?);
        }
    }
    match limit {
        Some(limit) if limit <= max => Ok(limit),
        _ => Err(Skipped(format!("it runs for more than {max} iterations"))),
    }
}

/// The values of a body that its condition depends on, within an iteration or through loop-carried values.
fn condition_dependencies(body: &GraphProto) -> HashSet<&str> {
    let mut needed = HashSet::new();
    let mut worklist = vec![body.output[0].name.as_str()];
    let carried: HashMap<&str, usize> = body.input[2..]
        .iter()
        .zip(1..)
        .map(|(input, output)| (input.name.as_str(), output))
        .collect();
    let producers: HashMap<&str, &NodeProto> = body
        .node
        .iter()
        .flat_map(|node| {
            node.output
                .iter()
                .map(move |output| (output.as_str(), node))
        })
        .collect();
    while let Some(value) = worklist.pop() {
        if value.is_empty() || !needed.insert(value) {
            continue;
        }
        if let Some(output) = carried.get(value) {
            worklist.push(&body.output[*output].name);
        }
        if let Some(node) = producers.get(value) {
            worklist.extend(node.input.iter().map(String::as_str));
        }
    }
    needed
}

fn computes_any(node: &NodeProto, values: &HashSet<&str>) -> bool {
    node.constant_value().is_none()
        && node
            .output
            .iter()
            .any(|output| values.contains(output.as_str()))
}

/// The constant scalars that `nodes` read or a body outputs: those of the body, and those of the outer graph.
fn constants<'a>(graph: &'a Graph, body: &'a GraphProto, nodes: &[&'a NodeProto]) -> Scalars<'a> {
    let mut local: HashMap<String, TensorProto> = HashMap::new();
    let constants = body.node.iter().filter_map(NodeProto::constant_value);
    for tensor in constants.chain(body.initializer.iter().cloned()) {
        local.insert(tensor.name.clone(), tensor);
    }
    let names = nodes.iter().flat_map(|node| &node.input);
    let names = names.chain(body.output.iter().map(|output| &output.name));
    let mut scalars = Scalars::new();
    for name in names {
        let constant = local.get(name).or_else(|| graph.constant(name));
        if let Some(scalar) = constant.and_then(Scalar::from_tensor) {
            scalars.insert(name, scalar);
        }
    }
    scalars
}

fn not_constant(value: &str) -> Skipped {
    let value = quoted(value);
    Skipped(format!(
        "its condition depends on {value}, which is not a constant scalar"
    ))
}

/// Evaluates a node on scalars.
fn evaluate(node: &NodeProto, scalars: &Scalars) -> Result<Scalar, Skipped> {
    let inputs = node.input.iter().filter(|name| !name.is_empty());
    // The target shape does not matter: there is one element.
    let arity = match node.op_type.as_str() {
        "Squeeze" | "Unsqueeze" | "Reshape" => 1,
        _ => usize::MAX,
    };
    let mut arguments = Vec::with_capacity(2);
    for name in inputs.take(arity) {
        let argument = scalars.get(name.as_str());
        arguments.push(*argument.ok_or_else(|| not_constant(name))?);
    }
    let op = node.standard_op().filter(|_| node.output.len() == 1);
    let result = op.and_then(|op| apply(op, node, &arguments));
    result.ok_or_else(|| {
        let (node, op) = (node.display_name(), quoted(&node.op_type));
        Skipped(format!(
            "its condition depends on node {node} ({op}), which cannot be evaluated"
        ))
    })
}

/// Applies an operator of the kinds that occur in loop conditions; `None` for others.
fn apply(op: &str, node: &NodeProto, arguments: &[Scalar]) -> Option<Scalar> {
    match *arguments {
        [x] => match op {
            "Identity" | "Squeeze" | "Unsqueeze" | "Reshape" => Some(x),
            "Cast" => x.cast(ElementType::from_code(
                i32::try_from(node.int("to")?).ok()?,
            )?),
            "Not" => Some(Scalar::from_bool(x.value == 0.0)),
            "Neg" => Scalar::rounded(x.elem, -x.value),
            "Abs" => Scalar::rounded(x.elem, x.value.abs()),
            "Floor" => Scalar::rounded(x.elem, x.value.floor()),
            "Ceil" => Scalar::rounded(x.elem, x.value.ceil()),
            _ => None,
        },
        [a, b] if a.elem == b.elem => {
            let (elem, a, b) = (a.elem, a.value, b.value);
            match op {
                "Add" => Scalar::rounded(elem, a + b),
                "Sub" => Scalar::rounded(elem, a - b),
                "Mul" => Scalar::rounded(elem, a * b),
                "Div" if elem.is_float() => Scalar::rounded(elem, a / b),
                "Div" if b != 0.0 => Scalar::rounded(elem, (a / b).trunc()),
                "Min" => Scalar::rounded(elem, a.min(b)),
                "Max" => Scalar::rounded(elem, a.max(b)),
                "Less" => Some(Scalar::from_bool(a < b)),
                "LessOrEqual" => Some(Scalar::from_bool(a <= b)),
                "Greater" => Some(Scalar::from_bool(a > b)),
                "GreaterOrEqual" => Some(Scalar::from_bool(a >= b)),
                "Equal" => Some(Scalar::from_bool(a == b)),
                "And" => Some(Scalar::from_bool(a != 0.0 && b != 0.0)),
                "Or" => Some(Scalar::from_bool(a != 0.0 || b != 0.0)),
                "Xor" => Some(Scalar::from_bool((a != 0.0) != (b != 0.0))),
                _ => None,
            }
        }
        _ => None,
    }
}

impl Scalar {
    fn from_tensor(tensor: &TensorProto) -> Option<Self> {
        let (elem, value) = (tensor.elem().ok()?, scalar_value(tensor).ok()??);
        Some(Self { elem, value })
    }

    fn from_bool(value: bool) -> Self {
        let value = f64::from(value);
        let elem = ElementType::Bool;
        Self { elem, value }
    }

    fn from_int(value: f64) -> Self {
        let elem = ElementType::I64;
        Self { elem, value }
    }

    fn cast(self, to: ElementType) -> Option<Self> {
        match to {
            ElementType::Bool => Some(Self::from_bool(self.value != 0.0)),
            _ if to.is_float() => Self::rounded(to, self.value),
            _ => Self::rounded(to, self.value.trunc()),
        }
    }

    /// An exact result rounded to the type `elem`; `None` for integer overflow, and for unsupported types.
    fn rounded(elem: ElementType, value: f64) -> Option<Self> {
        let integer = |max: f64| (value.abs() <= max).then_some(value);
        let value = match elem {
            ElementType::F32 => Some(f64::from(value as f32)),
            ElementType::F64 => Some(value),
            ElementType::I32 => integer(f64::from(i32::MAX)),
            ElementType::I64 => integer(MAX_EXACT_INTEGER),
            _ => None,
        };
        value.map(|value| Self { elem, value })
    }
}
