//! What a decomposition sees of a fused node, and how it emits the parts.

use crate::onnx::builder::node as new_node;
use crate::onnx::proto::{AttributeProto, NodeProto, TensorProto};
use crate::onnx::{Attribute, Elem, Graph, INTERNAL_PREFIX, Shapes};
use std::collections::HashSet;

pub use crate::onnx::passes::skipped::Skipped;

/// A graph with fused nodes, and what is known of it.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub graph: &'a Graph,
    pub shapes: &'a Shapes,
    /// The values that something reads.
    pub read: &'a HashSet<&'a str>,
}

/// One fused node, and what it becomes.
pub struct Emitter<'a> {
    source: Source<'a>,
    pub node: &'a NodeProto,
    pub nodes: Vec<NodeProto>,
    pub constants: Vec<TensorProto>,
}

impl<'a> Emitter<'a> {
    pub fn new(source: Source<'a>, node: &'a NodeProto) -> Self {
        Self {
            source,
            node,
            nodes: Vec::new(),
            constants: Vec::new(),
        }
    }

    /// The version of the default operator set, which the parts are in.
    pub fn opset(&self) -> i64 {
        self.source.graph.opset()
    }

    /// Input `index` of the node, if it is given.
    pub fn optional(&self, index: usize) -> Option<&'a str> {
        self.node.input_at(index)
    }

    /// Input `index` of the node.
    pub fn input(&self, index: usize) -> Result<&'a str, Skipped> {
        let given = self.optional(index);
        given.ok_or_else(|| Skipped(format!("it lacks input {index}")))
    }

    /// Refuses a node that is given any of the inputs of these numbers.
    pub fn without_inputs(&self, inputs: &[(usize, &str)]) -> Result<(), Skipped> {
        let given = inputs
            .iter()
            .find(|(index, _)| self.optional(*index).is_some());
        match given {
            None => Ok(()),
            Some((_, what)) => Err(Skipped(format!("it is given {what}"))),
        }
    }

    /// Refuses a node of which any of the outputs of these numbers is read.
    pub fn without_outputs(&self, outputs: &[(usize, &str)]) -> Result<(), Skipped> {
        let is_read = |index| {
            self.output(index)
                .is_some_and(|name| self.source.read.contains(name))
        };
        match outputs.iter().find(|(index, _)| is_read(*index)) {
            None => Ok(()),
            Some((_, what)) => Err(Skipped(format!("something reads its output {what}"))),
        }
    }

    /// Refuses a node with a number other than 0 as one of these attributes.
    pub fn without_flags(&self, flags: &[&str]) -> Result<(), Skipped> {
        let set = |name: &&&str| self.node.int(name).unwrap_or(0) != 0;
        match flags.iter().find(set) {
            None => Ok(()),
            Some(name) => Err(Skipped(format!("{name} is set"))),
        }
    }

    /// The name of output `index`, if it is made.
    pub fn output(&self, index: usize) -> Option<&'a str> {
        let output = self.node.output.get(index)?;
        (!output.is_empty()).then_some(output.as_str())
    }

    /// The constant called `value`, if it is one.
    pub fn known(&self, value: &str) -> Option<&'a TensorProto> {
        self.source.graph.constant(value)
    }

    /// Dimensions of a value that the fused node reads.
    pub fn dims(&self, value: &str) -> Result<Vec<usize>, Skipped> {
        Ok(match self.known(value) {
            Some(constant) => constant.shape()?,
            None => self.source.shapes.get(value)?.dims.clone(),
        })
    }

    /// Element type of a value that the fused node reads.
    pub fn elem(&self, value: &str) -> Result<Elem, Skipped> {
        Ok(match self.known(value) {
            Some(constant) => constant.elem()?,
            None => self.source.shapes.get(value)?.elem,
        })
    }

    /// The node's attributes, but for those called as `left_out` begins.
    pub fn attributes_but(&self, left_out: &[&str]) -> Vec<AttributeProto> {
        let kept = |a: &&AttributeProto| !left_out.iter().any(|start| a.name.starts_with(start));
        self.node.attribute.iter().filter(kept).cloned().collect()
    }

    /// Emits a part and names what it makes.
    pub fn emit(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        let output = self.fresh(op);
        self.emit_as(&output, op, inputs, attributes);
        output
    }

    /// Emits the part that makes numbers which the next one rounds to levels. Levels are no layer that can be looked at,
    /// so that these have a name beside theirs, if it is free.
    pub fn emit_unrounded(&mut self, op: &str, inputs: &[&str]) -> String {
        let name = format!("{}/unrounded", self.output(0).unwrap_or_default());
        let output = match self.source.graph.contains(&name) {
            true => self.fresh(op),
            false => name,
        };
        self.emit_as(&output, op, inputs, &[]);
        output
    }

    /// Emits a part that makes `outputs` values.
    pub fn emit_many(
        &mut self,
        op: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
        outputs: usize,
    ) -> Vec<String> {
        let first = self.fresh(op);
        let names: Vec<String> = (0..outputs).map(|n| format!("{first}/{n}")).collect();
        self.nodes
            .push(new_node(&first, op, inputs, &names, attributes));
        names
    }

    /// Emits the part that makes the fused node's own first output.
    pub fn finish(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) {
        let output = self.output(0).unwrap_or_default();
        self.emit_as(output, op, inputs, attributes);
        self.name_last();
    }

    /// Gives the last part the fused node's name.
    pub fn name_last(&mut self) {
        if let Some(last) = self.nodes.last_mut() {
            last.name = self.node.name.clone();
        }
    }

    /// Emits a part that makes the value called `output`.
    pub fn emit_as(
        &mut self,
        output: &str,
        op: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
    ) {
        let outputs = [output.to_owned()];
        self.nodes
            .push(new_node(output, op, inputs, &outputs, attributes));
    }

    /// Gives the last part further attributes.
    pub fn with_attributes(&mut self, attributes: Vec<AttributeProto>) {
        if let Some(last) = self.nodes.last_mut() {
            last.attribute.extend(attributes);
        }
    }

    /// A constant, under a fresh name.
    pub fn constant(&mut self, mut tensor: TensorProto) -> String {
        tensor.name = self.fresh("constant");
        let name = tensor.name.clone();
        self.constants.push(tensor);
        name
    }

    /// A constant number of the type `elem`.
    pub fn scalar(&mut self, elem: Elem, value: f64) -> Result<String, Skipped> {
        Ok(self.constant(TensorProto::from_floats("", &[], elem, &[value])?))
    }

    /// A constant list of integers.
    pub fn ints(&mut self, values: &[i64]) -> String {
        self.constant(TensorProto::from_i64("", &[values.len() as i64], values))
    }

    /// A name that no other node's parts have, as no other node makes the same output.
    fn fresh(&self, what: &str) -> String {
        let made = self.node.output.iter().find(|name| !name.is_empty());
        let output = made.map_or("", String::as_str);
        let number = self.nodes.len() + self.constants.len() + 1;
        format!("{INTERNAL_PREFIX}{output}/{what}_{number}")
    }
}
