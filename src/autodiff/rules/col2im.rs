//! Col2Im and MaxUnpool.

use super::sliding_window::Window;
use super::{Context, Error, Gradients};
use crate::onnx::proto::TensorProto;

/// Maximum number of elements per block: a kernel of its square becomes a constant of the gradient graph.
const MAX_BLOCK: usize = 1 << 10;

/// Col2Im: the blocks of `g`, read by a convolution whose channel `k` is element `k` of a block.
pub fn col_2_im(cx: &mut Context) -> Result<Gradients, Error> {
    cx.first_input_only()?;
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let (dims, elem, out) = (cx.dims(&input)?, cx.elem(&input)?, cx.dims(&cx.output())?);
    let block = cx.constant_ints(2)?.unwrap_or_default();
    let block: Option<Vec<usize>> = block.iter().map(|&b| usize::try_from(b).ok()).collect();
    let block = block.unwrap_or_default();
    let count = block
        .iter()
        .try_fold(1usize, |count, &size| count.checked_mul(size));
    let count = count.filter(|count| (1..=MAX_BLOCK).contains(count));
    let (Some(count), &[batch, columns, places], true) =
        (count, dims.as_slice(), out.len() == block.len() + 2)
    else {
        return Err(cx.unsupported(&format!("blocks {block:?} of {out:?}")));
    };
    let window = Window::new(cx, &block, &out[2..], &out[2..])?;
    let mut identity = vec![0.0; count * count];
    identity
        .iter_mut()
        .step_by(count + 1)
        .for_each(|one| *one = 1.0);
    let kernel_dims: Vec<i64> = [count, 1]
        .iter()
        .chain(&block)
        .map(|&size| size as i64)
        .collect();
    let identity = TensorProto::from_floats("", &kernel_dims, elem, &identity)?;
    let identity = cx.builder.constant(identity);
    let planes = [&[out[0] * out[1], 1], &out[2..]].concat();
    let planes = cx.reshape(&gradient, &planes);
    let attributes = [
        ("kernel_shape", window.kernel.clone().into()),
        ("strides", window.strides.clone().into()),
        ("dilations", window.dilations.clone().into()),
        ("pads", window.pads().into()),
    ];
    let blocks = cx.emit("Conv", &[&planes, &identity], &attributes);
    Ok(vec![Some(cx.reshape(&blocks, &[batch, columns, places]))])
}

/// MaxUnpool: `g` at the indices.
pub fn max_unpool(cx: &mut Context) -> Result<Gradients, Error> {
    cx.first_input_only()?;
    let (gradient, places) = (cx.grad_output()?, cx.input(1)?);
    // ONNX Runtime (1.32) does not infer the size of the result.
    let all = cx.ints(&[-1]);
    let flat = cx.op("Reshape", &[&gradient, &all]);
    Ok(vec![Some(cx.op("Gather", &[&flat, &places]))])
}
