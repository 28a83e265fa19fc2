//! Fuses batch normalization into the preceding convolution, which saves a node in the forward pass and a
//! multiplication in the backward pass.

use crate::onnx::proto::{NodeProto, TensorProto};
use crate::onnx::{ElementType, Error, Graph};
use std::collections::{HashMap, HashSet};

/// The graph with every BatchNormalization fused into the Conv that it reads, if nothing else reads that Conv. Outputs
/// of the fused Conv nodes disappear, except those in `keep`, which are not fused.
///
/// # Errors
/// [`Error::Corrupt`] if a constant's data do not fit its dimensions.
pub fn fuse_batch_norm(graph: &Graph, keep: &HashSet<&str>) -> Result<Graph, Error> {
    let consumers = graph.consumers();
    let outputs: HashSet<&str> = graph
        .outputs()
        .iter()
        .map(|output| output.name.as_str())
        .collect();
    let mut fused: HashMap<usize, Fused> = HashMap::new();
    let mut removed = HashSet::new();
    for (index, norm) in graph.nodes().iter().enumerate() {
        let Some(value) = norm
            .input_at(0)
            .filter(|_| norm.is_op("BatchNormalization"))
        else {
            continue;
        };
        let Some(conv) = graph
            .producer(value)
            .filter(|&conv| graph.nodes()[conv].is_op("Conv"))
        else {
            continue;
        };
        let is_only_reader = consumers
            .get(value)
            .is_some_and(|readers| readers.len() == 1);
        if !is_only_reader || keep.contains(value) || outputs.contains(value) {
            continue;
        }
        if let Some(fusion) = fuse(graph, &graph.nodes()[conv], norm)? {
            fused.insert(conv, fusion);
            removed.insert(index);
        }
    }
    let mut result = graph.without_nodes();
    for (index, node) in graph.nodes().iter().enumerate() {
        if removed.contains(&index) {
            continue;
        }
        match fused.remove(&index) {
            None => result.insert_node(node.clone())?,
            Some(fusion) => {
                result.insert_constant(fusion.weight)?;
                result.insert_constant(fusion.bias)?;
                result.insert_node(fusion.conv)?;
            }
        }
    }
    result.set_outputs(graph.outputs().to_vec());
    Ok(result)
}

struct Fused {
    conv: NodeProto,
    weight: TensorProto,
    bias: TensorProto,
}

/// With `s = scale / √(var + ε)`: weights `w · s`, bias `(b - mean) · s + shift`. `None` unless all parameters are
/// float32 constants.
fn fuse(graph: &Graph, conv: &NodeProto, norm: &NodeProto) -> Result<Option<Fused>, Error> {
    if norm.int("training_mode").unwrap_or(0) != 0 || norm.output.len() != 1 {
        return Ok(None);
    }
    let constant = |node: &NodeProto, index: usize| {
        let constant = node.input_at(index).and_then(|name| graph.constant(name));
        constant.filter(|tensor| tensor.data_type == ElementType::F32.code())
    };
    let parameters: Option<Vec<&TensorProto>> = (1..5).map(|index| constant(norm, index)).collect();
    let (Some(parameters), Some(weight)) = (parameters, constant(conv, 1)) else {
        return Ok(None);
    };
    let parameters: Vec<Vec<f64>> = parameters
        .into_iter()
        .map(TensorProto::to_f64)
        .collect::<Result<_, _>>()?;
    let channels = weight.shape()?.first().copied().unwrap_or(0);
    let bias = match (conv.input_at(2), constant(conv, 2)) {
        (None, _) => vec![0.0; channels],
        (Some(_), Some(bias)) => bias.to_f64()?,
        (Some(_), None) => return Ok(None),
    };
    let sizes = parameters.iter().map(Vec::len).chain([bias.len()]);
    if channels == 0 || sizes.into_iter().any(|size| size != channels) {
        return Ok(None);
    }
    let epsilon = f64::from(norm.float("epsilon").unwrap_or(1e-5));
    let [scale, shift, mean, variance] = &parameters[..] else {
        return Ok(None);
    };
    let factors: Vec<f64> = scale
        .iter()
        .zip(variance)
        .map(|(scale, variance)| scale / (variance + epsilon).sqrt())
        .collect();
    let mut weights = weight.to_f32()?;
    let area = weights.len() / channels;
    for (kernel, factor) in weights.chunks_exact_mut(area.max(1)).zip(&factors) {
        kernel
            .iter_mut()
            .for_each(|weight| *weight = (f64::from(*weight) * factor) as f32);
    }
    let biases: Vec<f32> = (0..channels)
        .map(|channel| ((bias[channel] - mean[channel]) * factors[channel] + shift[channel]) as f32)
        .collect();
    let output = &norm.output[0];
    let [weight_name, bias_name] = ["weight", "bias"].map(|what| format!("{output}/folded_{what}"));
    if graph.contains(&weight_name) || graph.contains(&bias_name) {
        return Ok(None);
    }
    let mut conv = conv.clone();
    conv.output[0] = output.clone();
    conv.input.truncate(1);
    conv.input.extend([weight_name.clone(), bias_name.clone()]);
    Ok(Some(Fused {
        conv,
        weight: TensorProto::from_f32(&weight_name, &weight.dims, &weights),
        bias: TensorProto::from_f32(&bias_name, &[channels as i64], &biases),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::types::untyped_value;
    use crate::onnx::{Builder, proto::Dim};

    fn graph() -> Graph {
        let mut builder = Builder::empty(18, "");
        let dims = [1, 1, 4, 4].map(Dim::DimValue);
        let x = builder.input("x", ElementType::F32, &dims).unwrap();
        let weight = builder.floats(&[2, 1, 1, 1], &[1.0, 2.0]);
        let conv = builder
            .emit_named("conv", "Conv", &[&x, &weight], &[])
            .unwrap();
        let parameters = [[3.0, 4.0], [0.5, 0.25], [1.0, 2.0], [4.0, 9.0]];
        let parameters = parameters.map(|values| builder.floats(&[2], &values));
        let [scale, shift, mean, variance] = &parameters;
        let inputs = [conv.as_str(), scale, shift, mean, variance];
        builder
            .emit_named(
                "norm",
                "BatchNormalization",
                &inputs,
                &[("epsilon", 0f32.into())],
            )
            .unwrap();
        let mut graph = builder.into_graph();
        graph.set_outputs(vec![untyped_value("norm")]);
        graph
    }

    #[test]
    fn scale_and_shift_are_fused_into_the_convolution() {
        let fused = fuse_batch_norm(&graph(), &HashSet::new()).unwrap();
        let [conv] = fused.nodes() else {
            panic!("expected one node")
        };
        assert!(conv.is_op("Conv") && conv.output == ["norm"]);
        let numbers = |index| {
            fused
                .constant(conv.input_at(index).unwrap())
                .unwrap()
                .to_f32()
                .unwrap()
        };
        assert_eq!(numbers(1), [1.5, 2.0 * 4.0 / 3.0]);
        assert_eq!(numbers(2), [0.5 - 1.5, 0.25 - 2.0 * 4.0 / 3.0]);
    }

    #[test]
    fn kept_values_are_not_fused() {
        let kept = fuse_batch_norm(&graph(), &HashSet::from(["conv"])).unwrap();
        assert_eq!(kept.nodes().len(), 2);
    }
}
