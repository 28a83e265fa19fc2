//! Loops and scans whose number of turns is known.

use crate::onnx::passes::control_flow::{Budget, is_dense, number, trip_count};
use crate::onnx::passes::skipped::Skipped;
use crate::onnx::proto::{GraphProto, NodeProto};
use crate::onnx::{Graph, Shapes, names, printable};
use prost::Message;

/// How many bytes the nodes of a loop's turns may take in a file.
const MOST_BYTES: usize = 1 << 28;

/// A body and how often it runs. Its inputs are the number of the turn and a condition (of a `Loop`), what is carried from
/// turn to turn, and one position of each sequence (of a `Scan`); its outputs a condition (of a `Loop`), what is carried,
/// and one position of each result.
pub struct UnrolledLoop<'a> {
    pub body: &'a GraphProto,
    pub count: usize,
    /// Whether it is of a `Loop`.
    pub is_loop: bool,
    /// What the first turn is given.
    pub carried: &'a [String],
    pub sequences: Vec<(&'a str, ScanAxis)>,
    pub results: Vec<ScanAxis>,
}

/// How turns follow each other in a sequence.
#[derive(Debug, Clone, Copy)]
pub struct ScanAxis {
    pub axis: i64,
    pub reversed: bool,
}

impl UnrolledLoop<'_> {
    /// How large all turns become, with what counts, takes apart and stacks.
    pub fn size(&self) -> usize {
        let ends = self.carried.len() + self.results.len() + self.sequences.len();
        let turn = names::cost(&self.body.node) + 4 * ends + 1;
        turn.saturating_mul(self.count)
    }

    /// Refuses to write them out, where there is no room for them.
    pub fn check(&self, room: Budget) -> Result<(), Skipped> {
        // Constants are shared by all turns.
        let repeated = self.body.node.iter().filter(|node| !node.is("Constant"));
        let bytes: usize = repeated.map(Message::encoded_len).sum();
        if self.size() > room.size || bytes.saturating_mul(self.count) > MOST_BYTES {
            let turns = self.count;
            return Err(Skipped(format!("its {turns} turns make too large a graph")));
        }
        if self.count == 0 && !self.results.is_empty() {
            // Its dimensions are told by the body's types alone.
            return Err("it stacks what no turn makes".into());
        }
        Ok(())
    }
}

/// The turns of a `Loop` that runs a constant number of times.
pub fn of_loop<'a>(
    graph: &Graph,
    node: &'a NodeProto,
    room: Budget,
) -> Result<UnrolledLoop<'a>, Skipped> {
    let body = body(node)?;
    let carried = node.input.get(2..).unwrap_or_default();
    let fits = body.input.len() == carried.len() + 2
        && body.output.len() == node.output.len() + 1
        && node.output.len() >= carried.len()
        && node.input.len() >= 2;
    if !fits {
        return Err(Skipped("its body does not fit it".into()));
    }
    let begins = constant(graph, node, 1, "its condition")?;
    let limit = constant(graph, node, 0, "how often it runs at most")?;
    let count = match begins {
        Some(0.0) => 0,
        _ => {
            // What is less than 0 becomes 0.
            let limit = limit.map(|limit| limit as usize);
            let turn = 1 + names::cost(&body.node) + body.input.len();
            let most = 1 + room.trip_count / turn;
            trip_count::turns(graph, body, carried, (limit, most))?
        }
    };
    let stacked = ScanAxis {
        axis: 0,
        reversed: false,
    };
    Ok(UnrolledLoop {
        body,
        count,
        is_loop: true,
        carried,
        sequences: Vec::new(),
        results: vec![stacked; node.output.len() - carried.len()],
    })
}

/// The constant number that input `index` is, if it is given; `what` it is, for the refusal of anything else.
fn constant(
    graph: &Graph,
    node: &NodeProto,
    index: usize,
    what: &str,
) -> Result<Option<f64>, Skipped> {
    let Some(name) = node.input_at(index) else {
        return Ok(None);
    };
    match graph.constant(name).map(number).transpose()?.flatten() {
        Some(number) => Ok(Some(number)),
        None => {
            let name = printable(name);
            Err(Skipped(format!("{what} ({name}) is no constant number")))
        }
    }
}

/// The turns of a `Scan` through sequences of a known length.
pub fn of_scan<'a>(
    graph: &Graph,
    shapes: &[Shapes],
    node: &'a NodeProto,
) -> Result<UnrolledLoop<'a>, Skipped> {
    let body = body(node)?;
    let scanned = node.int("num_scan_inputs").unwrap_or(-1);
    let scanned = usize::try_from(scanned).unwrap_or(usize::MAX);
    let split = node.input.len().checked_sub(scanned);
    let made = split.and_then(|carried| node.output.len().checked_sub(carried));
    let fits = body.input.len() == node.input.len() && body.output.len() == node.output.len();
    let (Some(split), Some(made), true) = (split, made, fits) else {
        return Err(Skipped("its body does not fit it".into()));
    };
    let (carried, sequences) = node.input.split_at(split);
    let along = along(node, "scan_input_axes", "scan_input_directions", scanned)?;
    let sequences = sequences.iter().map(String::as_str).zip(along);
    let sequences: Vec<(&str, ScanAxis)> = sequences.collect();
    let count = common_length(graph, shapes, &sequences)?;
    let results = self::along(node, "scan_output_axes", "scan_output_directions", made)?;
    Ok(UnrolledLoop {
        body,
        count,
        is_loop: false,
        carried,
        sequences,
        results,
    })
}

/// How many positions all sequences have, whatever the dimensions of the graph's inputs.
fn common_length(
    graph: &Graph,
    shapes: &[Shapes],
    sequences: &[(&str, ScanAxis)],
) -> Result<usize, Skipped> {
    let mut common = None;
    for (name, along) in sequences {
        for shapes in shapes {
            let length = length(graph, shapes, name, along.axis).ok_or_else(|| {
                let name = printable(name);
                Skipped(format!("how long its sequence {name} is is not known"))
            })?;
            if common.is_some_and(|common| common != length) {
                return Err(Skipped(
                    "its sequences differ in length, or are as long as there are pictures".into(),
                ));
            }
            common = Some(length);
        }
    }
    common.ok_or_else(|| Skipped("how long its sequences are is not known".into()))
}

/// The graph that a node repeats.
fn body(node: &NodeProto) -> Result<&GraphProto, Skipped> {
    let held = node.attribute_named("body");
    let body = held.and_then(|held| held.g.as_deref());
    match body {
        None => Err(Skipped("it lacks a body".into())),
        Some(body) if !is_dense(body) => Err(Skipped("its body has sparse constants".into())),
        Some(body) => Ok(body),
    }
}

/// What the attributes `axes` and `directions` say of `count` sequences.
fn along(
    node: &NodeProto,
    axes: &str,
    directions: &str,
    count: usize,
) -> Result<Vec<ScanAxis>, Skipped> {
    let numbers = |name: &str| match node.ints(name) {
        None => Ok(vec![0; count]),
        Some(told) if told.len() == count => Ok(told.to_vec()),
        Some(told) => Err(Skipped(format!("{name} = {told:?}"))),
    };
    let pairs = numbers(axes)?.into_iter().zip(numbers(directions)?);
    let pairs = pairs.map(|(axis, direction)| ScanAxis {
        axis,
        reversed: direction != 0,
    });
    Ok(pairs.collect())
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
