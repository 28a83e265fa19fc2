//! Experimental operators that ONNX removed in opset 10, written by converters from Core ML and Caffe2, as standard
//! ones.

use crate::onnx::Error;
use crate::onnx::passes::upgrade_opset::{Rewriter, take_attribute};
use crate::onnx::proto::{AttributeType, NodeProto, TensorProto};
use crate::text::quoted;

/// `scale · x + bias`, with a bias per channel.
pub fn image_scaler(mut node: NodeProto, rewriter: &mut Rewriter) -> Result<(), Error> {
    let scale = float_attribute(&mut node, "scale");
    let bias = take_attribute(&mut node, "bias", AttributeType::Floats).map(|bias| bias.floats);
    let bias = bias.unwrap_or_default();
    let name = rewriter.fresh_name("bias");
    let tensor = TensorProto::from_f32(&name, &[bias.len() as i64, 1, 1], &bias);
    rewriter.patch.constants.push(tensor);
    let scale = rewriter.float("scale", scale);
    let scaled = emit_first(&node, rewriter, "Mul", &scale)?;
    emit_output(node, rewriter, "Add", [scaled, name]);
    Ok(())
}

/// `alpha · x + beta`.
pub fn affine(mut node: NodeProto, rewriter: &mut Rewriter) -> Result<(), Error> {
    let alpha = float_attribute(&mut node, "alpha");
    let beta = take_attribute(&mut node, "beta", AttributeType::Float).map_or(0.0, |beta| beta.f);
    let [alpha, beta] =
        [("alpha", alpha), ("beta", beta)].map(|(name, value)| rewriter.float(name, value));
    let scaled = emit_first(&node, rewriter, "Mul", &alpha)?;
    emit_output(node, rewriter, "Add", [scaled, beta]);
    Ok(())
}

/// `scale · x`.
pub fn scale(mut node: NodeProto, rewriter: &mut Rewriter) -> Result<(), Error> {
    let scale = float_attribute(&mut node, "scale");
    let scale = rewriter.float("scale", scale);
    let input = input(&node)?;
    emit_output(node, rewriter, "Mul", [input, scale]);
    Ok(())
}

/// `alpha · tanh(beta · x)`.
pub fn scaled_tanh(node: NodeProto, rewriter: &mut Rewriter) -> Result<(), Error> {
    scaled_function(node, rewriter, "Tanh")
}

/// `alpha · log(exp(beta · x) + 1)`.
pub fn parametric_softplus(node: NodeProto, rewriter: &mut Rewriter) -> Result<(), Error> {
    scaled_function(node, rewriter, "Softplus")
}

/// `alpha · f(beta · x)`.
fn scaled_function(
    mut node: NodeProto,
    rewriter: &mut Rewriter,
    function: &str,
) -> Result<(), Error> {
    let [alpha, beta] = ["alpha", "beta"].map(|name| {
        let value = float_attribute(&mut node, name);
        rewriter.float(name, value)
    });
    let scaled = emit_first(&node, rewriter, "Mul", &beta)?;
    let result = rewriter.fresh_name(function);
    let applied = NodeProto::new(function, &[scaled], &[&result]);
    rewriter.patch.nodes.push(applied);
    emit_output(node, rewriter, "Mul", [result, alpha]);
    Ok(())
}

/// Removes the float attribute `name` and returns its value, 1 by default.
fn float_attribute(node: &mut NodeProto, name: &str) -> f32 {
    take_attribute(node, name, AttributeType::Float)
        .map_or(1.0, |float_attribute| float_attribute.f)
}

fn input(node: &NodeProto) -> Result<String, Error> {
    let input = node.input_at(0).map(str::to_owned);
    input.ok_or_else(|| {
        let name = quoted(&node.name);
        Error::Corrupt(format!("node {name} has no input"))
    })
}

/// Emits `op(x, other)` of the node's input `x` and returns its output.
fn emit_first(
    node: &NodeProto,
    rewriter: &mut Rewriter,
    op: &str,
    other: &str,
) -> Result<String, Error> {
    let output = rewriter.fresh_name(op);
    let first = NodeProto::new(op, &[&input(node)?, other], &[&output]);
    rewriter.patch.nodes.push(first);
    Ok(output)
}

/// Emits the last node, with the name and output of the original one.
fn emit_output(mut node: NodeProto, rewriter: &mut Rewriter, op: &str, inputs: [String; 2]) {
    node.op_type = op.into();
    node.input = inputs.into();
    node.attribute.clear();
    rewriter.patch.nodes.push(node);
}
