//! The inputs and the opset that a model file declares, and what the passes change about them.

use super::Graph;
use super::graph::declared_dims;
use super::node::is_default_domain;
use super::proto::ModelProto;
use crate::text::quoted;
use std::collections::HashSet;
use std::fmt;

/// Since this IR version, an initializer that is declared as an input is its default. Before, all
/// initializers are declared so.
const DEFAULTS_SINCE: i64 = 4;

/// The inputs and the opset of a model file.
#[derive(Debug, Clone)]
pub struct DeclaredInterface {
    /// Version of the standard opset; 0 if it is not imported.
    opset: i64,
    /// Names and element types (ONNX codes).
    types: Vec<(String, i32)>,
    /// Those with a default.
    optional: Vec<String>,
}

/// What is different about the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InterfaceChange {
    /// It has a newer opset.
    Upgraded {
        /// The version that the file declares.
        from: i64,
        /// The version of the graph.
        to: i64,
    },
    /// This input has another element type.
    Converted(String),
    /// This input always has its default.
    Defaulted(String),
}

impl DeclaredInterface {
    /// Those of a model as read from its file.
    pub fn from_model(model: &ModelProto) -> Self {
        let declared = model.graph.iter().flat_map(|graph| &graph.input);
        let tensors = model.graph.iter().flat_map(|graph| &graph.initializer);
        let initialized: HashSet<&str> = tensors.map(|tensor| tensor.name.as_str()).collect();
        let has_default =
            |name: &str| model.ir_version >= DEFAULTS_SINCE && initialized.contains(name);
        let names = declared.clone().map(|input| &input.name);
        let mut imports = model.opset_import.iter();
        let opset = imports.find(|import| is_default_domain(&import.domain));
        Self {
            opset: opset.map_or(0, |import| import.version),
            optional: names.filter(|name| has_default(name)).cloned().collect(),
            types: declared
                .filter_map(|input| Some((input.name.clone(), declared_dims(input)?.0)))
                .collect(),
        }
    }

    /// What is different in `graph`, that of the model after [`normalize`](super::passes::normalize).
    pub fn changes(&self, graph: &Graph) -> Vec<InterfaceChange> {
        let elem = |name: &str| {
            let now = graph.inputs().iter().find(|input| input.name == name)?;
            Some(declared_dims(now)?.0)
        };
        let is_converted =
            |(name, declared): &&(String, i32)| elem(name).is_some_and(|now| now != *declared);
        let converted = self.types.iter().filter(is_converted);
        let converted = converted.map(|(name, _)| InterfaceChange::Converted(name.clone()));
        let defaulted = self
            .optional
            .iter()
            .cloned()
            .map(InterfaceChange::Defaulted);
        let (from, to) = (self.opset, graph.opset());
        let upgraded = (from != to).then_some(InterfaceChange::Upgraded { from, to });
        upgraded
            .into_iter()
            .chain(converted)
            .chain(defaulted)
            .collect()
    }
}

impl InterfaceChange {
    /// The input that it concerns, if it is one.
    pub fn input(&self) -> Option<&str> {
        match self {
            Self::Upgraded { .. } => None,
            Self::Converted(name) | Self::Defaulted(name) => Some(name),
        }
    }
}

impl fmt::Display for InterfaceChange {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upgraded { from, to } => {
                write!(f, "its opset is {to}, that of the original is {from}")
            }
            Self::Converted(name) => {
                let name = quoted(name);
                write!(f, "the model computes in float32: so does its input {name}")
            }
            Self::Defaulted(name) => {
                let name = quoted(name);
                write!(
                    f,
                    "its optional input {name} always has its default and is no input any more"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::{GraphProto, TensorProto, ValueInfoProto};
    use crate::onnx::types::untyped_value;

    fn model(ir_version: i64) -> ModelProto {
        let tensor = TensorProto::from_i64("class", &[], &[-1]);
        let input: Vec<ValueInfoProto> = ["x", "class"].map(untyped_value).into();
        ModelProto {
            ir_version,
            graph: Some(GraphProto {
                input,
                initializer: vec![tensor],
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    #[test]
    fn an_initializer_among_the_inputs_is_a_default_since_ir_version_4() {
        assert_eq!(DeclaredInterface::from_model(&model(8)).optional, ["class"]);
        assert_eq!(DeclaredInterface::from_model(&model(3)).optional, [""; 0]);
        let changes = [InterfaceChange::Defaulted("class".into())];
        assert_eq!(
            changes[0].to_string(),
            "its optional input \"class\" always has its default and is no input any more"
        );
    }
}
