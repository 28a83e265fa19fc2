//! Fuses connected element-wise nodes of an optimized graph into [`Elementwise`](super::elementwise) nodes.
//!
//! A value whose readers are all element-wise nodes of its shape is computed within their programs. Any other value is
//! stored: it is the result of a program, whose last node is called its root. A cheap value that several programs need
//! is computed by each of them.
//!
//! Optimized graphs have tensors in blocked channels (NCHWc). Their elements have another order in memory, but the
//! tensors that an element-wise node reads and writes have the same one. So a program computes the same in any order.

use super::elementwise::program::{Instruction, Operand, Operation, Program};
use crate::onnx::graph::declared_dims;
use crate::onnx::own_operators::{DOMAIN, ELEMENTWISE};
use crate::onnx::proto::{NodeProto, TensorProto};
use crate::onnx::{ElementType, Error, Graph, ValueType};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Maximum instructions of a program.
const MAX_INSTRUCTIONS: usize = 64;

/// Maximum instructions of a value that several results compute.
const MAX_REPEATED: usize = 6;

/// The graph with its element-wise nodes fused. `type_of` gives the type of the result of a node for example inputs, if
/// it is known. Dimensions are only used to decide what is worth fusing.
///
/// # Errors
/// [`Error`] if the graph is damaged.
pub(super) fn fused(
    graph: &Graph,
    type_of: impl Fn(&NodeProto) -> Option<ValueType>,
) -> Result<Graph, Error> {
    let fusion = Fusion::new(graph, type_of);
    let mut result = graph.without_nodes();
    for (index, node) in graph.nodes().iter().enumerate() {
        match fusion.program(index) {
            Some((program, inputs)) => {
                let mut fused = NodeProto::new(ELEMENTWISE, &inputs, &node.output);
                fused.name.clone_from(&node.name);
                fused.attribute = program.attributes();
                result.insert(fused.in_domain(DOMAIN))?;
            }
            None if fusion.is_stored(index) => result.insert(node.clone())?,
            None => (),
        }
    }
    result.set_outputs(graph.outputs().to_vec());
    Ok(result)
}

/// What an element-wise node computes.
struct Formula {
    /// Operands refer to `inputs`.
    instructions: Vec<Instruction>,
    inputs: Vec<String>,
    dims: Vec<usize>,
}

struct Fusion<'g> {
    graph: &'g Graph,
    /// Of each node; `None` if it is not element-wise.
    formulas: Vec<Option<Formula>>,
    /// The nodes in whose programs each node is computed. A stored one is computed in its own.
    roots: Vec<BTreeSet<usize>>,
    /// Whether the result of each node is read. That of a comparison is not, if the cast of it computes it.
    is_read: Vec<bool>,
}

impl<'g> Fusion<'g> {
    fn new(graph: &'g Graph, type_of: impl Fn(&NodeProto) -> Option<ValueType>) -> Self {
        let nodes = graph.nodes();
        let types = completed(graph, nodes.iter().map(type_of).collect());
        let formulas = nodes.iter().zip(&types);
        let formulas = formulas.map(|(node, known)| formula(graph, node, known.as_ref()?, &types));
        let mut fusion = Self {
            graph,
            formulas: formulas.collect(),
            roots: Vec::new(),
            is_read: vec![false; nodes.len()],
        };
        (fusion.roots, fusion.is_read) = fusion.assigned_roots();
        fusion
    }

    /// The roots of each node, and whether its result is read.
    fn assigned_roots(&self) -> (Vec<BTreeSet<usize>>, Vec<bool>) {
        let outputs: HashSet<&str> = (self.graph.outputs().iter())
            .map(|output| output.name.as_str())
            .collect();
        let (readers, is_read) = self.readers(&outputs);
        let mut all_roots = vec![BTreeSet::new(); self.formulas.len()];
        // Instructions of the program of each node, and of what several programs compute until there.
        let mut lengths = vec![0; self.formulas.len()];
        let mut repeated = vec![0; self.formulas.len()];
        for index in (0..self.formulas.len()).rev() {
            let Some(formula) = &self.formulas[index] else {
                continue;
            };
            let name = &self.graph.nodes()[index].output[0];
            let readers = readers.get(name.as_str()).map_or(&[][..], Vec::as_slice);
            let fits = |reader: &usize| {
                (self.formulas[*reader].as_ref()).is_some_and(|other| other.dims == formula.dims)
            };
            let roots: BTreeSet<usize> = (readers.iter())
                .flat_map(|reader| all_roots[*reader].iter().copied())
                .collect();
            let length = formula.instructions.len();
            let after = readers.iter().map(|reader| repeated[*reader]).max();
            let after = length + after.unwrap_or(0);
            let is_computed = !roots.is_empty()
                && !outputs.contains(name.as_str())
                && readers.iter().all(fits)
                && (roots.len() == 1 || after <= MAX_REPEATED)
                && roots
                    .iter()
                    .all(|root| lengths[*root] + length <= MAX_INSTRUCTIONS);
            all_roots[index] = if is_computed {
                roots
            } else {
                BTreeSet::from([index])
            };
            if all_roots[index].len() > 1 {
                repeated[index] = after;
            }
            for root in &all_roots[index] {
                lengths[*root] += length;
            }
        }
        (all_roots, is_read)
    }

    /// The nodes that read each value, as far as the outputs need them, and whether they need the result of each node.
    /// Element-wise nodes read what their formulas do.
    fn readers(&self, outputs: &HashSet<&'g str>) -> (HashMap<&str, Vec<usize>>, Vec<bool>) {
        let mut readers: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut is_needed = vec![false; self.formulas.len()];
        for (index, node) in self.graph.nodes().iter().enumerate().rev() {
            let is_read = |name: &String| {
                outputs.contains(name.as_str()) || readers.contains_key(name.as_str())
            };
            is_needed[index] = node.output.iter().any(is_read);
            if !is_needed[index] {
                continue;
            }
            let reads: Vec<&str> = match &self.formulas[index] {
                Some(formula) => formula.inputs.iter().map(String::as_str).collect(),
                None => node.reads().collect(),
            };
            for value in reads {
                readers.entry(value).or_default().push(index);
            }
        }
        (readers, is_needed)
    }

    /// Whether the result of a node is stored.
    fn is_stored(&self, node: usize) -> bool {
        match self.formulas[node] {
            None => self.is_read[node],
            Some(_) => self.is_read[node] && self.roots[node].contains(&node),
        }
    }

    /// The program of a node, and its inputs; `None` if it has none, or the node alone does the same.
    fn program(&self, root: usize) -> Option<(Program, Vec<String>)> {
        if self.formulas[root].is_none() || !self.is_stored(root) {
            return None;
        }
        let mut assembly = Assembly {
            fusion: self,
            root,
            results: HashMap::new(),
            inputs: Vec::new(),
            number: None,
            program: Program::default(),
        };
        assembly.node(root);
        // An operator has an input.
        if let (true, Some(number)) = (assembly.inputs.is_empty(), assembly.number.take()) {
            assembly.inputs.push(number);
        }
        // A cast is one node, but its formula is that of two.
        let is_several = assembly.results.len() > 1 || self.graph.nodes()[root].is_op("Cast");
        is_several.then(|| (assembly.program.simplified(), assembly.inputs))
    }
}

/// Types of the results of all nodes. Nodes that ONNX Runtime made have none yet: an element-wise one gets that of its
/// operands, if they have the same one.
fn completed(graph: &Graph, mut types: Vec<Option<ValueType>>) -> Vec<Option<ValueType>> {
    for (index, node) in graph.nodes().iter().enumerate() {
        if types[index].is_none()
            && matches!(node.standard_op(), Some("Add" | "HardSigmoid" | "Mul"))
        {
            let mut operands = node
                .input
                .iter()
                .map(|name| types[graph.producer(name)?].clone());
            let first = operands.next().flatten();
            types[index] =
                first.filter(|first| operands.all(|other| other.as_ref() == Some(first)));
        }
    }
    types
}

/// A program under construction.
struct Assembly<'f, 'g> {
    fusion: &'f Fusion<'g>,
    root: usize,
    /// The result of each node that the program computes.
    results: HashMap<usize, Operand>,
    inputs: Vec<String>,
    /// A constant that is a number in the program.
    number: Option<String>,
    program: Program,
}

impl Assembly<'_, '_> {
    /// The result of a node.
    fn node(&mut self, node: usize) -> Operand {
        if let Some(result) = self.results.get(&node) {
            return *result;
        }
        let fusion = self.fusion;
        let Some(formula) = &fusion.formulas[node] else {
            return self.input(&fusion.graph.nodes()[node].output[0]);
        };
        let rank = formula.dims.len();
        let inputs: Vec<Operand> = (formula.inputs.iter())
            .map(|name| self.value(name, rank))
            .collect();
        let before = self.program.instructions.len();
        for Instruction {
            operation,
            operands,
        } in &formula.instructions
        {
            let operands = operands.map(|operand| match operand {
                Operand::Number(_) => operand,
                Operand::Result(index) => Operand::Result(before + index),
                Operand::Input(index) => inputs[index],
            });
            self.program.instructions.push(Instruction {
                operation: *operation,
                operands,
            });
        }
        let result = Operand::Result(self.program.instructions.len() - 1);
        self.results.insert(node, result);
        result
    }

    fn input(&mut self, name: &str) -> Operand {
        let known = self.inputs.iter().position(|input| input == name);
        Operand::Input(known.unwrap_or_else(|| {
            self.inputs.push(name.to_owned());
            self.inputs.len() - 1
        }))
    }

    /// A value that a node of the program reads, whose result has `rank` axes.
    fn value(&mut self, name: &str, rank: usize) -> Operand {
        let graph = self.fusion.graph;
        // One of as many axes may give the result some of them.
        let has_fewer =
            |constant: &TensorProto| constant.dims.is_empty() || constant.dims.len() < rank;
        let constant = graph.constant(name).filter(|constant| has_fewer(constant));
        if let Some(value) = constant.and_then(number) {
            self.number = Some(name.to_owned());
            return Operand::Number(value);
        }
        match graph.producer(name) {
            Some(node) if node != self.root && self.fusion.roots[node].contains(&self.root) => {
                self.node(node)
            }
            _ => self.input(name),
        }
    }
}

/// The number that a constant of one element is.
fn number(constant: &TensorProto) -> Option<f32> {
    let is_float = constant.elem().ok()? == ElementType::F32;
    let dims = constant.shape().ok().filter(|_| is_float)?;
    let is_single = dims.iter().all(|dim| *dim == 1);
    is_single
        .then(|| constant.to_f32().ok()?.first().copied())
        .flatten()
}

/// The formula of a node whose result is of the type `known`; `None` if it is not element-wise in float32.
fn formula(
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
