//! Checks ranks before a rule relies on them. Dimensions come from the file or from shape inference and may contradict
//! the operator. Such a node is an error.

use super::Error;
use super::context::Context;

/// Ranks that an operator requires of its inputs, as far as they are known.
struct RankConstraint {
    op: &'static str,
    /// Minimum rank of the first input.
    minimum: usize,
    /// Number of leading inputs that have the rank of the first output.
    matching: usize,
}

const fn constraint(op: &'static str, minimum: usize, matching: usize) -> RankConstraint {
    RankConstraint {
        op,
        minimum,
        matching,
    }
}

#[rustfmt::skip]
const CONSTRAINTS: &[RankConstraint] = &[
    constraint("AveragePool", 3, 1),
    constraint("BatchNormalization", 1, 1),
    constraint("Concat", 1, usize::MAX),
    constraint("Conv", 3, 2),
    constraint("ConvTranspose", 3, 2),
    constraint("GlobalAveragePool", 2, 1),
    constraint("GlobalLpPool", 2, 1),
    constraint("GlobalMaxPool", 2, 1),
    constraint("GridSample", 3, 2),
    constraint("GroupNormalization", 2, 1),
    constraint("InstanceNormalization", 2, 1),
    constraint("LRN", 2, 1),
    constraint("LpPool", 3, 1),
    constraint("MaxPool", 3, 1),
    constraint("Pad", 0, 1),
    constraint("Resize", 0, 1),
    constraint("RoiAlign", 4, 1),
    constraint("Slice", 0, 1),
    constraint("Tile", 0, 1),
];

/// Checks the ranks of a node's values against its operator. Unknown ranks are left to the rule.
///
/// # Errors
/// [`Error::Unsupported`].
pub(super) fn check(cx: &Context) -> Result<(), Error> {
    let Some(constraint) = CONSTRAINTS
        .iter()
        .find(|constraint| cx.node.is_op(constraint.op))
    else {
        return Ok(());
    };
    let rank = |value: &str| cx.dims(value).ok().map(|dims| dims.len());
    let output = cx.node.output.first().and_then(|name| rank(name));
    let inputs = cx.node.input.iter().take(constraint.matching.max(1));
    for (index, input) in inputs.enumerate() {
        let Some(actual) = rank(input) else { continue };
        let enough = index > 0 || actual >= constraint.minimum;
        if !enough || output.is_some_and(|output| output != actual) {
            let output = output.map_or("?".into(), |rank| rank.to_string());
            return Err(cx.unsupported(&format!(
                "its input {index} has {actual} axes, its output {output}"
            )));
        }
    }
    Ok(())
}
