//! The backward pass.

use super::context::Context;
use super::gradient_sums::GradientSums;
use super::{Error, GradientOptions, differentiability, rank_check, rules};
use crate::onnx::{Builder, Types};
use crate::text::quoted;
use std::collections::HashSet;

/// Appends to `builder` the nodes that compute, for each source, the sum over `seeds` of cotangent times Jacobian. With
/// one seed (S, 1) that is the gradient of S.
///
/// A seed is a value and its cotangent (a value of the same dimensions). A source is a graph input or an intermediate
/// value; it may lie between another source and a seed. Returns one gradient per source, in order, with the source's
/// dimensions.
///
/// # Errors
/// [`Error::NoRule`] or [`Error::Unsupported`] for a node between source and seed that cannot be differentiated,
/// [`Error::Independent`] if no seed depends on a source.
pub fn gradient(
    builder: &mut Builder,
    shapes: &Types,
    seeds: &[(String, String)],
    sources: &[String],
    options: &GradientOptions,
) -> Result<Vec<String>, Error> {
    let dependent = dependent_values(builder, shapes, sources);
    let mut sums = GradientSums::default();
    for (value, cotangent) in seeds {
        sums.contribute(value, cotangent.clone());
    }
    for index in (0..builder.graph().nodes().len()).rev() {
        let node = builder.graph().nodes()[index].clone();
        if rules::has_zero_gradient(&node) {
            continue;
        }
        let needs_grad: Vec<bool> = node
            .input
            .iter()
            .map(|input| dependent.contains(input))
            .collect();
        let depends = node.reads().any(|value| dependent.contains(value));
        if !depends || !node.output.iter().any(|output| sums.has(output)) {
            continue;
        }
        let rule = rules::rule(&node).ok_or_else(|| no_rule(builder, shapes, index))?;
        let gradients = node
            .output
            .iter()
            .map(|output| sums.of(output, builder, shapes))
            .collect();
        let mut context = Context {
            node: &node,
            builder,
            shapes,
            options,
            gradients,
            needs_grad,
        };
        rank_check::check(&context)?;
        let contributions = rule(&mut context)?;
        let needs_grad = context.needs_grad;
        for ((input, needed), contribution) in node.input.iter().zip(needs_grad).zip(contributions)
        {
            if let (true, Some(contribution)) = (needed, contribution) {
                sums.contribute(input, contribution);
            }
        }
    }
    let objective = || {
        seeds
            .iter()
            .map(|(value, _)| quoted(value))
            .collect::<Vec<_>>()
            .join(", ")
    };
    sources
        .iter()
        .map(|source| {
            sums.of(source, builder, shapes)
                .ok_or_else(|| Error::Independent {
                    objective: objective(),
                    input: quoted(source),
                })
        })
        .collect()
}

/// Values through which a gradient can flow back to a source: those that depend on a source and are of floating-point
/// type, or quantized from one.
fn dependent_values(builder: &Builder, shapes: &Types, sources: &[String]) -> HashSet<String> {
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
        let from_quantized = !is_float(first) || read.any(|input| !is_float(input));
        let dynamic = node.is_op("DynamicQuantizeLinear");
        let quantized = from_quantized || dynamic || node.is_op("QuantizeLinear");
        // The input's influence on the scale cancels out at dequantization.
        let outputs = node
            .output
            .iter()
            .take(if dynamic { 1 } else { usize::MAX });
        let flows = |output: &&String| !output.is_empty() && (quantized || is_float(output));
        dependent.extend(outputs.filter(flows).cloned());
    }
    dependent
}

fn no_rule(builder: &Builder, shapes: &Types, index: usize) -> Error {
    let graph = builder.graph();
    let node = &graph.nodes()[index];
    if let Some(why) = differentiability::SkipReasons::new(graph, shapes).find(node) {
        return Error::Unsupported {
            node: node.display_name(),
            op: node.op_type.clone(),
            why,
        };
    }
    let domain = if node.domain.is_empty() { "" } else { "." };
    Error::NoRule {
        node: node.display_name(),
        op: format!("{}{domain}{}", node.domain, node.op_type),
        opset: graph.opset(),
    }
}
