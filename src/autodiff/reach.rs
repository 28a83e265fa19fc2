//! How far gradients reach: which values can be differentiated with respect to an input, and what blocks the others.

use super::rules;
use crate::onnx::graph::reads;
use crate::onnx::{Graph, printable};
use std::collections::HashMap;

/// Whether a gradient can come back from a value to the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Every node on the way has a rule.
    Differentiable,
    /// The named node on the way has none.
    Blocked { node: String, op: String },
    /// The value does not depend on the input, or only through ops whose gradient is zero everywhere.
    Independent,
}

impl std::fmt::Display for Reach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Reach::Differentiable => f.write_str("differentiable"),
            Reach::Blocked { node, op } => write!(f, "node {node} ({op}) has no gradient rule"),
            Reach::Independent => f.write_str("does not depend on the input"),
        }
    }
}

/// The reach of every value that some node makes, with respect to the input called `source`.
pub fn reach<'a>(graph: &'a Graph, source: &'a str) -> HashMap<&'a str, Reach> {
    let mut known: HashMap<&str, Reach> = HashMap::from([(source, Reach::Differentiable)]);
    for node in graph.nodes() {
        let mut merged = Reach::Independent;
        for value in reads(node) {
            match known.get(value) {
                Some(blocked @ Reach::Blocked { .. }) => {
                    merged = blocked.clone();
                    break;
                }
                Some(Reach::Differentiable) => merged = Reach::Differentiable,
                _ => {}
            }
        }
        if rules::has_zero_gradient(node) {
            merged = Reach::Independent;
        } else if merged == Reach::Differentiable && rules::rule(node).is_none() {
            merged = Reach::Blocked {
                node: node.title(),
                op: printable(&node.op_type),
            };
        }
        for output in node.output.iter().filter(|output| !output.is_empty()) {
            known.insert(output, merged.clone());
        }
    }
    known
}
