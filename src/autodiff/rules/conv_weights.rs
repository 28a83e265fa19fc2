//! Gradients of convolution weights and biases, for networks that compute them from the input (dynamic convolution).

use super::Context;
use super::sliding_window::Window;

/// The gradient of weights (small channels, large channels / group, kernel). A convolution has `large` (N, large
/// channels, …) as its input and `small` (N, small channels, …) as the gradient of its output; a transposed convolution
/// has them exchanged.
///
/// Each position of the kernel is the sum of products of `small` with `large` shifted: a convolution whose kernel is
/// `small`, with strides and dilations exchanged, and with batch and channel axes exchanged.
pub fn of_weights(
    cx: &mut Context,
    (large, dims): (&str, &[usize]),
    (small, small_dims): (&str, &[usize]),
    window: &Window,
    group: usize,
) -> String {
    let (batch, channels) = (dims[0], dims[1] / group);
    let area = &dims[2..];
    let rank = area.len();
    let grouped = cx.reshape(large, &[&[batch, group, channels], area].concat());
    let order: Vec<usize> = [2, 1, 0].into_iter().chain(3..rank + 3).collect();
    let batch_last = cx.transpose(&grouped, &order);
    let batch_last = cx.reshape(&batch_last, &[&[channels, group * batch], area].concat());
    let exchanged: Vec<usize> = [1, 0].into_iter().chain(2..rank + 2).collect();
    let kernel = cx.transpose(small, &exchanged);
    let extents: Vec<i64> = small_dims[2..].iter().map(|&size| size as i64).collect();
    let attributes = [
        ("kernel_shape", extents.into()),
        ("strides", window.dilations.clone().into()),
        ("dilations", window.strides.clone().into()),
        ("pads", window.pads().into()),
        ("group", (group as i64).into()),
    ];
    let sums = cx.emit("Conv", &[&batch_last, &kernel], &attributes);
    // Rows that the stride skips at the end allow more kernel positions than there are.
    let axes: Vec<i64> = (2..rank as i64 + 2).collect();
    let [starts, ends, axes] = [&vec![0; rank], &window.kernel, &axes].map(|list| cx.ints(list));
    let reached = cx.op("Slice", &[&sums, &starts, &ends, &axes]);
    cx.transpose(&reached, &exchanged)
}

/// The sums of a value of dimensions `dims` over all but its channels.
pub fn by_channel(cx: &mut Context, value: &str, dims: &[usize]) -> String {
    let others: Vec<usize> = (0..dims.len()).filter(|&axis| axis != 1).collect();
    let sums = cx.sum_over(value, &others);
    cx.reshape(&sums, &dims[1..2])
}
