//! Loops and scans whose number of turns is known.

use super::{is_dense, truth};
use crate::onnx::graph::constant_of;
use crate::onnx::proto::{GraphProto, NodeProto};
use crate::onnx::{Error, Graph, Shapes, scope};
use prost::Message;

/// How many bytes the nodes of a loop's turns may take in a file.
const MOST_BYTES: usize = 1 << 28;

/// A body and how often it runs. Its inputs are the number of the turn and a condition (of a `Loop`), what is carried from
/// turn to turn, and one position of each sequence (of a `Scan`); its outputs a condition (of a `Loop`), what is carried,
/// and one position of each result.
pub struct Turns<'a> {
    pub body: &'a GraphProto,
    pub count: usize,
    /// Whether it is of a `Loop`.
    pub is_loop: bool,
    /// What the first turn is given.
    pub carried: &'a [String],
    pub sequences: Vec<(&'a str, Along)>,
    pub results: Vec<Along>,
}

/// How turns follow each other in a sequence.
#[derive(Debug, Clone, Copy)]
pub struct Along {
    pub axis: i64,
    pub reversed: bool,
}

impl Turns<'_> {
    /// How large all turns become, with what counts, takes apart and stacks.
    pub fn size(&self) -> usize {
        let ends = self.carried.len() + self.results.len() + self.sequences.len();
        let turn = scope::size(&self.body.node) + 4 * ends + 1;
        turn.saturating_mul(self.count)
    }

    /// Whether they may be written out, where the graph may become larger by `most`.
    pub fn fit(&self, most: usize) -> bool {
        // Constants are shared by all turns.
        let repeated = self.body.node.iter().filter(|node| !node.is("Constant"));
        let bytes: usize = repeated.map(Message::encoded_len).sum();
        // Something stacked of no turns at all has dimensions that only the body's types tell.
        let stacks_nothing = self.count == 0 && !self.results.is_empty();
        self.size() <= most && bytes.saturating_mul(self.count) <= MOST_BYTES && !stacks_nothing
    }
}

/// The turns of a `Loop` that runs a constant number of times.
pub fn of_loop<'a>(graph: &Graph, node: &'a NodeProto) -> Result<Option<Turns<'a>>, Error> {
    let Some(body) = body(node) else {
        return Ok(None);
    };
    let carried = node.input.get(2..).unwrap_or_default();
    let fits = body.input.len() == carried.len() + 2
        && body.output.len() == node.output.len() + 1
        && node.output.len() >= carried.len()
        && node.input.len() >= 2;
    if !fits {
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
    let stacked = Along {
        axis: 0,
        reversed: false,
    };
    Ok(Some(Turns {
        body,
        count,
        is_loop: true,
        carried,
        sequences: Vec::new(),
        results: vec![stacked; node.output.len() - carried.len()],
    }))
}

/// The turns of a `Scan` through sequences of a known length.
pub fn of_scan<'a>(graph: &Graph, shapes: &[Shapes], node: &'a NodeProto) -> Option<Turns<'a>> {
    let body = body(node)?;
    let scanned = usize::try_from(node.int("num_scan_inputs")?).ok()?;
    let carried = node.input.len().checked_sub(scanned)?;
    let made = node.output.len().checked_sub(carried)?;
    if body.input.len() != node.input.len() || body.output.len() != node.output.len() {
        return None;
    }
    let (carried, sequences) = node.input.split_at(carried);
    let along = along(node, "scan_input_axes", "scan_input_directions", scanned)?;
    let sequences = sequences.iter().map(String::as_str).zip(along);
    let sequences: Vec<(&str, Along)> = sequences.collect();
    let lengths = sequences.iter().flat_map(|(name, along)| {
        let each = |shapes| length(graph, shapes, name, along.axis);
        shapes.iter().map(each)
    });
    let lengths: Vec<usize> = lengths.collect::<Option<_>>()?;
    let count = *lengths.first()?;
    let all_alike = lengths.iter().all(|&length| length == count);
    let results = self::along(node, "scan_output_axes", "scan_output_directions", made)?;
    all_alike.then_some(Turns {
        body,
        count,
        is_loop: false,
        carried,
        sequences,
        results,
    })
}

/// The graph that a node repeats.
fn body(node: &NodeProto) -> Option<&GraphProto> {
    let held = node.attribute_named("body")?.g.as_deref();
    held.filter(|body| is_dense(body))
}

/// What the attributes `axes` and `directions` say of `count` sequences; `None` if they are of other ones.
fn along(node: &NodeProto, axes: &str, directions: &str, count: usize) -> Option<Vec<Along>> {
    let numbers = |name: &str| match node.ints(name) {
        None => Some(vec![0; count]),
        Some(told) => (told.len() == count).then(|| told.to_vec()),
    };
    let pairs = numbers(axes)?.into_iter().zip(numbers(directions)?);
    let pairs = pairs.map(|(axis, direction)| Along {
        axis,
        reversed: direction != 0,
    });
    Some(pairs.collect())
}

/// How many positions the axis of a value has.
fn length(graph: &Graph, shapes: &Shapes, value: &str, axis: i64) -> Option<usize> {
    let dims = match graph.constant(value) {
        Some(constant) => constant.shape().ok()?,
        None => shapes.find(value)?.dims.clone(),
    };
    let from_front = if axis < 0 {
        axis + dims.len() as i64
    } else {
        axis
    };
    dims.get(usize::try_from(from_front).ok()?).copied()
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
