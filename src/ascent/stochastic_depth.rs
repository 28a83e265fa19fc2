//! Stochastic depth (Huang et al. 2016): each step drops random branches of a residual network. A picture that
//! maximizes the score of all such subnetworks depends less on peculiarities of this network, and other networks
//! recognise it more readily. Many residual networks were trained this way.
//!
//! Adds the gates of the branches to the network of a step graph.

use super::step_graph::names::BRANCHES;
use crate::autodiff::{Device, lowering::blocked::FeatureMaps};
use crate::onnx::types::{fixed_dims, value_info};
use crate::onnx::{Builder, ElementType, Error, Graph, NameScope, Types, residual};

/// A network with gates: factors of its residual branches that are inputs.
pub(super) struct Gated {
    pub graph: Graph,
    /// Number of gates. If it is not 0, the graph has the additional input [`BRANCHES`], (N, branches).
    pub branches: usize,
}

/// A residual branch: an input of a sum, and its batch axis (see [`Batch::axis`]).
struct Branch {
    place: usize,
    axis: usize,
    each: usize,
}

/// The batch of a network.
#[derive(Clone, Copy)]
pub(super) struct Batch<'a> {
    /// The types of the network's values for a single picture.
    pub one: &'a Types,
    pub runs: usize,
}

impl Batch<'_> {
    /// The batch axis of a value, and the number of positions per picture on it, for example the windows of a picture.
    /// `None` if it is unknown. It is not always the first axis: some transformers have the tokens there.
    pub fn axis(&self, value: &str, dims: &[usize]) -> Option<(usize, usize)> {
        let one = &self.one.find(value)?.dims;
        let axes = dims.len().min(one.len());
        let mut differing = (0..axes).filter(|&axis| one[axis] != dims[axis]);
        match (differing.next(), differing.next()) {
            _ if one.len() != dims.len() || dims.is_empty() => None,
            // A single element.
            (None, _) => (self.runs == 1).then_some((0, 1)),
            (Some(axis), None) if one[axis].checked_mul(self.runs) == Some(dims[axis]) => {
                Some((axis, one[axis]))
            }
            _ => None,
        }
    }
}

/// Adds a gate to every residual branch with a batch axis that `value` depends on. Adds the types
/// of the new values to `shapes`, which is for that batch. Existing values keep their names and, if
/// all gates are 1, their contents. The form of a gate depends on `device`.
///
/// # Errors
/// [`Error::Corrupt`] if the name of a new value is taken.
pub(super) fn gate(
    graph: &Graph,
    shapes: &mut Types,
    batch: Batch,
    value: &str,
    device: Device,
) -> Result<Gated, Error> {
    let runs = batch.runs;
    let needed = graph.ancestors([value]);
    let branch_of: Vec<Option<Branch>> = (0..graph.nodes().len())
        .map(|sum| {
            let place = residual::residual_input(graph, sum).filter(|_| needed[sum])?;
            let open = &graph.nodes()[sum].input[place];
            let (axis, each) = batch.axis(open, &shapes.find(open)?.dims)?;
            Some(Branch { place, axis, each })
        })
        .collect();
    let branches = branch_of.iter().flatten().count();
    let mut result = graph.empty_like();
    if branches > 0 {
        let gates = value_info(BRANCHES, ElementType::F32, &fixed_dims(&[runs, branches]));
        result.insert_input(gates)?;
    }
    for input in graph.inputs() {
        result.insert_input(input.clone())?;
    }
    for constant in graph.constants() {
        result.insert_constant(constant.clone())?;
    }
    let mut builder = Builder::extend(result, "ascent/gated/");
    builder.reserve(NameScope::from_graph(graph));
    let mut column = 0;
    for (node, branch) in graph.nodes().iter().zip(branch_of) {
        let mut node = node.clone();
        if let Some(Branch { place, axis, each }) = branch {
            let open = &mut node.input[place];
            let gated = shapes.get(open)?.clone();
            // One factor per run, on the batch axis.
            let mut dims = vec![1; gated.dims.len()];
            dims[axis] = (runs * each) as i64;
            let (index, dims) = (builder.ints(&[column]), builder.ints(&dims));
            let mut gate = builder.emit("Gather", &[BRANCHES, &index], &[("axis", 1i64.into())]);
            if each > 1 {
                let repeated = builder.ints(&[runs as i64, each as i64]);
                gate = builder.emit("Expand", &[&gate, &repeated], &[]);
            }
            let mut gate = builder.emit("Reshape", &[&gate, &dims], &[]);
            let maps = FeatureMaps::new(device, gated.elem, &gated.dims);
            if let Some(maps) = maps.filter(|_| axis == 0 && ends_narrowly(graph, open)) {
                gate = maps.repeat_over_channels_and_positions(&mut builder, &gate);
            }
            *open = builder.emit("Mul", &[open, &gate], &[]);
            shapes.insert(open.as_str(), gated);
            column += 1;
        }
        builder.append(node)?;
    }
    let mut graph_with_gates = builder.into_graph();
    graph_with_gates.set_outputs(graph.outputs().to_vec());
    Ok(Gated {
        graph: graph_with_gates,
        branches,
    })
}

/// Whether a value is computed by a convolution to fewer channels, as at the end of an inverted
/// residual block. A gate of its size then costs less than to reorder it; for the wide ends of
/// other blocks, broadcasting is as fast.
fn ends_narrowly(graph: &Graph, value: &str) -> bool {
    let node = graph.producer(value).map(|node| &graph.nodes()[node]);
    let weight = node
        .filter(|node| node.is_op("Conv"))
        .and_then(|node| graph.constant(node.input_at(1)?));
    weight.is_some_and(|weight| matches!(weight.dims[..], [out, inner, ..] if out < inner))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::types::{untyped_value, value_info};
    use crate::onnx::{Graph, ValueType};

    const DIMS: [usize; 4] = [2, 3, 4, 4];

    /// `start + f(start)`, where `f` is a convolution, followed by a residual function without weights.
    fn network() -> (Graph, Types) {
        let mut builder = Builder::empty(18, "");
        let start = input(&mut builder, &DIMS);
        convolution(&mut builder, "branch", &start, [DIMS[1]; 2]);
        builder
            .emit_named("sum", "Add", &["branch", &start], &[])
            .unwrap();
        builder
            .emit_named("cube", "Mul", &["sum", "sum"], &[])
            .unwrap();
        builder
            .emit_named("curve", "Add", &["sum", "cube"], &[])
            .unwrap();
        let mut graph = builder.into_graph();
        graph.set_outputs(vec![untyped_value("curve")]);
        (graph, all_of(&DIMS))
    }

    fn input(builder: &mut Builder, dims: &[usize]) -> String {
        let fixed = fixed_dims(dims);
        builder.input("start", ElementType::F32, &fixed).unwrap()
    }

    fn convolution(builder: &mut Builder, name: &str, of: &str, [from, to]: [usize; 2]) {
        let dims = [to as i64, from as i64, 1, 1];
        let weight = builder.floats(&dims, &vec![0.5; from * to]);
        builder
            .emit_named(name, "Conv", &[of, &weight], &[])
            .unwrap();
    }

    /// Types of `dims` for all values.
    fn all_of(dims: &[usize]) -> Types {
        let value = |name: &str| {
            let (elem, dims) = (ElementType::F32, dims.to_vec());
            (name.to_owned(), ValueType { elem, dims })
        };
        ["start", "branch", "sum", "cube", "curve"]
            .map(value)
            .into_iter()
            .collect()
    }

    /// The batch axis of a value of `dims` for two pictures and `one` for one.
    fn axis_of(one: &[usize], dims: &[usize]) -> Option<(usize, usize)> {
        let one = &all_of(one);
        Batch { one, runs: 2 }.axis("branch", dims)
    }

    #[test]
    fn the_batch_axis_is_recognised() {
        assert_eq!(axis_of(&[1, 3, 4, 4], &[2, 3, 4, 4]), Some((0, 1)));
        // Tokens first; windows.
        assert_eq!(axis_of(&[50, 1, 8], &[50, 2, 8]), Some((1, 1)));
        assert_eq!(axis_of(&[16, 49, 8], &[32, 49, 8]), Some((0, 16)));
        // Equal for all pictures; without a recognisable batch axis.
        assert_eq!(axis_of(&[1, 8], &[1, 8]), None);
        assert_eq!(axis_of(&[1, 8], &[2, 16]), None);
        assert_eq!(axis_of(&[], &[]), None);
    }

    #[test]
    fn windows_of_a_picture_share_its_gate() {
        let (graph, mut shapes) = network();
        let one = &all_of(&[1, 3, 4, 4]);
        let windows = &all_of(&[3, 3, 4, 4]);
        let gates = |one, shapes: &mut Types| {
            let gated = gate(
                &graph,
                shapes,
                Batch { one, runs: 2 },
                "curve",
                Device::FULL,
            )
            .unwrap();
            let ops = gated.graph.nodes().iter().map(|node| node.op_type.clone());
            ops.filter(|op| op == "Expand").count()
        };
        assert_eq!(gates(one, &mut shapes), 0);
        assert_eq!(gates(windows, &mut all_of(&[6, 3, 4, 4])), 1);
    }

    #[test]
    fn only_branches_with_weights_get_a_gate() {
        let (graph, mut shapes) = network();
        let one = &all_of(&[1, 3, 4, 4]);
        let gated = gate(
            &graph,
            &mut shapes,
            Batch { one, runs: 2 },
            "curve",
            Device::FULL,
        )
        .unwrap();
        assert_eq!(gated.branches, 1);
        let gates = value_info(BRANCHES, ElementType::F32, &fixed_dims(&[2, 1]));
        assert!(gated.graph.inputs().contains(&gates));
        let sum = &gated.graph.nodes()[gated.graph.producer("sum").unwrap()];
        assert_eq!(sum.input[1], "start");
        let product = &gated.graph.nodes()[gated.graph.producer(&sum.input[0]).unwrap()];
        assert!(product.is_op("Mul") && product.input[0] == "branch");
        assert_eq!(shapes.get(&sum.input[0]).unwrap().dims, DIMS);
        let curve = &gated.graph.nodes()[gated.graph.producer("curve").unwrap()];
        assert_eq!(curve.input, ["sum", "cube"]);
    }

    /// The dimensions to which the gate of `start + branch`, (2, channels, 4, 4), is expanded for a device before its
    /// product with the branch; `None` if it is broadcast. The branch ends in a convolution of `wide` channels.
    fn repeated(channels: usize, wide: usize, device: Device) -> Option<Vec<i64>> {
        let dims = [2, channels, 4, 4];
        let mut builder = Builder::empty(18, "");
        let start = input(&mut builder, &dims);
        convolution(&mut builder, "wide", &start, [channels, wide]);
        convolution(&mut builder, "branch", "wide", [wide, channels]);
        builder
            .emit_named("sum", "Add", &["branch", &start], &[])
            .unwrap();
        let mut graph = builder.into_graph();
        graph.set_outputs(vec![untyped_value("sum")]);
        let one = &all_of(&[1, channels, 4, 4]);
        let batch = Batch { one, runs: 2 };
        let gated = gate(&graph, &mut all_of(&dims), batch, "sum", device).unwrap();
        assert_eq!(gated.branches, 1);
        let graph = gated.graph;
        let node = |value: &str| &graph.nodes()[graph.producer(value).unwrap()];
        let product = node(&node("sum").input[0]);
        assert_eq!(product.input[0], "branch");
        let gate = node(&product.input[1]);
        if gate.is_op("Reshape") {
            return None;
        }
        assert!(gate.is_op("Conv"));
        let ones = graph.constant(&gate.input[1]).unwrap();
        assert_eq!(ones.dims, [channels as i64, 1, 1, 1]);
        let expanded = graph.constant(&node(&gate.input[0]).input[1]);
        Some(expanded.unwrap().to_i64().unwrap())
    }

    #[test]
    fn gates_of_narrow_ends_are_repeated_where_that_keeps_them_blocked() {
        assert_eq!(repeated(4, 8, Device::CPU), Some(vec![2, 1, 4, 4]));
        assert_eq!(repeated(4, 4, Device::CPU), None);
        assert_eq!(repeated(3, 8, Device::CPU), None);
        assert_eq!(repeated(4, 8, Device::FULL), None);
    }

    #[test]
    fn a_value_without_branches_before_it_needs_no_gates() {
        let (graph, mut shapes) = network();
        let one = &all_of(&[1, 3, 4, 4]);
        let gated = gate(
            &graph,
            &mut shapes,
            Batch { one, runs: 2 },
            "branch",
            Device::FULL,
        )
        .unwrap();
        assert_eq!(gated.branches, 0);
        assert_eq!(gated.graph.inputs(), graph.inputs());
        assert_eq!(gated.graph.nodes(), graph.nodes());
    }
}
