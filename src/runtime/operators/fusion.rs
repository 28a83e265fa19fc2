//! Fuses connected element-wise nodes of an optimized graph into [`Elementwise`](super::elementwise) nodes.
//!
//! A value whose readers are all element-wise nodes of its shape is computed within their programs. Any other value is
//! stored: it is the result of a program, whose last node is called its root. A cheap value that several programs need
//! is computed by each of them.
//!
//! Optimized graphs have tensors in blocked channels (NCHWc). Their elements have another order in memory, but the
//! tensors that an element-wise node reads and writes have the same one. So a program computes the same in any order.

use super::elementwise::program::{Instruction, Operand, Program};
use super::formula::{Formula, formula, number};
use super::known_types::KnownTypes;
use super::layout::blocked_values;
use crate::onnx::own_operators::{BLOCK, DOMAIN, ELEMENTWISE};
use crate::onnx::proto::{NodeProto, TensorProto};
use crate::onnx::{Error, Graph};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Maximum instructions of a program.
const MAX_INSTRUCTIONS: usize = 64;

/// Maximum instructions of a value that several results compute.
const MAX_REPEATED: usize = 6;

/// The graph with its element-wise nodes fused. Dimensions are only used to decide what is worth fusing.
///
/// # Errors
/// [`Error`] if the graph is damaged.
pub(super) fn fused(graph: &Graph, known: &KnownTypes) -> Result<Graph, Error> {
    let fusion = Fusion::new(graph, known);
    let mut result = graph.without_nodes();
    for (index, node) in graph.nodes().iter().enumerate() {
        match fusion.program(index) {
            Some((program, inputs, block)) => {
                let mut fused = NodeProto::new(ELEMENTWISE, &inputs, &node.output);
                fused.name.clone_from(&node.name);
                fused.attribute = program.attributes();
                if let Some(block) = block {
                    fused = fused.attr(BLOCK, block);
                }
                result.insert(fused.in_domain(DOMAIN))?;
            }
            None if fusion.is_stored(index) => result.insert(node.clone())?,
            None => (),
        }
    }
    result.set_outputs(graph.outputs().to_vec());
    Ok(result)
}

struct Fusion<'g> {
    graph: &'g Graph,
    /// Of each node; `None` if it is not element-wise.
    formulas: Vec<Option<Formula>>,
    /// Whether each node computes in blocked channels.
    is_blocked: Vec<bool>,
    /// The nodes in whose programs each node is computed. A stored one is computed in its own.
    roots: Vec<BTreeSet<usize>>,
    /// Whether the result of each node is read. That of a comparison is not, if the cast of it computes it.
    is_read: Vec<bool>,
}

impl<'g> Fusion<'g> {
    fn new(graph: &'g Graph, known: &KnownTypes) -> Self {
        let nodes = graph.nodes();
        let types = known.of_nodes(graph);
        let blocked = blocked_values(graph);
        let is_blocked = |node: &NodeProto| {
            (node.output.first()).is_some_and(|value| blocked.contains(value.as_str()))
        };
        let formulas = nodes.iter().zip(&types);
        let formulas = formulas.map(|(node, known)| formula(graph, node, known.as_ref()?, &types));
        let mut fusion = Self {
            graph,
            formulas: formulas.collect(),
            is_blocked: nodes.iter().map(is_blocked).collect(),
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
                    && self.is_blocked[*reader] == self.is_blocked[index]
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

    /// The program of a node, its inputs, and the attribute [`BLOCK`] if it has one; `None` if it has no program, or
    /// the node alone does the same.
    fn program(&self, root: usize) -> Option<(Program, Vec<String>, Option<i64>)> {
        if self.formulas[root].is_none() || !self.is_stored(root) {
            return None;
        }
        let mut assembly = Assembly {
            fusion: self,
            root,
            results: HashMap::new(),
            inputs: Vec::new(),
            number: None,
            block: None,
            program: Program::default(),
        };
        assembly.node(root);
        // An operator has an input.
        if let (true, Some(number)) = (assembly.inputs.is_empty(), assembly.number.take()) {
            assembly.inputs.push(number);
        }
        // A cast is one node, but its formula is that of two.
        let is_needed = assembly.results.len() > 1
            || assembly.block.is_some()
            || self.graph.nodes()[root].is_op("Cast");
        let Assembly {
            program,
            inputs,
            block,
            ..
        } = assembly;
        is_needed.then(|| (program.simplified(), inputs, block))
    }
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
    /// The attribute [`BLOCK`] of a node of the program.
    block: Option<i64>,
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
        self.block = self.block.or(fusion.graph.nodes()[node].int(BLOCK));
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
