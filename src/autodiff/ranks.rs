//! Numbers of axes: what rules build on, checked before they do. Dimensions come from a file, or from someone's inference
//! of them, and may contradict the operator; then a node is refused.

use super::Error;
use super::context::Context;

/// What an operator asks of the ranks of its values, where they are known.
struct Demand {
    op: &'static str,
    /// The least rank of the first input.
    least: usize,
    /// How many inputs, from the first on, are of the first output's rank.
    alike: usize,
}

const fn demand(op: &'static str, least: usize, alike: usize) -> Demand {
    Demand { op, least, alike }
}

#[rustfmt::skip]
const DEMANDS: &[Demand] = &[
    demand("AveragePool", 3, 1),
    demand("BatchNormalization", 1, 1),
    demand("Concat", 1, usize::MAX),
    demand("Conv", 3, 2),
    demand("ConvTranspose", 3, 2),
    demand("GlobalAveragePool", 2, 1),
    demand("GlobalLpPool", 2, 1),
    demand("GlobalMaxPool", 2, 1),
    demand("GridSample", 3, 2),
    demand("GroupNormalization", 2, 1),
    demand("InstanceNormalization", 2, 1),
    demand("LRN", 2, 1),
    demand("LpPool", 3, 1),
    demand("MaxPool", 3, 1),
    demand("Pad", 0, 1),
    demand("Resize", 0, 1),
    demand("RoiAlign", 4, 1),
    demand("Slice", 0, 1),
    demand("Tile", 0, 1),
];

/// Refuses a node whose values have ranks that its operator cannot have. Ranks that are not known are the rule's business.
///
/// # Errors
/// [`Error::Form`].
pub(super) fn check(cx: &Context) -> Result<(), Error> {
    let Some(demand) = DEMANDS.iter().find(|demand| cx.node.is(demand.op)) else {
        return Ok(());
    };
    let rank = |value: &str| cx.dims(value).ok().map(|dims| dims.len());
    let output = cx.node.output.first().and_then(|name| rank(name));
    let inputs = cx.node.input.iter().take(demand.alike.max(1));
    for (index, input) in inputs.enumerate() {
        let Some(found) = rank(input) else { continue };
        let enough = index > 0 || found >= demand.least;
        if !enough || output.is_some_and(|output| output != found) {
            let made = output.map_or("?".into(), |rank| rank.to_string());
            return Err(cx.form(&format!(
                "its input {index} has {found} axes, its output {made}"
            )));
        }
    }
    Ok(())
}
