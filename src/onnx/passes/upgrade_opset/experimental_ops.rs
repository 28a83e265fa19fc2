//! Operators of ONNX's experimental days, which converters from Core ML and Caffe2 wrote, as ONNX's own of today.

use crate::onnx::passes::upgrade_opset::{Rewriter, take};
use crate::onnx::proto::{AttributeType, NodeProto, TensorProto};
use crate::onnx::{Error, printable};

/// `scale · x + bias`, where the bias is one a channel.
pub fn image_scaler(mut node: NodeProto, emitted: &mut Rewriter) -> Result<(), Error> {
    let scale = number(&mut node, "scale");
    let bias = take(&mut node, "bias", AttributeType::Floats).map(|bias| bias.floats);
    let bias = bias.unwrap_or_default();
    let name = emitted.fresh("bias");
    let column = TensorProto::from_f32(&name, &[bias.len() as i64, 1, 1], &bias);
    emitted.constants.push(column);
    let scale = emitted.float("scale", scale);
    let scaled = before(&node, emitted, "Mul", &scale)?;
    last(node, emitted, "Add", [scaled, name]);
    Ok(())
}

/// `alpha · x + beta`.
pub fn affine(mut node: NodeProto, emitted: &mut Rewriter) -> Result<(), Error> {
    let alpha = number(&mut node, "alpha");
    let beta = take(&mut node, "beta", AttributeType::Float).map_or(0.0, |beta| beta.f);
    let [alpha, beta] =
        [("alpha", alpha), ("beta", beta)].map(|(name, it)| emitted.float(name, it));
    let scaled = before(&node, emitted, "Mul", &alpha)?;
    last(node, emitted, "Add", [scaled, beta]);
    Ok(())
}

/// `scale · x`.
pub fn scale(mut node: NodeProto, emitted: &mut Rewriter) -> Result<(), Error> {
    let scale = number(&mut node, "scale");
    let scale = emitted.float("scale", scale);
    let input = input(&node)?;
    last(node, emitted, "Mul", [input, scale]);
    Ok(())
}

/// `alpha · tanh(beta · x)`.
pub fn scaled_tanh(node: NodeProto, emitted: &mut Rewriter) -> Result<(), Error> {
    within(node, emitted, "Tanh")
}

/// `alpha · log(exp(beta · x) + 1)`.
pub fn parametric_softplus(node: NodeProto, emitted: &mut Rewriter) -> Result<(), Error> {
    within(node, emitted, "Softplus")
}

/// `alpha · f(beta · x)`.
fn within(mut node: NodeProto, emitted: &mut Rewriter, function: &str) -> Result<(), Error> {
    let [alpha, beta] = ["alpha", "beta"].map(|name| {
        let value = number(&mut node, name);
        emitted.float(name, value)
    });
    let scaled = before(&node, emitted, "Mul", &beta)?;
    let made = emitted.fresh(function);
    emitted.nodes.push(plain(function, [scaled], &made));
    last(node, emitted, "Mul", [made, alpha]);
    Ok(())
}

/// The number that the attribute `name` is, or 1.
fn number(node: &mut NodeProto, name: &str) -> f32 {
    take(node, name, AttributeType::Float).map_or(1.0, |number| number.f)
}

fn input(node: &NodeProto) -> Result<String, Error> {
    let input = node.input_at(0).map(str::to_owned);
    input.ok_or_else(|| {
        let name = printable(&node.name);
        Error::Corrupt(format!("node {name} has no input"))
    })
}

/// The node's input with another value, which comes before the node's last part.
fn before(
    node: &NodeProto,
    emitted: &mut Rewriter,
    op: &str,
    other: &str,
) -> Result<String, Error> {
    let made = emitted.fresh(op);
    let part = plain(op, [input(node)?, other.to_owned()], &made);
    emitted.nodes.push(part);
    Ok(made)
}

/// The part that makes what the node made, under its name.
fn last(mut node: NodeProto, emitted: &mut Rewriter, op: &str, inputs: [String; 2]) {
    node.op_type = op.into();
    node.input = inputs.into();
    node.attribute.clear();
    emitted.nodes.push(node);
}

fn plain<const N: usize>(op: &str, inputs: [String; N], output: &str) -> NodeProto {
    NodeProto {
        op_type: op.into(),
        input: inputs.into(),
        output: vec![output.into()],
        ..Default::default()
    }
}
