//! Selects the output with the class scores.

use super::{ScoreSource, tail};
use crate::onnx::passes::control_flow;
use crate::onnx::proto::NodeProto;
use crate::onnx::{Graph, Types};
use crate::text::quoted;

/// Maximum number of outputs in a message.
const LISTED: usize = 8;

/// An output with one element per class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub source: ScoreSource,
    pub classes: usize,
}

/// The output `wanted`; otherwise the only one with as many classes as a list of `names`; otherwise the first with one
/// element per class, preferring dimensions (1, classes). Also returns messages about the choice.
///
/// # Errors
/// Why there is none, in one line.
pub(super) fn choose(
    graph: &Graph,
    shapes: &Types,
    sources: &[ScoreSource],
    wanted: Option<&str>,
    names: &[usize],
) -> Result<(Candidate, Vec<String>), String> {
    let is_wanted = |source: &&ScoreSource| {
        wanted.is_none_or(|wanted| wanted == source.output || wanted == source.value)
    };
    let mut considered: Vec<&ScoreSource> = sources.iter().filter(is_wanted).collect();
    // Of outputs that are computed from the same scores, the scores themselves.
    considered.sort_by_key(|source| source.is_reduced());
    if let (Some(wanted), []) = (wanted, considered.as_slice()) {
        let wanted = quoted(wanted);
        return Err(format!(
            "{wanted} is not an output; outputs: {}",
            listed(sources)
        ));
    }
    let mut candidates: Vec<((bool, usize), Candidate)> = Vec::new();
    for source in &considered {
        let is_new = |(_, known): &((bool, usize), Candidate)| known.source.value != source.value;
        let known = shapes.find(&source.value);
        let Some(dims) = known
            .filter(|known| known.elem.is_float())
            .map(|known| &known.dims)
        else {
            continue;
        };
        if let Some((rank, classes)) = classes(dims).filter(|_| candidates.iter().all(is_new)) {
            // The source of a label or of the top scores is used if no other output has class scores.
            let rank = (source.is_reduced(), rank);
            let source = (*source).clone();
            candidates.push((rank, Candidate { source, classes }));
        }
    }
    let is_made_of = |one: &ScoreSource, other: &ScoreSource| {
        let makes = |node: &NodeProto| node.output.contains(&other.value);
        tail::reaches(graph, &one.value, makes, |_| true)
    };
    // The maximum of the scores, or another number that depends only on them, is not a class.
    let is_of = |one: &Candidate, other: &Candidate| {
        one.classes == 1 && other.classes > 1 && is_made_of(&one.source, &other.source)
    };
    let all: Vec<Candidate> = candidates.iter().map(|(_, one)| one.clone()).collect();
    candidates.retain(|(_, one)| !all.iter().any(|other| is_of(one, other)));
    candidates.sort_by_key(|(rank, _)| *rank);
    let mut candidates: Vec<Candidate> = candidates.into_iter().map(|(_, one)| one).collect();
    let mut named = candidates
        .iter()
        .enumerate()
        .filter(|(_, one)| names.contains(&one.classes));
    let place = match (named.next(), named.next()) {
        (Some((place, _)), None) => place,
        _ => 0,
    };
    if candidates.is_empty() {
        return Err(no_candidate(graph, shapes, &considered));
    }
    let mut chosen = candidates.remove(place);
    if chosen.source.labels.is_none() {
        // Another output that is computed from the same scores may name the classes.
        let own = &chosen.source;
        let related = |other: &&ScoreSource| is_made_of(own, other) || is_made_of(other, own);
        let mut labels = sources
            .iter()
            .filter(related)
            .filter_map(|source| source.labels.clone());
        chosen.source.labels = labels.find(|labels| labels.len() == chosen.classes);
    }
    let mut remarks = Vec::new();
    if let Some(container) = chosen
        .source
        .container
        .as_deref()
        .filter(|op| *op == "TopK")
    {
        let [output, value] =
            [&chosen.source.output, &chosen.source.value].map(|name| quoted(name));
        remarks.push(format!(
            "{output} has only the top class scores ({container}); using all of them, {value}"
        ));
    }
    if !candidates.is_empty() {
        let others: Vec<String> = candidates.iter().take(LISTED).map(title).collect();
        remarks.push(format!(
            "several outputs have class scores; using {}; --scores-output NAME chooses another: {}",
            title(&chosen),
            others.join(", ")
        ));
    }
    Ok((chosen, remarks))
}

/// `"name" (5 classes)`.
fn title(candidate: &Candidate) -> String {
    let (name, count) = (quoted(&candidate.source.output), candidate.classes);
    let classes = if count == 1 { "class" } else { "classes" };
    format!("{name} ({count} {classes})")
}

/// The number of elements of a value with these dimensions for one picture, if at most one axis has several; and how
/// unusual the dimensions are for class scores, from 0.
fn classes(dims: &[usize]) -> Option<(usize, usize)> {
    let (rank, numbers) = match dims {
        // Axes of size 1 were squeezed, including the batch axis.
        [] => return Some((3, 1)),
        [1, classes] => (0, &[*classes][..]),
        [1, rest @ ..] if !rest.is_empty() => (1, rest),
        // The batch axis was squeezed, or is the only one.
        [_] => (2, dims),
        _ => return None,
    };
    let several = numbers.iter().filter(|&&extent| extent > 1).count();
    (several <= 1 && !numbers.contains(&0)).then(|| (rank, numbers.iter().product()))
}

fn no_candidate(graph: &Graph, shapes: &Types, considered: &[&ScoreSource]) -> String {
    let blocked = considered
        .iter()
        .find_map(|source| obstacle(graph, shapes, &source.value));
    let why = blocked.map_or(String::new(), |why| format!(": {why}"));
    let shown = considered.iter().take(LISTED).map(|source| {
        let dims = shapes.find(&source.value).map(|known| &known.dims);
        let name = quoted(&source.output);
        dims.map_or(name.clone(), |dims| format!("{name} {dims:?}"))
    });
    let shown: Vec<String> = shown.collect();
    format!(
        "none of its outputs ({}) has dimensions (1, classes){why}",
        shown.join(", ")
    )
}

fn listed(sources: &[ScoreSource]) -> String {
    let names = sources
        .iter()
        .take(LISTED)
        .map(|source| quoted(&source.output));
    let names: Vec<String> = names.collect();
    names.join(", ")
}

/// Why the dimensions of `output` are unknown or wrong: unresolved control flow, for whose results ONNX Runtime may
/// infer no rank; otherwise the first node whose output types are unknown.
fn obstacle(graph: &Graph, shapes: &Types, output: &str) -> Option<String> {
    let refusals = control_flow::SkipReasons::new(graph, shapes);
    let is_known = |name: &String| name.is_empty() || shapes.find(name).is_some();
    let nodes = graph.nodes().iter().zip(graph.ancestors([output]));
    let needed: Vec<&NodeProto> = nodes
        .filter_map(|(node, needed)| needed.then_some(node))
        .collect();
    let undecided = needed
        .iter()
        .find_map(|node| Some((*node, refusals.find(node)?)));
    let (node, why) = match undecided {
        Some((node, why)) => (node, format!(": {why}")),
        None => {
            let mut unknown = needed
                .iter()
                .filter(|node| !node.output.iter().all(is_known));
            (*unknown.next()?, String::new())
        }
    };
    Some(format!(
        "the dimensions of {} are not known before the model runs, because of node {} ({}){why}",
        quoted(output),
        node.display_name(),
        quoted(&node.op_type),
    ))
}
