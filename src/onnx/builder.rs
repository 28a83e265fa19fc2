//! Adds nodes to a graph: fresh names, typed attributes, shared constants.
//!
//! Nodes are emitted in the form of opset [`OPSET`] or newer; [`super::passes::upgrade_opset`] converts older graphs
//! first.

use super::proto::{
    AttributeProto, AttributeType, Dim, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
};
use super::{ElementType, Error, Graph};
use bytes::Bytes;
use std::collections::HashMap;

/// The oldest opset in which emitted nodes are valid (axes as inputs, reductions in scatters, `num_outputs`).
pub const OPSET: i64 = 18;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    Int(i64),
    Float(f32),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    String(String),
    Strings(Vec<String>),
}

macro_rules! attribute_from {
    ($($from:ty => $variant:ident),*) => {
        $(impl From<$from> for Attribute {
            fn from(value: $from) -> Self { Self::$variant(value.into()) }
        })*
    };
}
attribute_from!(i64 => Int, f32 => Float, &[f32] => Floats, Vec<f32> => Floats, Vec<i64> => Ints, &[i64] => Ints, &str => String, String => String, Vec<String> => Strings);

impl Attribute {
    /// The attribute `name` with this value.
    pub fn named(self, name: &str) -> AttributeProto {
        let mut proto = AttributeProto {
            name: name.into(),
            ..Default::default()
        };
        let kind = match self {
            Attribute::Int(value) => {
                proto.i = value;
                AttributeType::Int
            }
            Attribute::Float(value) => {
                proto.f = value;
                AttributeType::Float
            }
            Attribute::Floats(values) => {
                proto.floats = values;
                AttributeType::Floats
            }
            Attribute::Ints(values) => {
                proto.ints = values;
                AttributeType::Ints
            }
            Attribute::String(text) => {
                proto.s = Bytes::from(text);
                AttributeType::String
            }
            Attribute::Strings(texts) => {
                proto.strings = texts.into_iter().map(Bytes::from).collect();
                AttributeType::Strings
            }
        };
        proto.set_type(kind);
        proto
    }
}

/// A graph under construction. Values are referred to by name.
#[derive(Debug, Clone)]
pub struct Builder {
    graph: Graph,
    prefix: String,
    fresh: usize,
    shared: HashMap<(Vec<i64>, i32, Bytes), String>,
}

impl Builder {
    /// Extends `graph`; names of new nodes and values begin with `prefix`.
    pub fn extend(graph: Graph, prefix: &str) -> Self {
        Self {
            graph,
            prefix: prefix.into(),
            fresh: 0,
            shared: HashMap::new(),
        }
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
        &self.graph
    }

    /// The finished graph.
    pub fn into_graph(self) -> Graph {
        self.graph
    }

    /// Changes the prefix of the names of new nodes and values.
    pub fn set_prefix(&mut self, prefix: &str) {
        self.prefix = prefix.into();
    }

    /// Declares an input and returns its name.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the name is taken.
    pub fn input(&mut self, name: &str, elem: ElementType, dims: &[Dim]) -> Result<String, Error> {
        self.graph
            .insert_input(super::types::value_info(name, elem, dims))?;
        Ok(name.into())
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
        let node = node(&name, op, inputs, &values, attributes);
        self.graph
            .insert_node(node)
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
        self.graph
            .insert_node(node(name, op, inputs, &[name.into()], attributes))?;
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
        self.graph.insert_node(node)?;
        Ok(name)
    }

    /// Adds a node unchanged.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it reads a value that does not exist or produces one that does.
    pub fn append(&mut self, node: NodeProto) -> Result<(), Error> {
        self.graph.insert_node(node)
    }

    /// Adds the constants and nodes of `graph`, with its input `input` replaced by `value`.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if one of its names is taken, or it has other inputs that do not exist here.
    pub fn append_graph(&mut self, graph: &Graph, input: &str, value: &str) -> Result<(), Error> {
        for constant in graph.constants() {
            self.graph.insert_constant(constant.clone())?;
        }
        for node in graph.nodes() {
            let mut node = node.clone();
            node.input
                .iter_mut()
                .filter(|name| *name == input)
                .for_each(|name| *name = value.into());
            self.graph.insert_node(node)?;
        }
        Ok(())
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
        self.graph
            .insert_constant(tensor)
            .expect("the name is fresh");
        self.shared.insert(key, name.clone());
        name
    }

    /// Adds a constant under its own name.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the name is taken.
    pub fn constant_named(&mut self, tensor: TensorProto) -> Result<String, Error> {
        let name = tensor.name.clone();
        self.graph.insert_constant(tensor)?;
        Ok(name)
    }

    /// A constant 1-D int64 tensor, for axes, shapes and indices.
    pub fn ints(&mut self, values: &[i64]) -> String {
        self.constant(TensorProto::from_i64("", &[values.len() as i64], values))
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
        loop {
            self.fresh += 1;
            let name = format!("{}{what}_{}", self.prefix, self.fresh);
            if !self.graph.contains(&name) {
                return name;
            }
        }
    }
}

/// A node.
pub(crate) fn node(
    name: &str,
    op: &str,
    inputs: &[&str],
    outputs: &[String],
    attributes: &[(&str, Attribute)],
) -> NodeProto {
    NodeProto {
        name: name.into(),
        op_type: op.into(),
        input: inputs.iter().map(|input| (*input).into()).collect(),
        output: outputs.to_vec(),
        attribute: attributes
            .iter()
            .map(|(name, value)| value.clone().named(name))
            .collect(),
        ..Default::default()
    }
}
