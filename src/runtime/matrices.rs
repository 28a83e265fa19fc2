//! Large matrices of a model as inputs: ONNX Runtime then neither copies nor stores nor rearranges them.
//!
//! Most parameters of transformers, and of networks with wide dense layers, are matrices that the graph only multiplies
//! by. No optimization changes their elements. So they are inputs of a model that ONNX Runtime only optimizes, and of a
//! session that runs once.

use super::external_weights::{Weights, is_detachable};
use crate::onnx::ElementType;
use crate::onnx::proto::{Dim, GraphProto, ModelProto, TensorProto, ValueInfoProto};
use crate::onnx::types::value_info;
use std::collections::HashSet;

/// Smaller constants stay in the model, in bytes.
const MIN_BYTES: usize = 1 << 16;

/// Matrices that were constants of a model.
#[derive(Default)]
pub(super) struct Matrices(Vec<TensorProto>);

impl Matrices {
    /// Replaces large matrices of a model by inputs.
    pub fn detach(model: &mut ModelProto) -> Self {
        let Some(graph) = &mut model.graph else {
            return Self(Vec::new());
        };
        let others = other_uses(graph);
        let is_factor = |tensor: &TensorProto| {
            tensor.dims.len() == 2
                && (tensor.raw_data.as_ref()).is_some_and(|raw| raw.len() >= MIN_BYTES)
                && is_detachable(tensor)
                && !others.contains(tensor.name.as_str())
        };
        let detached: HashSet<String> = (graph.initializer.iter())
            .filter(|tensor| is_factor(tensor))
            .map(|tensor| tensor.name.clone())
            .collect();
        let (matrices, others) = (std::mem::take(&mut graph.initializer).into_iter())
            .partition(|tensor| detached.contains(&tensor.name));
        graph.initializer = others;
        graph.input.extend(matrices.iter().map(declaration));
        Self(matrices)
    }

    /// The matrices as values of the inputs.
    pub fn into_weights(self) -> Weights {
        Weights::new(self.0)
    }

    /// Makes the matrices constants of the model again.
    pub fn attach(self, model: &mut ModelProto) {
        let Some(graph) = &mut model.graph else {
            return;
        };
        let names: HashSet<&str> = self.0.iter().map(|tensor| tensor.name.as_str()).collect();
        (graph.input).retain(|input| !names.contains(input.name.as_str()));
        graph.initializer.extend(self.0);
    }
}

/// The matrix as an input.
fn declaration(matrix: &TensorProto) -> ValueInfoProto {
    let dims: Vec<Dim> = matrix.dims.iter().copied().map(Dim::DimValue).collect();
    value_info(&matrix.name, ElementType::F32, &dims)
}

/// The values that a graph reads in another way than as the right factor of a product, transposed or not.
fn other_uses(graph: &GraphProto) -> HashSet<&str> {
    let results = graph.output.iter().chain(&graph.input);
    let mut others: HashSet<&str> = results.map(|value| value.name.as_str()).collect();
    for node in graph.node.iter().rev() {
        let mut results = node.output.iter();
        let operand = match node.standard_op() {
            Some("MatMul" | "Gemm") => Some(1),
            Some("Transpose") if results.all(|value| !others.contains(value.as_str())) => Some(0),
            _ => None,
        };
        let reads = node.reads().enumerate();
        let uses = reads.filter(|(place, _)| Some(*place) != operand);
        others.extend(uses.map(|(_, value)| value));
    }
    others
}
