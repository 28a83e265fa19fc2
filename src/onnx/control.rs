//! Control flow that is decided before a model runs: the branch that a constant condition takes, and the turns of a loop
//! whose number is constant, take the place of the `If` or `Loop`. What it makes keeps its name; values within keep theirs
//! where they are free, those of a loop are called `LOOP/TURN/VALUE`.

use super::graph::constant_of;
use super::proto::{GraphProto, NodeProto, TensorProto};
use super::scope::{self, Names};
use super::tensor::element_count;
use super::{Error, Graph};
use prost::Message;
use std::collections::HashSet;

/// How large a graph may be after a loop is unrolled (see [`scope::size`]), and how many bytes the loop's nodes may take in a
/// file. Loops that would become more stay loops.
const MOST: usize = 1 << 20;
const MOST_BYTES: usize = 1 << 28;

/// The graph with everything decided that is constant, or `None` if nothing is. What was within a branch may be decided
/// the next time.
///
/// # Errors
/// [`Error::Corrupt`] if a branch or a loop's body contradicts the graph around it.
pub fn decide(graph: &Graph) -> Result<Option<Graph>, Error> {
    let mut size = scope::size(graph.nodes());
    let mut decided = Vec::new();
    for node in graph.nodes() {
        let found = match node.op_type.as_str() {
            _ if !super::graph::is_default_domain(&node.domain) => None,
            "If" => taken_branch(graph, node)?.map(Decided::Branch),
            "Loop" => turns(graph, node, MOST.saturating_sub(size))?,
            _ => None,
        };
        if let Some(Decided::Turns(body, count)) = &found {
            size += turn_size(node, body) * count;
        }
        decided.push(found);
    }
    if decided.iter().all(Option::is_none) {
        return Ok(None);
    }
    let mut result = graph.hollow();
    for input in graph.inputs() {
        result.insert_input(input.clone())?;
    }
    for constant in graph.constants() {
        result.insert_constant(constant.clone())?;
    }
    let mut taken: HashSet<String> = graph.names().map(str::to_owned).collect();
    let stay = graph
        .nodes()
        .iter()
        .zip(&decided)
        .filter(|(_, decided)| decided.is_none());
    stay.for_each(|(node, _)| {
        scope::made(std::slice::from_ref(node), &mut |name| {
            taken.insert(name.to_owned());
        })
    });
    let mut splice = Splice {
        taken,
        graph: result,
    };
    for (node, decided) in graph.nodes().iter().zip(decided) {
        match decided {
            None => splice.graph.insert_node(node.clone())?,
            Some(Decided::Branch(branch)) => splice.branch(node, branch)?,
            Some(Decided::Turns(body, count)) => splice.unroll(node, body, count)?,
        }
    }
    let mut result = splice.graph;
    result.set_outputs(graph.outputs().to_vec());
    Ok(Some(result))
}

/// What stands in a node's place.
enum Decided<'a> {
    Branch(&'a GraphProto),
    /// The body, and how many times it runs.
    Turns(&'a GraphProto, usize),
}

/// The graph that an `If` with a constant condition runs.
fn taken_branch<'a>(graph: &Graph, node: &'a NodeProto) -> Result<Option<&'a GraphProto>, Error> {
    let condition = node.input_at(0).and_then(|name| graph.constant(name));
    let Some(condition) = condition.map(truth).transpose()?.flatten() else {
        return Ok(None);
    };
    let branch = if condition {
        "then_branch"
    } else {
        "else_branch"
    };
    let branch = node
        .attribute_named(branch)
        .and_then(|held| held.g.as_deref());
    Ok(branch.filter(|branch| branch.output.len() == node.output.len() && is_dense(branch)))
}

/// The body of a `Loop` that runs a constant number of times, if what it becomes is at most `most` large.
fn turns<'a>(
    graph: &Graph,
    node: &'a NodeProto,
    most: usize,
) -> Result<Option<Decided<'a>>, Error> {
    let Some(body) = node
        .attribute_named("body")
        .and_then(|held| held.g.as_deref())
    else {
        return Ok(None);
    };
    let carried = node.input.len().saturating_sub(2);
    let fits = body.input.len() == carried + 2
        && body.output.len() == node.output.len() + 1
        && node.output.len() >= carried
        && node.input.len() >= 2;
    if !fits || !is_dense(body) {
        return Ok(None);
    }
    let begins = match node.input_at(1) {
        None => Some(true),
        Some(name) => graph.constant(name).map(truth).transpose()?.flatten(),
    };
    let limit = match node.input_at(0).and_then(|name| graph.constant(name)) {
        Some(limit) => limit.to_i64()?.first().copied(),
        None => None,
    };
    let count = match (begins, limit) {
        (Some(false), _) => 0,
        (Some(true), Some(limit)) if goes_on(graph, body)? => usize::try_from(limit).unwrap_or(0),
        _ => return Ok(None),
    };
    // Something stacked of no turns at all has dimensions that only the body's types tell.
    let stacked = node.output.len() > carried;
    // Constants are shared by all turns.
    let repeated = body.node.iter().filter(|node| !node.is("Constant"));
    let bytes: usize = repeated.map(Message::encoded_len).sum();
    let affordable = turn_size(node, body).saturating_mul(count) <= most
        && bytes.saturating_mul(count) <= MOST_BYTES;
    Ok((affordable && !(stacked && count == 0)).then_some(Decided::Turns(body, count)))
}

/// How large one turn of a loop becomes, with what counts and stacks.
fn turn_size(node: &NodeProto, body: &GraphProto) -> usize {
    scope::size(&body.node) + 4 * node.output.len() + 1
}

/// Whether a loop's body always wants another turn: its condition is a constant, or the one it was given.
fn goes_on(graph: &Graph, body: &GraphProto) -> Result<bool, Error> {
    let mut condition = body.output[0].name.as_str();
    // Each step leads to a node before the last one.
    for node in body.node.iter().rev() {
        if !node.output.iter().any(|made| made == condition) {
            continue;
        }
        if let Some(tensor) = constant_of(node) {
            return Ok(truth(&tensor)? == Some(true));
        }
        match node
            .input_at(0)
            .filter(|_| node.is("Identity") || node.is("Cast"))
        {
            Some(input) => condition = input,
            None => return Ok(false),
        }
    }
    let inner = body
        .initializer
        .iter()
        .find(|tensor| tensor.name == condition);
    match inner.or_else(|| graph.constant(condition)) {
        Some(tensor) => Ok(truth(tensor)? == Some(true)),
        None => Ok(body.input[1].name == condition),
    }
}

/// Whether a graph has no constants but dense ones, which are all that is read here.
fn is_dense(graph: &GraphProto) -> bool {
    graph.sparse_initializer.is_empty()
}

/// What a tensor of one element means as a condition.
fn truth(tensor: &TensorProto) -> Result<Option<bool>, Error> {
    if element_count(&tensor.dims) != Some(1) {
        return Ok(None);
    }
    Ok(Some(tensor.to_f64()?[0] != 0.0))
}

/// The graph that is being put together.
struct Splice {
    graph: Graph,
    /// The names of all values, also of those that are still to come.
    taken: HashSet<String>,
}

impl Splice {
    /// Puts a branch where its `If` was.
    fn branch(&mut self, node: &NodeProto, branch: &GraphProto) -> Result<(), Error> {
        let prefix = scope::prefix(node);
        let mut names = Names::new();
        self.constants(branch, &prefix, &mut names)?;
        self.name_values(&branch.node, |name| name.to_owned(), &prefix, &mut names);
        let outputs: Vec<&str> = branch
            .output
            .iter()
            .map(|value| value.name.as_str())
            .collect();
        let copies = scope::hand_over(&branch.node, &outputs, &node.output, &mut names);
        self.nodes(&branch.node, &names)?;
        copies
            .into_iter()
            .try_for_each(|copy| self.graph.insert_node(copy))
    }

    /// Puts a body `count` times where its `Loop` was.
    fn unroll(&mut self, node: &NodeProto, body: &GraphProto, count: usize) -> Result<(), Error> {
        let prefix = scope::prefix(node);
        let carried = body.input.len() - 2;
        let mut shared = Names::new();
        self.constants(body, &prefix, &mut shared)?;
        let mut state: Vec<String> = node.input[2..].to_vec();
        let results = &node.output[..carried];
        let mut copies: Vec<NodeProto> = match count {
            0 => state
                .iter()
                .zip(results)
                .map(|(value, result)| scope::copy(value, result))
                .collect(),
            _ => Vec::new(),
        };
        let mut stacks = vec![Vec::new(); node.output.len() - carried];
        let [going, axis] = ["condition", "axis"].map(|what| self.fresh(what, &prefix));
        self.graph
            .insert_constant(TensorProto::from_bool(&going, true))?;
        if !stacks.is_empty() {
            self.graph
                .insert_constant(TensorProto::from_i64(&axis, &[1], &[0]))?;
        }
        for turn in 0..count {
            let prefix = format!("{prefix}/{turn}");
            let number = self.fresh("turn", &prefix);
            self.graph
                .insert_constant(TensorProto::from_i64(&number, &[], &[turn as i64]))?;
            let mut names = shared.clone();
            let given = [&number, &going].into_iter().chain(&state).cloned();
            names.extend(body.input.iter().map(|value| value.name.clone()).zip(given));
            self.name_values(
                &body.node,
                |name| format!("{prefix}/{name}"),
                &prefix,
                &mut names,
            );
            if turn + 1 == count {
                let ends: Vec<&str> = body.output[1..=carried]
                    .iter()
                    .map(|value| value.name.as_str())
                    .collect();
                copies = scope::hand_over(&body.node, &ends, results, &mut names);
            }
            self.nodes(&body.node, &names)?;
            let made = body.output[1..]
                .iter()
                .map(|value| names.get(&value.name).unwrap_or(&value.name));
            let made: Vec<String> = made.cloned().collect();
            for (stack, value) in stacks.iter_mut().zip(&made[carried..]) {
                let layer = self.fresh("layer", &prefix);
                self.graph
                    .insert(node_of("Unsqueeze", &[value, &axis], &layer))?;
                stack.push(layer);
            }
            state = made[..carried].to_vec();
        }
        copies.retain(|copy| !copy.output[0].is_empty());
        for copy in copies {
            self.graph.insert_node(copy)?;
        }
        for (stack, output) in stacks.iter().zip(&node.output[carried..]) {
            if !output.is_empty() {
                let layers: Vec<&str> = stack.iter().map(String::as_str).collect();
                let mut joined = node_of("Concat", &layers, output);
                joined
                    .attribute
                    .push(super::Attribute::Int(0).named("axis"));
                self.graph.insert(joined)?;
            }
        }
        Ok(())
    }

    /// Adds the constants of a subgraph; those that stand in it as nodes as well.
    fn constants(
        &mut self,
        graph: &GraphProto,
        prefix: &str,
        names: &mut Names,
    ) -> Result<(), Error> {
        let nodes = graph.node.iter().filter_map(constant_of);
        for mut tensor in graph.initializer.iter().cloned().chain(nodes) {
            let name = self.free(&tensor.name, prefix);
            names.insert(std::mem::replace(&mut tensor.name, name.clone()), name);
            self.graph.insert_constant(tensor)?;
        }
        Ok(())
    }

    /// Finds a name for every value of `nodes` that has none in `names`.
    fn name_values(
        &mut self,
        nodes: &[NodeProto],
        wish: impl Fn(&str) -> String,
        prefix: &str,
        names: &mut Names,
    ) {
        scope::made(nodes, &mut |name| {
            if !names.contains_key(name) {
                let free = self.free(&wish(name), prefix);
                names.insert(name.to_owned(), free);
            }
        });
    }

    /// Adds the nodes of a subgraph that are no constants.
    fn nodes(&mut self, nodes: &[NodeProto], names: &Names) -> Result<(), Error> {
        for node in nodes.iter().filter(|node| constant_of(node).is_none()) {
            let mut node = node.clone();
            scope::rename(&mut node, names);
            // Names of nodes must differ, and the next turn's would not.
            node.name = String::new();
            self.graph.insert_node(node)?;
        }
        Ok(())
    }

    /// `wish` if no value is called that, else a name after it.
    fn free(&mut self, wish: &str, prefix: &str) -> String {
        match self.taken.insert(wish.to_owned()) {
            true => wish.to_owned(),
            false => self.fresh(wish, prefix),
        }
    }

    fn fresh(&mut self, what: &str, prefix: &str) -> String {
        scope::fresh(&mut self.taken, prefix, what)
    }
}

fn node_of(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: op.into(),
        input: inputs.iter().map(|input| (*input).into()).collect(),
        output: vec![output.into()],
        ..Default::default()
    }
}
