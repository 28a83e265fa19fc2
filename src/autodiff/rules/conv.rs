//! Convolution.

use super::sliding_window::Window;
use super::{Context, Error, Gradients, conv_weights};
use crate::autodiff::lowering::blocked::FeatureMaps;
use crate::autodiff::lowering::{ConvolutionForm, ConvolutionTraits, convolution_form};
use crate::onnx::proto::TensorProto;

/// The tensors of a convolution or transposed convolution under differentiation, and their dimensions.
pub(super) struct Operands {
    /// The gradient of the output.
    pub gradient: String,
    pub input: String,
    pub weight: String,
    /// Dimensions of the input, the output and the weights: of equal rank, at least 3.
    pub dims: Vec<usize>,
    pub out: Vec<usize>,
    pub filter: Vec<usize>,
    pub group: usize,
}

impl Operands {
    /// The operands of the node.
    pub fn new(cx: &Context) -> Result<Self, Error> {
        let (gradient, input, weight) = (cx.grad_output()?, cx.input(0)?, cx.input(1)?);
        let (dims, out, filter) = (cx.dims(&input)?, cx.dims(&cx.output())?, cx.dims(&weight)?);
        if dims.len() < 3 || filter.len() != dims.len() || out.len() != dims.len() {
            return Err(cx.unsupported(&format!("input {dims:?} and weights {filter:?}")));
        }
        Ok(Self {
            gradient,
            input,
            weight,
            dims,
            out,
            filter,
            group: cx.node.int("group").unwrap_or(1).max(1) as usize,
        })
    }

    /// The window of a convolution.
    fn window(&self, cx: &Context) -> Result<Window, Error> {
        Window::new(cx, &self.filter[2..], &self.dims[2..], &self.out[2..])
    }

    /// The gradient of a convolution's input, in the form that suits the device.
    fn of_input(&self, cx: &mut Context, window: &Window) -> Result<String, Error> {
        let (device, elem) = (cx.options.device, cx.elem(&self.input)?);
        let maps = FeatureMaps::new(device, elem, &self.out);
        let traits = ConvolutionTraits {
            unit_stride: window.strides.iter().all(|&stride| stride == 1),
            two_dimensional_stride_2: window.strides == [2, 2] && window.dilations == [1, 1],
            depthwise: self.group == self.dims[1] && self.filter[0] == self.group,
            group: self.group,
            input_channels: self.dims[1],
            can_be_blocked: maps.is_some(),
        };
        let constant = cx
            .constant(1)
            .filter(|weight| weight.raw_data.is_some())
            .cloned();
        let emitted = match (convolution_form(device, &traits), constant, maps) {
            (ConvolutionForm::Flipped, Some(kernel), _) => self.flipped(cx, &kernel, window)?,
            (ConvolutionForm::ZeroInserted, Some(kernel), Some(maps)) => {
                self.zero_inserted(cx, &kernel, window, maps)?
            }
            _ => None,
        };
        Ok(match emitted {
            Some(gradient) => gradient,
            None => self.transposed(cx, &self.weight, window),
        })
    }

    /// `ConvTranspose` with the same weights, whose dimensions (output, input/group, kernel) are what it expects.
    fn transposed(&self, cx: &mut Context, weight: &str, window: &Window) -> String {
        // Rows at the end that the stride skips.
        let output_padding: Vec<i64> = (0..window.kernel.len())
            .map(|axis| {
                let padding = window.pads_begin[axis] + window.pads_end[axis];
                self.dims[axis + 2] as i64 + padding - window.reach(axis, self.out[axis + 2])
            })
            .collect();
        let attributes = [
            ("kernel_shape", window.kernel.clone().into()),
            ("strides", window.strides.clone().into()),
            ("dilations", window.dilations.clone().into()),
            ("pads", window.pads().into()),
            ("output_padding", output_padding.into()),
            ("group", (self.group as i64).into()),
        ];
        cx.emit("ConvTranspose", &[&self.gradient, weight], &attributes)
    }

    /// For stride 1: a convolution of `g` with the kernel reversed and the channels exchanged within each group. `None`
    /// if the padding is wider than the kernel reaches: then parts of `g` would have to be cut off.
    fn flipped(
        &self,
        cx: &mut Context,
        weight: &TensorProto,
        window: &Window,
    ) -> Result<Option<String>, Error> {
        let reach = (0..window.kernel.len()).map(|axis| window.extent(axis) - 1);
        let padded = window.pads_begin.iter().chain(&window.pads_end);
        let pads: Vec<i64> = reach
            .clone()
            .chain(reach)
            .zip(padded)
            .map(|(reach, pad)| reach - pad)
            .collect();
        if pads.iter().any(|&pad| pad < 0) {
            return Ok(None);
        }
        let weight = cx.builder.constant(flipped_weight(weight, self.group)?);
        let attributes = [
            ("kernel_shape", window.kernel.clone().into()),
            ("dilations", window.dilations.clone().into()),
            ("pads", pads.into()),
            ("group", (self.group as i64).into()),
        ];
        Ok(Some(cx.emit(
            "Conv",
            &[&self.gradient, &weight],
            &attributes,
        )))
    }

    /// For a depthwise convolution of stride 2 in two dimensions: as for stride 1, of `g` (the
    /// `maps`) with a zero after each of its rows and columns. `None` where the padding does not
    /// fit.
    fn zero_inserted(
        &self,
        cx: &mut Context,
        weight: &TensorProto,
        window: &Window,
        maps: FeatureMaps,
    ) -> Result<Option<String>, Error> {
        let mut pads = vec![0; 4];
        for axis in 0..2 {
            let (pad, reach) = (window.pads_begin[axis], window.extent(axis) - 1);
            pads[axis] = reach - pad;
            // The last zeros are part of the padding.
            pads[axis + 2] = pad + self.dims[axis + 2] as i64 - 2 * self.out[axis + 2] as i64;
        }
        if pads.iter().any(|&pad| pad < 0) {
            return Ok(None);
        }
        let weight = cx.builder.constant(flipped_weight(weight, self.group)?);
        let spaced = maps.insert_zeros(cx.builder, &self.gradient);
        let attributes = [
            ("kernel_shape", window.kernel.clone().into()),
            ("pads", pads.into()),
            ("group", (self.group as i64).into()),
        ];
        Ok(Some(cx.emit("Conv", &[&spaced, &weight], &attributes)))
    }
}

/// For the input, the transpose of the convolution, applied to `g`.
pub fn conv(cx: &mut Context) -> Result<Gradients, Error> {
    let operands = Operands::new(cx)?;
    let window = operands.window(cx)?;
    cx.for_each_requested(3, |cx, index| match index {
        0 => operands.of_input(cx, &window),
        1 => {
            let large = (&*operands.input, &*operands.dims);
            let small = (&*operands.gradient, &*operands.out);
            let group = operands.group;
            Ok(conv_weights::of_weights(cx, large, small, &window, group))
        }
        _ => Ok(conv_weights::by_channel(
            cx,
            &operands.gradient,
            &operands.out,
        )),
    })
}

/// As [`conv`], where `weight` are the node's weights dequantized.
pub(super) fn of_numbers(cx: &mut Context, weight: &str) -> Result<Gradients, Error> {
    cx.first_input_only()?;
    let operands = Operands::new(cx)?;
    let window = operands.window(cx)?;
    Ok(vec![Some(operands.transposed(cx, weight, &window))])
}

/// Weights (output, input/group, kernel) as (input, output/group, reversed kernel).
fn flipped_weight(weight: &TensorProto, group: usize) -> Result<TensorProto, Error> {
    let dims = weight.shape()?;
    let (outputs, inputs) = (dims[0] / group, dims[1]);
    let area: usize = dims[2..].iter().product();
    let size = weight.elem()?.size();
    let raw = weight.raw_data.clone().unwrap_or_default();
    if raw.len() != dims.iter().product::<usize>() * size {
        return Err(crate::onnx::Error::Corrupt(format!("weights {:?}", weight.name)).into());
    }
    let mut bytes = Vec::with_capacity(raw.len());
    for g in 0..group {
        for i in 0..inputs {
            for o in 0..outputs {
                let kernel = (g * outputs + o) * inputs + i;
                for position in (0..area).rev() {
                    let start = (kernel * area + position) * size;
                    bytes.extend_from_slice(&raw[start..start + size]);
                }
            }
        }
    }
    let mut flipped: Vec<i64> = vec![(inputs * group) as i64, outputs as i64];
    flipped.extend(&weight.dims[2..]);
    Ok(TensorProto {
        dims: flipped,
        data_type: weight.data_type,
        raw_data: Some(bytes.into()),
        ..Default::default()
    })
}
