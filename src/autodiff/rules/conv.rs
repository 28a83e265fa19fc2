//! Convolution.

use super::sliding_window::Window;
use super::{Context, Error, Gradients, conv_weights};
use crate::autodiff::lowering::blocked::FeatureMaps;
use crate::autodiff::lowering::{ConvolutionForm, ConvolutionTraits, convolution_form};
use crate::onnx::proto::TensorProto;

/// For the input, the transpose of the convolution, applied to `g`.
pub fn conv(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, input, weight) = (cx.grad_output()?, cx.input(0)?, cx.input(1)?);
    let (dims, out, filter) = (cx.dims(&input)?, cx.dims(&cx.output())?, cx.dims(&weight)?);
    if dims.len() < 3 || filter.len() != dims.len() || out.len() != dims.len() {
        return Err(cx.unsupported(&format!("input {dims:?} and weights {filter:?}")));
    }
    let group = cx.node.int("group").unwrap_or(1).max(1) as usize;
    let window = Window::of(cx, &filter[2..], &dims[2..], &out[2..])?;
    let mut gradients = vec![None, None, None];
    if cx.needs_input_grad(0) {
        gradients[0] = Some(of_input(cx, &window, group)?);
    }
    if cx.needs_input_grad(1) {
        let (large, small) = ((&*input, &*dims), (&*gradient, &*out));
        gradients[1] = Some(conv_weights::of_weights(cx, large, small, &window, group));
    }
    if cx.needs_input_grad(2) {
        gradients[2] = Some(conv_weights::by_channel(cx, &gradient, &out));
    }
    Ok(gradients)
}

/// The gradient of the input, in the form that suits the device.
fn of_input(cx: &mut Context, window: &Window, group: usize) -> Result<String, Error> {
    let (gradient, input, weight) = (cx.grad_output()?, cx.input(0)?, cx.input(1)?);
    let (dims, out, filter) = (cx.dims(&input)?, cx.dims(&cx.output())?, cx.dims(&weight)?);
    let (device, elem) = (cx.options.device, cx.elem(&input)?);
    let maps = FeatureMaps::new(device, elem, &out);
    let traits = ConvolutionTraits {
        unit_stride: window.strides.iter().all(|&stride| stride == 1),
        two_dimensional_stride_2: window.strides == [2, 2] && window.dilations == [1, 1],
        depthwise: group == dims[1] && filter[0] == group,
        group,
        input_channels: dims[1],
        can_be_blocked: maps.is_some(),
    };
    let constant = cx
        .constant(1)
        .filter(|weight| weight.raw_data.is_some())
        .cloned();
    let found = match (convolution_form(device, &traits), constant, maps) {
        (ConvolutionForm::Flipped, Some(kernel), _) => {
            flipped(cx, &gradient, &kernel, window, group)?
        }
        (ConvolutionForm::ZeroInserted, Some(kernel), Some(maps)) => {
            zero_inserted(cx, &gradient, &kernel, window, maps, &dims, &out)?
        }
        _ => None,
    };
    Ok(match found {
        Some(found) => found,
        None => transposed(cx, &gradient, &weight, window, &dims, &out, group),
    })
}

/// As [`conv`], where `weight` are the node's weights dequantized.
pub(super) fn of_numbers(cx: &mut Context, weight: &str) -> Result<Gradients, Error> {
    cx.first_input_only()?;
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let filter = cx.dims(&cx.input(1)?)?;
    let (dims, out) = (cx.dims(&input)?, cx.dims(&cx.output())?);
    if dims.len() < 3 || filter.len() != dims.len() || out.len() != dims.len() {
        return Err(cx.unsupported(&format!("input {dims:?} and weights {filter:?}")));
    }
    let group = cx.node.int("group").unwrap_or(1).max(1) as usize;
    let window = Window::of(cx, &filter[2..], &dims[2..], &out[2..])?;
    let of_input = transposed(cx, &gradient, weight, &window, &dims, &out, group);
    Ok(vec![Some(of_input)])
}

/// `ConvTranspose` with the same weights, whose dimensions (output, input/group, kernel) are what it expects.
fn transposed(
    cx: &mut Context,
    gradient: &str,
    weight: &str,
    window: &Window,
    dims: &[usize],
    out: &[usize],
    group: usize,
) -> String {
    // Rows at the end that the stride skips.
    let output_padding: Vec<i64> = (0..window.kernel.len())
        .map(|axis| {
            let reached = window.reach(axis, out[axis + 2]);
            dims[axis + 2] as i64 + window.pads_begin[axis] + window.pads_end[axis] - reached
        })
        .collect();
    let attributes = [
        ("kernel_shape", window.kernel.clone().into()),
        ("strides", window.strides.clone().into()),
        ("dilations", window.dilations.clone().into()),
        ("pads", window.pads().into()),
        ("output_padding", output_padding.into()),
        ("group", (group as i64).into()),
    ];
    cx.emit("ConvTranspose", &[gradient, weight], &attributes)
}

/// For stride 1: a convolution of `g` with the kernel reversed and the channels exchanged within each group. `None` if
/// the padding is wider than the kernel reaches: then parts of `g` would have to be cut off.
fn flipped(
    cx: &mut Context,
    gradient: &str,
    weight: &TensorProto,
    window: &Window,
    group: usize,
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
    let weight = flipped_weight(weight, group)?;
    let weight = cx.builder.constant(weight);
    let attributes = [
        ("kernel_shape", window.kernel.clone().into()),
        ("dilations", window.dilations.clone().into()),
        ("pads", pads.into()),
        ("group", (group as i64).into()),
    ];
    Ok(Some(cx.emit("Conv", &[gradient, &weight], &attributes)))
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

/// For a depthwise convolution of stride 2 in two dimensions: as for stride 1, of `g` (the `maps`)
/// with a zero after each of its rows and columns. `None` where the padding does not fit.
fn zero_inserted(
    cx: &mut Context,
    gradient: &str,
    weight: &TensorProto,
    window: &Window,
    maps: FeatureMaps,
    dims: &[usize],
    out: &[usize],
) -> Result<Option<String>, Error> {
    let mut pads = vec![0; 4];
    for axis in 0..2 {
        let (pad, reach) = (window.pads_begin[axis], window.extent(axis) - 1);
        pads[axis] = reach - pad;
        // The last zeros are part of the padding.
        pads[axis + 2] = pad + dims[axis + 2] as i64 - 2 * out[axis + 2] as i64;
    }
    if pads.iter().any(|&pad| pad < 0) {
        return Ok(None);
    }
    let weight = flipped_weight(weight, out[1])?;
    let weight = cx.builder.constant(weight);
    let spaced = maps.insert_zeros(cx.builder, gradient);
    let attributes = [
        ("kernel_shape", window.kernel.clone().into()),
        ("pads", pads.into()),
        ("group", (out[1] as i64).into()),
    ];
    Ok(Some(cx.emit("Conv", &[&spaced, &weight], &attributes)))
}
