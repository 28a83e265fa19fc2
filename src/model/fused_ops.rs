//! The fused operators of a file, which are decomposed in the graph. Layers are listed by the operator of the file, for
//! example attention, instead of the last operator of its decomposition.

use super::layers::parameters;
use crate::onnx::Graph;
use crate::onnx::passes::decompose;
use std::collections::HashMap;

/// A decomposed operator.
#[derive(Debug, Clone)]
pub struct FusedOp {
    pub op: String,
    /// Number of learned parameters.
    pub parameters: usize,
}

/// The fused operators of a network, by their outputs.
#[derive(Debug, Clone, Default)]
pub struct FusedOps(HashMap<String, FusedOp>);

impl FusedOps {
    /// The fused operators of `graph`.
    pub fn new(graph: &Graph) -> Self {
        let mut result = HashMap::new();
        for node in graph
            .nodes()
            .iter()
            .filter(|node| decompose::is_fusion(node))
        {
            let fused = FusedOp {
                op: node.op_type.clone(),
                parameters: parameters(graph, node),
            };
            let outputs = node.output.iter().filter(|name| !name.is_empty());
            result.extend(outputs.map(|name| (name.clone(), fused.clone())));
        }
        Self(result)
    }

    /// The operator that computes `value`.
    pub fn producing(&self, value: &str) -> Option<&FusedOp> {
        self.0.get(value)
    }
}
