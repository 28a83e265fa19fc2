//! A model's main graph with its wiring: who makes a value, who reads it, and which values are constant.
//!
//! A [`Graph`] is checked once, when it is made; after that every lookup is safe. Nodes can be appended, never changed.

use super::proto::{
    AttributeType, Dim, GraphProto, ModelProto, NodeProto, TensorProto, TypeValue, ValueInfoProto,
};
use super::{Elem, Error, printable, validate};
use std::collections::{HashMap, HashSet};

/// A checked graph: nodes in topological order, each value made once, constants apart from inputs.
#[derive(Debug, Clone)]
pub struct Graph {
    /// Everything of the file but the graph's nodes and constants.
    shell: ModelProto,
    nodes: Vec<NodeProto>,
    constants: HashMap<String, TensorProto>,
    /// Names of constants in the order they came, so that a written graph is always the same.
    constant_order: Vec<String>,
    producers: HashMap<String, usize>,
    inputs: Vec<ValueInfoProto>,
    outputs: Vec<ValueInfoProto>,
    names: HashSet<String>,
    opset: i64,
}

impl Graph {
    /// Checks a model's graph and indexes it. `Constant` nodes become constants like initializers.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if a value is made twice or read before it is made, a node contradicts itself, or no opset is imported;
    /// [`Error::Unsupported`] for sparse constants.
    pub fn new(mut model: ModelProto) -> Result<Self, Error> {
        let opset = model
            .opset_import
            .iter()
            .find(|opset| is_default_domain(&opset.domain));
        let opset = opset.map(|opset| opset.version).unwrap_or(0);
        if opset < 1 {
            return Err(Error::Corrupt(
                "it does not say which ONNX opset it uses".into(),
            ));
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
                "sparse weights ({})",
                printable(name)
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
        // Files older than IR 4 list constants among the inputs.
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
            let name = printable(&output.name);
            return Err(Error::Corrupt(format!("nothing makes its output {name}")));
        }
        Ok(graph)
    }

    /// An empty graph that imports the same operator sets and functions.
    pub fn hollow(&self) -> Self {
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

    /// The graph's inputs and constants alone.
    pub fn without_nodes(&self) -> Self {
        let inputs = self.inputs.iter().map(|input| &input.name);
        let names = inputs.chain(&self.constant_order).cloned().collect();
        Self {
            inputs: self.inputs.clone(),
            constants: self.constants.clone(),
            constant_order: self.constant_order.clone(),
            names,
            ..self.hollow()
        }
    }

    /// The constants, in the order in which they came.
    pub fn constants(&self) -> impl Iterator<Item = &TensorProto> {
        self.constant_order.iter().map(|name| &self.constants[name])
    }

    /// The version of the default operator set.
    pub fn opset(&self) -> i64 {
        self.opset
    }

    /// The nodes, in topological order.
    pub fn nodes(&self) -> &[NodeProto] {
        &self.nodes
    }

    /// The inputs that a run must be given.
    pub fn inputs(&self) -> &[ValueInfoProto] {
        &self.inputs
    }

    /// The outputs that the file declares.
    pub fn outputs(&self) -> &[ValueInfoProto] {
        &self.outputs
    }

    /// The index of the node that makes `value`; none for inputs, constants and unknown names.
    pub fn producer(&self, value: &str) -> Option<usize> {
        self.producers.get(value).copied()
    }

    /// The constant called `value`, if it is one.
    pub fn constant(&self, value: &str) -> Option<&TensorProto> {
        self.constants.get(value)
    }

    /// Whether anything in the graph is called `value`.
    pub fn contains(&self, value: &str) -> bool {
        self.names.contains(value)
    }

    /// The names of all values.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// For each value, the nodes that read it, in order.
    pub fn consumers(&self) -> HashMap<&str, Vec<usize>> {
        let mut consumers: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, node) in self.nodes.iter().enumerate() {
            for value in node.reads() {
                consumers.entry(value).or_default().push(index);
            }
        }
        consumers
    }

    /// The values that a node reads, or that are outputs.
    pub fn read(&self) -> HashSet<&str> {
        let outputs = self.outputs.iter().map(|output| output.name.as_str());
        let mut read: HashSet<&str> = outputs.collect();
        read.extend(self.nodes.iter().flat_map(NodeProto::reads));
        read
    }

    /// The values that depend on any of `sources`, themselves included.
    pub fn descendants<'a>(
        &'a self,
        sources: impl IntoIterator<Item = &'a str>,
    ) -> HashSet<&'a str> {
        let mut found: HashSet<&str> = sources.into_iter().collect();
        for node in &self.nodes {
            if node.reads().any(|value| found.contains(value)) {
                found.extend(node.output.iter().map(String::as_str));
            }
        }
        found
    }

    /// Which nodes are needed to make `values`: one flag a node.
    pub fn needed_for<'a>(&self, values: impl IntoIterator<Item = &'a str>) -> Vec<bool> {
        let mut needed = vec![false; self.nodes.len()];
        let mut open: Vec<usize> = values
            .into_iter()
            .filter_map(|value| self.producer(value))
            .collect();
        while let Some(index) = open.pop() {
            if !std::mem::replace(&mut needed[index], true) {
                let read = self.nodes[index].reads();
                open.extend(read.filter_map(|value| self.producer(value)));
            }
        }
        needed
    }

    /// Adds a node at the end, or the constant that it is.
    ///
    /// # Errors
    /// As [`Graph::insert_node`].
    pub fn insert(&mut self, node: NodeProto) -> Result<(), Error> {
        match constant_of(&node) {
            Some(tensor) => self.insert_constant(tensor),
            None => self.insert_node(node),
        }
    }

    /// Adds a node at the end. Inputs at its end that are not given are left out.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it reads a value that does not exist or makes one that does, or contradicts itself.
    pub fn insert_node(&mut self, mut node: NodeProto) -> Result<(), Error> {
        validate::validate_node(&mut node)?;
        let subject = || {
            printable(if node.name.is_empty() {
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
            let (node, input) = (subject(), printable(input));
            return Err(Error::Corrupt(format!(
                "node {node} reads {input}, which nothing before it makes"
            )));
        }
        let index = self.nodes.len();
        for output in node.output.iter().filter(|output| !output.is_empty()) {
            if !self.names.insert(output.clone()) {
                let (node, output) = (subject(), printable(output));
                return Err(Error::Corrupt(format!(
                    "node {node} makes {output}, which exists already"
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
    /// [`Error::Corrupt`] if its name is taken.
    pub fn insert_constant(&mut self, tensor: TensorProto) -> Result<(), Error> {
        if tensor.name.is_empty() || !self.names.insert(tensor.name.clone()) {
            let name = printable(&tensor.name);
            return Err(Error::Corrupt(format!(
                "the constant {name} has no name of its own"
            )));
        }
        self.constant_order.push(tensor.name.clone());
        self.constants.insert(tensor.name.clone(), tensor);
        Ok(())
    }

    /// Adds an input.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if its name is taken.
    pub fn insert_input(&mut self, value: ValueInfoProto) -> Result<(), Error> {
        if value.name.is_empty() || !self.names.insert(value.name.clone()) {
            let name = printable(&value.name);
            return Err(Error::Corrupt(format!(
                "the input {name} has no name of its own"
            )));
        }
        self.inputs.push(value);
        Ok(())
    }

    /// Declares which values a run of the whole graph makes.
    pub fn set_outputs(&mut self, outputs: Vec<ValueInfoProto>) {
        self.outputs = outputs;
    }

    /// Replaces the type of an input, for example to fix its dimensions.
    pub fn set_input_type(&mut self, name: &str, elem: Elem, dims: &[Dim]) {
        if let Some(input) = self.inputs.iter_mut().find(|input| input.name == name) {
            *input = super::shapes::value_info(name, elem, dims);
        }
    }

    /// A model that makes `outputs` (names, or typed values) and holds only what they need. Inputs stay as they are,
    /// except that those that nothing reads are left out.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if nothing makes one of the outputs.
    pub fn to_model(&self, outputs: &[ValueInfoProto]) -> Result<ModelProto, Error> {
        if let Some(output) = outputs.iter().find(|output| !self.contains(&output.name)) {
            let name = printable(&output.name);
            return Err(Error::Corrupt(format!("nothing makes the output {name}")));
        }
        let needed = self.needed_for(outputs.iter().map(|output| output.name.as_str()));
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

/// Whether `domain` is one of the two spellings of ONNX's own.
pub fn is_default_domain(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

/// The dimensions that a value declares: `None` if it is no tensor or says nothing of its rank.
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

/// Values of the outer graph that the subgraphs of a node (If, Loop, Scan) read; may name inner values too.
pub fn outer_values(node: &NodeProto) -> impl Iterator<Item = &str> {
    let mut found = Vec::new();
    let mut open: Vec<&GraphProto> = subgraphs(node).collect();
    while let Some(graph) = open.pop() {
        found.extend(graph.output.iter().map(|output| output.name.as_str()));
        for inner in &graph.node {
            found.extend(inner.input.iter().map(String::as_str));
            open.extend(subgraphs(inner));
        }
    }
    found.into_iter()
}

/// The graphs that a node's attributes hold.
pub fn subgraphs(node: &NodeProto) -> impl Iterator<Item = &GraphProto> {
    node.attribute
        .iter()
        .flat_map(|attribute| attribute.g.as_deref().into_iter().chain(&attribute.graphs))
}

/// The tensor that a `Constant` node holds, under the name of its output.
pub fn constant_of(node: &NodeProto) -> Option<TensorProto> {
    if node.op_type != "Constant" || !is_default_domain(&node.domain) {
        return None;
    }
    let [output] = node.output.as_slice() else {
        return None;
    };
    let [attribute] = node.attribute.as_slice() else {
        return None;
    };
    let mut tensor = match AttributeType::try_from(attribute.r#type).ok()? {
        AttributeType::Tensor => attribute.t.as_deref()?.clone(),
        AttributeType::Float => TensorProto::from_f32("", &[], &[attribute.f]),
        AttributeType::Int => TensorProto::from_i64("", &[], &[attribute.i]),
        AttributeType::Floats => {
            TensorProto::from_f32("", &[attribute.floats.len() as i64], &attribute.floats)
        }
        AttributeType::Ints => {
            TensorProto::from_i64("", &[attribute.ints.len() as i64], &attribute.ints)
        }
        _ => return None,
    };
    tensor.name = output.clone();
    Some(tensor)
}
