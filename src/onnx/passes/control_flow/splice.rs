//! Inlines branches and unrolled loop bodies in place of their nodes.

use crate::onnx::names::{self, Renames};
use crate::onnx::passes::control_flow::unroll::{ScanAxis, UnrolledLoop};
use crate::onnx::proto::{GraphProto, NodeProto, TensorProto, ValueInfoProto};
use crate::onnx::{Error, Graph, NameScope};

/// A graph under construction.
pub struct Splicer {
    graph: Graph,
    scope: NameScope,
}

impl Splicer {
    /// Extends `graph`; `scope` holds the names of all values, including those still to be added.
    pub fn new(graph: Graph, scope: NameScope) -> Self {
        Self { graph, scope }
    }

    /// The finished graph.
    pub fn into_graph(self) -> Graph {
        self.graph
    }

    /// Adds a node unchanged.
    pub fn keep(&mut self, node: NodeProto) -> Result<(), Error> {
        self.graph.insert_node(node)
    }

    /// Replaces an `If` by a branch.
    pub fn inline_branch(&mut self, node: &NodeProto, branch: &GraphProto) -> Result<(), Error> {
        let prefix = names::prefix(node);
        let mut names = Renames::new();
        self.add_constants(branch, &prefix, &mut names)?;
        self.name_values(&branch.node, |name| name.to_owned(), &prefix, &mut names);
        let outputs: Vec<&str> = branch
            .output
            .iter()
            .map(|value| value.name.as_str())
            .collect();
        let copies = names::bind_outputs(&branch.node, &outputs, &node.output, &mut names);
        self.add_nodes(&branch.node, &names)?;
        copies
            .into_iter()
            .try_for_each(|copy| self.graph.insert_node(copy))
    }

    /// Replaces a `Loop` or `Scan` by its iterations.
    pub fn unroll(&mut self, node: &NodeProto, unrolled: &UnrolledLoop) -> Result<(), Error> {
        let UnrolledLoop {
            body, trip_count, ..
        } = *unrolled;
        let prefix = names::prefix(node);
        let (final_outputs, scan_outputs) = node.output.split_at(unrolled.carried.len());
        let mut shared = Renames::new();
        self.add_constants(body, &prefix, &mut shared)?;
        let condition = self.scope.fresh(&prefix, "condition");
        if unrolled.is_loop {
            self.graph
                .insert_constant(TensorProto::from_bool(&condition, true))?;
        }
        let scan_inputs = self.split_scan_inputs(unrolled, &prefix)?;
        let mut state: Vec<String> = unrolled.carried.to_vec();
        let mut copies: Vec<NodeProto> = match trip_count {
            0 => state
                .iter()
                .zip(final_outputs)
                .map(|(value, output)| NodeProto::identity(value, output))
                .collect(),
            _ => Vec::new(),
        };
        // The first output of the body of a `Loop` is its condition.
        let first = usize::from(unrolled.is_loop);
        let (carried, slices) = body.output[first..].split_at(state.len());
        let mut stacks = vec![Vec::new(); scan_outputs.len()];
        for iteration in 0..trip_count {
            let prefix = format!("{prefix}/{iteration}");
            let mut arguments = Vec::new();
            if unrolled.is_loop {
                let number = self.scope.fresh(&prefix, "turn");
                let tensor = TensorProto::from_i64(&number, &[], &[iteration as i64]);
                self.graph.insert_constant(tensor)?;
                arguments.extend([number, condition.clone()]);
            }
            arguments.append(&mut state);
            arguments.extend(scan_inputs.iter().map(|slices| slices[iteration].clone()));
            let mut names = shared.clone();
            let parameters = body.input.iter().map(|value| value.name.clone());
            names.extend(parameters.zip(arguments));
            self.name_values(
                &body.node,
                |name| format!("{prefix}/{name}"),
                &prefix,
                &mut names,
            );
            if iteration + 1 == trip_count {
                let inner: Vec<&str> = carried.iter().map(|value| value.name.as_str()).collect();
                copies = names::bind_outputs(&body.node, &inner, final_outputs, &mut names);
            }
            self.add_nodes(&body.node, &names)?;
            let renamed = |value: &ValueInfoProto| {
                let name = names.get(&value.name);
                name.unwrap_or(&value.name).clone()
            };
            state = carried.iter().map(renamed).collect();
            for (stack, slice) in stacks.iter_mut().zip(slices.iter().map(renamed)) {
                stack.push(slice);
            }
        }
        copies.retain(|copy| !copy.output[0].is_empty());
        for copy in copies {
            self.graph.insert_node(copy)?;
        }
        let scan_outputs = scan_outputs.iter().zip(&unrolled.scan_outputs);
        for (slices, (output, scan)) in stacks.iter().zip(scan_outputs) {
            if !output.is_empty() {
                self.stack(slices, *scan, output, &prefix)?;
            }
        }
        Ok(())
    }

    /// The slices of each scan input, in the order of the iterations.
    fn split_scan_inputs(
        &mut self,
        unrolled: &UnrolledLoop,
        prefix: &str,
    ) -> Result<Vec<Vec<String>>, Error> {
        let trip_count = unrolled.trip_count;
        let mut all = Vec::with_capacity(unrolled.scan_inputs.len());
        for (input, scan) in &unrolled.scan_inputs {
            let ones = self.ints(&vec![1; trip_count], prefix)?;
            let axis = self.ints(&[scan.axis], prefix)?;
            let slices = (0..trip_count).map(|_| self.scope.fresh(prefix, "step"));
            let mut slices: Vec<String> = slices.collect();
            let split = NodeProto::new("Split", &[input, ones.as_str()], &slices);
            if trip_count > 0 {
                self.graph.insert_node(split.attr("axis", scan.axis))?;
            }
            for slice in &mut slices {
                let squeezed = self.scope.fresh(prefix, "position");
                let squeeze = NodeProto::new("Squeeze", &[&*slice, &axis], &[&squeezed]);
                self.graph.insert_node(squeeze)?;
                *slice = squeezed;
            }
            if scan.reversed {
                slices.reverse();
            }
            all.push(slices);
        }
        Ok(all)
    }

    /// Stacks the slices of a scan output along a new axis.
    fn stack(
        &mut self,
        slices: &[String],
        scan: ScanAxis,
        output: &str,
        prefix: &str,
    ) -> Result<(), Error> {
        let axis = self.ints(&[scan.axis], prefix)?;
        let mut unsqueezed = Vec::with_capacity(slices.len());
        for slice in slices {
            let name = self.scope.fresh(prefix, "layer");
            let unsqueeze = NodeProto::new("Unsqueeze", &[slice, &axis], &[&name]);
            self.graph.insert_node(unsqueeze)?;
            unsqueezed.push(name);
        }
        if scan.reversed {
            unsqueezed.reverse();
        }
        let concat = NodeProto::new("Concat", &unsqueezed, &[output]);
        self.graph.insert_node(concat.attr("axis", scan.axis))
    }

    /// A constant 1-D int64 tensor.
    fn ints(&mut self, values: &[i64], prefix: &str) -> Result<String, Error> {
        let name = self.scope.fresh(prefix, "constant");
        self.graph
            .insert_constant(TensorProto::int_list(&name, values))?;
        Ok(name)
    }

    /// Adds the constants of a subgraph: initializers and `Constant` nodes.
    fn add_constants(
        &mut self,
        graph: &GraphProto,
        prefix: &str,
        names: &mut Renames,
    ) -> Result<(), Error> {
        let nodes = graph.node.iter().filter_map(NodeProto::constant_value);
        for mut tensor in graph.initializer.iter().cloned().chain(nodes) {
            let name = self.scope.preferred(&tensor.name, prefix);
            names.insert(std::mem::replace(&mut tensor.name, name.clone()), name);
            self.graph.insert_constant(tensor)?;
        }
        Ok(())
    }

    /// Adds new names to `names` for the values of `nodes` that lack one: `preferred` of the old name, if that is free.
    fn name_values(
        &mut self,
        nodes: &[NodeProto],
        preferred: impl Fn(&str) -> String,
        prefix: &str,
        names: &mut Renames,
    ) {
        names::for_each_output(nodes, &mut |name| {
            if !names.contains_key(name) {
                let free = self.scope.preferred(&preferred(name), prefix);
                names.insert(name.to_owned(), free);
            }
        });
    }

    /// Adds the nodes of a subgraph, except `Constant` nodes.
    fn add_nodes(&mut self, nodes: &[NodeProto], names: &Renames) -> Result<(), Error> {
        for node in nodes.iter().filter(|node| node.constant_value().is_none()) {
            let mut node = node.clone();
            names::rename(&mut node, names);
            // Node names must be unique, and every iteration has the same.
            node.name = String::new();
            self.graph.insert_node(node)?;
        }
        Ok(())
    }
}
