//! Nodes: construction, attributes by name and type, optional inputs, subgraphs, and the name to display in messages.

use super::Attribute;
use super::proto::{AttributeProto, AttributeType, GraphProto, NodeProto, TensorProto};
use crate::text::quoted;

impl NodeProto {
    /// A node of the standard operator `op`, without name and attributes. An empty name omits that input or output.
    pub fn new(op: &str, inputs: &[impl AsRef<str>], outputs: &[impl AsRef<str>]) -> Self {
        Self {
            op_type: op.into(),
            input: inputs.iter().map(|name| name.as_ref().into()).collect(),
            output: outputs.iter().map(|name| name.as_ref().into()).collect(),
            ..Default::default()
        }
    }

    /// `output = Identity(value)`.
    pub fn identity(value: &str, output: &str) -> Self {
        Self::new("Identity", &[value], &[output])
    }

    /// The node under the name `name`, which must be unique in its graph.
    #[must_use]
    pub fn with_name(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// The node with the operator of that name in the domain `domain`.
    #[must_use]
    pub fn in_domain(mut self, domain: &str) -> Self {
        self.domain = domain.into();
        self
    }

    /// The node with a further attribute.
    #[must_use]
    pub fn attr(mut self, name: &str, value: impl Into<Attribute>) -> Self {
        self.attribute.push(value.into().named(name));
        self
    }

    /// The node with further attributes.
    #[must_use]
    pub fn attrs(mut self, attributes: &[(&str, Attribute)]) -> Self {
        let attributes = attributes.iter();
        self.attribute
            .extend(attributes.map(|(name, value)| value.clone().named(name)));
        self
    }

    /// The attribute `name`, of any type.
    pub fn attribute_named(&self, name: &str) -> Option<&AttributeProto> {
        self.attribute
            .iter()
            .find(|attribute| attribute.name == name)
    }

    fn attribute_of(&self, name: &str, kind: AttributeType) -> Option<&AttributeProto> {
        self.attribute_named(name)
            .filter(|attribute| attribute.r#type == kind as i32)
    }

    /// The attribute `name`, if it is an int.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.attribute_of(name, AttributeType::Int)
            .map(|attribute| attribute.i)
    }

    /// The attribute `name`, if it is a float.
    pub fn float(&self, name: &str) -> Option<f32> {
        self.attribute_of(name, AttributeType::Float)
            .map(|attribute| attribute.f)
    }

    /// The attribute `name`, if it is a list of ints.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute_of(name, AttributeType::Ints)
            .map(|attribute| attribute.ints.as_slice())
    }

    /// The attribute `name`, if it is a string in UTF-8.
    pub fn string(&self, name: &str) -> Option<&str> {
        let attribute = self.attribute_of(name, AttributeType::String)?;
        std::str::from_utf8(&attribute.s).ok()
    }

    /// The name of input `index`; `None` if it is omitted.
    pub fn input_at(&self, index: usize) -> Option<&str> {
        self.input
            .get(index)
            .map(String::as_str)
            .filter(|name| !name.is_empty())
    }

    /// The values that the node and its subgraphs read. May include inner values of the subgraphs.
    pub fn reads(&self) -> impl Iterator<Item = &str> {
        let inputs = self.input.iter().filter(|name| !name.is_empty());
        inputs.map(String::as_str).chain(self.outer_values())
    }

    /// What identifies the operator: its domain, empty for the standard one, and its name.
    pub fn op_key(&self) -> (&str, &str) {
        (canonical_domain(&self.domain), &self.op_type)
    }

    /// The operator's name, if it is a standard one.
    pub fn standard_op(&self) -> Option<&str> {
        is_default_domain(&self.domain).then_some(&self.op_type)
    }

    /// Whether the node is the standard operator `op`.
    pub fn is_op(&self, op: &str) -> bool {
        self.op_key() == ("", op)
    }

    /// The node's name for messages, quoted; that of its first output if it has none.
    pub fn display_name(&self) -> String {
        match (&self.name, self.output.first()) {
            (name, Some(output)) if name.is_empty() => quoted(output),
            (name, _) => quoted(name),
        }
    }

    /// The subgraphs of the node.
    pub fn subgraphs(&self) -> impl Iterator<Item = &GraphProto> {
        self.attribute
            .iter()
            .flat_map(|attribute| attribute.g.as_deref().into_iter().chain(&attribute.graphs))
    }

    /// The values that the subgraphs of the node (If, Loop, Scan) read or output. May include inner values of the
    /// subgraphs.
    pub fn outer_values(&self) -> impl Iterator<Item = &str> {
        let mut values = Vec::new();
        let mut worklist: Vec<&GraphProto> = self.subgraphs().collect();
        while let Some(graph) = worklist.pop() {
            values.extend(graph.output.iter().map(|output| output.name.as_str()));
            for inner in &graph.node {
                values.extend(inner.input.iter().map(String::as_str));
                worklist.extend(inner.subgraphs());
            }
        }
        values.into_iter()
    }

    /// The value of a `Constant` node, named like its output; `None` for other nodes, and for sparse and string values.
    pub fn constant_value(&self) -> Option<TensorProto> {
        if !self.is_op("Constant") {
            return None;
        }
        let [output] = self.output.as_slice() else {
            return None;
        };
        let [attribute] = self.attribute.as_slice() else {
            return None;
        };
        let mut tensor = match AttributeType::try_from(attribute.r#type).ok()? {
            AttributeType::Tensor => attribute.t.as_deref()?.clone(),
            AttributeType::Float => TensorProto::from_f32("", &[], &[attribute.f]),
            AttributeType::Int => TensorProto::from_i64("", &[], &[attribute.i]),
            AttributeType::Floats => {
                TensorProto::from_f32("", &[attribute.floats.len() as i64], &attribute.floats)
            }
            AttributeType::Ints => TensorProto::int_list("", &attribute.ints),
            _ => return None,
        };
        tensor.name = output.clone();
        Some(tensor)
    }
}

impl AttributeProto {
    /// The subgraphs of the attribute.
    pub fn graphs_mut(&mut self) -> impl Iterator<Item = &mut GraphProto> {
        self.g.as_deref_mut().into_iter().chain(&mut self.graphs)
    }
}

/// Whether `domain` is one of the two names of the standard domain.
pub fn is_default_domain(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

/// The domain under its one name: empty for the standard one.
pub fn canonical_domain(domain: &str) -> &str {
    if is_default_domain(domain) {
        ""
    } else {
        domain
    }
}
