//! Emits nodes into a graph, or into a patch of one: fresh names, typed attributes, shared constants.
//!
//! Nodes are emitted in the form of opset [`OPSET`] or newer; [`super::passes::upgrade_opset`] converts older graphs
//! first.

use super::proto::{Dim, ModelProto, NodeProto, OperatorSetIdProto, TensorProto};
use super::{Attribute, ElementType, Error, Graph, NameScope, Patch, names, own_operators};
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
    /// Names that are taken besides those of the graph's values: those within subgraphs, and reserved ones.
    taken: NameScope,
    shared: HashMap<(Vec<i64>, i32, Bytes), String>,
}

impl Builder {
    /// Extends `graph`; names of new nodes and values begin with `prefix`.
    pub fn extend(graph: Graph, prefix: &str) -> Self {
        let mut taken = NameScope::default();
        taken.insert_inner(graph.nodes());
        Self {
            taken,
            ..Self::new(graph, prefix)
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
        self.taken.insert_inner(graph.nodes());
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
            taken: NameScope::default(),
            shared: HashMap::new(),
        }
    }

    /// Keeps names free of new nodes and values: those of values that are added to the graph later.
    pub fn reserve(&mut self, names: NameScope) {
        self.taken.extend(names);
    }

    /// Whether a value or a constant has this name, also one within a subgraph, or it is reserved.
    pub fn is_taken(&self, name: &str) -> bool {
        self.sink.is_taken(name) || self.taken.contains(name)
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
        let values_of = |name: &str| match outputs {
            1 => vec![name.to_string()],
            _ => (0..outputs)
                .map(|index| format!("{name}.{index}"))
                .collect(),
        };
        let name = self.fresh_name(op, values_of);
        let values = values_of(&name);
        let node = NodeProto::new(op, inputs, &values).with_name(&name);
        self.sink
            .add_node(node.attrs(attributes))
            .expect("emitted nodes read existing values and produce fresh ones");
        values
    }

    /// Like [`Builder::emit`], for one of [`super::own_operators`]. A graph must import them.
    ///
    /// # Panics
    /// As [`Builder::emit`].
    pub fn emit_own(
        &mut self,
        op: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
    ) -> String {
        let node = NodeProto::new(op, inputs, &[""]).in_domain(own_operators::DOMAIN);
        self.emit_copy(node.attrs(attributes))
            .expect("emitted nodes read existing values")
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
        let name = self.fresh_name(&node.op_type, one);
        self.taken.insert_inner(std::slice::from_ref(&node));
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
        self.taken.insert_inner(std::slice::from_ref(&node));
        self.sink.add_node(node)
    }

    /// Adds a constant under a fresh name, or reuses an equal one, and returns its name.
    pub fn constant(&mut self, mut tensor: TensorProto) -> String {
        let raw = tensor.raw_data.clone().unwrap_or_default();
        let key = (tensor.dims.clone(), tensor.data_type, raw);
        if let Some(name) = self.shared.get(&key) {
            return name.clone();
        }
        tensor.name = self.fresh_name("constant", one);
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

    /// A fresh name, of which no value in `values_of` it is taken.
    fn fresh_name(&mut self, what: &str, values_of: impl Fn(&str) -> Vec<String>) -> String {
        let stem = format!("{}{what}", self.prefix);
        let mut number = self.fresh;
        let is_taken = |name: &str| values_of(name).iter().any(|value| self.is_taken(value));
        let name = names::numbered(&stem, &mut number, is_taken);
        self.fresh = number;
        name
    }
}

/// The only value of a node or constant.
fn one(name: &str) -> Vec<String> {
    vec![name.to_string()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::{AttributeProto, GraphProto};

    /// A graph with a value `x`, and a node whose subgraph defines `inner`.
    fn graph(inner: &[&str]) -> Graph {
        let mut builder = Builder::empty(OPSET, "");
        builder
            .input("x", ElementType::F32, &[Dim::DimValue(1)])
            .unwrap();
        let condition = builder.constant(TensorProto::from_i64("", &[], &[1]));
        let nodes = inner.iter().map(|name| NodeProto::identity("x", name));
        let branch = GraphProto {
            node: nodes.collect(),
            ..Default::default()
        };
        let mut node = NodeProto::new("If", &[condition.as_str()], &["y"]);
        node.attribute = vec![AttributeProto {
            name: "then_branch".into(),
            g: Some(Box::new(branch)),
            ..Default::default()
        }];
        builder.append(node).unwrap();
        builder.into_graph()
    }

    #[test]
    fn names_within_subgraphs_and_reserved_ones_stay_free() {
        let mut builder = Builder::extend(graph(&["p/Relu_1", "p/Split_5.1"]), "p/");
        let mut reserved = NameScope::default();
        reserved.insert("p/Relu_2");
        builder.reserve(reserved);
        assert_eq!(builder.emit("Relu", &["x"], &[]), "p/Relu_3");
        builder.input("p/Relu_4", ElementType::F32, &[]).unwrap();
        let parts = builder.emit_many("Split", &["x"], &[], 2);
        assert_eq!(parts, ["p/Split_4.0", "p/Split_4.1"]);
        // The node itself could be called p/Split_5, but not its second output.
        let parts = builder.emit_many("Split", &["x"], &[], 2);
        assert_eq!(parts, ["p/Split_6.0", "p/Split_6.1"]);
    }
}
