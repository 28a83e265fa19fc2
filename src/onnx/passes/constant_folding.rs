//! Constant folding: computes in advance what does not depend on the inputs' elements. Exported
//! networks contain much of it: shape computations, ranges, masks, tables of positions. A gradient
//! can pass through what remains.
//!
//! An [`Evaluator`] computes the constants; remaining values keep their names. For a network with a
//! variable batch size, only what is equal for every batch size is folded.

use super::{control_flow, sequences};
use crate::onnx::evaluator::{Dims, Evaluator};
use crate::onnx::proto::{NodeProto, TensorProto};
use crate::onnx::tensor::element_count;
use crate::onnx::types::from_front;
use crate::onnx::{Attribute, Error, Graph, Types, ranges};
use std::collections::{HashMap, HashSet};

/// Values of more elements than this are not folded: they cost memory and save little.
const MAX_ELEMENTS: usize = 1 << 20;

/// Nodes with an output of more elements than this are not evaluated: a few bytes of a model can ask for terabytes.
const MAX_INTERMEDIATE_ELEMENTS: usize = 1 << 26;

/// Operators with a different result in every run.
const RANDOM: &[&str] = &[
    "Bernoulli",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
];

/// What folding removes.
#[derive(Debug, Clone, Copy)]
pub struct FoldOptions {
    /// Constant values.
    pub constants: bool,
    /// Branches and loops whose condition or trip count is constant.
    pub control: bool,
    /// Sequences with known elements.
    pub sequences: bool,
}

impl FoldOptions {
    /// Everything.
    pub const ALL: Self = Self {
        constants: true,
        control: true,
        sequences: true,
    };

    /// The graph with less control flow or fewer sequences; `None` if nothing can be removed.
    fn simplify(self, graph: &Graph, shapes: &[Types]) -> Result<Option<Graph>, Error> {
        let resolved = if self.control {
            control_flow::resolve(graph, shapes)?
        } else {
            None
        };
        match resolved {
            None if self.sequences => Ok(sequences::resolve(graph, shapes)?),
            resolved => Ok(resolved),
        }
    }

    /// The graph without the control flow, nested or not, that can be resolved without evaluating
    /// anything: ONNX Runtime takes long to load deeply nested subgraphs.
    fn resolve_control_flow(self, mut graph: Graph) -> Result<Graph, Error> {
        while let Some(next) = self
            .control
            .then(|| control_flow::resolve(&graph, &[]))
            .transpose()?
            .flatten()
        {
            graph = next;
        }
        Ok(ranges::scalar(&graph)?.into_owned())
    }

    /// As [`fold_common`], if constants are to be removed.
    fn fold_constants<E: Evaluator + ?Sized>(
        self,
        evaluator: &E,
        graph: Graph,
        choices: &[&Dims],
    ) -> Result<(Graph, Vec<Types>), E::Error> {
        if self.constants {
            return fold_common(evaluator, &graph, choices);
        }
        let all = choices.iter().map(|dims| shapes(evaluator, &graph, dims));
        let all = all.collect::<Result<_, _>>()?;
        Ok((graph, all))
    }
}

/// The graph with every value folded that is equal for all `choices` of its inputs' dimensions, and
/// with the control flow and the sequences removed that become constant by it.
///
/// # Errors
/// As [`fold_parts`].
pub fn fold<E: Evaluator + ?Sized>(
    evaluator: &E,
    graph: &Graph,
    choices: &[&Dims],
) -> Result<Graph, E::Error> {
    fold_parts(evaluator, graph, choices, FoldOptions::ALL)
}

/// As [`fold`], limited to some parts.
///
/// # Errors
/// If the graph is damaged, or the evaluator rejects it or a part of it.
pub fn fold_parts<E: Evaluator + ?Sized>(
    evaluator: &E,
    graph: &Graph,
    choices: &[&Dims],
    parts: FoldOptions,
) -> Result<Graph, E::Error> {
    let start = parts.resolve_control_flow(graph.clone())?;
    let (mut graph, mut shapes) = parts.fold_constants(evaluator, start, choices)?;
    // What was inside a branch or a loop can be folded once it is outside, and may resolve others.
    while let Some(next) = parts.simplify(&graph, &shapes)? {
        let next = parts.resolve_control_flow(next)?;
        (graph, shapes) = parts.fold_constants(evaluator, next, choices)?;
    }
    Ok(graph)
}

/// The graph with every value folded that is equal for all `choices`, and the types of its values for each choice.
fn fold_common<E: Evaluator + ?Sized>(
    evaluator: &E,
    graph: &Graph,
    choices: &[&Dims],
) -> Result<(Graph, Vec<Types>), E::Error> {
    let mut alike: Option<Constants> = None;
    let mut all = Vec::with_capacity(choices.len());
    for dims in choices {
        let (mut known, shapes) = fold_to_fixpoint(evaluator, graph, dims)?;
        all.push(shapes);
        if let Some(others) = &alike {
            known.retain(|name, tensor| others.get(name) == Some(tensor));
        }
        alike = Some(known);
    }
    Ok((remove_folded(graph, alike.unwrap_or_default())?, all))
}

/// The types of all values of `graph` for the dimensions given for its inputs, also where
/// dimensions are computed on the way. Values whose dimensions depend on the inputs' elements are
/// left out.
///
/// # Errors
/// As [`fold`].
pub fn shapes<E: Evaluator + ?Sized>(
    evaluator: &E,
    graph: &Graph,
    dims: &Dims,
) -> Result<Types, E::Error> {
    Ok(fold_to_fixpoint(evaluator, graph, dims)?.1)
}

/// Constants by name.
type Constants = HashMap<String, TensorProto>;

/// The constants of `graph` for given input dimensions, and the types of all values. Constants make
/// dimensions known, which make more constants: repeats until no node disappears, or the evaluator
/// rejects the rest of the graph (which is reported when the graph is used, not here).
fn fold_to_fixpoint<E: Evaluator + ?Sized>(
    evaluator: &E,
    graph: &Graph,
    dims: &Dims,
) -> Result<(Constants, Types), E::Error> {
    let mut shapes = evaluator.infer_types(graph, dims)?;
    let mut all = Constants::new();
    let mut rest = graph.clone();
    loop {
        let known = computed(evaluator, &rest, &shapes)?;
        let less = remove_folded(&rest, known.clone())?;
        all.extend(known);
        if less.nodes().len() == rest.nodes().len() {
            return Ok((all, shapes));
        }
        rest = less;
        match evaluator.infer_types(&rest, dims) {
            Err(error) if evaluator.is_rejection(&error) => return Ok((all, shapes)),
            more => shapes.extend(more?),
        }
    }
}

/// The values that can be computed without the inputs' elements, given all dimensions.
fn computed<E: Evaluator + ?Sized>(
    evaluator: &E,
    graph: &Graph,
    shapes: &Types,
) -> Result<Constants, E::Error> {
    let mut part = graph.empty_like();
    for constant in graph.constants() {
        part.insert_constant(constant.clone())?;
    }
    let mut known = Constants::new();
    let mut wanted = Vec::new();
    for node in graph.nodes() {
        if let Some(tensor) = dimensions(node, shapes).or_else(|| alias(graph, node)) {
            part.insert_constant(tensor.clone())?;
            known.insert(tensor.name.clone(), tensor);
            continue;
        }
        let node = &cast(node, shapes).unwrap_or_else(|| node.clone());
        if !is_computable(node, &part) || !is_affordable(node, shapes) {
            continue;
        }
        part.insert_node(node.clone())?;
        let small = |name: &&String| {
            let known = shapes.find(name);
            !name.is_empty() && known.is_none_or(|known| is_small(&known.dims))
        };
        wanted.extend(node.output.iter().filter(small).cloned());
    }
    if !wanted.is_empty() {
        let tensors = evaluator.evaluate(&part, &wanted, MAX_ELEMENTS)?;
        known.extend(
            tensors
                .into_iter()
                .map(|tensor| (tensor.name.clone(), tensor)),
        );
    }
    Ok(known)
}

fn is_small(dims: &[usize]) -> bool {
    count(dims).is_some_and(|count| count <= MAX_ELEMENTS)
}

/// Whether no output of the node is known to be too large.
fn is_affordable(node: &NodeProto, shapes: &Types) -> bool {
    let mut known = node.output.iter().filter_map(|name| shapes.find(name));
    known.all(|value| count(&value.dims).is_some_and(|count| count <= MAX_INTERMEDIATE_ELEMENTS))
}

fn count(dims: &[usize]) -> Option<usize> {
    dims.iter()
        .try_fold(1usize, |count, &dim| count.checked_mul(dim))
}

/// Whether all inputs of the node are in `part`, and its result is deterministic.
fn is_computable(node: &NodeProto, part: &Graph) -> bool {
    let mut inputs = node.input.iter().filter(|input| !input.is_empty());
    let holds_graphs = node
        .attribute
        .iter()
        .any(|attribute| attribute.g.is_some() || !attribute.graphs.is_empty());
    !holds_graphs
        && !RANDOM.contains(&node.op_type.as_str())
        && inputs.all(|input| part.contains(input))
}

/// The output of a `Shape` or `Size` node of known dimensions.
fn dimensions(node: &NodeProto, shapes: &Types) -> Option<TensorProto> {
    let output = node.output.first()?;
    let dims = &shapes.find(node.input_at(0)?)?.dims;
    let dims: Vec<i64> = dims.iter().map(|&dim| dim as i64).collect();
    if node.is_op("Size") {
        let count = element_count(&dims)? as i64;
        return Some(TensorProto::from_i64(output, &[], &[count]));
    }
    if !node.is_op("Shape") {
        return None;
    }
    let rank = dims.len() as i64;
    let bound = |name: &str, default: i64| {
        let bound = node.int(name).unwrap_or(default);
        from_front(bound, dims.len()).clamp(0, rank) as usize
    };
    let (start, end) = (bound("start", 0), bound("end", rank));
    let selected = dims.get(start..end).unwrap_or_default();
    Some(TensorProto::int_list(output, selected))
}

/// The `Cast` that replaces a `CastLike` whose target type is known.
fn cast(node: &NodeProto, shapes: &Types) -> Option<NodeProto> {
    let like = node.input_at(1).filter(|_| node.is_op("CastLike"))?;
    let to = i64::from(shapes.find(like)?.elem.code());
    Some(NodeProto {
        op_type: "Cast".into(),
        input: vec![node.input_at(0)?.into()],
        attribute: vec![Attribute::Int(to).named("to")],
        ..node.clone()
    })
}

/// The output of an `Identity` of a constant; its elements are shared.
fn alias(graph: &Graph, node: &NodeProto) -> Option<TensorProto> {
    let constant = graph
        .constant(node.input_at(0)?)
        .filter(|_| node.is_op("Identity"))?;
    let name = node.output.first()?.clone();
    Some(TensorProto {
        name,
        ..constant.clone()
    })
}

/// The graph with the `known` values as constants, without the nodes that compute nothing else and
/// without constants that nothing reads any more.
fn remove_folded(graph: &Graph, mut known: Constants) -> Result<Graph, Error> {
    let is_known = |node: &NodeProto| {
        let mut outputs = node.output.iter().filter(|output| !output.is_empty());
        outputs.all(|output| known.contains_key(output))
    };
    let kept: Vec<bool> = graph.nodes().iter().map(|node| !is_known(node)).collect();
    let nodes = graph.nodes().iter().zip(&kept);
    let nodes: Vec<&NodeProto> = nodes
        .filter(|(_, kept)| **kept)
        .map(|(node, _)| node)
        .collect();
    // A node stays as long as one of its outputs is not known; it then computes all of them.
    for output in nodes.iter().flat_map(|node| &node.output) {
        known.remove(output);
    }
    let mut read: HashSet<&str> = graph
        .outputs()
        .iter()
        .map(|output| output.name.as_str())
        .collect();
    read.extend(nodes.iter().flat_map(|node| node.reads()));
    let mut result = graph.empty_like();
    for input in graph.inputs() {
        result.insert_input(input.clone())?;
    }
    let constants = graph
        .constants()
        .filter(|constant| read.contains(constant.name.as_str()));
    for constant in constants {
        result.insert_constant(constant.clone())?;
    }
    // In the order of the nodes, so that a folded graph is always the same.
    for output in graph.nodes().iter().flat_map(|node| &node.output) {
        if let Some(tensor) = known
            .remove(output)
            .filter(|_| read.contains(output.as_str()))
        {
            result.insert_constant(tensor)?;
        }
    }
    for node in nodes {
        result.insert_node(node.clone())?;
    }
    result.set_outputs(graph.outputs().to_vec());
    Ok(result)
}

#[cfg(test)]
mod tests;
