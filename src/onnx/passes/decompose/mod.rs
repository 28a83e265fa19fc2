//! Decomposes fused and quantized operators into standard ones, for which gradient rules exist. ONNX Runtime fuses them
//! again where it can.
//!
//! Values keep their names. Intermediate values are new, and their names begin with
//! [`INTERNAL_PREFIX`](crate::onnx::INTERNAL_PREFIX), except that the value before quantization to `x` is called
//! `x/unrounded`. Nodes that use an unsupported feature are kept: they can be run, but not differentiated.
//!
//! References: ONNX Runtime's `ContribOperators.md` for `com.microsoft`, ONNX's `Operators.md` for the rest.

mod aliases;
mod attention;
mod context;
mod deform_conv;
mod fused_activation;
mod matmul_nbits;
mod normalization;
mod quantized;
mod recurrent;
mod rotary_embedding;

use crate::onnx::proto::NodeProto;
use crate::onnx::{Error, Graph, Patch, Types};
use context::{Context, Skipped, Source};
use std::cell::OnceCell;
use std::collections::HashSet;

/// Maximum number of new nodes; operators beyond it are kept. A small file must not become a graph of millions of
/// nodes.
const MAX_NODES: usize = 1 << 18;

/// An operator that can be decomposed.
#[derive(Clone, Copy)]
pub struct Fusion {
    /// `com.microsoft`, or empty for the standard domain.
    pub domain: &'static str,
    /// The operator.
    pub op: &'static str,
    /// What is supported; empty for everything.
    pub note: &'static str,
    decompose: Decomposition,
}

/// Emits the nodes that replace a node; the last produces its first output.
type Decomposition = fn(&mut Context) -> Result<(), Skipped>;

impl Fusion {
    fn matches(&self, node: &NodeProto) -> bool {
        (self.domain, self.op) == node.op_key()
    }
}

const fn standard(op: &'static str, decompose: Decomposition, note: &'static str) -> Fusion {
    Fusion {
        domain: "",
        op,
        note,
        decompose,
    }
}

const fn microsoft(op: &'static str, decompose: Decomposition, note: &'static str) -> Fusion {
    Fusion {
        domain: "com.microsoft",
        op,
        note,
        decompose,
    }
}

/// Every operator that is decomposed.
#[rustfmt::skip]
pub const FUSIONS: &[Fusion] = &[
    standard("AffineGrid", deform_conv::affine_grid, "known sizes"),
    standard("Attention", attention::standard, ""),
    standard("CenterCropPad", aliases::center_crop_pad, "known sizes"),
    standard("Compress", aliases::compress, "a constant condition"),
    standard("DeformConv", deform_conv::deform_conv, "2-D"),
    standard("GRU", recurrent::gru, "up to 256 time steps; the same activations in both directions; `layout` 0"),
    standard("LSTM", recurrent::lstm, "as GRU"),
    standard("QLinearConv", quantized::conv, "straight through"),
    standard("QLinearMatMul", quantized::mat_mul, "straight through"),
    standard("RNN", recurrent::rnn, "as GRU"),
    standard("RotaryEmbedding", rotary_embedding::standard, ""),
    microsoft("Attention", attention::packed, "no rotary embedding, no shared buffers, no 4-D mask"),
    microsoft("BiasGelu", fused_activation::gelu, ""),
    microsoft("DequantizeLinear", quantized::dequantize, "int8 and uint8"),
    microsoft("DynamicQuantizeMatMul", quantized::dynamic_mat_mul, "straight through"),
    microsoft("ExpandDims", aliases::expand_dims, "a constant axis"),
    microsoft("FastGelu", fused_activation::fast_gelu, ""),
    microsoft("FusedConv", fused_activation::conv, "Relu, LeakyRelu, Clip, Sigmoid, Tanh, HardSigmoid"),
    microsoft("FusedGemm", fused_activation::gemm, "the activations of FusedConv except Clip"),
    microsoft("FusedMatMul", fused_activation::mat_mul, ""),
    microsoft("Gelu", fused_activation::gelu, ""),
    microsoft("GridSample", aliases::grid_sample, ""),
    microsoft("MatMulIntegerToFloat", quantized::mat_mul_to_float, "straight through; a single scale of the first factor"),
    microsoft("MatMulNBits", matmul_nbits::mat_mul, "2, 4 and 8 bits; no `g_idx`, no prepacked weights"),
    microsoft("MultiHeadAttention", attention::multi_head, "no shared buffers, no cumulative lengths; first three outputs"),
    microsoft("NhwcMaxPool", quantized::max_pool, ""),
    microsoft("Pad", aliases::identical, "as the standard Pad"),
    microsoft("QAttention", attention::quantized, "as Attention; straight through"),
    microsoft("QGemm", quantized::gemm, "straight through"),
    microsoft("QLinearAdd", quantized::binary, "straight through"),
    microsoft("QLinearAveragePool", quantized::unary, "straight through"),
    microsoft("QLinearConcat", quantized::concat, "straight through"),
    microsoft("QLinearGlobalAveragePool", quantized::unary, "straight through"),
    microsoft("QLinearConv", quantized::conv, "straight through"),
    microsoft("QLinearLeakyRelu", quantized::unary, "straight through"),
    microsoft("QLinearMul", quantized::binary, "straight through"),
    microsoft("QLinearSigmoid", quantized::unary, "straight through"),
    microsoft("QLinearSoftmax", quantized::softmax, "straight through"),
    microsoft("QLinearWhere", quantized::select, "straight through"),
    microsoft("QuantizeLinear", quantized::quantize, "int8 and uint8"),
    microsoft("QuickGelu", fused_activation::quick_gelu, ""),
    microsoft("RotaryEmbedding", rotary_embedding::microsoft, "no scale, no packed batching"),
    microsoft("SkipLayerNormalization", normalization::skip, "no statistics outputs"),
    microsoft("SkipSimplifiedLayerNormalization", normalization::skip_simplified, "no statistics outputs"),
    microsoft("TransposeMatMul", fused_activation::mat_mul, ""),
    microsoft("Trilu", aliases::identical, ""),
];

fn fusion(node: &NodeProto) -> Option<&'static Fusion> {
    FUSIONS.iter().find(|fusion| fusion.matches(node))
}

/// Whether the operator of a node may be decomposed.
pub fn is_fusion(node: &NodeProto) -> bool {
    fusion(node).is_some()
}

/// Whether the graph has an operator that may be decomposed.
pub fn is_fused(graph: &Graph) -> bool {
    graph.nodes().iter().any(is_fusion)
}

/// The graph with fused operators decomposed. `shapes` holds the types of its values; the result depends on ranks and
/// sizes, but not on the size of axis 0.
///
/// # Errors
/// [`Error::Corrupt`] if a name of a new value is taken.
pub fn decompose(graph: &Graph, shapes: &Types) -> Result<Graph, Error> {
    let read = &graph.read_values();
    let source = Source {
        graph,
        shapes,
        read,
    };
    let mut result = graph.without_nodes();
    let mut count = 0;
    for node in graph.nodes() {
        let fusion = fusion(node).filter(|_| count < MAX_NODES);
        let emitted = fusion.and_then(|fusion| emit(fusion, source, node).ok());
        count += emitted.as_ref().map_or(0, |patch| patch.nodes.len());
        let patch = emitted.unwrap_or_else(|| node.clone().into());
        patch.insert_into(&mut result)?;
    }
    result.set_outputs(graph.outputs().to_vec());
    Ok(result)
}

/// Why fused operators of a graph are not decomposed.
pub struct SkipReasons<'a> {
    graph: &'a Graph,
    shapes: &'a Types,
    /// Computed on first use.
    read: OnceCell<HashSet<&'a str>>,
}

impl<'a> SkipReasons<'a> {
    /// For `graph`, whose values have the types `shapes`.
    pub fn new(graph: &'a Graph, shapes: &'a Types) -> Self {
        Self {
            graph,
            shapes,
            read: OnceCell::new(),
        }
    }

    /// Why a fused operator is kept; `None` if it can be decomposed, or for other operators.
    pub fn find(&self, node: &NodeProto) -> Option<String> {
        let fusion = fusion(node)?;
        let source = Source {
            graph: self.graph,
            shapes: self.shapes,
            read: self.read.get_or_init(|| self.graph.read_values()),
        };
        Some(emit(fusion, source, node).err()?.0)
    }
}

fn emit(fusion: &Fusion, source: Source, node: &NodeProto) -> Result<Patch, Skipped> {
    let mut cx = Context::new(source, node);
    (fusion.decompose)(&mut cx)?;
    Ok(cx.into_patch())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::types::{fixed_dims, untyped_value};
    use crate::onnx::{Attribute, Builder, ElementType, INTERNAL_PREFIX, ValueType};

    /// A node `op` that reads `x` (2, 3, 4, 4) and a weight and produces `y`, which a Relu reads.
    fn graph(op: &str, attributes: &[(&str, Attribute)]) -> (Graph, Types) {
        let mut builder = Builder::empty(18, "");
        let dims = vec![2, 3, 4, 4];
        builder
            .input("x", ElementType::F32, &fixed_dims(&dims))
            .unwrap();
        let weight = builder.floats(&[1, 3, 1, 1], &[1.0, 2.0, 3.0]);
        let node = NodeProto::new(op, &["x", &weight], &["y"]).in_domain("com.microsoft");
        let node = node.with_name("fused").attrs(attributes);
        builder.append(node).unwrap();
        builder.emit_named("z", "Relu", &["y"], &[]).unwrap();
        let mut graph = builder.into_graph();
        graph.set_outputs(vec![untyped_value("z")]);
        let elem = ElementType::F32;
        let shapes = [("x".to_owned(), ValueType { elem, dims })]
            .into_iter()
            .collect();
        (graph, shapes)
    }

    #[test]
    fn values_keep_their_names_and_new_ones_have_the_internal_prefix() {
        let leaky = [
            ("activation", "LeakyRelu".into()),
            ("activation_params", [0.25f32].as_slice().into()),
            ("pads", vec![1i64; 4].into()),
        ];
        let (graph, shapes) = graph("FusedConv", &leaky);
        assert!(is_fused(&graph));
        let decomposed = decompose(&graph, &shapes).unwrap();
        assert!(!is_fused(&decomposed));
        let [conv, activation, reader] = decomposed.nodes() else {
            panic!("two new nodes and a reader: {:?}", decomposed.nodes())
        };
        assert!(conv.is_op("Conv") && activation.is_op("LeakyRelu") && reader.is_op("Relu"));
        assert_eq!(conv.ints("pads"), Some([1, 1, 1, 1].as_slice()));
        assert!(conv.attribute.len() == 1 && conv.output[0].starts_with(INTERNAL_PREFIX));
        assert_eq!(activation.float("alpha"), Some(0.25));
        assert_eq!(
            (activation.name.as_str(), &activation.output),
            ("fused", &vec!["y".into()])
        );
        assert_eq!(decomposed.outputs(), graph.outputs());
    }

    #[test]
    fn operators_that_cannot_be_decomposed_are_kept_with_a_reason() {
        for (activation, why) in [
            ("Softplus", "activation = \"Softplus\""),
            ("Clip", "Clip lacks parameters"),
        ] {
            let (graph, shapes) = graph("FusedConv", &[("activation", activation.into())]);
            let decomposed = decompose(&graph, &shapes).unwrap();
            assert_eq!(decomposed.nodes(), graph.nodes());
            assert_eq!(
                SkipReasons::new(&graph, &shapes)
                    .find(&graph.nodes()[0])
                    .as_deref(),
                Some(why)
            );
            assert_eq!(
                SkipReasons::new(&graph, &shapes).find(&graph.nodes()[1]),
                None
            );
        }
    }

    #[test]
    fn taken_names_are_an_error() {
        let (graph, shapes) = graph("FusedMatMul", &[("transA", 1i64.into())]);
        let mut builder = Builder::extend(graph.empty_like(), "");
        builder.input("x", ElementType::F32, &[]).unwrap();
        builder
            .emit_named(
                &format!("{INTERNAL_PREFIX}y/Transpose_1"),
                "Relu",
                &["x"],
                &[],
            )
            .unwrap();
        let mut conflicting = builder.into_graph();
        for constant in graph.constants() {
            conflicting.insert_constant(constant.clone()).unwrap();
        }
        conflicting.insert_node(graph.nodes()[0].clone()).unwrap();
        assert!(matches!(
            decompose(&conflicting, &shapes),
            Err(Error::Corrupt(_))
        ));
    }
}
