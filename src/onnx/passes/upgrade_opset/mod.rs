//! Converts models of opset 7 and newer to opset [`OPSET`], the form that the other passes read and emit, in which
//! axes, pads, bounds and split sizes are inputs. Values keep their names; a node may be replaced by several.

mod experimental_ops;
mod rewrites;

use crate::onnx::builder::OPSET;
use crate::onnx::node::is_default_domain;
use crate::onnx::proto::{
    AttributeProto, AttributeType, GraphProto, ModelProto, NodeProto, TensorProto,
};
use crate::onnx::{Error, INTERNAL_PREFIX, NameScope, Patch};

/// The oldest supported opset: the first with multidirectional broadcasting.
const MIN_OPSET: i64 = 7;

/// How an older version of an operator is converted.
enum Change {
    /// The int-list attribute becomes the input at this index, which is omitted if the attribute is.
    AttributeToInput(&'static str, usize),
    Rewrite(fn(NodeProto, &mut Rewriter) -> Result<(), Error>),
    Unsupported,
}
use Change::{AttributeToInput, Rewrite, Unsupported};

/// Operators that changed after opset 7, the opset of the change, and the conversion.
const CHANGES: &[(&str, i64, Change)] = &[
    ("Affine", 10, Rewrite(experimental_ops::affine)),
    (
        "BatchNormalization",
        14,
        Rewrite(rewrites::batch_normalization),
    ),
    ("Clip", 11, Rewrite(rewrites::clip)),
    ("Dropout", 12, Rewrite(rewrites::dropout)),
    ("Hardmax", 13, Rewrite(rewrites::softmax)),
    ("ImageScaler", 10, Rewrite(experimental_ops::image_scaler)),
    ("LogSoftmax", 13, Rewrite(rewrites::softmax)),
    ("Pad", 11, Rewrite(rewrites::pad)),
    (
        "ParametricSoftplus",
        10,
        Rewrite(experimental_ops::parametric_softplus),
    ),
    ("ReduceL1", 18, AttributeToInput("axes", 1)),
    ("ReduceL2", 18, AttributeToInput("axes", 1)),
    ("ReduceLogSum", 18, AttributeToInput("axes", 1)),
    ("ReduceLogSumExp", 18, AttributeToInput("axes", 1)),
    ("ReduceMax", 18, AttributeToInput("axes", 1)),
    ("ReduceMean", 18, AttributeToInput("axes", 1)),
    ("ReduceMin", 18, AttributeToInput("axes", 1)),
    ("ReduceProd", 18, AttributeToInput("axes", 1)),
    ("ReduceSum", 13, AttributeToInput("axes", 1)),
    ("ReduceSumSquare", 18, AttributeToInput("axes", 1)),
    ("Resize", 11, Rewrite(rewrites::resize)),
    ("RoiAlign", 16, Rewrite(rewrites::roi_align)),
    ("Scale", 10, Rewrite(experimental_ops::scale)),
    ("ScaledTanh", 10, Rewrite(experimental_ops::scaled_tanh)),
    ("Scan", 9, Unsupported),
    ("Scatter", 11, Rewrite(rewrites::scatter)),
    ("Slice", 10, Rewrite(rewrites::slice)),
    ("Softmax", 13, Rewrite(rewrites::softmax)),
    ("Split", 18, Rewrite(rewrites::split)),
    ("Squeeze", 13, AttributeToInput("axes", 1)),
    ("TopK", 10, Rewrite(rewrites::top_k)),
    ("Unsqueeze", 13, AttributeToInput("axes", 1)),
    ("Upsample", 10, Rewrite(rewrites::resize)),
];

/// The model in opset [`OPSET`]; models of that opset or newer are returned unchanged.
///
/// # Errors
/// [`Error::Unsupported`] if the opset is older than 7, or an operator cannot be converted.
pub fn upgrade(mut model: ModelProto) -> Result<ModelProto, Error> {
    let import = model
        .opset_import
        .iter_mut()
        .find(|opset| is_default_domain(&opset.domain));
    let Some(opset) = import else {
        return Ok(model);
    };
    let from = opset.version;
    if from < MIN_OPSET {
        return Err(Error::Unsupported(format!(
            "opset {from}, older than {MIN_OPSET}; convert the model with the onnx package's version_converter"
        )));
    }
    if from >= OPSET {
        return Ok(model);
    }
    opset.version = OPSET;
    if let Some(graph) = &mut model.graph {
        let mut names = NameScope::from_proto(graph);
        upgrade_graph(graph, from, &mut names)?;
    }
    Ok(model)
}

/// Converts the nodes of a graph and its subgraphs from opset `from` to [`OPSET`]. New values get names that are not in
/// `names`, and are added to it.
///
/// # Errors
/// [`Error::Unsupported`] if an operator cannot be converted.
pub(super) fn upgrade_graph(
    graph: &mut GraphProto,
    from: i64,
    names: &mut NameScope,
) -> Result<(), Error> {
    let initializers = std::mem::take(&mut graph.initializer);
    let mut rewriter = Rewriter {
        initializers: &initializers,
        patch: Patch::default(),
        names,
        from,
    };
    for mut node in std::mem::take(&mut graph.node) {
        for attribute in &mut node.attribute {
            for inner in attribute.graphs_mut() {
                upgrade_graph(inner, from, rewriter.names)?;
            }
        }
        let change = CHANGES
            .iter()
            .find(|(op, since, _)| node.is_op(op) && from < *since);
        match change {
            None => rewriter.patch.nodes.push(node),
            Some((_, _, AttributeToInput(attribute, position))) => {
                rewriter.attribute_to_input(&mut node, attribute, *position);
                rewriter.patch.nodes.push(node);
            }
            Some((_, _, Rewrite(rewrite))) => rewrite(node, &mut rewriter)?,
            Some((op, _, Unsupported)) => {
                return Err(Error::Unsupported(format!(
                    "node {} is {op} of opset {from}; export the model with opset {OPSET} or newer",
                    node.display_name()
                )));
            }
        }
    }
    let patch = rewriter.patch;
    graph.node = patch.nodes;
    graph.initializer = initializers;
    graph.initializer.extend(patch.constants);
    Ok(())
}

/// The converted graph under construction.
struct Rewriter<'a> {
    /// The initializers of the original graph.
    initializers: &'a [TensorProto],
    /// The nodes, and new initializers.
    patch: Patch,
    names: &'a mut NameScope,
    /// The original opset.
    from: i64,
}

impl Rewriter<'_> {
    fn fresh_name(&mut self, what: &str) -> String {
        self.names
            .numbered(&format!("{INTERNAL_PREFIX}upgrade/{what}"))
    }

    fn ints(&mut self, what: &str, values: &[i64]) -> String {
        let name = self.fresh_name(what);
        self.patch.constant(TensorProto::int_list(&name, values))
    }

    fn floats(&mut self, what: &str, values: &[f32]) -> String {
        let name = self.fresh_name(what);
        let dims = [values.len() as i64];
        self.patch
            .constant(TensorProto::from_f32(&name, &dims, values))
    }

    /// The constant `name` of this graph: an initializer or `Constant` node.
    fn constant(&self, name: &str) -> Option<TensorProto> {
        let mut tensors = self.initializers.iter().chain(&self.patch.constants);
        let tensor = tensors.find(|tensor| tensor.name == name).cloned();
        let producer = || {
            let mut nodes = self.patch.nodes.iter();
            nodes.find(|node| node.output.iter().any(|output| output == name))
        };
        tensor.or_else(|| producer()?.constant_value())
    }

    fn float(&mut self, what: &str, value: f32) -> String {
        let name = self.fresh_name(what);
        self.patch
            .constant(TensorProto::from_f32(&name, &[], &[value]))
    }

    fn attribute_to_input(&mut self, node: &mut NodeProto, attribute: &str, index: usize) {
        if let Some(AttributeProto { ints, .. }) =
            take_attribute(node, attribute, AttributeType::Ints)
        {
            let value = self.ints(attribute, &ints);
            set_input(node, index, value);
        }
    }

    fn float_to_input(&mut self, node: &mut NodeProto, attribute: &str, index: usize) {
        if let Some(AttributeProto { f, .. }) =
            take_attribute(node, attribute, AttributeType::Float)
        {
            let value = self.float(attribute, f);
            set_input(node, index, value);
        }
    }
}

/// Removes an attribute of a node and returns it, if it has this type.
fn take_attribute(node: &mut NodeProto, name: &str, kind: AttributeType) -> Option<AttributeProto> {
    let matches = |a: &AttributeProto| a.name == name && a.r#type == kind as i32;
    let index = node.attribute.iter().position(matches)?;
    Some(node.attribute.remove(index))
}

fn set_input(node: &mut NodeProto, index: usize, value: String) {
    while node.input.len() <= index {
        node.input.push(String::new());
    }
    node.input[index] = value;
}

#[cfg(test)]
mod tests;
