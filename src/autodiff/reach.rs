//! How far gradients reach: which values can be differentiated with respect to an input, and what blocks the others.

use super::rules;
use crate::onnx::proto::NodeProto;
use crate::onnx::{Graph, Shapes, control, decompose};
use crate::text::printable;
use std::collections::HashMap;

/// Whether a gradient can come back from a value to the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Every node on the way has a rule.
    Differentiable,
    /// The named node on the way has none.
    Blocked {
        node: String,
        op: String,
        /// Why not, where there are others of its kind that can be differentiated.
        why: Option<String>,
    },
    /// The value does not depend on the input, or only through ops whose gradient is zero everywhere.
    Independent,
}

impl std::fmt::Display for Reach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Reach::Differentiable => f.write_str("differentiable"),
            Reach::Blocked { node, op, why } => match why {
                None => write!(f, "node {node} ({op}) has no gradient rule"),
                Some(why) => write!(f, "node {node} ({op}) cannot be differentiated: {why}"),
            },
            Reach::Independent => f.write_str("does not depend on the input"),
        }
    }
}

/// Why nodes are still ones that have no rule, although others of their operators become nodes that have: fused operators,
/// and control flow.
pub struct Refusals<'a> {
    fused: decompose::Refusals<'a>,
    control: control::Refusals<'a>,
}

impl<'a> Refusals<'a> {
    /// Of `graph`; `shapes` are the types of its values.
    pub fn of(graph: &'a Graph, shapes: &'a Shapes) -> Self {
        Self {
            fused: decompose::Refusals::of(graph, shapes),
            control: control::Refusals::of(graph, shapes),
        }
    }

    /// The reason for a node, if there is one.
    pub fn find(&self, node: &NodeProto) -> Option<String> {
        self.fused.find(node).or_else(|| self.control.find(node))
    }
}

/// The reach of every value that some node makes, with respect to the input called `source`; `shapes` are their types.
pub fn reach<'a>(graph: &'a Graph, shapes: &Shapes, source: &'a str) -> HashMap<&'a str, Reach> {
    let mut known: HashMap<&str, Reach> = HashMap::from([(source, Reach::Differentiable)]);
    let refusals = Refusals::of(graph, shapes);
    for node in graph.nodes() {
        let mut merged = Reach::Independent;
        for value in node.reads() {
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
                why: refusals.find(node),
            };
        }
        for output in node.output.iter().filter(|output| !output.is_empty()) {
            known.insert(output, merged.clone());
        }
    }
    known
}
