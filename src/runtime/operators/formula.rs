//! What element-wise nodes of a graph compute, as instructions of a [program](super::elementwise::program).

use super::elementwise::program::{Instruction, Operand, Operation};
use crate::onnx::graph::declared_dims;
use crate::onnx::proto::{NodeProto, TensorProto};
use crate::onnx::{ElementType, Graph, ValueType};

/// What an element-wise node computes.
pub(super) struct Formula {
    /// Operands refer to `inputs`.
    pub instructions: Vec<Instruction>,
    pub inputs: Vec<String>,
    pub dims: Vec<usize>,
}

/// The number that a constant of one element is.
pub(super) fn number(constant: &TensorProto) -> Option<f32> {
    let is_float = constant.elem().ok()? == ElementType::F32;
    let dims = constant.shape().ok().filter(|_| is_float)?;
    let is_single = dims.iter().all(|dim| *dim == 1);
    is_single
        .then(|| constant.to_f32().ok()?.first().copied())
        .flatten()
}

/// The formula of a node whose result is of the type `known`; `None` if it is not element-wise in float32.
pub(super) fn formula(
    graph: &Graph,
    node: &NodeProto,
    known: &ValueType,
    types: &[Option<ValueType>],
) -> Option<Formula> {
    let producer = |name: &str| graph.producer(name).map(|node| &graph.nodes()[node]);
    // A comparison is one with the cast of its result.
    let node = match (node.standard_op()?, node.input_at(0)) {
        ("Cast", Some(flags)) => producer(flags).filter(|node| is_comparison(node))?,
        _ if is_comparison(node) => return None,
        _ => node,
    };
    let is_float = |name: &str| match (graph.producer(name), graph.constant(name)) {
        (Some(node), _) => {
            (types[node].as_ref()).is_some_and(|known| known.elem == ElementType::F32)
        }
        (None, Some(constant)) => constant.elem().is_ok_and(|elem| elem == ElementType::F32),
        (None, None) => {
            let mut inputs = graph.inputs().iter();
            let declared = inputs
                .find(|input| input.name == name)
                .and_then(declared_dims);
            declared.is_some_and(|(code, _)| code == ElementType::F32.code())
        }
    };
    let mut draft = Draft::default();
    let first = Operand::Input(0);
    let mut operands = node.input.len();
    match node.standard_op()? {
        "Add" | "Sum" => draft.chain(operands, Operation::Add),
        "Mul" => draft.chain(operands, Operation::Mul),
        "Max" => draft.chain(operands, Operation::Max),
        "Min" => draft.chain(operands, Operation::Min),
        "Sub" => draft.chain(operands, Operation::Sub),
        "Div" => draft.chain(operands, Operation::Div),
        "Greater" => draft.chain(operands, Operation::Greater),
        "Less" => draft.chain(operands, Operation::Less),
        "Equal" => draft.chain(operands, Operation::Equal),
        "Neg" => drop(draft.push(Operation::Mul, first, Operand::Number(-1.0))),
        // As a part of a program it costs nothing.
        "Identity" => drop(draft.push(Operation::Mul, first, Operand::Number(1.0))),
        "Relu" => drop(draft.push(Operation::Max, first, Operand::Number(0.0))),
        "Abs" => drop(draft.push(Operation::Abs, first, first)),
        "Exp" => drop(draft.push(Operation::Exp, first, first)),
        "Erf" => drop(draft.push(Operation::Erf, first, first)),
        "Sigmoid" => drop(draft.push(Operation::Sigmoid, first, first)),
        "Reciprocal" => drop(draft.push(Operation::Div, Operand::Number(1.0), first)),
        "Sqrt" => drop(draft.push(Operation::Sqrt, first, first)),
        "Clip" => {
            operands = 1;
            let bounds = [1, 2].map(|place| node.input_at(place));
            draft.clip(bounds.map(|bound| bound.map(|bound| number(graph.constant(bound)?))))?;
        }
        "HardSigmoid" => {
            let attribute = |name, default| node.float(name).unwrap_or(default);
            draft.hard_sigmoid(attribute("alpha", 0.2), attribute("beta", 0.5));
        }
        _ => return None,
    }
    let inputs = &node.input[..operands];
    // The inputs of others are of the type of the result.
    let are_floats = !is_comparison(node) || inputs.iter().all(|name| is_float(name));
    (known.elem == ElementType::F32 && are_floats && !draft.0.is_empty()).then(|| Formula {
        instructions: draft.0,
        inputs: inputs.to_vec(),
        dims: known.dims.clone(),
    })
}

fn is_comparison(node: &NodeProto) -> bool {
    matches!(node.standard_op(), Some("Greater" | "Less" | "Equal"))
}

/// The instructions of a formula.
#[derive(Default)]
struct Draft(Vec<Instruction>);

impl Draft {
    fn push(&mut self, operation: Operation, first: Operand, second: Operand) -> Operand {
        self.0.push(Instruction::binary(operation, first, second));
        Operand::Result(self.0.len() - 1)
    }

    /// An operation of two operands, applied to the first input and each further one.
    fn chain(&mut self, inputs: usize, operation: Operation) {
        (1..inputs).fold(Operand::Input(0), |result, index| {
            self.push(operation, result, Operand::Input(index))
        });
    }

    /// Bounds that are absent are `None`; those that are not constants `Some(None)`, which has no formula.
    fn clip(&mut self, [low, high]: [Option<Option<f32>>; 2]) -> Option<()> {
        let mut result = Operand::Input(0);
        for (operation, bound) in [(Operation::Max, low), (Operation::Min, high)] {
            if let Some(bound) = bound {
                result = self.push(operation, result, Operand::Number(bound?));
            }
        }
        Some(())
    }

    /// `max(0, min(1, alpha · x + beta))`.
    fn hard_sigmoid(&mut self, alpha: f32, beta: f32) {
        let (input, number) = (Operand::Input(0), Operand::Number);
        if let Some((operation, bound)) = steep(alpha, beta) {
            self.push(operation, input, number(bound));
            return;
        }
        self.0.push(Instruction {
            operation: Operation::HardSigmoid,
            operands: [input, input, number(alpha), number(beta)],
        });
    }
}

/// The comparison with a number that a hard sigmoid is for every value that is 0, or not within 1e-25 of the number.
fn steep(alpha: f32, beta: f32) -> Option<(Operation, f32)> {
    let bound = (-f64::from(beta) / f64::from(alpha)) as f32;
    let value = |x: f32| (alpha * x + beta).clamp(0.0, 1.0);
    let (operation, next, of_zero) = if alpha > 0.0 {
        let next = bound.next_up().max(bound + 1e-25);
        (Operation::Greater, next, 0.0 > bound)
    } else {
        let next = bound.next_down().min(bound - 1e-25);
        (Operation::Less, next, 0.0 < bound)
    };
    let is_comparison =
        value(bound) == 0.0 && value(next) == 1.0 && value(0.0) == f32::from(u8::from(of_zero));
    is_comparison.then_some((operation, bound))
}
