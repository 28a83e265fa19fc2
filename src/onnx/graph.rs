//! The main graph of a model, indexed: producers and consumers of values, and constants.
//!
//! A [`Graph`] is validated when it is built. Nodes can be appended, but not changed.

use super::node::is_default_domain;
use super::proto::{
    Dim, Dimension, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TypeValue,
    ValueInfoProto,
};
use super::{ElementType, Error, Types, validate};
use crate::text::quoted;
use std::collections::{HashMap, HashSet};

/// A validated graph: nodes in topological order, one definition per value, constants separate from inputs.
#[derive(Debug, Clone)]
pub struct Graph {
    /// The model without the nodes, constants, inputs and outputs of its graph.
    shell: ModelProto,
    nodes: Vec<NodeProto>,
    constants: HashMap<String, TensorProto>,
    /// Names of constants in insertion order, so that output is deterministic.
    constant_order: Vec<String>,
    producers: HashMap<String, usize>,
    inputs: Vec<ValueInfoProto>,
    outputs: Vec<ValueInfoProto>,
    names: HashSet<String>,
    opset: i64,
}

impl Graph {
    /// Validates and indexes the graph of a model. `Constant` nodes become constants, like initializers.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if a value is defined twice or read before its definition, a node is invalid, or the standard
    /// opset is not imported; [`Error::Unsupported`] for sparse initializers.
    pub fn new(mut model: ModelProto) -> Result<Self, Error> {
        let opset = model
            .opset_import
            .iter()
            .find(|opset| is_default_domain(&opset.domain));
        let opset = opset.map_or(0, |opset| opset.version);
        if opset < 1 {
            return Err(Error::Corrupt("it does not import the ONNX opset".into()));
        }
        let proto = model.graph.take().unwrap_or_default();
        let GraphProto {
            node,
            initializer,
            input,
            output,
            sparse_initializer,
            ..
        } = proto;
        if let Some(sparse) = sparse_initializer.first() {
            let name = sparse
                .values
                .as_ref()
                .map_or("", |values| values.name.as_str());
            return Err(Error::Unsupported(format!(
                "sparse initializers ({})",
                quoted(name)
            )));
        }
        model.graph = Some(GraphProto {
            name: proto.name,
            doc_string: proto.doc_string,
            metadata_props: proto.metadata_props,
            ..Default::default()
        });
        let mut graph = Self {
            shell: model,
            nodes: Vec::with_capacity(node.len()),
            constants: HashMap::with_capacity(initializer.len()),
            constant_order: Vec::with_capacity(initializer.len()),
            producers: HashMap::with_capacity(node.len()),
            inputs: Vec::new(),
            outputs: output,
            names: HashSet::new(),
            opset,
        };
        for tensor in initializer {
            graph.insert_constant(tensor)?;
        }
        // Before IR version 4, initializers are inputs too.
        for value in input {
            if !graph.constants.contains_key(&value.name) {
                graph.insert_input(value)?;
            }
        }
        for node in node {
            graph.insert(node)?;
        }
        let missing = graph
            .outputs
            .iter()
            .find(|output| !graph.names.contains(&output.name));
        if let Some(output) = missing {
            let name = quoted(&output.name);
            return Err(Error::Corrupt(format!(
                "no node produces its output {name}"
            )));
        }
        Ok(graph)
    }

    /// An empty graph with the same opset imports, functions and metadata.
    pub fn empty_like(&self) -> Self {
        Self {
            shell: self.shell.clone(),
            nodes: Vec::new(),
            constants: HashMap::new(),
            constant_order: Vec::new(),
            producers: HashMap::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            names: HashSet::new(),
            opset: self.opset,
        }
    }

    /// A graph with the same inputs and constants, without nodes and outputs.
    pub fn without_nodes(&self) -> Self {
        let inputs = self.inputs.iter().map(|input| &input.name);
        let names = inputs.chain(&self.constant_order).cloned().collect();
        Self {
            inputs: self.inputs.clone(),
            constants: self.constants.clone(),
            constant_order: self.constant_order.clone(),
            names,
            ..self.empty_like()
        }
    }

    /// The constants, in insertion order.
    pub fn constants(&self) -> impl Iterator<Item = &TensorProto> {
        self.constant_order.iter().map(|name| &self.constants[name])
    }

    /// Version of the standard opset.
    pub fn opset(&self) -> i64 {
        self.opset
    }

    /// The nodes, in topological order.
    pub fn nodes(&self) -> &[NodeProto] {
        &self.nodes
    }

    /// The inputs, without constants.
    pub fn inputs(&self) -> &[ValueInfoProto] {
        &self.inputs
    }

    /// The declared outputs.
    pub fn outputs(&self) -> &[ValueInfoProto] {
        &self.outputs
    }

    /// Index of the node that produces `value`; `None` for inputs, constants and unknown names.
    pub fn producer(&self, value: &str) -> Option<usize> {
        self.producers.get(value).copied()
    }

    /// The constant `value`, if it is one.
    pub fn constant(&self, value: &str) -> Option<&TensorProto> {
        self.constants.get(value)
    }

    /// Dimensions of a constant of the graph, or of a value of known type.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if they are unknown, [`Error::Corrupt`] if those of a constant are invalid.
    pub fn dims(&self, value: &str, types: &Types) -> Result<Vec<usize>, Error> {
        match self.constant(value) {
            Some(constant) => constant.shape(),
            None => Ok(types.get(value)?.dims.clone()),
        }
    }

    /// Element type of a constant of the graph, or of a value of known type.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if it is unknown, or that of a constant is not supported.
    pub fn elem(&self, value: &str, types: &Types) -> Result<ElementType, Error> {
        match self.constant(value) {
            Some(constant) => constant.elem(),
            None => Ok(types.get(value)?.elem),
        }
    }

    /// `name`, with underscores appended until no value is called so.
    pub fn free_name(&self, name: &str) -> String {
        let mut free = name.to_owned();
        while self.contains(&free) {
            free.push('_');
        }
        free
    }

    /// Whether the graph has a value of this name.
    pub fn contains(&self, value: &str) -> bool {
        self.names.contains(value)
    }

    /// The names of all values.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// The indices of the nodes that read each value, in ascending order.
    pub fn consumers(&self) -> HashMap<&str, Vec<usize>> {
        let mut consumers: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, node) in self.nodes.iter().enumerate() {
            for value in node.reads() {
                consumers.entry(value).or_default().push(index);
            }
        }
        consumers
    }

    /// The values that nodes read, and the outputs.
    pub fn read_values(&self) -> HashSet<&str> {
        let outputs = self.outputs.iter().map(|output| output.name.as_str());
        let mut read: HashSet<&str> = outputs.collect();
        read.extend(self.nodes.iter().flat_map(NodeProto::reads));
        read
    }

    /// The values that depend on any of `sources`, including `sources`.
    pub fn descendants<'a>(
        &'a self,
        sources: impl IntoIterator<Item = &'a str>,
    ) -> HashSet<&'a str> {
        let mut result: HashSet<&str> = sources.into_iter().collect();
        for node in &self.nodes {
            if node.reads().any(|value| result.contains(value)) {
                result.extend(node.output.iter().map(String::as_str));
            }
        }
        result
    }

    /// Whether each node is needed to compute `values`.
    pub fn ancestors<'a>(&self, values: impl IntoIterator<Item = &'a str>) -> Vec<bool> {
        let mut needed = vec![false; self.nodes.len()];
        let mut worklist: Vec<usize> = values
            .into_iter()
            .filter_map(|value| self.producer(value))
            .collect();
        while let Some(index) = worklist.pop() {
            if !std::mem::replace(&mut needed[index], true) {
                let inputs = self.nodes[index].reads();
                worklist.extend(inputs.filter_map(|value| self.producer(value)));
            }
        }
        needed
    }

    /// Appends a node; a `Constant` node becomes a constant.
    ///
    /// # Errors
    /// As for [`Graph::insert_node`].
    pub fn insert(&mut self, node: NodeProto) -> Result<(), Error> {
        match node.constant_value() {
            Some(tensor) => self.insert_constant(tensor),
            None => self.insert_node(node),
        }
    }

    /// Appends a node. Trailing empty inputs are dropped.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it reads a value that does not exist, produces one that does, or is invalid.
    pub fn insert_node(&mut self, mut node: NodeProto) -> Result<(), Error> {
        validate::validate_node(&mut node)?;
        let subject = || {
            quoted(if node.name.is_empty() {
                &node.op_type
            } else {
                &node.name
            })
        };
        let unknown = node
            .input
            .iter()
            .find(|input| !input.is_empty() && !self.contains(input));
        if let Some(input) = unknown {
            let (node, input) = (subject(), quoted(input));
            return Err(Error::Corrupt(format!(
                "node {node} reads {input}, which no earlier node produces"
            )));
        }
        let index = self.nodes.len();
        for output in node.output.iter().filter(|output| !output.is_empty()) {
            if !self.names.insert(output.clone()) {
                let (node, output) = (subject(), quoted(output));
                return Err(Error::Corrupt(format!(
                    "node {node} produces {output}, which already exists"
                )));
            }
            self.producers.insert(output.clone(), index);
        }
        self.nodes.push(node);
        Ok(())
    }

    /// Adds a constant.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if its name is empty or taken.
    pub fn insert_constant(&mut self, tensor: TensorProto) -> Result<(), Error> {
        if tensor.name.is_empty() || !self.names.insert(tensor.name.clone()) {
            let name = quoted(&tensor.name);
            return Err(Error::Corrupt(format!(
                "the name {name} of a constant is empty or already taken"
            )));
        }
        self.constant_order.push(tensor.name.clone());
        self.constants.insert(tensor.name.clone(), tensor);
        Ok(())
    }

    /// Adds an input.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if its name is empty or taken.
    pub fn insert_input(&mut self, value: ValueInfoProto) -> Result<(), Error> {
        if value.name.is_empty() || !self.names.insert(value.name.clone()) {
            let name = quoted(&value.name);
            return Err(Error::Corrupt(format!(
                "the name {name} of an input is empty or already taken"
            )));
        }
        self.inputs.push(value);
        Ok(())
    }

    /// Imports a set of operators that is not the standard one.
    pub fn import_opset(&mut self, opset: OperatorSetIdProto) {
        self.shell.opset_import.push(opset);
    }

    /// Replaces the declared outputs.
    pub fn set_outputs(&mut self, outputs: Vec<ValueInfoProto>) {
        self.outputs = outputs;
    }

    /// Replaces the type of an input, for example to make its dimensions static.
    pub fn set_input_type(&mut self, name: &str, elem: ElementType, dims: &[Dim]) {
        if let Some(input) = self.inputs.iter_mut().find(|input| input.name == name) {
            *input = super::types::value_info(name, elem, dims);
        }
    }

    /// A model with the given outputs (typed, or names only), pruned to the nodes, constants and inputs that they need.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if one of the outputs does not exist.
    pub fn to_model(&self, outputs: &[ValueInfoProto]) -> Result<ModelProto, Error> {
        if let Some(output) = outputs.iter().find(|output| !self.contains(&output.name)) {
            let name = quoted(&output.name);
            return Err(Error::Corrupt(format!(
                "no node produces the output {name}"
            )));
        }
        let needed = self.ancestors(outputs.iter().map(|output| output.name.as_str()));
        let kept = self
            .nodes
            .iter()
            .zip(&needed)
            .filter(|(_, needed)| **needed);
        let nodes: Vec<NodeProto> = kept.map(|(node, _)| node.clone()).collect();
        let mut used: HashSet<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
        used.extend(nodes.iter().flat_map(NodeProto::reads));
        let constants = self
            .constant_order
            .iter()
            .filter(|name| used.contains(name.as_str()));
        let initializer = constants.map(|name| self.constants[name].clone()).collect();
        let inputs = self
            .inputs
            .iter()
            .filter(|input| used.contains(input.name.as_str()));
        let input = inputs.cloned().collect();
        drop(used);
        let mut model = self.shell.clone();
        model.ir_version = model.ir_version.max(8);
        for opset in &mut model.opset_import {
            if is_default_domain(&opset.domain) {
                opset.version = self.opset;
            }
        }
        let shell = model.graph.take().unwrap_or_default();
        model.graph = Some(GraphProto {
            name: if shell.name.is_empty() {
                "graph".into()
            } else {
                shell.name
            },
            node: nodes,
            initializer,
            input,
            output: outputs.to_vec(),
            ..Default::default()
        });
        Ok(model)
    }
}

/// The declared element type (ONNX code) and dimensions of a value; `None` if it is not a tensor or has no shape.
pub fn declared_dims(value: &ValueInfoProto) -> Option<(i32, Vec<Option<Dim>>)> {
    match value.r#type.as_ref()?.value.as_ref()? {
        TypeValue::TensorType(tensor) => {
            let dims = &tensor.shape.as_ref()?.dim;
            Some((
                tensor.elem_type,
                dims.iter().map(|dim| dim.value.clone()).collect(),
            ))
        }
        _ => None,
    }
}

/// The declared dimensions of a tensor, to be changed; none if it is not a tensor or has no shape.
pub fn declared_dims_mut(value: &mut ValueInfoProto) -> &mut [Dimension] {
    match value.r#type.as_mut().and_then(|known| known.value.as_mut()) {
        Some(TypeValue::TensorType(tensor)) => match &mut tensor.shape {
            Some(shape) => &mut shape.dim,
            None => &mut [],
        },
        _ => &mut [],
    }
}
