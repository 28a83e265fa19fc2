//! Convolution.

use super::sliding_window::Window;
use super::{Context, Error, Gradients, conv_weights};
use crate::autodiff::lowering::{ConvolutionForm, ConvolutionTraits, convolution_form};
use crate::onnx::ElementType;
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
    let traits = ConvolutionTraits {
        unit_stride: window.strides.iter().all(|&stride| stride == 1),
        two_dimensional_stride_2: window.strides == [2, 2] && window.dilations == [1, 1],
        depthwise: group == dims[1] && filter[0] == group,
        group,
        input_channels: dims[1],
    };
    let constant = cx
        .constant(1)
        .filter(|weight| weight.raw_data.is_some())
        .cloned();
    let found = match (convolution_form(cx.options.device, &traits), constant) {
        (ConvolutionForm::Flipped, Some(kernel)) => flipped(cx, &gradient, &kernel, window, group)?,
        (ConvolutionForm::Phases, Some(kernel)) => {
            phases(cx, &gradient, &kernel, window, &dims, &out)?
        }
        (ConvolutionForm::ZeroInserted, Some(kernel)) => {
            zero_inserted(cx, &gradient, &kernel, window, &dims, &out)?
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

/// For a depthwise convolution of stride 2 in two dimensions: as for stride 1, of `g` with zeros inserted between its
/// rows and columns. `None` where the sizes or the type do not fit.
fn zero_inserted(
    cx: &mut Context,
    gradient: &str,
    weight: &TensorProto,
    window: &Window,
    dims: &[usize],
    out: &[usize],
) -> Result<Option<String>, Error> {
    // The last zeros are part of the padding.
    let mut pads = vec![0; 4];
    for axis in 0..2 {
        let (pad, reach) = (window.pads_begin[axis], window.extent(axis) - 1);
        (pads[axis], pads[axis + 2]) = (reach - pad, pad);
    }
    if weight.elem()? != ElementType::F32
        || !is_halved(dims, out)
        || pads.iter().any(|&pad| pad < 0)
    {
        return Ok(None);
    }
    let dilated = insert_zeros(cx, gradient, out);
    let channels = dims[1];
    let weight = flipped_weight(weight, channels)?;
    let weight = cx.builder.constant(weight);
    let attributes = [
        ("kernel_shape", window.kernel.clone().into()),
        ("pads", pads.into()),
        ("group", (channels as i64).into()),
    ];
    Ok(Some(cx.emit("Conv", &[&dilated, &weight], &attributes)))
}

/// A zero after every row and every column of `value`, float32 (N, C, H, W): (N, C, 2H, 2W).
///
/// No operator does this in blocked channels, but two that keep them do so together: each element is repeated over a
/// square of 2 × 2, and multiplied by 1 at the square's first place and by 0 at the others. The factors are blocked
/// too, because a convolution spreads them over the channels. Its input is multiplied by a 1 that ONNX Runtime does not
/// know in advance: it would compute the convolution when the model is opened, and store the result unblocked.
fn insert_zeros(cx: &mut Context, value: &str, dims: &[usize]) -> String {
    let channels = dims[1] as i64;
    let [height, width] = [2 * dims[2], 2 * dims[3]];
    let nearest = [
        ("mode", "nearest".into()),
        ("coordinate_transformation_mode", "asymmetric".into()),
        ("nearest_mode", "floor".into()),
    ];
    let scales = cx.builder.floats(&[4], &[1.0, 1.0, 2.0, 2.0]);
    let repeated = cx.emit("Resize", &[value, "", &scales], &nearest);

    let one = unknown_one(cx);
    let alternating = |size: usize| [1.0, 0.0].repeat(size / 2);
    let rows = cx
        .builder
        .floats(&[1, 1, height as i64, 1], &alternating(height));
    let columns = cx
        .builder
        .floats(&[1, 1, 1, width as i64], &alternating(width));
    let rows = cx.expand(&rows, &[dims[0], 1, height, 1]);
    let rows = cx.mul(&rows, &one);
    let places = cx.mul(&rows, &columns);
    let ones = cx.builder.floats(&[channels, 1, 1, 1], &vec![1.0; dims[1]]);
    let places = cx.emit("Conv", &[&places, &ones], &[]);
    cx.mul(&repeated, &places)
}

/// A 1 (1, 1, 1, 1) that depends on an input of the graph as far as ONNX Runtime can tell, whatever the input is.
/// (`RandomUniform` from 1 to 1 would do, but ONNX Runtime 1.32 lacks it at opset 22.)
fn unknown_one(cx: &mut Context) -> String {
    let input = cx.builder.graph().inputs()[0].name.clone();
    let all = cx.ints(&[-1]);
    let flat = cx.op("Reshape", &[&input, &all]);
    let [start, end] = [0, 1].map(|place| cx.ints(&[place]));
    let first = cx.op("Slice", &[&flat, &start, &end]);
    let first = cx.cast(&first, ElementType::Bool);
    let first = cx.cast(&first, ElementType::F32);
    let first = cx.reshape(&first, &[1, 1, 1, 1]);
    let always_one = [("alpha", 0f32.into()), ("beta", 1f32.into())];
    cx.emit("HardSigmoid", &[&first], &always_one)
}

/// Whether a convolution halves height and width: `dims` are those of its input, `out` of its output.
fn is_halved(dims: &[usize], out: &[usize]) -> bool {
    dims[2] == 2 * out[2] && dims[3] == 2 * out[3]
}

/// For a depthwise convolution of stride 2: every second row (column) of the input's gradient sees only every second
/// row (column) of the kernel, so each of the four parities is a small convolution of `g` of stride 1. All four run as
/// one depthwise convolution of `[g, g, g, g]`, and `DepthToSpace` interleaves them. `None` where the sizes do not fit.
fn phases(
    cx: &mut Context,
    gradient: &str,
    weight: &TensorProto,
    window: &Window,
    dims: &[usize],
    out: &[usize],
) -> Result<Option<String>, Error> {
    let channels = dims[1];
    if !is_halved(dims, out) {
        return Ok(None);
    }
    let taps = [0, 1].map(|axis| PhaseTaps::of(window.kernel[axis], window.pads_begin[axis]));
    let [rows, columns] = taps;
    let kernel = weight.to_f64()?;
    let (height, width) = (window.kernel[0] as usize, window.kernel[1] as usize);
    let mut values = Vec::with_capacity(4 * channels * rows.length * columns.length);
    for phase in 0..4 {
        for channel in 0..channels {
            for row in 0..rows.length {
                for column in 0..columns.length {
                    let source = rows.source[phase / 2][row].zip(columns.source[phase % 2][column]);
                    values.push(
                        source.map_or(0.0, |(y, x)| kernel[(channel * height + y) * width + x]),
                    );
                }
            }
        }
    }
    let dims = [
        4 * channels as i64,
        1,
        rows.length as i64,
        columns.length as i64,
    ];
    let weight = TensorProto::from_floats("", &dims, weight.elem()?, &values)?;
    let weight = cx.builder.constant(weight);
    let stacked = cx.emit("Concat", &[gradient; 4], &[("axis", 1i64.into())]);
    let attributes = [
        (
            "kernel_shape",
            vec![rows.length as i64, columns.length as i64].into(),
        ),
        (
            "pads",
            vec![rows.before, columns.before, rows.after, columns.after].into(),
        ),
        ("group", (4 * channels as i64).into()),
    ];
    let interleaved = cx.emit("Conv", &[&stacked, &weight], &attributes);
    Ok(Some(cx.emit(
        "DepthToSpace",
        &[&interleaved],
        &[("blocksize", 2i64.into())],
    )))
}

/// Along one axis: which kernel position each tap of each parity's small kernel takes.
///
/// Input position `2q + parity` receives `g[o]` times kernel position `k` where `2o - pad + k = 2q + parity`, so
/// `k = 2(q - o) + parity + pad`: with tap offset `d = o - q`, `k = parity + pad - 2d`.
struct PhaseTaps {
    /// Taps of either small kernel; both parities share the longer one's length.
    length: usize,
    before: i64,
    after: i64,
    source: [Vec<Option<usize>>; 2],
}

impl PhaseTaps {
    fn of(kernel: i64, pad: i64) -> Self {
        // The offsets d for which k lies within the kernel for at least one parity.
        let first =
            (pad - kernel + 1).div_euclid(2) + i64::from((pad - kernel + 1).rem_euclid(2) != 0);
        let last = (1 + pad).div_euclid(2);
        let source = [0, 1].map(|parity| {
            let position = |offset: i64| {
                let k = parity + pad - 2 * offset;
                (0..kernel).contains(&k).then_some(k as usize)
            };
            (first..=last).map(position).collect()
        });
        Self {
            length: (last - first + 1) as usize,
            before: -first,
            after: last,
            source,
        }
    }
}
