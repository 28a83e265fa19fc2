//! Accessors of nodes: attributes by name and type, optional inputs, and the name to display in messages.

use super::graph::{is_default_domain, outer_values};
use super::proto::{AttributeProto, AttributeType, NodeProto};
use crate::text::printable;

impl NodeProto {
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
        inputs.map(String::as_str).chain(outer_values(self))
    }

    /// Whether the node is the standard operator `op`.
    pub fn is(&self, op: &str) -> bool {
        self.op_type == op && is_default_domain(&self.domain)
    }

    /// The node's name for messages, quoted; that of its first output if it has none.
    pub fn display_name(&self) -> String {
        match (&self.name, self.output.first()) {
            (name, Some(output)) if name.is_empty() => printable(output),
            (name, _) => printable(name),
        }
    }
}
