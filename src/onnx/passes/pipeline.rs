//! The pipeline from a model to a differentiable graph: [`normalize`], then [`specialize`] once the dimensions of the
//! inputs are known.

use super::constant_folding::{self, FoldOptions};
use super::{ceil_mode, decompose, inline_functions, polyfill, to_float32, upgrade_opset};
use crate::onnx::evaluator::{Dims, Evaluator};
use crate::onnx::proto::ModelProto;
use crate::onnx::{Error, Graph};

/// The graph of a model: float32, opset 18 or newer, functions inlined, operators of other frameworks defined.
///
/// # Errors
/// If the model is damaged or not supported.
pub fn normalize(model: ModelProto) -> Result<Graph, Error> {
    Passes::ALL.normalize(model)
}

/// The graph for each of `choices` of its inputs' dimensions: fused operators decomposed, constants
/// folded, control flow and sequences resolved. What differs between the choices stays computed.
/// The first choice must be one for which the dimensions of fused operators' inputs can be
/// inferred.
///
/// # Errors
/// If the evaluator rejects the graph for one of the choices, or the result of a pass.
pub fn specialize<E: Evaluator + ?Sized>(
    evaluator: &E,
    graph: Graph,
    choices: &[&Dims],
) -> Result<Graph, E::Error> {
    Passes::ALL.specialize(evaluator, graph, choices)
}

/// A pass over a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// [`to_float32`].
    Precision,
    /// [`upgrade_opset`].
    Upgrade,
    /// [`polyfill`] and [`inline_functions`].
    Functions,
    /// [`decompose`].
    Fusions,
    /// [`control_flow`](super::control_flow).
    Control,
    /// [`sequences`](super::sequences).
    Sequences,
    /// [`constant_folding`].
    Constants,
}

/// The description of a pass.
#[derive(Debug)]
pub struct PassInfo {
    /// The pass.
    pub pass: Pass,
    /// Its name, unique.
    pub name: &'static str,
    /// What it does.
    pub what: &'static str,
    /// Whether it can be skipped.
    pub is_optional: bool,
}

const fn optional(pass: Pass, name: &'static str, what: &'static str) -> PassInfo {
    PassInfo {
        pass,
        name,
        what,
        is_optional: true,
    }
}

/// Every pass, in order.
#[rustfmt::skip]
pub const PASSES: &[PassInfo] = &[
    optional(Pass::Precision, "precision", "float16, bfloat16 and float64 become float32"),
    PassInfo { is_optional: false, ..optional(Pass::Upgrade, "upgrade", "older operators take the form of opset 18") },
    optional(Pass::Functions, "functions", "calls become what their functions are made of"),
    optional(Pass::Fusions, "fusions", "fused operators are decomposed"),
    optional(Pass::Control, "control flow", "branches are chosen and loops are unrolled"),
    optional(Pass::Sequences, "sequences", "lists of known tensors are resolved"),
    optional(Pass::Constants, "constants", "what does not depend on the input is computed beforehand"),
];

/// A selection of passes.
#[derive(Debug, Clone, Copy)]
pub struct Passes<'a> {
    without: &'a [Pass],
}

impl Passes<'static> {
    /// All passes.
    pub const ALL: Self = Self { without: &[] };
}

impl<'a> Passes<'a> {
    /// All passes but these.
    pub fn without(passes: &'a [Pass]) -> Self {
        Self { without: passes }
    }

    /// Whether a pass is selected.
    pub fn has(self, pass: Pass) -> bool {
        !self.without.contains(&pass)
    }

    /// As [`normalize`].
    ///
    /// # Errors
    /// As [`normalize`].
    pub fn normalize(self, mut model: ModelProto) -> Result<Graph, Error> {
        if self.has(Pass::Precision) {
            model = to_float32::to_float32(model)?;
        }
        model = upgrade_opset::upgrade(model)?;
        if self.has(Pass::Functions) {
            model = inline_functions::inline(polyfill::define_missing_ops(model))?;
        }
        Graph::new(model)
    }

    /// As [`specialize`].
    ///
    /// # Errors
    /// As [`specialize`].
    pub fn specialize<E: Evaluator + ?Sized>(
        self,
        evaluator: &E,
        graph: Graph,
        choices: &[&Dims],
    ) -> Result<Graph, E::Error> {
        let parts = FoldOptions {
            constants: self.has(Pass::Constants),
            control: self.has(Pass::Control),
            sequences: self.has(Pass::Sequences),
        };
        let folded = |graph: &Graph| constant_folding::fold_parts(evaluator, graph, choices, parts);
        let first = choices.first().copied().unwrap_or_default();
        let graph = with_known_windows(evaluator, graph, choices)?;
        let graph = folded(&self.decomposed(evaluator, graph, first)?)?;
        // Fused operators may have been in a branch or a loop, or had unknown types.
        let decomposed = self.decomposed(evaluator, graph.clone(), first)?;
        if decomposed.nodes() == graph.nodes() {
            return Ok(graph);
        }
        folded(&decomposed)
    }

    /// The graph with fused operators decomposed.
    fn decomposed<E: Evaluator + ?Sized>(
        self,
        evaluator: &E,
        graph: Graph,
        dims: &Dims,
    ) -> Result<Graph, E::Error> {
        if !self.has(Pass::Fusions) || !decompose::is_fused(&graph) {
            return Ok(graph);
        }
        let types = constant_folding::shapes(evaluator, &graph, dims)?;
        Ok(decompose::decompose(&graph, &types)?)
    }
}

/// The graph with the windows of pools that round up as ONNX Runtime computes them. Those of one pool change the sizes
/// that the next one has.
fn with_known_windows<E: Evaluator + ?Sized>(
    evaluator: &E,
    mut graph: Graph,
    choices: &[&Dims],
) -> Result<Graph, E::Error> {
    while ceil_mode::has_rounded_up(&graph) {
        let types = choices
            .iter()
            .map(|dims| constant_folding::shapes(evaluator, &graph, dims));
        let types = types.collect::<Result<Vec<_>, _>>()?;
        match ceil_mode::rounded_down(&graph, &types)? {
            Some(changed) => graph = changed,
            None => break,
        }
    }
    Ok(graph)
}
