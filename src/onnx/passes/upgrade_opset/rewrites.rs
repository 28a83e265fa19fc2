//! How single operators get from an older form to today's.

use crate::onnx::passes::upgrade_opset::{Rewriter, take};
use crate::onnx::proto::{AttributeProto, AttributeType, NodeProto};
use crate::onnx::{Attribute, Error, printable};

pub fn batch_normalization(mut node: NodeProto, emitted: &mut Rewriter) -> Result<(), Error> {
    if take(&mut node, "spatial", AttributeType::Int).is_some_and(|spatial| spatial.i == 0) {
        let name = node.display_name();
        return Err(Error::Unsupported(format!(
            "node {name}: BatchNormalization with spatial = 0"
        )));
    }
    // The further outputs were running statistics, which inference leaves empty.
    node.output.truncate(1);
    emitted.nodes.push(node);
    Ok(())
}

pub fn clip(mut node: NodeProto, emitted: &mut Rewriter) -> Result<(), Error> {
    emitted.float_to_input(&mut node, "min", 1);
    emitted.float_to_input(&mut node, "max", 2);
    emitted.nodes.push(node);
    Ok(())
}

pub fn dropout(mut node: NodeProto, emitted: &mut Rewriter) -> Result<(), Error> {
    // Outside of training, which is the default, the ratio means nothing.
    take(&mut node, "ratio", AttributeType::Float);
    emitted.nodes.push(node);
    Ok(())
}

pub fn pad(mut node: NodeProto, emitted: &mut Rewriter) -> Result<(), Error> {
    emitted.attribute_to_input(&mut node, "pads", 1);
    emitted.float_to_input(&mut node, "value", 2);
    emitted.nodes.push(node);
    Ok(())
}

/// Before opset 16, the corner of a pixel was its place.
pub fn roi_align(mut node: NodeProto, emitted: &mut Rewriter) -> Result<(), Error> {
    let mode = Attribute::String("output_half_pixel".into());
    node.attribute
        .push(mode.named("coordinate_transformation_mode"));
    emitted.nodes.push(node);
    Ok(())
}

pub fn slice(mut node: NodeProto, emitted: &mut Rewriter) -> Result<(), Error> {
    for (position, attribute) in ["starts", "ends", "axes"].into_iter().enumerate() {
        emitted.attribute_to_input(&mut node, attribute, position + 1);
    }
    emitted.nodes.push(node);
    Ok(())
}

pub fn split(mut node: NodeProto, emitted: &mut Rewriter) -> Result<(), Error> {
    if emitted.from < 13 {
        emitted.attribute_to_input(&mut node, "split", 1);
    }
    if node.input_at(1).is_none() {
        let count = node.output.len() as i64;
        node.attribute
            .push(Attribute::Int(count).named("num_outputs"));
    }
    emitted.nodes.push(node);
    Ok(())
}

/// Before opset 13, softmax and hardmax ran over everything from `axis` on: flatten, softmax, and back to the old dimensions.
pub fn softmax(mut node: NodeProto, emitted: &mut Rewriter) -> Result<(), Error> {
    let axis = take(&mut node, "axis", AttributeType::Int).map_or(1, |axis| axis.i);
    let (Some(input), [output]) = (node.input_at(0).map(str::to_owned), node.output.as_slice())
    else {
        return Err(Error::Corrupt(format!(
            "node {} has no input or output",
            printable(&node.name)
        )));
    };
    let output = output.clone();
    let [shape, flat, result] = ["shape", "flat", "softmax"].map(|what| emitted.fresh(what));
    // Without names of their own: the old node may be called like its output, and names must differ.
    let plain = |op: &str, input: &[&str], output: &str| NodeProto {
        op_type: op.into(),
        input: input.iter().map(|input| (*input).into()).collect(),
        output: vec![output.into()],
        ..Default::default()
    };
    let along = |axis: i64| Attribute::Int(axis).named("axis");
    let mut flatten = plain("Flatten", &[&input], &flat);
    flatten.attribute.push(along(axis));
    node.input = vec![flat.clone()];
    node.output = vec![result.clone()];
    node.attribute.push(along(-1));
    let reshape = plain("Reshape", &[&result, &shape], &output);
    emitted
        .nodes
        .extend([plain("Shape", &[&input], &shape), flatten, node, reshape]);
    Ok(())
}

/// Upsample, and Resize as it was before opset 11: positions are counted from the corners of the picture, and the nearest
/// element is the one before, or where an axis becomes shorter, the one behind.
pub fn resize(mut node: NodeProto, emitted: &mut Rewriter) -> Result<(), Error> {
    let scales = match take(&mut node, "scales", AttributeType::Floats) {
        Some(AttributeProto { floats, .. }) => emitted.floats("scales", &floats),
        None => node.input_at(1).unwrap_or_default().to_owned(),
    };
    let shrinks = match emitted.constant(&scales) {
        Some(tensor) => {
            let changed = tensor.to_f32()?.into_iter().filter(|&scale| scale != 1.0);
            let changed: Vec<bool> = changed.map(|scale| scale < 1.0).collect();
            let nearest = node.string("mode").unwrap_or("nearest") == "nearest";
            if nearest && changed.contains(&true) && changed.contains(&false) {
                return Err(Error::Unsupported(format!(
                    "node {}: {} to the nearest element that lengthens some axes and shortens others",
                    node.display_name(),
                    node.op_type
                )));
            }
            changed.contains(&true)
        }
        // Computed from dimensions, for example: real networks enlarge that way.
        None => false,
    };
    node.op_type = "Resize".into();
    node.input.truncate(1);
    node.input.extend([String::new(), scales]);
    let nearest = if shrinks { "ceil" } else { "floor" };
    node.attribute.extend([
        Attribute::from("asymmetric").named("coordinate_transformation_mode"),
        Attribute::from(nearest).named("nearest_mode"),
    ]);
    emitted.nodes.push(node);
    Ok(())
}

/// The number of elements was an attribute.
pub fn top_k(mut node: NodeProto, emitted: &mut Rewriter) -> Result<(), Error> {
    if let Some(AttributeProto { i, .. }) = take(&mut node, "k", AttributeType::Int) {
        let count = emitted.ints("k", &[i]);
        crate::onnx::passes::upgrade_opset::set_input(&mut node, 1, count);
    }
    emitted.nodes.push(node);
    Ok(())
}

/// Only the name changed.
pub fn scatter(mut node: NodeProto, emitted: &mut Rewriter) -> Result<(), Error> {
    node.op_type = "ScatterElements".into();
    emitted.nodes.push(node);
    Ok(())
}
