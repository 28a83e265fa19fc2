//! Typed values of attributes.

use super::proto::{AttributeProto, AttributeType, GraphProto};
use bytes::Bytes;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// INT: an integer.
    Int(i64),
    /// FLOAT: a float32.
    Float(f32),
    /// FLOATS: a list of float32.
    Floats(Vec<f32>),
    /// INTS: a list of integers.
    Ints(Vec<i64>),
    /// STRING: a text.
    String(String),
    /// STRINGS: a list of texts.
    Strings(Vec<String>),
    /// GRAPH: a branch or body.
    Graph(Box<GraphProto>),
    /// Within the body of a function: the value of this attribute of the call.
    Reference(String),
}

macro_rules! attribute_from {
    ($($from:ty => $variant:ident),*) => {
        $(impl From<$from> for Attribute {
            fn from(value: $from) -> Self { Self::$variant(value.into()) }
        })*
    };
}
attribute_from!(i64 => Int, f32 => Float, &[f32] => Floats, Vec<f32> => Floats, Vec<i64> => Ints, &[i64] => Ints, &str => String, String => String, Vec<String> => Strings, GraphProto => Graph);

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
            Attribute::Graph(graph) => {
                proto.g = Some(graph);
                AttributeType::Graph
            }
            Attribute::Reference(name) => {
                proto.ref_attr_name = name;
                AttributeType::Undefined
            }
        };
        proto.set_type(kind);
        proto
    }
}
