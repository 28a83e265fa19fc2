//! Takes fused operators apart: what optimisers and quantisers made of several of ONNX's own operators becomes those again,
//! so that a gradient rule for each of the parts is all that is needed. ONNX Runtime fuses again what it can.
//!
//! Names of values stay; values between the parts are new, and their names begin with [`INTERNAL_PREFIX`](crate::onnx::INTERNAL_PREFIX), but for numbers
//! that are rounded to levels: those of `x` are called `x/unrounded`. A node that is
//! used in a form which cannot be taken apart stays as it is: it can still be run, only not differentiated.
//!
//! Formulas: ONNX Runtime's `ContribOperators.md`, and ONNX's `Operators.md` for what has no domain here.

mod aliases;
mod attention;
mod deform_conv;
mod emitter;
mod fused_activation;
mod matmul_nbits;
mod normalization;
mod quantized;
mod recurrent;
mod rotary_embedding;

use crate::onnx::graph::is_default_domain;
use crate::onnx::proto::NodeProto;
use crate::onnx::{Error, Graph, Shapes};
use emitter::{Emitter, Skipped, Source};
use std::cell::OnceCell;
use std::collections::HashSet;

/// Once there are this many parts, what is fused stays whole: a file of a few nodes must not become a graph of millions.
const MOST: usize = 1 << 18;

/// A fused operator that is known here.
#[derive(Clone, Copy)]
pub struct Fusion {
    /// `com.microsoft`, or nothing for one of ONNX's own.
    pub domain: &'static str,
    pub op: &'static str,
    /// What is covered, where that is not everything.
    pub note: &'static str,
    decompose: Decomposition,
}

/// Emits the parts of a node; the last of them makes what the node made.
type Decomposition = fn(&mut Emitter) -> Result<(), Skipped>;

impl Fusion {
    fn is(&self, node: &NodeProto) -> bool {
        let domain = match is_default_domain(&node.domain) {
            true => "",
            false => node.domain.as_str(),
        };
        (self.domain, self.op) == (domain, node.op_type.as_str())
    }
}

const fn own(op: &'static str, decompose: Decomposition, note: &'static str) -> Fusion {
    Fusion {
        domain: "",
        op,
        note,
        decompose,
    }
}

const fn contributed(op: &'static str, decompose: Decomposition, note: &'static str) -> Fusion {
    Fusion {
        domain: "com.microsoft",
        op,
        note,
        decompose,
    }
}

/// Every operator that is taken apart.
#[rustfmt::skip]
pub const FUSIONS: &[Fusion] = &[
    own("AffineGrid", deform_conv::affine_grid, "sizes that are known"),
    own("Attention", attention::standard, ""),
    own("CenterCropPad", aliases::center_crop_pad, "sizes that are known"),
    own("Compress", aliases::compress, "a constant condition"),
    own("DeformConv", deform_conv::deformed_conv, "two axes"),
    own("GRU", recurrent::gru, "up to 256 steps; the same activations either way; `layout` 0"),
    own("LSTM", recurrent::lstm, "as GRU"),
    own("QLinearConv", quantized::conv, "straight through"),
    own("QLinearMatMul", quantized::mat_mul, "straight through"),
    own("RNN", recurrent::rnn, "as GRU"),
    own("RotaryEmbedding", rotary_embedding::embedding, ""),
    contributed("Attention", attention::packed, "no rotation, no shared buffers, no mask of four axes"),
    contributed("BiasGelu", fused_activation::gelu, ""),
    contributed("DequantizeLinear", quantized::dequantize, "levels of 8 bits"),
    contributed("DynamicQuantizeMatMul", quantized::dynamic_mat_mul, "straight through"),
    contributed("ExpandDims", aliases::expand_dims, "a constant axis"),
    contributed("FastGelu", fused_activation::fast_gelu, ""),
    contributed("FusedConv", fused_activation::conv, "Relu, LeakyRelu, Clip, Sigmoid, Tanh, HardSigmoid"),
    contributed("FusedGemm", fused_activation::gemm, "the activations of FusedConv but Clip"),
    contributed("FusedMatMul", fused_activation::mat_mul, ""),
    contributed("Gelu", fused_activation::gelu, ""),
    contributed("GridSample", aliases::grid_sample, ""),
    contributed("MatMulIntegerToFloat", quantized::mat_mul_to_float, "straight through; one scale of the first factor"),
    contributed("MatMulNBits", matmul_nbits::mat_mul, "2, 4 and 8 bits; no `g_idx`, no weights packed beforehand"),
    contributed("MultiHeadAttention", attention::multi_head, "no shared buffers, no cumulative lengths; of the outputs the first three"),
    contributed("NhwcMaxPool", quantized::max_pool, ""),
    contributed("Pad", aliases::same, "as ONNX's own"),
    contributed("QAttention", attention::quantized, "as Attention; straight through"),
    contributed("QGemm", quantized::gemm, "straight through"),
    contributed("QLinearAdd", quantized::binary, "straight through"),
    contributed("QLinearAveragePool", quantized::unary, "straight through"),
    contributed("QLinearConcat", quantized::concat, "straight through"),
    contributed("QLinearGlobalAveragePool", quantized::unary, "straight through"),
    contributed("QLinearConv", quantized::conv, "straight through"),
    contributed("QLinearLeakyRelu", quantized::unary, "straight through"),
    contributed("QLinearMul", quantized::binary, "straight through"),
    contributed("QLinearSigmoid", quantized::unary, "straight through"),
    contributed("QLinearSoftmax", quantized::softmax, "straight through"),
    contributed("QLinearWhere", quantized::select, "straight through"),
    contributed("QuantizeLinear", quantized::quantize, "levels of 8 bits"),
    contributed("QuickGelu", fused_activation::quick_gelu, ""),
    contributed("RotaryEmbedding", rotary_embedding::contributed, "no scale, no packed batches"),
    contributed("SkipLayerNormalization", normalization::skip, "no statistics as outputs"),
    contributed("SkipSimplifiedLayerNormalization", normalization::skip_simplified, "no statistics as outputs"),
    contributed("TransposeMatMul", fused_activation::mat_mul, ""),
    contributed("Trilu", aliases::same, ""),
];

fn fusion(node: &NodeProto) -> Option<&'static Fusion> {
    FUSIONS.iter().find(|fusion| fusion.is(node))
}

/// Whether a node's operator may be taken apart.
pub fn is_fusion(node: &NodeProto) -> bool {
    fusion(node).is_some()
}

/// Whether the graph holds an operator that may be taken apart.
pub fn is_fused(graph: &Graph) -> bool {
    graph.nodes().iter().any(is_fusion)
}

/// The graph with every fused operator taken apart. `shapes` are the types of its values; only their numbers of axes, and
/// sizes of axes other than the first, are built on.
///
/// # Errors
/// [`Error::Corrupt`] if the graph has values that are called as new ones have to be.
pub fn decompose(graph: &Graph, shapes: &Shapes) -> Result<Graph, Error> {
    let read = &graph.read_values();
    let source = Source {
        graph,
        shapes,
        read,
    };
    let mut result = graph.without_nodes();
    let mut count = 0;
    for node in graph.nodes() {
        let fusion = fusion(node).filter(|_| count < MOST);
        let parts = fusion.and_then(|fusion| parts(fusion, source, node).ok());
        let Some(Emitter {
            nodes, constants, ..
        }) = parts
        else {
            result.insert_node(node.clone())?;
            continue;
        };
        count += nodes.len();
        for constant in constants {
            result.insert_constant(constant)?;
        }
        for part in nodes {
            result.insert_node(part)?;
        }
    }
    result.set_outputs(graph.outputs().to_vec());
    Ok(result)
}

/// Why fused operators of a graph are not taken apart.
pub struct SkipReasons<'a> {
    graph: &'a Graph,
    shapes: &'a Shapes,
    /// Collected when a node first asks for it, once for all.
    read: OnceCell<HashSet<&'a str>>,
}

impl<'a> SkipReasons<'a> {
    /// Of `graph`; `shapes` are the types of its values.
    pub fn of(graph: &'a Graph, shapes: &'a Shapes) -> Self {
        Self {
            graph,
            shapes,
            read: OnceCell::new(),
        }
    }

    /// Why a node that is known here is not taken apart; `None` if it is, or is not known.
    pub fn find(&self, node: &NodeProto) -> Option<String> {
        let fusion = fusion(node)?;
        let source = Source {
            graph: self.graph,
            shapes: self.shapes,
            read: self.read.get_or_init(|| self.graph.read_values()),
        };
        Some(parts(fusion, source, node).err()?.0)
    }
}

fn parts<'a>(
    fusion: &Fusion,
    source: Source<'a>,
    node: &'a NodeProto,
) -> Result<Emitter<'a>, Skipped> {
    let mut emitter = Emitter::new(source, node);
    (fusion.decompose)(&mut emitter)?;
    Ok(emitter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::shapes::{fixed, untyped};
    use crate::onnx::{Attribute, Builder, Elem, INTERNAL_PREFIX, ValueType, builder};

    /// A node that reads `x` (2, 3, 4, 4) and a weight, and makes `y`, which a Relu reads.
    fn graph(op: &str, attributes: &[(&str, Attribute)]) -> (Graph, Shapes) {
        let mut builder = Builder::empty(18, "");
        let dims = vec![2, 3, 4, 4];
        builder.input("x", Elem::F32, &fixed(&dims)).unwrap();
        let weight = builder.floats(&[1, 3, 1, 1], &[1.0, 2.0, 3.0]);
        let mut node = builder::node("fused", op, &["x", &weight], &["y".into()], attributes);
        node.domain = "com.microsoft".into();
        builder.append(node).unwrap();
        builder.emit_named("z", "Relu", &["y"], &[]).unwrap();
        let mut graph = builder.into_graph();
        graph.set_outputs(vec![untyped("z")]);
        let elem = Elem::F32;
        let shapes = [("x".to_owned(), ValueType { elem, dims })]
            .into_iter()
            .collect();
        (graph, shapes)
    }

    #[test]
    fn values_keep_their_names_and_new_ones_can_be_told() {
        let leaky = [
            ("activation", "LeakyRelu".into()),
            ("activation_params", [0.25f32].as_slice().into()),
            ("pads", vec![1i64; 4].into()),
        ];
        let (graph, shapes) = graph("FusedConv", &leaky);
        assert!(is_fused(&graph));
        let apart = decompose(&graph, &shapes).unwrap();
        assert!(!is_fused(&apart));
        let [conv, activation, reader] = apart.nodes() else {
            panic!("two parts and what reads them: {:?}", apart.nodes())
        };
        assert!(conv.is("Conv") && activation.is("LeakyRelu") && reader.is("Relu"));
        assert_eq!(conv.ints("pads"), Some([1, 1, 1, 1].as_slice()));
        assert!(conv.attribute.len() == 1 && conv.output[0].starts_with(INTERNAL_PREFIX));
        assert_eq!(activation.float("alpha"), Some(0.25));
        assert_eq!(
            (activation.name.as_str(), &activation.output),
            ("fused", &vec!["y".into()])
        );
        assert_eq!(apart.outputs(), graph.outputs());
    }

    #[test]
    fn what_cannot_be_taken_apart_stays_whole_and_says_why() {
        for (activation, why) in [
            ("Softplus", "activation = \"Softplus\""),
            ("Clip", "Clip lacks its parameters"),
        ] {
            let (graph, shapes) = graph("FusedConv", &[("activation", activation.into())]);
            let apart = decompose(&graph, &shapes).unwrap();
            assert_eq!(apart.nodes(), graph.nodes());
            assert_eq!(
                SkipReasons::of(&graph, &shapes)
                    .find(&graph.nodes()[0])
                    .as_deref(),
                Some(why)
            );
            assert_eq!(
                SkipReasons::of(&graph, &shapes).find(&graph.nodes()[1]),
                None
            );
        }
    }

    #[test]
    fn names_that_are_taken_are_an_error() {
        let (graph, shapes) = graph("FusedMatMul", &[("transA", 1i64.into())]);
        let mut builder = Builder::extend(graph.empty_like(), "");
        builder.input("x", Elem::F32, &[]).unwrap();
        builder
            .emit_named(
                &format!("{INTERNAL_PREFIX}y/Transpose_1"),
                "Relu",
                &["x"],
                &[],
            )
            .unwrap();
        let mut taken = builder.into_graph();
        for constant in graph.constants() {
            taken.insert_constant(constant.clone()).unwrap();
        }
        taken.insert_node(graph.nodes()[0].clone()).unwrap();
        assert!(matches!(decompose(&taken, &shapes), Err(Error::Corrupt(_))));
    }
}
