//! The reverse sweep.

use super::context::Context;
use super::{Error, Options, ranks, reach, rules};
use crate::onnx::{Builder, Shapes};
use crate::text::printable;
use std::collections::{HashMap, HashSet};

/// Appends to `builder` the nodes that compute, for each of `sources`, the sum over `seeds` of cotangent times Jacobian:
/// with one seed (S, 1), the gradient of S.
///
/// `seeds` are pairs of a value and its cotangent (a value of the same dimensions); `sources` are inputs or inner values
/// (a source may lie between another source and a seed: its gradient comes free). Returns the gradients in the order of
/// `sources`, each with its source's dimensions.
///
/// # Errors
/// [`Error::NoRule`] or [`Error::Form`] for a node on the way that cannot be differentiated,
/// [`Error::Independent`] if no seed depends on a source.
pub fn gradient(
    builder: &mut Builder,
    shapes: &Shapes,
    seeds: &[(String, String)],
    sources: &[String],
    options: &Options,
) -> Result<Vec<String>, Error> {
    let dependent = dependent_values(builder, shapes, sources);
    let mut totals = Totals::default();
    for (value, cotangent) in seeds {
        totals.contribute(value, cotangent.clone());
    }
    for index in (0..builder.graph().nodes().len()).rev() {
        let node = builder.graph().nodes()[index].clone();
        if rules::has_zero_gradient(&node) {
            continue;
        }
        let wanted: Vec<bool> = node
            .input
            .iter()
            .map(|input| dependent.contains(input))
            .collect();
        let depends = node.reads().any(|value| dependent.contains(value));
        if !depends || !node.output.iter().any(|output| totals.has(output)) {
            continue;
        }
        let rule = rules::rule(&node).ok_or_else(|| no_rule(builder, shapes, index))?;
        let gradients = node
            .output
            .iter()
            .map(|output| totals.of(output, builder))
            .collect();
        let mut context = Context {
            node: &node,
            builder,
            shapes,
            options,
            gradients,
            wanted,
        };
        ranks::check(&context)?;
        let contributions = rule(&mut context)?;
        let wanted = context.wanted;
        for ((input, wanted), contribution) in node.input.iter().zip(wanted).zip(contributions) {
            if let (true, Some(contribution)) = (wanted, contribution) {
                totals.contribute(input, contribution);
            }
        }
    }
    let objective = || {
        seeds
            .iter()
            .map(|(value, _)| printable(value))
            .collect::<Vec<_>>()
            .join(", ")
    };
    sources
        .iter()
        .map(|source| {
            totals
                .of(source, builder)
                .ok_or_else(|| Error::Independent {
                    objective: objective(),
                    input: printable(source),
                })
        })
        .collect()
}

/// The values that a gradient can flow to on its way to a source: those that depend on one and are of floating-point
/// type, or quantized from it.
fn dependent_values(builder: &Builder, shapes: &Shapes, sources: &[String]) -> HashSet<String> {
    let is_float = |value: &str| {
        let known = shapes.find(value);
        known.is_none_or(|known| known.elem.is_float())
    };
    let mut dependent: HashSet<String> = sources.iter().cloned().collect();
    for node in builder.graph().nodes() {
        let mut read = node.reads().filter(|value| dependent.contains(*value));
        let (Some(first), false) = (read.next(), rules::has_zero_gradient(node)) else {
            continue;
        };
        let from_levels = !is_float(first) || read.any(|input| !is_float(input));
        let dynamic = node.is("DynamicQuantizeLinear");
        let quantized = from_levels || dynamic || node.is("QuantizeLinear");
        // What a picture does to the scale of its levels cancels out where they become numbers again.
        let outputs = node
            .output
            .iter()
            .take(if dynamic { 1 } else { usize::MAX });
        let flows = |output: &&String| !output.is_empty() && (quantized || is_float(output));
        dependent.extend(outputs.filter(flows).cloned());
    }
    dependent
}

fn no_rule(builder: &Builder, shapes: &Shapes, index: usize) -> Error {
    let graph = builder.graph();
    let node = &graph.nodes()[index];
    if let Some(why) = reach::Refusals::of(graph, shapes).find(node) {
        return Error::Form {
            node: node.title(),
            op: node.op_type.clone(),
            why,
        };
    }
    let domain = if node.domain.is_empty() { "" } else { "." };
    Error::NoRule {
        node: node.title(),
        op: format!("{}{domain}{}", node.domain, node.op_type),
        opset: graph.opset(),
    }
}

/// The gradient of each value: what its readers contributed, added up when it is asked for.
#[derive(Default)]
struct Totals(HashMap<String, Vec<String>>);

impl Totals {
    fn contribute(&mut self, value: &str, contribution: String) {
        self.0.entry(value.into()).or_default().push(contribution);
    }

    fn has(&self, value: &str) -> bool {
        self.0.contains_key(value)
    }

    fn of(&mut self, value: &str, builder: &mut Builder) -> Option<String> {
        let contributions = self.0.get_mut(value)?;
        let rest = contributions.split_off(1);
        for contribution in rest {
            contributions[0] = builder.emit("Add", &[&contributions[0], &contribution], &[]);
        }
        Some(contributions[0].clone())
    }
}
