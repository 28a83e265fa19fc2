//! Loops and scans of known trip count.

use crate::onnx::passes::control_flow::trip_count::trip_count;
use crate::onnx::passes::control_flow::{Budget, is_dense, scalar_value};
use crate::onnx::passes::skipped::Skipped;
use crate::onnx::proto::{GraphProto, NodeProto};
use crate::onnx::types::resolve_index;
use crate::onnx::{Graph, Types, names};
use crate::text::quoted;
use prost::Message;

/// Maximum encoded size in bytes of the nodes of all iterations of a loop.
const MAX_BYTES: usize = 1 << 28;

const BODY_MISMATCH: &str = "its body has other inputs or outputs";

/// A loop body and its trip count. Inputs of the body: iteration number and condition (`Loop` only), loop-carried
/// values, and a slice of each scan input (`Scan` only). Outputs: condition (`Loop` only), loop-carried values, and a
/// slice of each scan output.
pub struct UnrolledLoop<'a> {
    pub body: &'a GraphProto,
    pub trip_count: usize,
    /// Whether it is a `Loop`, not a `Scan`.
    pub is_loop: bool,
    /// Initial values of the loop-carried values.
    pub carried: &'a [String],
    pub scan_inputs: Vec<(&'a str, ScanAxis)>,
    pub scan_outputs: Vec<ScanAxis>,
}

/// The axis of a scan input or output along which the loop iterates, and the direction.
#[derive(Debug, Clone, Copy)]
pub struct ScanAxis {
    pub axis: i64,
    pub reversed: bool,
}

impl UnrolledLoop<'_> {
    /// Cost of all iterations (see [`names::cost`]), including the nodes that split scan inputs and stack scan outputs.
    pub fn cost(&self) -> usize {
        let ends = self.carried.len() + self.scan_outputs.len() + self.scan_inputs.len();
        let iteration = names::cost(&self.body.node) + 4 * ends + 1;
        iteration.saturating_mul(self.trip_count)
    }

    /// Checks that it can be unrolled within the budget.
    pub fn check(&self, budget: Budget) -> Result<(), Skipped> {
        // Constants are shared by all iterations.
        let repeated = self.body.node.iter().filter(|node| !node.is_op("Constant"));
        let bytes: usize = repeated.map(Message::encoded_len).sum();
        let trip_count = self.trip_count;
        if self.cost() > budget.growth || bytes.saturating_mul(trip_count) > MAX_BYTES {
            return Err(Skipped(format!(
                "its {trip_count} iterations would make the graph too large"
            )));
        }
        if trip_count == 0 && !self.scan_outputs.is_empty() {
            // Only the types of the body declare the dimensions of empty scan outputs.
            return Err("it has scan outputs and no iterations".into());
        }
        Ok(())
    }
}

/// A `Loop` of constant trip count.
pub fn of_loop<'a>(
    graph: &Graph,
    node: &'a NodeProto,
    budget: Budget,
) -> Result<UnrolledLoop<'a>, Skipped> {
    let body = body(node)?;
    let carried = node.input.get(2..).unwrap_or_default();
    let matches = body.input.len() == carried.len() + 2
        && body.output.len() == node.output.len() + 1
        && node.output.len() >= carried.len()
        && node.input.len() >= 2;
    if !matches {
        return Err(BODY_MISMATCH.into());
    }
    let condition = constant_scalar(graph, node, 1, "its condition")?;
    let limit = constant_scalar(graph, node, 0, "its trip count")?;
    let trip_count = match condition {
        Some(0.0) => 0,
        _ => {
            // The cast clamps negative numbers to 0.
            let limit = limit.map(|limit| limit as usize);
            let iteration = 1 + names::cost(&body.node) + body.input.len();
            let max = 1 + budget.evaluation / iteration;
            trip_count(graph, body, carried, (limit, max))?
        }
    };
    let stacked = ScanAxis {
        axis: 0,
        reversed: false,
    };
    Ok(UnrolledLoop {
        body,
        trip_count,
        is_loop: true,
        carried,
        scan_inputs: Vec::new(),
        scan_outputs: vec![stacked; node.output.len() - carried.len()],
    })
}

/// The value of input `index`, a constant of one element; `None` if it is omitted. `what` names it in the skip reason.
fn constant_scalar(
    graph: &Graph,
    node: &NodeProto,
    index: usize,
    what: &str,
) -> Result<Option<f64>, Skipped> {
    let Some(name) = node.input_at(index) else {
        return Ok(None);
    };
    let constant = graph.constant(name).map(scalar_value).transpose()?;
    match constant.flatten() {
        Some(value) => Ok(Some(value)),
        None => {
            let name = quoted(name);
            Err(Skipped(format!("{what} ({name}) is not a constant scalar")))
        }
    }
}

/// A `Scan` over scan inputs of known length.
pub fn of_scan<'a>(
    graph: &Graph,
    shapes: &[Types],
    node: &'a NodeProto,
) -> Result<UnrolledLoop<'a>, Skipped> {
    let body = body(node)?;
    let inputs = node.int("num_scan_inputs").unwrap_or(-1);
    let inputs = usize::try_from(inputs).unwrap_or(usize::MAX);
    let split = node.input.len().checked_sub(inputs);
    let outputs = split.and_then(|carried| node.output.len().checked_sub(carried));
    let matches = body.input.len() == node.input.len() && body.output.len() == node.output.len();
    let (Some(split), Some(outputs), true) = (split, outputs, matches) else {
        return Err(BODY_MISMATCH.into());
    };
    let (carried, scan_inputs) = node.input.split_at(split);
    let axes = scan_axes(node, "scan_input_axes", "scan_input_directions", inputs)?;
    let scan_inputs = scan_inputs.iter().map(String::as_str).zip(axes);
    let scan_inputs: Vec<(&str, ScanAxis)> = scan_inputs.collect();
    let trip_count = common_length(graph, shapes, &scan_inputs)?;
    let scan_outputs = scan_axes(node, "scan_output_axes", "scan_output_directions", outputs)?;
    Ok(UnrolledLoop {
        body,
        trip_count,
        is_loop: false,
        carried,
        scan_inputs,
        scan_outputs,
    })
}

/// The common length of all scan inputs, if it does not depend on the choice of the input dimensions.
fn common_length(
    graph: &Graph,
    shapes: &[Types],
    scan_inputs: &[(&str, ScanAxis)],
) -> Result<usize, Skipped> {
    let mut common = None;
    for (name, scan) in scan_inputs {
        for shapes in shapes {
            let length = length(graph, shapes, name, scan.axis).ok_or_else(|| {
                let name = quoted(name);
                Skipped(format!("the length of its scan input {name} is unknown"))
            })?;
            if common.is_some_and(|common| common != length) {
                return Err(Skipped(
                    "the lengths of its scan inputs differ, or depend on the batch size".into(),
                ));
            }
            common = Some(length);
        }
    }
    common.ok_or_else(|| Skipped("the length of its scan inputs is unknown".into()))
}

/// The body of a `Loop` or `Scan`.
fn body(node: &NodeProto) -> Result<&GraphProto, Skipped> {
    let attribute = node.attribute_named("body");
    let body = attribute.and_then(|attribute| attribute.g.as_deref());
    match body {
        None => Err(Skipped("it has no body".into())),
        Some(body) if !is_dense(body) => Err(Skipped("its body has sparse initializers".into())),
        Some(body) => Ok(body),
    }
}

/// The scan axes of `count` scan inputs or outputs, from the attributes called `axes` and `directions`.
fn scan_axes(
    node: &NodeProto,
    axes: &str,
    directions: &str,
    count: usize,
) -> Result<Vec<ScanAxis>, Skipped> {
    let numbers = |name: &str| match node.ints(name) {
        None => Ok(vec![0; count]),
        Some(values) if values.len() == count => Ok(values.to_vec()),
        Some(values) => Err(Skipped(format!("{name} = {values:?}"))),
    };
    let pairs = numbers(axes)?.into_iter().zip(numbers(directions)?);
    let pairs = pairs.map(|(axis, direction)| ScanAxis {
        axis,
        reversed: direction != 0,
    });
    Ok(pairs.collect())
}

/// Size of an axis of a value, if it is known.
fn length(graph: &Graph, shapes: &Types, value: &str, axis: i64) -> Option<usize> {
    let dims = graph.dims(value, shapes).ok()?;
    Some(dims[resolve_index(axis, dims.len())?])
}
