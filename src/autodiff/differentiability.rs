//! Which values can be differentiated with respect to an input, and which node blocks the others.

use super::rules;
use crate::onnx::passes::{control_flow, decompose};
use crate::onnx::proto::NodeProto;
use crate::onnx::{Graph, Types};
use crate::text::quoted;
use std::collections::HashMap;

/// Whether a value can be differentiated with respect to the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Differentiability {
    /// Every node between input and value has a rule.
    Differentiable,
    /// The named node between input and value has no rule.
    Blocked {
        /// The node's name, quoted.
        node: String,
        /// The operator.
        op: String,
        /// The reason, if the operator can be differentiated in other forms.
        why: Option<String>,
    },
    /// The value does not depend on the input, or only through operators whose gradient is zero everywhere.
    Independent,
}

impl std::fmt::Display for Differentiability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Differentiability::Differentiable => f.write_str("differentiable"),
            Differentiability::Blocked { node, op, why } => match why {
                None => write!(f, "node {node} ({op}) has no gradient rule"),
                Some(why) => write!(f, "node {node} ({op}) cannot be differentiated: {why}"),
            },
            Differentiability::Independent => f.write_str("does not depend on the input"),
        }
    }
}

/// Reasons why passes left nodes without a rule in place: fused operators that were not decomposed, and control flow
/// that was not unrolled.
pub struct SkipReasons<'a> {
    fused: decompose::SkipReasons<'a>,
    control: control_flow::SkipReasons<'a>,
}

impl<'a> SkipReasons<'a> {
    /// Examines `graph`; `shapes` are the types of its values.
    pub fn new(graph: &'a Graph, shapes: &'a Types) -> Self {
        Self {
            fused: decompose::SkipReasons::new(graph, shapes),
            control: control_flow::SkipReasons::new(graph, shapes),
        }
    }

    /// The reason for one node, if there is one.
    pub fn find(&self, node: &NodeProto) -> Option<String> {
        self.fused.find(node).or_else(|| self.control.find(node))
    }
}

/// Differentiability of every node output with respect to the input `source`; `shapes` are the types of the values.
pub fn analyze<'a>(
    graph: &'a Graph,
    shapes: &Types,
    source: &'a str,
) -> HashMap<&'a str, Differentiability> {
    let mut known: HashMap<&str, Differentiability> =
        HashMap::from([(source, Differentiability::Differentiable)]);
    let refusals = SkipReasons::new(graph, shapes);
    for node in graph.nodes() {
        let mut merged = Differentiability::Independent;
        for value in node.reads() {
            match known.get(value) {
                Some(blocked @ Differentiability::Blocked { .. }) => {
                    merged = blocked.clone();
                    break;
                }
                Some(Differentiability::Differentiable) => {
                    merged = Differentiability::Differentiable;
                }
                _ => {}
            }
        }
        if rules::has_zero_gradient(node) {
            merged = Differentiability::Independent;
        } else if merged == Differentiability::Differentiable && !rules::is_supported(node) {
            merged = Differentiability::Blocked {
                node: node.display_name(),
                op: quoted(&node.op_type),
                why: refusals.find(node),
            };
        }
        for output in node.output.iter().filter(|output| !output.is_empty()) {
            known.insert(output, merged.clone());
        }
    }
    known
}
