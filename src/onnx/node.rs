//! Reading a node: its attributes by name and kind, its optional inputs, and how to call it in a message.

use super::graph::{is_default_domain, outer_values};
use super::proto::{AttributeProto, AttributeType, NodeProto};
use crate::text::printable;

impl NodeProto {
    /// The attribute called `name`, whatever its kind.
    pub fn attribute_named(&self, name: &str) -> Option<&AttributeProto> {
        self.attribute
            .iter()
            .find(|attribute| attribute.name == name)
    }

    fn attribute_of(&self, name: &str, kind: AttributeType) -> Option<&AttributeProto> {
        self.attribute_named(name)
            .filter(|attribute| attribute.r#type == kind as i32)
    }

    /// The int attribute called `name`.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.attribute_of(name, AttributeType::Int)
            .map(|attribute| attribute.i)
    }

    /// The float attribute called `name`.
    pub fn float(&self, name: &str) -> Option<f32> {
        self.attribute_of(name, AttributeType::Float)
            .map(|attribute| attribute.f)
    }

    /// The list-of-int attribute called `name`.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute_of(name, AttributeType::Ints)
            .map(|attribute| attribute.ints.as_slice())
    }

    /// The string attribute called `name`, if it is UTF-8.
    pub fn string(&self, name: &str) -> Option<&str> {
        let attribute = self.attribute_of(name, AttributeType::String)?;
        std::str::from_utf8(&attribute.s).ok()
    }

    /// The name of input `index`, if it is given.
    pub fn input_at(&self, index: usize) -> Option<&str> {
        self.input
            .get(index)
            .map(String::as_str)
            .filter(|name| !name.is_empty())
    }

    /// The values that the node reads; those that its subgraphs read too, which may be values within them.
    pub fn reads(&self) -> impl Iterator<Item = &str> {
        let inputs = self.input.iter().filter(|name| !name.is_empty());
        inputs.map(String::as_str).chain(outer_values(self))
    }

    /// Whether the node is ONNX's own operator `op`.
    pub fn is(&self, op: &str) -> bool {
        self.op_type == op && is_default_domain(&self.domain)
    }

    /// How to call the node in a message: its name, or else the name of what it makes.
    pub fn title(&self) -> String {
        match (&self.name, self.output.first()) {
            (name, Some(output)) if name.is_empty() => printable(output),
            (name, _) => printable(name),
        }
    }
}
