//! Conversions of operators from older opsets.

use crate::onnx::Error;
use crate::onnx::passes::upgrade_opset::{Rewriter, set_input, take_attribute};
use crate::onnx::proto::{AttributeProto, AttributeType, NodeProto};
use crate::text::quoted;

/// Drops the outputs of training mode. `spatial = 0`, which opset 9 removed, is not supported.
pub fn batch_normalization(mut node: NodeProto, rewriter: &mut Rewriter) -> Result<(), Error> {
    if take_attribute(&mut node, "spatial", AttributeType::Int)
        .is_some_and(|spatial| spatial.i == 0)
    {
        let name = node.display_name();
        return Err(Error::Unsupported(format!(
            "node {name}: BatchNormalization with spatial = 0"
        )));
    }
    // The other outputs were running statistics, which are unused at inference.
    node.output.truncate(1);
    rewriter.patch.nodes.push(node);
    Ok(())
}

/// Before opset 11, the bounds were attributes.
pub fn clip(mut node: NodeProto, rewriter: &mut Rewriter) -> Result<(), Error> {
    rewriter.float_to_input(&mut node, "min", 1);
    rewriter.float_to_input(&mut node, "max", 2);
    rewriter.patch.nodes.push(node);
    Ok(())
}

/// Before opset 12, the ratio was an attribute.
pub fn dropout(mut node: NodeProto, rewriter: &mut Rewriter) -> Result<(), Error> {
    // The ratio has no effect at inference.
    take_attribute(&mut node, "ratio", AttributeType::Float);
    rewriter.patch.nodes.push(node);
    Ok(())
}

/// Before opset 11, the pads and the value were attributes.
pub fn pad(mut node: NodeProto, rewriter: &mut Rewriter) -> Result<(), Error> {
    rewriter.attribute_to_input(&mut node, "pads", 1);
    rewriter.float_to_input(&mut node, "value", 2);
    rewriter.patch.nodes.push(node);
    Ok(())
}

/// Before opset 16, coordinates were not shifted by half a pixel.
pub fn roi_align(node: NodeProto, rewriter: &mut Rewriter) -> Result<(), Error> {
    let node = node.attr("coordinate_transformation_mode", "output_half_pixel");
    rewriter.patch.nodes.push(node);
    Ok(())
}

/// Before opset 10, starts, ends and axes were attributes.
pub fn slice(mut node: NodeProto, rewriter: &mut Rewriter) -> Result<(), Error> {
    for (position, attribute) in ["starts", "ends", "axes"].into_iter().enumerate() {
        rewriter.attribute_to_input(&mut node, attribute, position + 1);
    }
    rewriter.patch.nodes.push(node);
    Ok(())
}

/// Before opset 13, the sizes were an attribute; before opset 18, `num_outputs` was implicit.
pub fn split(mut node: NodeProto, rewriter: &mut Rewriter) -> Result<(), Error> {
    if rewriter.from < 13 {
        rewriter.attribute_to_input(&mut node, "split", 1);
    }
    if node.input_at(1).is_none() {
        let count = node.output.len() as i64;
        node = node.attr("num_outputs", count);
    }
    rewriter.patch.nodes.push(node);
    Ok(())
}

/// Before opset 13, softmax and hardmax coerced the input to 2-D at `axis`: Flatten, Softmax, Reshape.
pub fn softmax(mut node: NodeProto, rewriter: &mut Rewriter) -> Result<(), Error> {
    let axis = take_attribute(&mut node, "axis", AttributeType::Int).map_or(1, |axis| axis.i);
    let (Some(input), [output]) = (node.input_at(0).map(str::to_owned), node.output.as_slice())
    else {
        return Err(Error::Corrupt(format!(
            "node {} has no input or output",
            quoted(&node.name)
        )));
    };
    let output = output.clone();
    let [shape, flat, result] = ["shape", "flat", "softmax"].map(|what| rewriter.fresh_name(what));
    node.input = vec![flat.clone()];
    node.output = vec![result.clone()];
    // Nodes without names: the original node may be called like its output, and node names must be unique.
    rewriter.patch.nodes.extend([
        NodeProto::new("Shape", &[&input], &[&shape]),
        NodeProto::new("Flatten", &[&input], &[&flat]).attr("axis", axis),
        node.attr("axis", -1i64),
        NodeProto::new("Reshape", &[&result, &shape], &[&output]),
    ]);
    Ok(())
}

/// Upsample, and Resize before opset 11: asymmetric coordinates; the nearest element is rounded down, or up if an axis
/// is downsampled.
pub fn resize(mut node: NodeProto, rewriter: &mut Rewriter) -> Result<(), Error> {
    let scales = match take_attribute(&mut node, "scales", AttributeType::Floats) {
        Some(AttributeProto { floats, .. }) => rewriter.floats("scales", &floats),
        None => node.input_at(1).unwrap_or_default().to_owned(),
    };
    let shrinks = match rewriter.constant(&scales) {
        Some(tensor) => {
            let changed = tensor.to_f32()?.into_iter().filter(|&scale| scale != 1.0);
            let changed: Vec<bool> = changed.map(|scale| scale < 1.0).collect();
            let nearest = node.string("mode").unwrap_or("nearest") == "nearest";
            if nearest && changed.contains(&true) && changed.contains(&false) {
                return Err(Error::Unsupported(format!(
                    "node {}: {} to the nearest element that upsamples some axes and downsamples others",
                    node.display_name(),
                    node.op_type
                )));
            }
            changed.contains(&true)
        }
        // Computed, for example from dimensions: in practice, these upsample.
        None => false,
    };
    node.op_type = "Resize".into();
    node.input.truncate(1);
    node.input.extend([String::new(), scales]);
    let nearest = if shrinks { "ceil" } else { "floor" };
    let node = node
        .attr("coordinate_transformation_mode", "asymmetric")
        .attr("nearest_mode", nearest);
    rewriter.patch.nodes.push(node);
    Ok(())
}

/// Before opset 10, `k` was an attribute.
pub fn top_k(mut node: NodeProto, rewriter: &mut Rewriter) -> Result<(), Error> {
    if let Some(AttributeProto { i, .. }) = take_attribute(&mut node, "k", AttributeType::Int) {
        let count = rewriter.ints("k", &[i]);
        set_input(&mut node, 1, count);
    }
    rewriter.patch.nodes.push(node);
    Ok(())
}

/// Renamed to ScatterElements in opset 11.
pub fn scatter(mut node: NodeProto, rewriter: &mut Rewriter) -> Result<(), Error> {
    node.op_type = "ScatterElements".into();
    rewriter.patch.nodes.push(node);
    Ok(())
}
