//! Puts what is decided in the place of what decides it.

use crate::onnx::graph::constant_of;
use crate::onnx::names::{self, Renames};
use crate::onnx::passes::control_flow::unroll::{ScanAxis, UnrolledLoop};
use crate::onnx::proto::{GraphProto, NodeProto, TensorProto, ValueInfoProto};
use crate::onnx::{Attribute, Error, Graph};
use std::collections::HashSet;

/// The graph that is being put together.
pub struct Splicer {
    graph: Graph,
    /// The names of all values, also of those that are still to come.
    taken: HashSet<String>,
}

impl Splicer {
    /// Goes on from `graph`; `taken` are the names of all values, also of those that are still to come.
    pub fn onto(graph: Graph, taken: HashSet<String>) -> Self {
        Self { graph, taken }
    }

    pub fn into_graph(self) -> Graph {
        self.graph
    }

    /// Adds a node that stays.
    pub fn keep(&mut self, node: NodeProto) -> Result<(), Error> {
        self.graph.insert_node(node)
    }

    /// Puts a branch where its `If` was.
    pub fn branch(&mut self, node: &NodeProto, branch: &GraphProto) -> Result<(), Error> {
        let prefix = names::prefix(node);
        let mut names = Renames::new();
        self.constants(branch, &prefix, &mut names)?;
        self.name_values(&branch.node, |name| name.to_owned(), &prefix, &mut names);
        let outputs: Vec<&str> = branch
            .output
            .iter()
            .map(|value| value.name.as_str())
            .collect();
        let copies = names::bind_outputs(&branch.node, &outputs, &node.output, &mut names);
        self.nodes(&branch.node, &names)?;
        copies
            .into_iter()
            .try_for_each(|copy| self.graph.insert_node(copy))
    }

    /// Puts a body as often where its `Loop` or `Scan` was as it runs.
    pub fn unroll(&mut self, node: &NodeProto, turns: &UnrolledLoop) -> Result<(), Error> {
        let UnrolledLoop { body, count, .. } = *turns;
        let prefix = names::prefix(node);
        let (results, stacks) = node.output.split_at(turns.carried.len());
        let mut shared = Renames::new();
        self.constants(body, &prefix, &mut shared)?;
        let going = self.fresh("condition", &prefix);
        if turns.is_loop {
            self.graph
                .insert_constant(TensorProto::from_bool(&going, true))?;
        }
        let sequences = self.sequences(turns, &prefix)?;
        let mut state: Vec<String> = turns.carried.to_vec();
        let mut copies: Vec<NodeProto> = match count {
            0 => state
                .iter()
                .zip(results)
                .map(|(value, result)| names::identity_node(value, result))
                .collect(),
            _ => Vec::new(),
        };
        // A loop's body begins with its condition.
        let (ends, made) = body.output[usize::from(turns.is_loop)..].split_at(state.len());
        let mut layers = vec![Vec::new(); stacks.len()];
        for turn in 0..count {
            let prefix = format!("{prefix}/{turn}");
            let mut given = Vec::new();
            if turns.is_loop {
                let number = self.fresh("turn", &prefix);
                self.graph
                    .insert_constant(TensorProto::from_i64(&number, &[], &[turn as i64]))?;
                given.extend([number, going.clone()]);
            }
            given.append(&mut state);
            given.extend(sequences.iter().map(|sequence| sequence[turn].clone()));
            let mut names = shared.clone();
            names.extend(body.input.iter().map(|value| value.name.clone()).zip(given));
            self.name_values(
                &body.node,
                |name| format!("{prefix}/{name}"),
                &prefix,
                &mut names,
            );
            if turn + 1 == count {
                let ends: Vec<&str> = ends.iter().map(|value| value.name.as_str()).collect();
                copies = names::bind_outputs(&body.node, &ends, results, &mut names);
            }
            self.nodes(&body.node, &names)?;
            let called = |value: &ValueInfoProto| {
                let name = names.get(&value.name);
                name.unwrap_or(&value.name).clone()
            };
            state = ends.iter().map(called).collect();
            let made = made.iter().map(called);
            for (layers, value) in layers.iter_mut().zip(made) {
                layers.push(value);
            }
        }
        copies.retain(|copy| !copy.output[0].is_empty());
        for copy in copies {
            self.graph.insert_node(copy)?;
        }
        for ((layers, output), along) in layers.iter().zip(stacks).zip(&turns.results) {
            if !output.is_empty() {
                self.stack(layers, *along, output, &prefix)?;
            }
        }
        Ok(())
    }

    /// For each sequence, what every turn sees of it.
    fn sequences(&mut self, turns: &UnrolledLoop, prefix: &str) -> Result<Vec<Vec<String>>, Error> {
        let mut apart = Vec::with_capacity(turns.sequences.len());
        for (sequence, along) in &turns.sequences {
            let ones = self.ints(&vec![1; turns.count], prefix)?;
            let axis = self.ints(&[along.axis], prefix)?;
            let mut steps = Vec::with_capacity(turns.count);
            for _ in 0..turns.count {
                steps.push(self.fresh("step", prefix));
            }
            let mut split = node_of("Split", &[sequence, &ones], "");
            split.output.clone_from(&steps);
            split
                .attribute
                .push(Attribute::Int(along.axis).named("axis"));
            if turns.count > 0 {
                self.graph.insert_node(split)?;
            }
            for step in &mut steps {
                let position = self.fresh("position", prefix);
                self.graph
                    .insert_node(node_of("Squeeze", &[step, &axis], &position))?;
                *step = position;
            }
            if along.reversed {
                steps.reverse();
            }
            apart.push(steps);
        }
        Ok(apart)
    }

    /// Joins what the turns made along a new axis.
    fn stack(
        &mut self,
        layers: &[String],
        along: ScanAxis,
        output: &str,
        prefix: &str,
    ) -> Result<(), Error> {
        let axis = self.ints(&[along.axis], prefix)?;
        let mut stack = Vec::with_capacity(layers.len());
        for value in layers {
            let layer = self.fresh("layer", prefix);
            self.graph
                .insert_node(node_of("Unsqueeze", &[value, &axis], &layer))?;
            stack.push(layer);
        }
        if along.reversed {
            stack.reverse();
        }
        let stack: Vec<&str> = stack.iter().map(String::as_str).collect();
        let mut joined = node_of("Concat", &stack, output);
        joined
            .attribute
            .push(Attribute::Int(along.axis).named("axis"));
        self.graph.insert_node(joined)
    }

    /// A constant list of integers.
    fn ints(&mut self, values: &[i64], prefix: &str) -> Result<String, Error> {
        let name = self.fresh("constant", prefix);
        let count = values.len() as i64;
        self.graph
            .insert_constant(TensorProto::from_i64(&name, &[count], values))?;
        Ok(name)
    }

    /// Adds the constants of a subgraph; those that stand in it as nodes as well.
    fn constants(
        &mut self,
        graph: &GraphProto,
        prefix: &str,
        names: &mut Renames,
    ) -> Result<(), Error> {
        let nodes = graph.node.iter().filter_map(constant_of);
        for mut tensor in graph.initializer.iter().cloned().chain(nodes) {
            let name = self.free(&tensor.name, prefix);
            names.insert(std::mem::replace(&mut tensor.name, name.clone()), name);
            self.graph.insert_constant(tensor)?;
        }
        Ok(())
    }

    /// Finds a name for every value of `nodes` that has none in `names`.
    fn name_values(
        &mut self,
        nodes: &[NodeProto],
        wish: impl Fn(&str) -> String,
        prefix: &str,
        names: &mut Renames,
    ) {
        names::for_each_output(nodes, &mut |name| {
            if !names.contains_key(name) {
                let free = self.free(&wish(name), prefix);
                names.insert(name.to_owned(), free);
            }
        });
    }

    /// Adds the nodes of a subgraph that are no constants.
    fn nodes(&mut self, nodes: &[NodeProto], names: &Renames) -> Result<(), Error> {
        for node in nodes.iter().filter(|node| constant_of(node).is_none()) {
            let mut node = node.clone();
            names::rename(&mut node, names);
            // Names of nodes must differ, and the next turn's would not.
            node.name = String::new();
            self.graph.insert_node(node)?;
        }
        Ok(())
    }

    /// `wish` if no value is called that, else a name after it.
    fn free(&mut self, wish: &str, prefix: &str) -> String {
        match self.taken.insert(wish.to_owned()) {
            true => wish.to_owned(),
            false => self.fresh(wish, prefix),
        }
    }

    fn fresh(&mut self, what: &str, prefix: &str) -> String {
        names::fresh_name(&mut self.taken, prefix, what)
    }
}

fn node_of(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: op.into(),
        input: inputs.iter().map(|input| (*input).into()).collect(),
        output: vec![output.into()],
        ..Default::default()
    }
}
