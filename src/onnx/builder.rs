//! Emits nodes into a graph, or into a patch of one: fresh names, typed attributes, shared constants.
//!
//! Nodes are emitted in the form of opset [`OPSET`] or newer; [`super::passes::upgrade_opset`] converts older graphs
//! first.

use super::proto::{Dim, ModelProto, NodeProto, OperatorSetIdProto, TensorProto};
use super::{Attribute, ElementType, Error, Graph, Patch, names};
use bytes::Bytes;
use std::collections::HashMap;

/// The oldest opset in which emitted nodes are valid (axes as inputs, reductions in scatters, `num_outputs`).
pub const OPSET: i64 = 18;

/// What takes the nodes and constants of a [`Builder`].
pub trait NodeSink {
    /// Whether a name is known to be taken.
    fn is_taken(&self, name: &str) -> bool;

    /// Adds a node.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it is known to read a value that does not exist or to produce one that does.
    fn add_node(&mut self, node: NodeProto) -> Result<(), Error>;

    /// Adds a constant.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if its name is known to be taken.
    fn add_constant(&mut self, tensor: TensorProto) -> Result<(), Error>;
}

impl NodeSink for Graph {
    fn is_taken(&self, name: &str) -> bool {
        self.contains(name)
    }

    fn add_node(&mut self, node: NodeProto) -> Result<(), Error> {
        self.insert_node(node)
    }

    fn add_constant(&mut self, tensor: TensorProto) -> Result<(), Error> {
        self.insert_constant(tensor)
    }
}

/// A patch does not know the values of its graph: [`Patch::insert_into`] checks names.
impl NodeSink for Patch {
    fn is_taken(&self, _: &str) -> bool {
        false
    }

    fn add_node(&mut self, node: NodeProto) -> Result<(), Error> {
        self.nodes.push(node);
        Ok(())
    }

    fn add_constant(&mut self, tensor: TensorProto) -> Result<(), Error> {
        self.constants.push(tensor);
        Ok(())
    }
}

/// A graph, or a patch of one, under construction. Values are referred to by name.
#[derive(Debug, Clone)]
pub struct Builder<T = Graph> {
    sink: T,
    prefix: String,
    fresh: usize,
    shared: HashMap<(Vec<i64>, i32, Bytes), String>,
}

impl Builder {
    /// Extends `graph`; names of new nodes and values begin with `prefix`.
    pub fn extend(graph: Graph, prefix: &str) -> Self {
        Self::new(graph, prefix)
    }

    /// Builds an empty graph of opset `opset`.
    pub fn empty(opset: i64, prefix: &str) -> Self {
        let model = ModelProto {
            ir_version: 8,
            producer_name: env!("CARGO_PKG_NAME").into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            opset_import: vec![OperatorSetIdProto {
                domain: String::new(),
                version: opset,
            }],
            ..Default::default()
        };
        let graph = Graph::new(model).expect("an empty graph is valid");
        Self::extend(graph, prefix)
    }

    /// The graph so far.
    pub fn graph(&self) -> &Graph {
        &self.sink
    }

    /// The finished graph.
    pub fn into_graph(self) -> Graph {
        self.sink
    }

    /// Declares an input and returns its name.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the name is taken.
    pub fn input(&mut self, name: &str, elem: ElementType, dims: &[Dim]) -> Result<String, Error> {
        self.sink
            .insert_input(super::types::value_info(name, elem, dims))?;
        Ok(name.into())
    }

    /// Adds the constants and nodes of `graph`, with its input `input` replaced by `value`.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if one of its names is taken, or it has other inputs that do not exist here.
    pub fn append_graph(&mut self, graph: &Graph, input: &str, value: &str) -> Result<(), Error> {
        for constant in graph.constants() {
            self.sink.add_constant(constant.clone())?;
        }
        for node in graph.nodes() {
            let mut node = node.clone();
            node.input
                .iter_mut()
                .filter(|name| *name == input)
                .for_each(|name| *name = value.into());
            self.sink.add_node(node)?;
        }
        Ok(())
    }
}

impl Builder<Patch> {
    /// Begins a patch; names of new nodes and values begin with `prefix`, which no other name of its graph does.
    pub fn patch(prefix: &str) -> Self {
        Self::new(Patch::default(), prefix)
    }

    /// The node emitted last.
    pub fn last_node(&mut self) -> Option<&mut NodeProto> {
        self.sink.nodes.last_mut()
    }

    /// The finished patch.
    pub fn into_patch(self) -> Patch {
        self.sink
    }
}

impl<T: NodeSink> Builder<T> {
    fn new(sink: T, prefix: &str) -> Self {
        Self {
            sink,
            prefix: prefix.into(),
            fresh: 0,
            shared: HashMap::new(),
        }
    }

    /// Changes the prefix of the names of new nodes and values.
    pub fn set_prefix(&mut self, prefix: &str) {
        self.prefix = prefix.into();
    }

    /// Adds a node with one output and returns the output's name. An empty input name omits that input.
    ///
    /// # Panics
    /// If an input does not exist, which is a programming error.
    pub fn emit(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        self.emit_many(op, inputs, attributes, 1).remove(0)
    }

    /// Like [`Builder::emit`], for a node with `outputs` outputs.
    ///
    /// # Panics
    /// As [`Builder::emit`].
    pub fn emit_many(
        &mut self,
        op: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
        outputs: usize,
    ) -> Vec<String> {
        let name = self.fresh_name(op);
        let values: Vec<String> = match outputs {
            1 => vec![name.clone()],
            _ => (0..outputs)
                .map(|index| format!("{name}.{index}"))
                .collect(),
        };
        let node = NodeProto::new(op, inputs, &values).with_name(&name);
        self.sink
            .add_node(node.attrs(attributes))
            .expect("emitted nodes read existing values and produce fresh ones");
        values
    }

    /// Adds a node with one output; both are called `name`.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the name is taken or an input does not exist.
    pub fn emit_named(
        &mut self,
        name: &str,
        op: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
    ) -> Result<String, Error> {
        let node = NodeProto::new(op, inputs, &[name]).with_name(name);
        self.sink.add_node(node.attrs(attributes))?;
        Ok(name.into())
    }

    /// Adds a copy of a node with one output under a fresh name, and returns the output's name.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it reads a value that does not exist.
    pub fn emit_copy(&mut self, mut node: NodeProto) -> Result<String, Error> {
        let name = self.fresh_name(&node.op_type);
        node.name.clone_from(&name);
        node.output = vec![name.clone()];
        self.sink.add_node(node)?;
        Ok(name)
    }

    /// Adds a node unchanged.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it reads a value that does not exist or produces one that does.
    pub fn append(&mut self, node: NodeProto) -> Result<(), Error> {
        self.sink.add_node(node)
    }

    /// Adds a constant under a fresh name, or reuses an equal one, and returns its name.
    pub fn constant(&mut self, mut tensor: TensorProto) -> String {
        let raw = tensor.raw_data.clone().unwrap_or_default();
        let key = (tensor.dims.clone(), tensor.data_type, raw);
        if let Some(name) = self.shared.get(&key) {
            return name.clone();
        }
        tensor.name = self.fresh_name("constant");
        let name = tensor.name.clone();
        self.sink.add_constant(tensor).expect("the name is fresh");
        self.shared.insert(key, name.clone());
        name
    }

    /// Adds a constant under its own name.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the name is taken.
    pub fn constant_named(&mut self, tensor: TensorProto) -> Result<String, Error> {
        let name = tensor.name.clone();
        self.sink.add_constant(tensor)?;
        Ok(name)
    }

    /// A constant 1-D int64 tensor, for axes, shapes and indices.
    pub fn ints(&mut self, values: &[i64]) -> String {
        self.constant(TensorProto::int_list("", values))
    }

    /// A constant int64 scalar.
    pub fn int(&mut self, value: i64) -> String {
        self.constant(TensorProto::from_i64("", &[], &[value]))
    }

    /// A constant float32 tensor.
    pub fn floats(&mut self, dims: &[i64], values: &[f32]) -> String {
        self.constant(TensorProto::from_f32("", dims, values))
    }

    /// A constant scalar of element type `elem`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if `elem` is not a floating-point type.
    pub fn scalar(&mut self, elem: ElementType, value: f64) -> Result<String, Error> {
        Ok(self.constant(TensorProto::from_floats("", &[], elem, &[value])?))
    }

    fn fresh_name(&mut self, what: &str) -> String {
        let stem = format!("{}{what}", self.prefix);
        names::numbered(&stem, &mut self.fresh, |name| self.sink.is_taken(name))
    }
}
