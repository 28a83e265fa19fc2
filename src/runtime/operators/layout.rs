//! Keeps element-wise nodes of an optimized graph in blocked channels (NCHWc).
//!
//! ONNX Runtime computes an element-wise node in blocked channels if its operands are blocked and have the same
//! dimensions. The operands of any other one are reordered, and so is its result. [`with_blocked_nodes`] has such nodes
//! read the blocked tensors, if their channels are full blocks. A value per channel (N, C, 1, 1) has the same memory in
//! both layouts. An operand that was repeated over channels or positions only to be blocked is broadcast instead.
//!
//! Standard operators cannot broadcast in blocked channels. The nodes get the attribute [`BLOCK`], and
//! [`super::fusion`] makes each of them part of an [`Elementwise`](super::elementwise) node.

use super::blocked::{
    BLOCKED, full_channels, is_blocked, is_reorder_input, reorder_input, reorder_output,
};
use super::depthwise_rewrite::products;
use super::formula::formula;
use super::known_types::KnownTypes;
use crate::onnx::own_operators::BLOCK;
use crate::onnx::proto::NodeProto;
use crate::onnx::{Error, Graph, NameScope, ValueType};
use std::collections::{HashMap, HashSet};

/// Sizes along the axes (N, C, H, W).
type Dims = [usize; 4];

/// The graph with its element-wise nodes in blocks of `block` channels, as far as that saves reordering.
///
/// # Errors
/// [`Error`] if the graph is damaged.
pub(super) fn with_blocked_nodes(
    graph: &Graph,
    known: &KnownTypes,
    block: usize,
) -> Result<Graph, Error> {
    let pass = Pass::new(graph, known, block);
    let moves = pass.moves();
    Rewrite::new(&pass, &moves).graph()
}

/// Values in blocked channels: the results of operators on them. The standard operators that follow such an operator
/// without reordering compute in its layout.
pub(super) fn blocked_values(graph: &Graph) -> HashSet<&str> {
    let mut blocked = HashSet::new();
    for node in graph.nodes() {
        let is_blocked = match node.domain.as_str() {
            BLOCKED => node.op_type != "ReorderOutput",
            _ => node.reads().any(|value| blocked.contains(value)),
        };
        if is_blocked {
            blocked.extend(node.output.iter().map(String::as_str));
        }
    }
    blocked
}

/// What a node that computes in blocked channels reads. Each holds the name of a value of the graph.
enum Operand {
    /// A tensor in blocked channels.
    Blocked(String),
    /// The result of another node that is moved to blocked channels.
    Moved(String),
    /// A tensor (N, C, H, W), which is to be reordered.
    Plain(String),
    /// A value per channel (N, C, 1, 1) or per sample (N, 1, 1, 1), which is broadcast.
    Broadcast(String),
}

impl Operand {
    /// Whether it is a tensor that need not be reordered.
    fn is_blocked(&self) -> bool {
        matches!(self, Self::Blocked(_) | Self::Moved(_))
    }
}

/// A node that is moved to blocked channels.
struct Move {
    operands: Vec<Operand>,
    /// Channels of its result.
    channels: usize,
    /// Whether ONNX Runtime has it in blocked channels already.
    was_blocked: bool,
}

struct Pass<'g> {
    graph: &'g Graph,
    known: &'g KnownTypes<'g>,
    block: usize,
    types: Vec<Option<ValueType>>,
    blocked: HashSet<&'g str>,
    /// Results of nodes that [`super::depthwise_rewrite`] replaces.
    replaced: HashSet<&'g str>,
    readers: HashMap<&'g str, Vec<usize>>,
}

impl<'g> Pass<'g> {
    fn new(graph: &'g Graph, known: &'g KnownTypes<'g>, block: usize) -> Self {
        Self {
            graph,
            known,
            block,
            types: known.of_nodes(graph),
            blocked: blocked_values(graph),
            replaced: products(graph),
            readers: graph.consumers(),
        }
    }

    /// The nodes that are moved, by their index.
    fn moves(&self) -> HashMap<usize, Move> {
        let mut moves = HashMap::new();
        for index in 0..self.graph.nodes().len() {
            if let Some(moved) = self.candidate(index, &moves) {
                moves.insert(index, moved);
            }
        }
        // Readers are decided first.
        for index in (0..self.graph.nodes().len()).rev() {
            if moves
                .get(&index)
                .is_some_and(|moved| !self.gains(index, moved, &moves))
            {
                moves.remove(&index);
            }
        }
        self.consistent(moves)
    }

    /// How a node would compute in blocked channels; `None` if it cannot, or does not need to be moved.
    fn candidate(&self, index: usize, moves: &HashMap<usize, Move>) -> Option<Move> {
        let node = &self.graph.nodes()[index];
        let known = self.types[index].as_ref()?;
        let dims = Dims::try_from(known.dims.as_slice()).ok()?;
        let is_full = dims[1].is_multiple_of(self.block) && dims[2].saturating_mul(dims[3]) > 1;
        let value = node.output[0].as_str();
        if !is_full || node.is_op("Cast") || self.replaced.contains(value) {
            return None;
        }
        let formula = formula(self.graph, node, known, &self.types)?;
        let was_blocked = self.blocked.contains(value);
        // ONNX Runtime may have moved a transpose behind the node, whose result then has another name and other axes.
        if !was_blocked && self.known.of_value(value) != Some(known) {
            return None;
        }
        let operand = |value: &String| {
            if was_blocked {
                Some(self.blocked_operand(value, dims))
            } else {
                self.operand(value, dims, moves)
            }
        };
        let operands: Vec<Operand> = formula.inputs.iter().map(operand).collect::<Option<_>>()?;
        // One that was blocked only changes if it broadcasts.
        let changes = !was_blocked
            || (operands.iter()).any(|operand| matches!(operand, Operand::Broadcast(_)));
        let is_moved = changes && operands.iter().any(Operand::is_blocked);
        is_moved.then_some(Move {
            operands,
            channels: dims[1],
            was_blocked,
        })
    }

    /// A blocked tensor (N, C, H, W) as an operand.
    fn blocked_operand(&self, value: &str, dims: Dims) -> Operand {
        match self.repeated(value, dims) {
            Some(value) => Operand::Broadcast(value.into()),
            None => Operand::Blocked(value.into()),
        }
    }

    /// What a node of a result (N, C, H, W), whose operands are not blocked, reads in blocked channels.
    fn operand(&self, value: &str, dims: Dims, moves: &HashMap<usize, Move>) -> Option<Operand> {
        let producer = self.graph.producer(value);
        if let Some(index) = producer.filter(|index| moves.contains_key(index)) {
            let own = self.types[index].as_ref()?;
            return (own.dims == dims).then(|| Operand::Moved(value.into()));
        }
        let own = self.dims(value)?;
        let source = producer
            .map(|index| &self.graph.nodes()[index])
            .filter(|node| full_channels(node, self.block).is_some())
            .map(|node| node.input[0].as_str());
        match own {
            [_, 1, 1, 1] => Some(Operand::Broadcast(value.into())),
            [_, channels, 1, 1] if channels == dims[1] => {
                Some(Operand::Broadcast(source.unwrap_or(value).into()))
            }
            _ if own == dims => Some(match source {
                Some(source) => self.blocked_operand(source, dims),
                // What has fewer axes cannot be reordered.
                None if self.axes(value)?.len() < dims.len() => return None,
                None => Operand::Plain(value.into()),
            }),
            _ => None,
        }
    }

    /// Dimensions of a value that is not blocked.
    fn axes(&self, value: &str) -> Option<Vec<usize>> {
        match self.graph.constant(value) {
            Some(constant) => constant.shape().ok(),
            None => Some(self.known.of_value(value)?.dims.clone()),
        }
    }

    /// As [`Pass::axes`], with axes of size 1 before those that it has.
    fn dims(&self, value: &str) -> Option<Dims> {
        let axes = self.axes(value)?;
        let mut padded = [1; 4];
        padded
            .get_mut(4usize.checked_sub(axes.len())?..)?
            .copy_from_slice(&axes);
        Some(padded)
    }

    /// What a blocked tensor (N, C, H, W) repeats over positions or channels.
    fn repeated(&self, value: &str, dims: Dims) -> Option<&'g str> {
        let producer = |value: &str| {
            self.graph
                .producer(value)
                .map(|index| &self.graph.nodes()[index])
        };
        let node = producer(value)?;
        if is_blocked(node, "Upsample") {
            let scales = [1, 1, dims[2] as i64, dims[3] as i64];
            let is_repeated =
                node.ints("scales") == Some(&scales) && node.string("mode") == Some("nearest");
            return is_repeated.then(|| node.input[0].as_str());
        }
        // A plane is repeated over channels by a convolution with ones.
        let [plane, ones] = node.input.as_slice() else {
            return None;
        };
        let ones = self
            .graph
            .constant(ones)
            .filter(|_| is_blocked(node, "Conv"))?;
        let is_default = |name: &str, default: i64| {
            let values = node.ints(name).unwrap_or_default();
            values.iter().all(|value| *value == default)
        };
        let is_repeated = ones.dims.get(1..) == Some(&[1, 1, 1])
            && ones.to_f32().ok()?.iter().all(|weight| *weight == 1.0)
            && is_default("pads", 0)
            && is_default("strides", 1)
            && node.attribute_named("activation").is_none();
        let expand = producer(plane).filter(|node| is_repeated && node.is_op("Expand"))?;
        let number = expand.input.first()?;
        (self.dims(number)? == [dims[0], 1, 1, 1]).then_some(number.as_str())
    }

    /// Whether moving a node saves reordering.
    fn gains(&self, index: usize, moved: &Move, moves: &HashMap<usize, Move>) -> bool {
        let value = self.graph.nodes()[index].output[0].as_str();
        let readers = self.readers.get(value).map_or(&[][..], Vec::as_slice);
        let is_read_blocked = |reader: &usize| {
            moves.contains_key(reader) || is_reorder_input(&self.graph.nodes()[*reader])
        };
        // Else the result is reordered in place of its operands.
        let tensors = moved.operands.iter().filter(|operand| operand.is_blocked());
        moved.was_blocked || readers.iter().any(is_read_blocked) || tensors.count() > 1
    }

    /// The moves whose operands are moved too, as they expect.
    fn consistent(&self, mut moves: HashMap<usize, Move>) -> HashMap<usize, Move> {
        for index in 0..self.graph.nodes().len() {
            let Some(mut moved) = moves.remove(&index) else {
                continue;
            };
            for operand in &mut moved.operands {
                if let Operand::Moved(value) = operand
                    && !self
                        .graph
                        .producer(value)
                        .is_some_and(|index| moves.contains_key(&index))
                {
                    *operand = Operand::Plain(std::mem::take(value));
                }
            }
            if moved.operands.iter().any(Operand::is_blocked) {
                moves.insert(index, moved);
            }
        }
        moves
    }
}

/// The graph under construction.
struct Rewrite<'p> {
    pass: &'p Pass<'p>,
    moves: &'p HashMap<usize, Move>,
    result: Graph,
    /// What is read in place of the results of nodes that are dropped.
    aliases: HashMap<&'p str, String>,
    /// Values that have been reordered to blocked channels.
    reordered: HashSet<&'p str>,
    /// The name that each value has in blocked channels.
    blocked_names: HashMap<&'p str, String>,
    names: NameScope,
}

impl<'p> Rewrite<'p> {
    fn new(pass: &'p Pass<'p>, moves: &'p HashMap<usize, Move>) -> Self {
        Self {
            pass,
            moves,
            result: pass.graph.without_nodes(),
            aliases: HashMap::new(),
            reordered: HashSet::new(),
            blocked_names: HashMap::new(),
            names: NameScope::from_graph(pass.graph),
        }
    }

    fn graph(mut self) -> Result<Graph, Error> {
        let graph = self.pass.graph;
        for (index, node) in graph.nodes().iter().enumerate() {
            if let Some(moved) = self.moves.get(&index) {
                self.insert_moved(node, moved)?;
                continue;
            }
            let producer = node.input.first().and_then(|value| graph.producer(value));
            let moved = producer.and_then(|producer| self.moves.get(&producer));
            if moved.is_some_and(|moved| !moved.was_blocked) && is_reorder_input(node) {
                let blocked = self.blocked_name(&node.input[0]);
                self.aliases.insert(&node.output[0], blocked);
                continue;
            }
            let mut node = node.clone();
            for value in &mut node.input {
                if let Some(alias) = self.aliases.get(value.as_str()) {
                    value.clone_from(alias);
                }
            }
            self.result.insert(node)?;
        }
        self.result.set_outputs(graph.outputs().to_vec());
        Ok(self.result)
    }

    fn insert_moved(&mut self, node: &'p NodeProto, moved: &'p Move) -> Result<(), Error> {
        let mut inputs = Vec::with_capacity(moved.operands.len());
        for operand in &moved.operands {
            inputs.push(match operand {
                Operand::Blocked(value) | Operand::Broadcast(value) => {
                    self.aliases.get(value.as_str()).unwrap_or(value).clone()
                }
                Operand::Moved(value) => self.blocked_name(value),
                Operand::Plain(value) => {
                    self.reorder(value)?;
                    self.blocked_name(value)
                }
            });
        }
        let mut blocked = node.clone().attr(BLOCK, self.pass.block as i64);
        blocked.input.splice(..inputs.len(), inputs);
        if moved.was_blocked {
            return self.result.insert(blocked);
        }
        let value = node.output[0].as_str();
        let name = self.blocked_name(value);
        blocked.output[0].clone_from(&name);
        self.result.insert(blocked)?;
        if self.is_read_plain(value) {
            let restored = reorder_output(&name, moved.channels, value);
            self.result.insert(restored)?;
        }
        Ok(())
    }

    /// Reorders a tensor (N, C, H, W) to blocked channels, once.
    fn reorder(&mut self, value: &'p str) -> Result<(), Error> {
        if !self.reordered.insert(value) {
            return Ok(());
        }
        let name = self.blocked_name(value);
        self.result.insert(reorder_input(value, &name))
    }

    /// The name that a value has in blocked channels.
    fn blocked_name(&mut self, value: &'p str) -> String {
        let names = &mut self.names;
        let name = self.blocked_names.entry(value);
        name.or_insert_with(|| names.fresh(value, "blocked"))
            .clone()
    }

    /// Whether the result of a moved node is needed in NCHW.
    fn is_read_plain(&self, value: &str) -> bool {
        let graph = self.pass.graph;
        let readers = self.pass.readers.get(value).map_or(&[][..], Vec::as_slice);
        let is_plain = |reader: &usize| {
            !self.moves.contains_key(reader) && !is_reorder_input(&graph.nodes()[*reader])
        };
        readers.iter().any(is_plain) || graph.outputs().iter().any(|output| output.name == value)
    }
}
