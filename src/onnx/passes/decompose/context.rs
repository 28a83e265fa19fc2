//! The interface between decompositions and the graph: inputs, types and attributes of the fused node, and the builder
//! of the nodes that replace it.

use crate::onnx::proto::{AttributeProto, NodeProto, TensorProto};
use crate::onnx::{Attribute, Builder, ElementType, Graph, INTERNAL_PREFIX, Patch, Types};
use std::collections::HashSet;

pub use crate::onnx::passes::skipped::Skipped;

/// A graph with fused nodes, and its types.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub graph: &'a Graph,
    pub shapes: &'a Types,
    /// The values that nodes read, and the outputs.
    pub read: &'a HashSet<&'a str>,
}

/// A fused node, and what replaces it.
pub struct Context<'a> {
    source: Source<'a>,
    /// The fused node.
    pub node: &'a NodeProto,
    /// Names begin with that of an output of the fused node, which no other node has.
    builder: Builder<Patch>,
}

impl<'a> Context<'a> {
    /// Decomposes `node`, a node of the source graph.
    pub fn new(source: Source<'a>, node: &'a NodeProto) -> Self {
        let output = node.output.iter().find(|name| !name.is_empty());
        let output = output.map_or("", String::as_str);
        Self {
            source,
            node,
            builder: Builder::patch(&format!("{INTERNAL_PREFIX}{output}/")),
        }
    }

    /// The nodes and constants emitted so far.
    pub fn into_patch(self) -> Patch {
        self.builder.into_patch()
    }

    /// Version of the standard opset.
    pub fn opset(&self) -> i64 {
        self.source.graph.opset()
    }

    /// Name of input `index` of the node; `None` if it is omitted.
    pub fn optional_input(&self, index: usize) -> Option<&'a str> {
        self.node.input_at(index)
    }

    /// Name of input `index` of the node.
    pub fn input(&self, index: usize) -> Result<&'a str, Skipped> {
        let input = self.optional_input(index);
        input.ok_or_else(|| Skipped(format!("it lacks input {index}")))
    }

    /// Rejects a node that has any of these inputs (index, name).
    pub fn reject_inputs(&self, inputs: &[(usize, &str)]) -> Result<(), Skipped> {
        let present = inputs
            .iter()
            .find(|(index, _)| self.optional_input(*index).is_some());
        match present {
            None => Ok(()),
            Some((_, name)) => Err(Skipped(format!("it has the input {name}"))),
        }
    }

    /// Rejects a node of which any of these outputs (index, name) is read.
    pub fn reject_outputs(&self, outputs: &[(usize, &str)]) -> Result<(), Skipped> {
        let is_read = |index| {
            self.output(index)
                .is_some_and(|name| self.source.read.contains(name))
        };
        match outputs.iter().find(|(index, _)| is_read(*index)) {
            None => Ok(()),
            Some((_, name)) => Err(Skipped(format!("its output {name} is used"))),
        }
    }

    /// Rejects a node of which any of these int attributes is not 0.
    pub fn reject_flags(&self, flags: &[&str]) -> Result<(), Skipped> {
        let set = |name: &&&str| self.node.int(name).unwrap_or(0) != 0;
        match flags.iter().find(set) {
            None => Ok(()),
            Some(name) => Err(Skipped(format!("{name} is set"))),
        }
    }

    /// Name of output `index`; `None` if it is omitted.
    pub fn output(&self, index: usize) -> Option<&'a str> {
        let output = self.node.output.get(index)?;
        (!output.is_empty()).then_some(output.as_str())
    }

    /// The tensor of `value`, if it is a constant.
    pub fn constant_value(&self, value: &str) -> Option<&'a TensorProto> {
        self.source.graph.constant(value)
    }

    /// Dimensions of a value that the fused node reads.
    pub fn dims(&self, value: &str) -> Result<Vec<usize>, Skipped> {
        Ok(self.source.graph.dims(value, self.source.shapes)?)
    }

    /// Element type of a value that the fused node reads.
    pub fn elem(&self, value: &str) -> Result<ElementType, Skipped> {
        Ok(self.source.graph.elem(value, self.source.shapes)?)
    }

    /// The attributes of the node, except those whose names begin with one of `prefixes`.
    pub fn attributes_except(&self, prefixes: &[&str]) -> Vec<AttributeProto> {
        let kept = |a: &&AttributeProto| !prefixes.iter().any(|prefix| a.name.starts_with(prefix));
        self.node.attribute.iter().filter(kept).cloned().collect()
    }

    /// Emits a node with one output and returns the output's name.
    pub fn emit(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        self.builder.emit(op, inputs, attributes)
    }

    /// Emits a node with `outputs` outputs and returns their names.
    pub fn emit_many(
        &mut self,
        op: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
        outputs: usize,
    ) -> Vec<String> {
        self.builder.emit_many(op, inputs, attributes, outputs)
    }

    /// Emits a node whose output is quantized next, and returns the output's name. Quantized values cannot be
    /// visualized, so that this one gets a public name derived from theirs, if it is free.
    pub fn emit_unrounded(&mut self, op: &str, inputs: &[&str]) -> Result<String, Skipped> {
        let name = format!("{}/unrounded", self.output(0).unwrap_or_default());
        if self.source.graph.contains(&name) {
            return Ok(self.emit(op, inputs, &[]));
        }
        Ok(self.builder.emit_named(&name, op, inputs, &[])?)
    }

    /// Emits a node with the output `output`.
    pub fn emit_as(
        &mut self,
        output: &str,
        op: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
    ) -> Result<(), Skipped> {
        self.builder.emit_named(output, op, inputs, attributes)?;
        Ok(())
    }

    /// Emits the last node, which produces the first output of the fused node.
    pub fn emit_output(
        &mut self,
        op: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
    ) -> Result<(), Skipped> {
        let output = self.output(0).unwrap_or_default();
        self.emit_as(output, op, inputs, attributes)?;
        self.name_last();
        Ok(())
    }

    /// Gives the last node the name of the fused node.
    pub fn name_last(&mut self) {
        if let Some(last) = self.builder.last_node() {
            last.name = self.node.name.clone();
        }
    }

    /// Adds attributes to the last node.
    pub fn add_attributes(&mut self, attributes: Vec<AttributeProto>) {
        if let Some(last) = self.builder.last_node() {
            last.attribute.extend(attributes);
        }
    }

    /// A constant, under a fresh name.
    pub fn constant(&mut self, tensor: TensorProto) -> String {
        self.builder.constant(tensor)
    }

    /// A constant scalar of the floating-point type `elem`.
    pub fn scalar(&mut self, elem: ElementType, value: f64) -> Result<String, Skipped> {
        Ok(self.builder.scalar(elem, value)?)
    }

    /// A constant 1-D int64 tensor.
    pub fn ints(&mut self, values: &[i64]) -> String {
        self.builder.ints(values)
    }
}
