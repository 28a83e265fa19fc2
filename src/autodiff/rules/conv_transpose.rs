//! Transposed convolution: the gradient of its input is a convolution.

use super::conv::Operands;
use super::sliding_window::Window;
use super::{Context, Error, Gradients, conv_weights};

/// For the input, the convolution with the same weights, whose dimensions (input, output/group, kernel) are what it
/// expects.
pub fn conv_transpose(cx: &mut Context) -> Result<Gradients, Error> {
    let Operands {
        gradient,
        input,
        weight,
        dims,
        out,
        filter,
        group,
    } = Operands::new(cx)?;
    let rank = dims.len() - 2;
    let list = |name: &str| {
        let values = cx.node.ints(name).map_or(vec![1; rank], <[i64]>::to_vec);
        if values.len() == rank && values.iter().all(|value| (1..=4096).contains(value)) {
            Ok(values)
        } else {
            Err(cx.unsupported(&format!("its {name} is {values:?}")))
        }
    };
    let (strides, dilations) = (list("strides")?, list("dilations")?);
    let mut begins = vec![0; rank];
    let mut ends = vec![0; rank];
    for axis in 0..rank {
        let extent = (filter[axis + 2] as i64 - 1) * dilations[axis] + 1;
        let (size, output) = (dims[axis + 2] as i64, out[axis + 2] as i64);
        begins[axis] = padding_before(cx, axis, (size - 1) * strides[axis] + extent - output)?;
        // With this padding at the end, the convolution has exactly one window per input element.
        ends[axis] = (size - 1) * strides[axis] + extent - output - begins[axis];
    }
    // Negative padding crops rows that a convolution would skip, or one row too many.
    let cut: Vec<i64> = ends.iter().map(|end| (*end).min(0)).collect();
    let kept = |(&size, &cut): (&usize, &i64)| size.saturating_add_signed(cut as isize);
    let spatial: Vec<usize> = out[2..].iter().zip(&cut).map(kept).collect();
    let inner = if cut.iter().all(|&cut| cut == 0) {
        gradient.clone()
    } else {
        let after = [&[0, 0], cut.as_slice()].concat();
        cx.pad(&gradient, &vec![0; rank + 2], &after)
    };
    let window = Window {
        kernel: filter[2..].iter().map(|&size| size as i64).collect(),
        strides,
        dilations,
        pads_begin: begins,
        pads_end: ends.iter().map(|end| (*end).max(0)).collect(),
    };
    let attributes = [
        ("kernel_shape", window.kernel.clone().into()),
        ("strides", window.strides.clone().into()),
        ("dilations", window.dilations.clone().into()),
        ("pads", window.pads().into()),
        ("group", (group as i64).into()),
    ];
    let inner_dims = [&out[..2], &spatial].concat();
    cx.for_each_requested(3, |cx, index| {
        Ok(match index {
            0 => cx.emit("Conv", &[&inner, &weight], &attributes),
            1 => {
                let (large, small) = ((&*inner, &*inner_dims), (&*input, &*dims));
                conv_weights::of_weights(cx, large, small, &window, group)
            }
            _ => conv_weights::by_channel(cx, &gradient, &out),
        })
    })
}

/// Rows cropped at the start of the output along an axis; `total` is the number cropped at both ends less the output
/// padding. A larger requested output is padded at the end.
fn padding_before(cx: &Context, axis: usize, total: i64) -> Result<i64, Error> {
    let at = |name: &str| {
        cx.node
            .ints(name)
            .and_then(|values| values.get(axis))
            .copied()
    };
    let cropped = total
        .saturating_add(at("output_padding").unwrap_or(0))
        .max(0);
    let explicit = at("pads").unwrap_or(0);
    let computed = cx.node.ints("output_shape").is_some();
    let before = match cx.node.string("auto_pad").unwrap_or("NOTSET") {
        "SAME_UPPER" => cropped / 2,
        "SAME_LOWER" => cropped - cropped / 2,
        "VALID" => 0,
        _ if computed => cropped - cropped / 2,
        _ => explicit,
    };
    if (0..=4096).contains(&before) {
        Ok(before)
    } else {
        Err(cx.unsupported(&format!("its padding comes to {before}")))
    }
}
