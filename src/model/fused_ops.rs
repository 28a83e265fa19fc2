//! Operators that are decomposed when a network is read, as its file has them: people look for the attention that they
//! exported, not for the rearrangement that its last part is.

use super::layers::parameters;
use crate::onnx::Graph;
use crate::onnx::passes::decompose;
use std::collections::HashMap;

/// An operator that was decomposed.
#[derive(Debug, Clone)]
pub struct FusedOp {
    pub op: String,
    /// How many learned numbers it has.
    pub parameters: usize,
}

/// Those of a network, by the values that they make.
#[derive(Debug, Clone, Default)]
pub struct FusedOps(HashMap<String, FusedOp>);

impl FusedOps {
    /// The operators of `graph` that may be decomposed.
    pub fn of(graph: &Graph) -> Self {
        let mut found = HashMap::new();
        for node in graph
            .nodes()
            .iter()
            .filter(|node| decompose::is_fusion(node))
        {
            let whole = FusedOp {
                op: node.op_type.clone(),
                parameters: parameters(graph, node),
            };
            let made = node.output.iter().filter(|name| !name.is_empty());
            found.extend(made.map(|name| (name.clone(), whole.clone())));
        }
        Self(found)
    }

    /// The one that makes `value`.
    pub fn producing(&self, value: &str) -> Option<&FusedOp> {
        self.0.get(value)
    }
}
