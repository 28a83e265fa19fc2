//! Puts convolutions in blocked channels (NCHWc) in the place of transposed convolutions of stride 2: one for each
//! phase of the result, that is for every second row and column, and
//! [`InterleavePhases`](super::phases) to make one picture of them.
//!
//! ONNX Runtime computes a transposed convolution as a matrix product, whose columns one thread adds up, and outside
//! of blocked channels.

use super::blocked::{BLOCKED, reorder_input, reorder_output};
use super::transposed::Transposed;
use crate::onnx::own_operators::{BLOCK, DOMAIN, INTERLEAVE_PHASES, MISSING};
use crate::onnx::proto::{NodeProto, TensorProto};
use crate::onnx::{Error, Graph, NameScope, Types, ValueType};

/// The graph with transposed convolutions of stride 2 in phases, in blocks of `block` channels. `types` are those of
/// its values, as far as they are known.
///
/// # Errors
/// [`Error`] if the graph is damaged.
pub(super) fn with_phases(graph: Graph, types: &Types, block: usize) -> Result<Graph, Error> {
    let matched = |node| {
        let form = matched(&graph, node, block)?;
        form.has_odd_places(types.find(&node.output[0]))
            .then_some(form)
    };
    if !graph.nodes().iter().any(|node| matched(node).is_some()) {
        return Ok(graph);
    }
    let mut names = NameScope::from_graph(&graph);
    let mut result = graph.without_nodes();
    for node in graph.nodes() {
        match matched(node) {
            Some(form) => form.insert(node, &mut names, &mut result)?,
            None => result.insert(node.clone())?,
        }
    }
    result.set_outputs(graph.outputs().to_vec());
    Ok(result)
}

/// A transposed convolution of stride 2.
struct Form<'g> {
    transposed: Transposed<'g>,
    /// The phases of rows, and those of columns.
    axes: [Phases; 2],
    block: usize,
}

/// The transposed convolution that `node` is, if it can be computed in phases.
fn matched<'g>(graph: &'g Graph, node: &NodeProto, block: usize) -> Option<Form<'g>> {
    let transposed = Transposed::of_node(graph, node)?;
    let [inputs, outputs, rows, columns] = transposed.sizes;
    let [top, left, bottom, right] = transposed.pads;
    let are_full = inputs.is_multiple_of(block) && outputs.is_multiple_of(block);
    let [more_rows, more_columns] = transposed.output_padding;
    (are_full && transposed.strides == [2, 2]).then_some(())?;
    Some(Form {
        axes: [
            Phases::new(rows, [top, bottom], more_rows)?,
            Phases::new(columns, [left, right], more_columns)?,
        ],
        transposed,
        block,
    })
}

/// The phases of an axis.
struct Phases {
    /// Of even and of odd places; `None` if no tap reaches them.
    phases: [Option<Phase>; 2],
    /// Odd places that there are fewer than even ones.
    missing: i64,
}

/// Every second place of an axis, which a convolution computes.
struct Phase {
    /// The tap of the transposed convolution for each tap of the convolution.
    taps: Vec<usize>,
    /// Zeros before and after.
    pads: [i64; 2],
}

impl Phases {
    /// Of a transposed convolution of stride 2 along this axis. `None` if a phase reads less than the whole input, or
    /// even places are only zeros.
    fn new(taps: usize, pads: [i64; 2], output_padding: i64) -> Option<Self> {
        let taps = i64::try_from(taps).ok().filter(|taps| *taps < MAX_SIZE)?;
        (pads.iter().all(|pad| *pad < MAX_SIZE)).then_some(())?;
        // The size of the result less twice that of the input.
        let longer = output_padding + taps - pads[0] - pads[1] - 2;
        let phase = |parity: i64| {
            // Tap t of the transposed convolution adds to place p of the result what is at (p + pad - t) / 2.
            let first = (parity + pads[0]) % 2;
            let count = (taps - first + 1) / 2;
            if count < 1 {
                return Some(None);
            }
            let last_source = (parity + pads[0] - first) / 2;
            let before = count - 1 - last_source;
            let size = (longer + 1 - parity).div_euclid(2);
            let after = size - before + count - 1;
            let taps = (0..count).rev().map(|tap| (first + 2 * tap) as usize);
            (before >= 0 && after >= 0).then(|| {
                Some(Phase {
                    taps: taps.collect(),
                    pads: [before, after],
                })
            })
        };
        let phases = [phase(0)?, phase(1)?];
        (phases[0].is_some()).then_some(Self {
            phases,
            missing: longer.rem_euclid(2),
        })
    }
}

/// Maximum taps and pads.
const MAX_SIZE: i64 = 1 << 20;

impl Form<'_> {
    /// Whether the result, of the type `known`, has odd rows and odd columns: ONNX Runtime has no convolution without.
    fn has_odd_places(&self, known: Option<&ValueType>) -> bool {
        self.axes.iter().enumerate().all(|(axis, phases)| {
            let size = known.and_then(|known| known.dims.get(axis + 2));
            phases.missing == 0 || size.is_some_and(|size| *size > 1)
        })
    }

    /// Inserts its nodes in the place of `node`.
    fn insert(
        &self,
        node: &NodeProto,
        names: &mut NameScope,
        graph: &mut Graph,
    ) -> Result<(), Error> {
        let mut fresh = |name| names.fresh("phases", name);
        let gradient = fresh("blocked");
        graph.insert(reorder_input(&node.input[0], &gradient))?;
        let mut phases = Vec::new();
        for (rows, columns) in self.pairs() {
            let (Some(rows), Some(columns)) = (rows, columns) else {
                phases.push(String::new());
                continue;
            };
            let (weights, phase) = (fresh("weights"), fresh("phase"));
            graph.insert_constant(self.blocked_weights(rows, columns, &weights)?)?;
            let pads = [0, 1].map(|end| [rows.pads[end], columns.pads[end]]);
            let kernel = [rows, columns].map(|phase| phase.taps.len() as i64);
            let convolution = NodeProto::new("Conv", &[&gradient, &weights], &[&phase])
                .with_name(&phase)
                .in_domain(BLOCKED)
                .attr("kernel_shape", kernel.as_slice())
                .attr("pads", pads.as_flattened())
                .attr("strides", [1i64; 2].as_slice())
                .attr("dilations", [1i64; 2].as_slice())
                .attr("group", 1i64)
                .attr("auto_pad", "NOTSET");
            graph.insert(convolution)?;
            phases.push(phase);
        }
        let blocked = fresh("result");
        let missing = [0, 1].map(|axis: usize| self.axes[axis].missing);
        let interleaved = NodeProto::new(INTERLEAVE_PHASES, &phases, &[&blocked])
            .with_name(&node.name)
            .in_domain(DOMAIN)
            .attr(BLOCK, self.block as i64)
            .attr(MISSING, missing.as_slice());
        graph.insert(interleaved)?;
        graph.insert(reorder_output(
            &blocked,
            self.transposed.sizes[1],
            &node.output[0],
        ))
    }

    /// The phases of rows and of columns of each phase, in the order of the operator.
    fn pairs(&self) -> impl Iterator<Item = (Option<&Phase>, Option<&Phase>)> {
        let [rows, columns] = &self.axes;
        let rows = rows.phases.iter();
        rows.flat_map(|row| {
            columns
                .phases
                .iter()
                .map(move |column| (row.as_ref(), column.as_ref()))
        })
    }

    /// The weights of a convolution (O, I, h, w), whose memory is (O/B, I/B, h, w, B of I, B of O).
    fn blocked_weights(
        &self,
        rows: &Phase,
        columns: &Phase,
        name: &str,
    ) -> Result<TensorProto, Error> {
        let values = self.transposed.weights.to_f32()?;
        let [inputs, outputs, height, width] = self.transposed.sizes;
        let mut blocked =
            Vec::with_capacity(inputs * outputs * rows.taps.len() * columns.taps.len());
        for output in (0..outputs).step_by(self.block) {
            for input in (0..inputs).step_by(self.block) {
                for (row, column) in rows
                    .taps
                    .iter()
                    .flat_map(|row| columns.taps.iter().map(move |column| (row, column)))
                {
                    for input in input..input + self.block {
                        for output in output..output + self.block {
                            let kernel = (input * outputs + output) * height;
                            blocked.push(values[(kernel + row) * width + column]);
                        }
                    }
                }
            }
        }
        let dims = [outputs, inputs, rows.taps.len(), columns.taps.len()];
        Ok(TensorProto::from_f32(
            name,
            &dims.map(|size| size as i64),
            &blocked,
        ))
    }
}
