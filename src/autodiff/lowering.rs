//! Choices between forms that compute the same: which one is fast depends on the device and the element type.
//!
//! On the CPU, ONNX Runtime keeps tensors of convolutional networks in blocked channels as long as
//! only certain operators touch them (see [`blocked`]). `HardSigmoid` and `Mul` are among them;
//! comparisons, `Where`, `Sub` and additions of a scalar are not. So masks are steep hard sigmoids
//! there: `clamp(steep·y + shift, 0, 1)` is exactly 0 or 1 for every float but those within 2^-100
//! of the bound.

pub mod basic;
pub mod blocked;

use super::context::Context;
use crate::onnx::{ElementType, Error};
use blocked::FeatureMaps;

/// What the graph will run on: what its provider is fast at, and what it has no operator for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// Keeps tensors of convolutional networks in blocked channels, as long as only certain operators touch them, and
    /// runs plain convolutions faster than transposed ones.
    pub blocked_channels: bool,
    /// Has `Sum`, `OneHot` and `LRN`; without them they are composed of other operators, see
    /// [`basic::without_rare_operators`].
    pub rare_operators: bool,
    /// Tells where a pool's maxima are.
    pub positions_of_maxima: bool,
    /// Multiplies matrices of equal batch dimensions at a fixed stride, but uploads an array of pointers for those that
    /// broadcast: three small copies from the host per product.
    pub strided_products: bool,
    /// Has [`own_operators`](crate::onnx::own_operators), which the graph imports.
    pub own_operators: bool,
}

impl Device {
    /// ONNX Runtime's CPU provider.
    pub const CPU: Self = Self {
        blocked_channels: true,
        rare_operators: true,
        positions_of_maxima: true,
        strided_products: false,
        own_operators: false,
    };
    /// Providers with every operator and transposed convolutions of full speed: CUDA, TensorRT.
    pub const FULL: Self = Self {
        blocked_channels: false,
        rare_operators: true,
        positions_of_maxima: true,
        strided_products: true,
        own_operators: false,
    };
    /// Providers with the usual operators only: WebGPU, and unknown ones.
    pub const BASIC: Self = Self {
        blocked_channels: false,
        rare_operators: false,
        positions_of_maxima: false,
        strided_products: false,
        own_operators: false,
    };
}

impl Default for Device {
    fn default() -> Self {
        Self::CPU
    }
}

/// How to differentiate.
#[derive(Debug, Clone, Default)]
pub struct GradientOptions {
    /// What the graph will run on.
    pub device: Device,
    /// A value (N, 1, 1, 1) of known type, between 0 and 1 for each of the batch: how much of an upward gradient is let
    /// through a *blocked* rectifier. 0 is the true gradient; 1 lets a dead network move (as Lucid does for the first
    /// steps). `None`: the true gradient, at no cost.
    pub redirect: Option<String>,
}

/// A power of two, so that multiplying by it is exact.
const STEEP: f64 = 1_267_650_600_228_229_401_496_703_205_376.0; // 2^100

/// Bounds beyond this would overflow when multiplied by [`STEEP`].
const MAX_BOUND: f64 = 67_108_864.0; // 2^26

/// 1 where `value` > `bound`, else 0, as numbers of the value's own type.
pub(super) fn mask_gt(cx: &mut Context, value: &str, bound: f64) -> Result<String, Error> {
    step(cx, value, bound, "Greater", STEEP)
}

/// 1 where `value` < `bound`, else 0, as numbers of the value's own type.
pub(super) fn mask_lt(cx: &mut Context, value: &str, bound: f64) -> Result<String, Error> {
    step(cx, value, bound, "Less", -STEEP)
}

fn step(cx: &mut Context, value: &str, bound: f64, op: &str, slope: f64) -> Result<String, Error> {
    let elem = cx.elem(value)?;
    // float32 is the one type for which every provider has the kernel; f64 is what tests use.
    let exact = f64::from(bound as f32) == bound && bound.abs() <= MAX_BOUND;
    if elem == ElementType::F32 && exact {
        let attributes = [
            ("alpha", (slope as f32).into()),
            ("beta", ((-slope * bound) as f32).into()),
        ];
        return Ok(cx.emit("HardSigmoid", &[value], &attributes));
    }
    let bound = cx.scalar(elem, bound)?;
    let flags = cx.op(op, &[value, &bound]);
    Ok(cx.cast(&flags, elem))
}

/// `1 - value` for a value between 0 and 1, of the type `elem`.
pub(super) fn one_minus(cx: &mut Context, value: &str, elem: ElementType) -> Result<String, Error> {
    if elem == ElementType::F32 {
        let attributes = [("alpha", (-1f32).into()), ("beta", 1f32.into())];
        return Ok(cx.emit("HardSigmoid", &[value], &attributes));
    }
    let one = cx.scalar(elem, 1.0)?;
    Ok(cx.op("Sub", &[&one, value]))
}

/// `mask · factor` for a mask of the type `elem`, whose elements are 0 and 1, and a factor between 0 and 1.
pub(super) fn scaled_mask(
    cx: &mut Context,
    mask: &str,
    elem: ElementType,
    factor: f64,
) -> Result<String, Error> {
    if elem == ElementType::F32 && (0.0..=1.0).contains(&factor) {
        let attributes = [("alpha", (factor as f32).into()), ("beta", 0f32.into())];
        return Ok(cx.emit("HardSigmoid", &[mask], &attributes));
    }
    cx.scale(mask, elem, factor)
}

/// 1 where `value` is as large as `bound`, which is nowhere smaller; both float32.
pub(super) fn mask_ge(cx: &mut Context, value: &str, bound: &str) -> Result<String, Error> {
    // Mul and Add rather than Sub: they keep blocked channels.
    let negative = cx.scale(bound, ElementType::F32, -1.0)?;
    let distance = cx.add(value, &negative);
    let attributes = [("alpha", (STEEP as f32).into()), ("beta", 1f32.into())];
    Ok(cx.emit("HardSigmoid", &[&distance], &attributes))
}

/// `value` (N, C, 1, ...) of type `elem`, multiplied by `scale` and repeated to fill `dims` (N, C, spatial).
pub(super) fn repeat_over_positions(
    cx: &mut Context,
    value: &str,
    elem: ElementType,
    dims: &[usize],
    scale: f64,
) -> Result<String, Error> {
    if let Some(maps) = FeatureMaps::new(cx.options.device, elem, dims) {
        return Ok(maps.repeat_over_positions(cx.builder, value, scale));
    }
    let scaled = cx.scale(value, elem, scale)?;
    Ok(cx.expand(&scaled, dims))
}

/// How the gradient of a maximum pool is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MaximumForm {
    /// Pools once more for the positions of the maxima, and scatters: always right.
    Scattered,
    /// For windows that tile a two-dimensional input: repeats maxima and gradients over their windows and compares.
    Compared,
    /// For any windows over float32: compares the elements of every window with its maximum, one by one.
    Tapped,
}

/// The fastest form, as measured on the CPU, where asking a pool for positions costs its fast kernel. For overlapping
/// windows, comparing each tap took as long as scattering.
pub(super) fn maximum_form(
    device: Device,
    elem: ElementType,
    tiles_two_dimensions: bool,
) -> MaximumForm {
    let gains = device.blocked_channels || !device.positions_of_maxima;
    if gains && elem == ElementType::F32 && tiles_two_dimensions {
        MaximumForm::Compared
    } else if !device.positions_of_maxima && elem == ElementType::F32 {
        MaximumForm::Tapped
    } else {
        MaximumForm::Scattered
    }
}

/// How a convolution's input gradient is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConvolutionForm {
    /// `ConvTranspose` with the same weights: always right.
    Transposed,
    /// For stride 1: `Conv` with the weights flipped and their channels exchanged.
    Flipped,
    /// For depthwise convolutions of stride 2 in two dimensions: as [`Flipped`](Self::Flipped), of the gradient with
    /// zeros inserted between its rows and columns.
    ZeroInserted,
}

/// What a choice of [`ConvolutionForm`] depends on.
pub(super) struct ConvolutionTraits {
    pub unit_stride: bool,
    pub two_dimensional_stride_2: bool,
    pub depthwise: bool,
    pub group: usize,
    pub input_channels: usize,
    /// Whether the gradient of the output can be blocked (see [`FeatureMaps`]).
    pub can_be_blocked: bool,
}

/// The fastest form, as measured on the CPU: flipped for stride 1 if the input's channels fill blocks of 8 (or the
/// convolution is depthwise), zeros inserted for depthwise stride 2 if the channels can be blocked.
pub(super) fn convolution_form(device: Device, traits: &ConvolutionTraits) -> ConvolutionForm {
    if !device.blocked_channels {
        return ConvolutionForm::Transposed;
    }
    let whole_blocks = traits.input_channels.is_multiple_of(8) && traits.group == 1;
    if traits.unit_stride && (whole_blocks || traits.depthwise) {
        ConvolutionForm::Flipped
    } else if traits.two_dimensional_stride_2 && traits.depthwise && traits.can_be_blocked {
        ConvolutionForm::ZeroInserted
    } else {
        ConvolutionForm::Transposed
    }
}
