//! Maximum, average and Lp pooling.

use super::sliding_window::Window;
use super::{Context, Error, Gradients};
use crate::autodiff::formula::Expr;
use crate::autodiff::lowering::{MaximumForm, mask_ge, maximum_form, repeat_over_positions};
use crate::onnx::proto::TensorProto;
use crate::onnx::{Attribute, ElementType};

/// Maximum window size of an average pool whose gradient uses a kernel of ones.
const MAX_AREA: i64 = 1 << 22;

/// Each element of `g` goes to the position of its window's maximum. Ties go to the first position or are divided
/// equally, depending on the form: both are subgradients and preserve the sum.
pub fn max_pool(cx: &mut Context) -> Result<Gradients, Error> {
    let input = cx.input(0)?;
    let (dims, out, elem) = (cx.dims(&input)?, cx.dims(&cx.output())?, cx.elem(&input)?);
    let window = Window::new(cx, &[], &dims[2..], &out[2..])?;
    let tiled = dims.len() == 4 && window.tiles(&dims[2..], &out[2..]);
    match maximum_form(cx.options.device, elem, tiled) {
        MaximumForm::Compared => return share_among_maxima(cx, &window.kernel),
        MaximumForm::Tapped => return share_among_taps(cx, &window),
        MaximumForm::Scattered => {}
    }
    let ceil = cx.node.int("ceil_mode").unwrap_or(0);
    let attributes = [
        ("kernel_shape", window.kernel.clone().into()),
        ("strides", window.strides.clone().into()),
        ("dilations", window.dilations.clone().into()),
        ("pads", window.pads().into()),
        ("ceil_mode", ceil.into()),
    ];
    scatter_to_maxima(cx, &attributes)
}

/// As [`max_pool`], with one window per channel.
pub fn global_max_pool(cx: &mut Context) -> Result<Gradients, Error> {
    let input = cx.input(0)?;
    let (dims, elem) = (cx.dims(&input)?, cx.elem(&input)?);
    if maximum_form(cx.options.device, elem, false) == MaximumForm::Tapped {
        return share_in_planes(cx, &dims);
    }
    let kernel: Vec<i64> = dims[2..].iter().map(|&dim| dim as i64).collect();
    scatter_to_maxima(cx, &[("kernel_shape", kernel.into())])
}

/// For windows that tile the input.
fn share_among_maxima(cx: &mut Context, kernel: &[i64]) -> Result<Gradients, Error> {
    let (gradient, input, output) = (cx.grad_output()?, cx.input(0)?, cx.output());
    let scales: Vec<f32> = [1, 1]
        .iter()
        .chain(kernel)
        .map(|&size| size as f32)
        .collect();
    let scales = cx.builder.floats(&[scales.len() as i64], &scales);
    let repeat = |cx: &mut Context, value: &str| {
        let attributes = [
            ("mode", "nearest".into()),
            ("coordinate_transformation_mode", "asymmetric".into()),
            ("nearest_mode", "floor".into()),
        ];
        cx.emit("Resize", &[value, "", &scales], &attributes)
    };
    let maxima = repeat(cx, &output);
    let is_maximum = mask_ge(cx, &input, &maxima)?;
    let attributes = [("kernel_shape", kernel.into()), ("strides", kernel.into())];
    let fraction = cx.emit("AveragePool", &[&is_maximum], &attributes);
    let area: i64 = kernel.iter().product();
    let share = Expr::from(gradient) / fraction * (1.0 / area as f64);
    let share = cx.eval(share)?;
    let share = repeat(cx, &share);
    Ok(vec![Some(cx.mul(&share, &is_maximum))])
}

/// For one window a channel: as many shares as maxima.
fn share_in_planes(cx: &mut Context, dims: &[usize]) -> Result<Gradients, Error> {
    let (gradient, input, output) = (cx.grad_output()?, cx.input(0)?, cx.output());
    let is_maximum = mask_ge(cx, &input, &output)?;
    let axes: Vec<i64> = (2..dims.len() as i64).collect();
    let axes = cx.ints(&axes);
    let count = cx.op("ReduceSum", &[&is_maximum, &axes]);
    let share = Expr::from(gradient) / count;
    Ok(vec![Some(cx.eval(share * is_maximum)?)])
}

/// For windows that overlap, leave gaps or reach beyond the input. A convolution with kernels of a single 1 brings
/// every element of each window, its taps, into channels of their own; the transpose of it brings their shares back.
fn share_among_taps(cx: &mut Context, window: &Window) -> Result<Gradients, Error> {
    /// More taps than a pool of any network has.
    const MAX_ELEMENTS: i64 = 1024;
    let (gradient, input, output) = (cx.grad_output()?, cx.input(0)?, cx.output());
    let (dims, out) = (cx.dims(&input)?, cx.dims(&output)?);
    let rank = window.kernel.len();
    let count: i64 = window.kernel.iter().product();
    if count > MAX_ELEMENTS {
        return Err(cx.unsupported(&format!("its windows hold {count} elements")));
    }
    cx.check_constant(&[&[count as usize], &out[2..]].concat())?;
    // Windows may begin before the input and, rounded up, end anywhere behind it.
    let behind: Vec<i64> = (0..rank)
        .map(|axis| {
            let begin = window.pads_begin[axis] + dims[axis + 2] as i64;
            (window.reach(axis, out[axis + 2]) - begin).max(0)
        })
        .collect();
    let taps = count as usize;
    let mut single = vec![0f32; taps * taps];
    single
        .iter_mut()
        .step_by(taps + 1)
        .for_each(|one| *one = 1.0);
    let kernel_dims = [&[count, 1][..], &window.kernel].concat();
    let single = cx.builder.floats(&kernel_dims, &single);
    let pads = [window.pads_begin.as_slice(), &behind].concat();
    let attributes = [
        ("kernel_shape", window.kernel.clone().into()),
        ("strides", window.strides.clone().into()),
        ("dilations", window.dilations.clone().into()),
        ("pads", pads.into()),
    ];
    let planes = dims[0] * dims[1];
    let plane = cx.reshape(&input, &[&[planes, 1][..], &dims[2..]].concat());
    let spread_dims = [&[planes, 1][..], &out[2..]].concat();
    let elements = cx.emit("Conv", &[&plane, &single], &attributes);
    let maxima = cx.reshape(&output, &spread_dims);
    let is_maximum = mask_ge(cx, &elements, &maxima)?;
    // Padding never counts, though its zeros may equal the maximum.
    let valid = cx.builder.floats(
        &[
            &[1, count][..],
            &out[2..].iter().map(|&dim| dim as i64).collect::<Vec<_>>(),
        ]
        .concat(),
        &valid_taps(window, &dims[2..], &out[2..]),
    );
    let is_maximum = cx.mul(&is_maximum, &valid);
    let axis = cx.ints(&[1]);
    let number = cx.op("ReduceSum", &[&is_maximum, &axis]);
    let gradient = cx.reshape(&gradient, &spread_dims);
    let share = cx.op("Div", &[&gradient, &number]);
    let shares = cx.mul(&share, &is_maximum);
    let spread = transposed_windows(cx, &shares, &single, window, &dims, &out);
    Ok(vec![Some(cx.reshape(&spread, &dims))])
}

/// For every tap and every window, in row-major order, 1 where the tap is an element of the input.
fn valid_taps(window: &Window, dims: &[usize], out: &[usize]) -> Vec<f32> {
    // Whether a tap of a window is an element of the input, along one axis.
    let inside = |axis: usize, tap: i64, place: i64| {
        let at =
            place * window.strides[axis] + tap * window.dilations[axis] - window.pads_begin[axis];
        (0..dims[axis] as i64).contains(&at)
    };
    let (taps, places): (i64, usize) = (window.kernel.iter().product(), out.iter().product());
    let mut valid = Vec::with_capacity(taps as usize * places);
    for tap in 0..taps {
        for place in 0..places as i64 {
            let (mut tap, mut place, mut all) = (tap, place, true);
            for axis in (0..dims.len()).rev() {
                let (size, count) = (window.kernel[axis], out[axis] as i64);
                all &= inside(axis, tap % size, place % count);
                (tap, place) = (tap / size, place / count);
            }
            valid.push(f32::from(u8::from(all)));
        }
    }
    valid
}

fn scatter_to_maxima(
    cx: &mut Context,
    attributes: &[(&str, Attribute)],
) -> Result<Gradients, Error> {
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let (dims, elem) = (cx.dims(&input)?, cx.elem(&input)?);
    let count: usize = dims.iter().product();
    let pooled = cx.builder.emit_many("MaxPool", &[&input], attributes, 2);
    let flat = cx.ints(&[-1]);
    let indices = cx.op("Reshape", &[&pooled[1], &flat]);
    let updates = cx.op("Reshape", &[&gradient, &flat]);
    let zeros = cx.zeros(elem, &[count])?;
    let scatter = [("axis", 0i64.into()), ("reduction", "add".into())];
    let scattered = cx.emit("ScatterElements", &[&zeros, &indices, &updates], &scatter);
    Ok(vec![Some(cx.reshape(&scattered, &dims))])
}

/// Each element of `g`, divided by the number of elements in its window's average, goes to all of these elements.
pub fn average_pool(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let (dims, out, elem) = (cx.dims(&input)?, cx.dims(&cx.output())?, cx.elem(&input)?);
    let window = Window::new(cx, &[], &dims[2..], &out[2..])?;
    let include_pad = cx.node.int("count_include_pad").unwrap_or(0) != 0;
    let rank = window.kernel.len();
    cx.check_constant(&out[2..])?;
    let counts: Vec<Vec<f64>> = (0..rank)
        .map(|axis| window_counts(&window, axis, dims[axis + 2], out[axis + 2], include_pad))
        .collect();
    let share: Vec<f64> = counts.iter().fold(vec![1.0], |products, axis| {
        products
            .iter()
            .flat_map(|product| axis.iter().map(move |count| product / count))
            .collect()
    });
    let mut share_dims = vec![1i64; 2];
    share_dims.extend(out[2..].iter().map(|&dim| dim as i64));
    let share = TensorProto::from_floats("", &share_dims, elem, &share)?;
    let share = cx.builder.constant(share);
    let shared = cx.mul(&gradient, &share);

    let spread = spread(cx, &shared, &window, &dims, &out, elem)?;
    Ok(vec![Some(spread)])
}

/// Adds each element of `shared`, of dimensions `out`, to all elements of its window in a tensor of dimensions `dims`.
fn spread(
    cx: &mut Context,
    shared: &str,
    window: &Window,
    dims: &[usize],
    out: &[usize],
    elem: ElementType,
) -> Result<String, Error> {
    // Per channel: the transpose of a convolution with a kernel of ones.
    let planes = [&[dims[0] * dims[1], 1][..], &out[2..]].concat();
    let shared = cx.reshape(shared, &planes);
    let area: i64 = window.kernel.iter().product();
    let kernel_dims = [&[1, 1][..], &window.kernel].concat();
    if area > MAX_AREA {
        return Err(cx.unsupported(&format!("its windows hold {area} elements")));
    }
    let ones = vec![1.0; area as usize];
    let ones = TensorProto::from_floats("", &kernel_dims, elem, &ones)?;
    let ones = cx.builder.constant(ones);
    let spread = transposed_windows(cx, &shared, &ones, window, dims, out);
    Ok(cx.reshape(&spread, dims))
}

/// The transpose of the convolution of one plane with `kernel` (taps, 1, kernel) over the windows of a pool: `value`
/// (planes, taps, windows), scattered over the elements of a tensor whose spatial dimensions are those of `dims`,
/// (planes, 1, …).
fn transposed_windows(
    cx: &mut Context,
    value: &str,
    kernel: &str,
    window: &Window,
    dims: &[usize],
    out: &[usize],
) -> String {
    let rank = window.kernel.len();
    // With ceil_mode the last window may extend beyond the padding: spread over all of it, then crop.
    let full: Vec<i64> = (0..rank)
        .map(|axis| {
            let padded = dims[axis + 2] as i64 + window.pads_begin[axis];
            window.reach(axis, out[axis + 2]).max(padded)
        })
        .collect();
    let output_padding: Vec<i64> = (0..rank)
        .map(|axis| full[axis] - window.reach(axis, out[axis + 2]))
        .collect();
    let attributes = [
        ("kernel_shape", window.kernel.clone().into()),
        ("strides", window.strides.clone().into()),
        ("dilations", window.dilations.clone().into()),
        ("output_padding", output_padding.into()),
    ];
    let spread = cx.emit("ConvTranspose", &[value, kernel], &attributes);
    if (0..rank).all(|axis| full[axis] == dims[axis + 2] as i64) {
        return spread;
    }
    let starts = cx.ints(&window.pads_begin);
    let ends: Vec<i64> = (0..rank)
        .map(|axis| window.pads_begin[axis] + dims[axis + 2] as i64)
        .collect();
    let ends = cx.ints(&ends);
    let axes: Vec<i64> = (2..rank as i64 + 2).collect();
    let axes = cx.ints(&axes);
    cx.op("Slice", &[&spread, &starts, &ends, &axes])
}

/// The norm of order p of each window: `g / y^(p-1)` goes to all its elements, times `|x|^(p-1) · sign x`.
pub fn lp_pool(cx: &mut Context) -> Result<Gradients, Error> {
    let input = cx.input(0)?;
    let (dims, out, elem) = (cx.dims(&input)?, cx.dims(&cx.output())?, cx.elem(&input)?);
    let window = Window::new(cx, &[], &dims[2..], &out[2..])?;
    let share = norm_share(cx)?;
    let spread = spread(cx, &share, &window, &dims, &out, elem)?;
    norm_slope(cx, &spread)
}

/// As [`lp_pool`], with one window per channel.
pub fn global_lp_pool(cx: &mut Context) -> Result<Gradients, Error> {
    let share = norm_share(cx)?;
    norm_slope(cx, &share)
}

fn order(cx: &Context) -> Result<f64, Error> {
    match cx.node.int("p").unwrap_or(2) {
        order @ 1..=64 => Ok(order as f64),
        order => Err(cx.unsupported(&format!("p = {order}"))),
    }
}

/// `g / y^(p-1)`, and 0 where y is 0.
fn norm_share(cx: &mut Context) -> Result<String, Error> {
    let (g, y, p) = (cx.grad_output()?, Expr::from(cx.output()), order(cx)?);
    cx.eval(Expr::from(g).div_or_zero(y.pow(p - 1.0)))
}

/// `share · |x|^(p-1) · sign x`.
fn norm_slope(cx: &mut Context, share: &str) -> Result<Gradients, Error> {
    let (x, p) = (Expr::from(cx.input(0)?), order(cx)?);
    let slope = x.map("Abs").pow(p - 1.0) * x.map("Sign");
    Ok(vec![Some(cx.eval(Expr::from(share) * slope)?)])
}

/// Along one axis: how many elements each window averages. Padding counts if `include_pad`, but what a window covers
/// beyond the padding (with `ceil_mode`) never does.
fn window_counts(
    window: &Window,
    axis: usize,
    input: usize,
    output: usize,
    include_pad: bool,
) -> Vec<f64> {
    let (begin, input) = (window.pads_begin[axis], input as i64);
    let valid = if include_pad {
        -begin..input + window.pads_end[axis]
    } else {
        0..input
    };
    (0..output as i64)
        .map(|position| {
            let start = position * window.strides[axis] - begin;
            let step = window.dilations[axis];
            // The number of start, start + step, … below a position.
            let before = |place: i64| (place - start + step - 1).div_euclid(step);
            let before = |place| before(place).clamp(0, window.kernel[axis]);
            (before(valid.end) - before(valid.start)).max(1) as f64
        })
        .collect()
}

/// `g / area`, repeated over the spatial axes.
pub fn global_average_pool(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let (dims, elem): (Vec<usize>, ElementType) = (cx.dims(&input)?, cx.elem(&input)?);
    let area: usize = dims[2..].iter().product();
    let share = repeat_over_positions(cx, &gradient, elem, &dims, 1.0 / area as f64)?;
    Ok(vec![Some(share)])
}
