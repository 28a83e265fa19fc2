//! EfficientNet-Lite: inverted residual blocks with ReLU6 and no squeeze-excite.
//!
//! Values are named by scope, `blocks.3/expand/conv`, `blocks.3/add`, `head/pool`; weights keep the names of the
//! state dictionary. Batch normalisation stays explicit, so that every layer of the paper can be visualised.

use super::{Error, StateDict, Tensor};
use crate::onnx::proto::{Dim, ModelProto, TensorProto};
use crate::onnx::types::value_info;
use crate::onnx::{Attribute, Builder, ElementType};

const STEM: usize = 32;
const HEAD: usize = 1280;
const CLASSES: usize = 1000;
const OPSET: i64 = 18;
const EPSILON: f32 = 1e-3;

/// Blocks that follow each other with the same kernel and width. The stride is the first block's; the others have 1.
struct Stage {
    repeats: usize,
    kernel: usize,
    stride: usize,
    expand: usize,
    out: usize,
}

const fn stage(repeats: usize, kernel: usize, stride: usize, expand: usize, out: usize) -> Stage {
    Stage {
        repeats,
        kernel,
        stride,
        expand,
        out,
    }
}

const STAGES: [Stage; 7] = [
    stage(1, 3, 1, 1, 16),
    stage(2, 3, 2, 6, 24),
    stage(2, 5, 2, 6, 40),
    stage(3, 3, 2, 6, 80),
    stage(3, 5, 1, 6, 112),
    stage(4, 5, 2, 6, 192),
    stage(1, 3, 1, 6, 320),
];

/// One size of the family.
pub(super) struct Variant {
    width: f64,
    depth: f64,
    /// Height and width of the input, in pixels.
    input: i64,
}

pub(super) const LITE0: Variant = Variant {
    width: 1.0,
    depth: 1.0,
    input: 224,
};
pub(super) const LITE1: Variant = Variant {
    width: 1.0,
    depth: 1.1,
    input: 240,
};
pub(super) const LITE2: Variant = Variant {
    width: 1.1,
    depth: 1.2,
    input: 260,
};

impl Variant {
    /// The ONNX model with the given weights, each of which must belong to a layer.
    pub(super) fn build(&self, weights: StateDict) -> Result<ModelProto, Error> {
        let mut network = Network::begin(weights, self.input)?;
        let mut value = network.conv("image", "stem/conv", "_conv_stem", CONV_STEM)?;
        value = network.norm_relu6(&value, "stem", "_bn0", STEM)?;
        let (mut channels, mut index) = (STEM, 0);
        for (position, stage) in STAGES.iter().enumerate() {
            let out = self.channels(stage.out);
            for repeat in 0..self.repeats(position, stage) {
                let block = Block {
                    index,
                    kernel: stage.kernel,
                    stride: if repeat == 0 { stage.stride } else { 1 },
                    expand: stage.expand,
                    channels,
                    out,
                };
                value = network.block(&value, &block)?;
                (channels, index) = (out, index + 1);
            }
        }
        value = network.conv(
            &value,
            "head/conv",
            "_conv_head",
            Conv::pointwise(channels, HEAD),
        )?;
        value = network.norm_relu6(&value, "head", "_bn1", HEAD)?;
        network.finish(&value)
    }

    /// A stage's width, scaled and rounded to a multiple of eight, but never down by more than a tenth.
    fn channels(&self, base: usize) -> usize {
        let scaled = base as f64 * self.width;
        let rounded = ((scaled + 4.0) as usize / 8 * 8).max(8);
        if (rounded as f64) < 0.9 * scaled {
            rounded + 8
        } else {
            rounded
        }
    }

    /// The first and the last stage do not get deeper.
    fn repeats(&self, position: usize, stage: &Stage) -> usize {
        if position == 0 || position + 1 == STAGES.len() {
            return stage.repeats;
        }
        (stage.repeats as f64 * self.depth).ceil() as usize
    }
}

struct Block {
    index: usize,
    kernel: usize,
    stride: usize,
    expand: usize,
    channels: usize,
    out: usize,
}

/// A convolution without bias, padded by half its kernel.
#[derive(Clone, Copy)]
struct Conv {
    channels: usize,
    out: usize,
    kernel: usize,
    stride: usize,
    groups: usize,
}

const CONV_STEM: Conv = Conv {
    channels: 3,
    out: STEM,
    kernel: 3,
    stride: 2,
    groups: 1,
};

impl Conv {
    fn pointwise(channels: usize, out: usize) -> Self {
        Self {
            channels,
            out,
            kernel: 1,
            stride: 1,
            groups: 1,
        }
    }

    fn depthwise(channels: usize, kernel: usize, stride: usize) -> Self {
        Self {
            channels,
            out: channels,
            kernel,
            stride,
            groups: channels,
        }
    }
}

/// The graph so far and the weights that no layer has taken yet.
struct Network {
    graph: Builder,
    weights: StateDict,
}

impl Network {
    fn begin(weights: StateDict, input: i64) -> Result<Self, Error> {
        let mut graph = Builder::empty(OPSET, "");
        let dims = [
            Dim::DimParam("batch".into()),
            Dim::DimValue(3),
            Dim::DimValue(input),
            Dim::DimValue(input),
        ];
        graph.input("image", ElementType::F32, &dims)?;
        graph.constant_named(TensorProto::from_f32("relu6/min", &[], &[0.0]))?;
        graph.constant_named(TensorProto::from_f32("relu6/max", &[], &[6.0]))?;
        Ok(Self { graph, weights })
    }

    fn block(&mut self, input: &str, block: &Block) -> Result<String, Error> {
        let (scope, key) = (
            format!("blocks.{}", block.index),
            format!("_blocks.{}.", block.index),
        );
        let wide = block.channels * block.expand;
        let mut value = input.to_owned();
        if block.expand != 1 {
            let scope = format!("{scope}/expand");
            let conv = Conv::pointwise(block.channels, wide);
            value = self.conv(
                &value,
                &format!("{scope}/conv"),
                &format!("{key}_expand_conv"),
                conv,
            )?;
            value = self.norm_relu6(&value, &scope, &format!("{key}_bn0"), wide)?;
        }
        let depthwise = format!("{scope}/depthwise");
        let conv = Conv::depthwise(wide, block.kernel, block.stride);
        value = self.conv(
            &value,
            &format!("{depthwise}/conv"),
            &format!("{key}_depthwise_conv"),
            conv,
        )?;
        value = self.norm_relu6(&value, &depthwise, &format!("{key}_bn1"), wide)?;
        let project = format!("{scope}/project");
        let conv = Conv::pointwise(wide, block.out);
        value = self.conv(
            &value,
            &format!("{project}/conv"),
            &format!("{key}_project_conv"),
            conv,
        )?;
        value = self.norm(&value, &project, &format!("{key}_bn2"), block.out)?;
        if block.stride != 1 || block.channels != block.out {
            return Ok(value);
        }
        let sum = format!("{scope}/add");
        Ok(self.graph.emit_named(&sum, "Add", &[&value, input], &[])?)
    }

    fn conv(&mut self, input: &str, name: &str, key: &str, conv: Conv) -> Result<String, Error> {
        let Conv {
            channels,
            out,
            kernel,
            stride,
            groups,
        } = conv;
        let weight = self.weight(
            &format!("{key}.weight"),
            &[out, channels / groups, kernel, kernel],
        )?;
        let (kernel, stride) = (kernel as i64, stride as i64);
        let attributes = [
            ("kernel_shape", Attribute::Ints(vec![kernel; 2])),
            ("strides", Attribute::Ints(vec![stride; 2])),
            ("pads", Attribute::Ints(vec![kernel / 2; 4])),
            ("group", Attribute::Int(groups as i64)),
        ];
        Ok(self
            .graph
            .emit_named(name, "Conv", &[input, &weight], &attributes)?)
    }

    fn norm(
        &mut self,
        input: &str,
        scope: &str,
        key: &str,
        channels: usize,
    ) -> Result<String, Error> {
        // How many batches the training saw: belongs to the layer, means nothing to inference.
        self.weights
            .take(&format!("{key}.num_batches_tracked"), &[])?;
        let mut inputs = vec![input.to_owned()];
        for part in ["weight", "bias", "running_mean", "running_var"] {
            inputs.push(self.weight(&format!("{key}.{part}"), &[channels])?);
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let name = format!("{scope}/bn");
        let attributes = [("epsilon", Attribute::Float(EPSILON))];
        Ok(self
            .graph
            .emit_named(&name, "BatchNormalization", &inputs, &attributes)?)
    }

    fn norm_relu6(
        &mut self,
        input: &str,
        scope: &str,
        key: &str,
        channels: usize,
    ) -> Result<String, Error> {
        let value = self.norm(input, scope, key, channels)?;
        let inputs = [value.as_str(), "relu6/min", "relu6/max"];
        Ok(self
            .graph
            .emit_named(&format!("{scope}/relu6"), "Clip", &inputs, &[])?)
    }

    /// Pooling and the classifier; every weight must have been taken by then.
    fn finish(mut self, input: &str) -> Result<ModelProto, Error> {
        let weight = self.weight("_fc.weight", &[CLASSES, HEAD])?;
        let bias = self.weight("_fc.bias", &[CLASSES])?;
        let graph = &mut self.graph;
        let pool = graph.emit_named("head/pool", "GlobalAveragePool", &[input], &[])?;
        let axis = [("axis", Attribute::Int(1))];
        let flat = graph.emit_named("head/flatten", "Flatten", &[&pool], &axis)?;
        let transposed = [("transB", Attribute::Int(1))];
        graph.emit_named("logits", "Gemm", &[&flat, &weight, &bias], &transposed)?;
        self.weights.finish()?;
        let dims = [Dim::DimParam("batch".into()), Dim::DimValue(CLASSES as i64)];
        let output = value_info("logits", ElementType::F32, &dims);
        Ok(self.graph.into_graph().to_model(&[output])?)
    }

    /// Moves a tensor of the state dictionary into the graph, under its own name.
    fn weight(&mut self, name: &str, shape: &[usize]) -> Result<String, Error> {
        let Tensor { shape, data, .. } = self.weights.take(name, shape)?;
        let dims: Vec<i64> = shape.iter().map(|size| *size as i64).collect();
        Ok(self
            .graph
            .constant_named(TensorProto::from_f32(name, &dims, &data))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_scales_as_published() {
        let widths = |variant: &Variant| STAGES.map(|stage| variant.channels(stage.out));
        let depths = |variant: &Variant| -> Vec<usize> {
            let stages = STAGES.iter().enumerate();
            stages
                .map(|(position, stage)| variant.repeats(position, stage))
                .collect()
        };
        assert_eq!(widths(&LITE0), [16, 24, 40, 80, 112, 192, 320]);
        assert_eq!(depths(&LITE0), [1, 2, 2, 3, 3, 4, 1]);
        assert_eq!(widths(&LITE1), widths(&LITE0));
        assert_eq!(depths(&LITE1), [1, 3, 3, 4, 4, 5, 1]);
        assert_eq!(widths(&LITE2), [16, 24, 48, 88, 120, 208, 352]);
        assert_eq!(depths(&LITE2), [1, 3, 3, 4, 4, 5, 1]);
    }

    #[test]
    fn a_tensor_that_is_missing_is_an_error_that_names_it() {
        let error = LITE0.build(StateDict::default()).unwrap_err().to_string();
        assert!(error.contains("\"_conv_stem.weight\""), "{error}");
    }
}
