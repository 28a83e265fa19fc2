//! `StridedGradient(gradient, weights[, value])`: the input gradient of a depthwise convolution of stride 2, in blocked
//! channels (NCHWc): a convolution of the gradient with zeros between its rows and columns, which are not stored.
//!
//! - `gradient`: float32 (N, C, H, W), whose memory is (N, C/B, H, W, B)
//! - `weights`: float32 (C, 1, h, w), whose memory is (C/B, h, w, B): those of the convolution with zeros
//! - `value`: float32 of the shape of the result: the gradient is kept where it is between the attributes `low` and
//!   `high`, and 0 elsewhere
//! - attribute `block`: B, 8 or 16
//! - attribute `pads`: rows before and after, columns before and after, of the convolution with zeros
//! - result: float32 (N, C, 2H + pads - h + 1, 2W + pads - w + 1), blocked as `gradient`
//!
//! Taps are added in the order in which ONNX Runtime's convolution adds them, so results are the same.

use super::context::{for_each, input, output};
use super::dispatch::{Kernels, kernels};
use crate::onnx::own_operators::STRIDED_GRADIENT;
use ort::operator::{
    ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput,
};
use ort::value::{Shape, TensorElementType};

/// Pixels that one thread computes at a time.
const PIXELS: usize = 1 << 11;
