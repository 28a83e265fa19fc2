//! Forms that keep feature maps in blocked channels (NCHWc): the layout in which ONNX Runtime's CPU provider computes
//! two-dimensional convolutional networks.
//!
//! The provider chooses the layout when it opens a model. Convolutions and pools of channels that
//! fill blocks are blocked, and so is what follows them, as long as it is an activation, a
//! concatenation of channels, a nearest-neighbour `Resize` by whole factors, or a sum or product of
//! blocked tensors of equal dimensions. Other operators get their operands reordered, before and
//! after, which costs more than the operator itself. In particular, nothing may be broadcast to a
//! blocked tensor: what is multiplied with feature maps is first repeated to their dimensions, in a
//! blocked form.

use super::Device;
use crate::onnx::proto::TensorProto;
use crate::onnx::{Builder, ElementType};

/// The provider blocks channels whose number is a multiple of this.
const ALIGNMENT: usize = 4;

/// Maximum number of channels, rows or columns of these forms. Their constants have one element per channel, or two per
/// row or column.
const MAX_LINE: usize = 1 << 16;

/// Feature maps (N, C, H, W) that can be blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeatureMaps {
    batch: usize,
    channels: usize,
    height: usize,
    width: usize,
}

impl FeatureMaps {
    /// Feature maps of a type; `None` if they cannot be blocked on `device`, are empty, or are too large for the
    /// constants of these forms.
    pub fn new(device: Device, elem: ElementType, dims: &[usize]) -> Option<Self> {
        let &[batch, channels, height, width] = dims else {
            return None;
        };
        let fits = |size: &usize| (1..=MAX_LINE).contains(size);
        let can_be_blocked = device.blocked_channels
            && elem == ElementType::F32
            && channels.is_multiple_of(ALIGNMENT)
            && [channels, height, width].iter().all(fits);
        can_be_blocked.then_some(Self {
            batch,
            channels,
            height,
            width,
        })
    }

    /// A number per picture (N, 1, 1, 1), repeated over channels and positions.
    pub fn repeat_over_channels_and_positions(&self, builder: &mut Builder, value: &str) -> String {
        let plane = dims_constant(builder, [self.batch, 1, self.height, self.width]);
        let plane = builder.emit("Expand", &[value, &plane], &[]);
        self.repeat_over_channels(builder, &plane)
    }

    /// A number per channel (N, C, 1, 1), multiplied by `scale` and repeated over the positions.
    pub(in crate::autodiff) fn repeat_over_positions(
        &self,
        builder: &mut Builder,
        value: &str,
        scale: f64,
    ) -> String {
        // Even by 1, because that blocks it.
        let value = self.scaled(builder, value, scale);
        enlarged(builder, &value, [self.height, self.width])
    }

    /// The sums over the positions of each map of `value`: (N, C, 1, 1).
    pub(in crate::autodiff) fn sum_over_positions(
        &self,
        builder: &mut Builder,
        value: &str,
    ) -> String {
        let mean = builder.emit("GlobalAveragePool", &[value], &[]);
        self.scaled(builder, &mean, (self.height * self.width) as f64)
    }

    /// A zero after every row and every column of `value`, which are these maps: (N, C, 2H, 2W).
    /// What is infinite becomes NaN.
    ///
    /// Each element is repeated over a square of 2 × 2, which is multiplied by 1 at its first place
    /// and by 0 at the others.
    pub(in crate::autodiff) fn insert_zeros(&self, builder: &mut Builder, value: &str) -> String {
        let repeated = enlarged(builder, value, [2, 2]);
        let rows = every_second(builder, self.height);
        let plane = dims_constant(builder, [self.batch, 1, 2 * self.height, 1]);
        let rows = builder.emit("Expand", &[&rows, &plane], &[]);
        let columns = [1.0, 0.0].repeat(self.width);
        let columns = builder.floats(&[1, 1, 1, columns.len() as i64], &columns);
        let places = builder.emit("Mul", &[&rows, &columns], &[]);
        let places = self.repeat_over_channels(builder, &places);
        builder.emit("Mul", &[&repeated, &places], &[])
    }

    /// A plane (N, 1, H, W) of any size, repeated over the channels by a convolution, which blocks it.
    fn repeat_over_channels(&self, builder: &mut Builder, plane: &str) -> String {
        let dims = [self.channels as i64, 1, 1, 1];
        let ones = builder.floats(&dims, &vec![1.0; self.channels]);
        builder.emit("Conv", &[plane, &ones], &[])
    }

    /// `value` (N, C, 1, 1) times `scale`, by a convolution: a product with a number is not blocked.
    fn scaled(&self, builder: &mut Builder, value: &str, scale: f64) -> String {
        let dims = [self.channels as i64, 1, 1, 1];
        let scales = builder.floats(&dims, &vec![scale as f32; self.channels]);
        let group = [("group", (self.channels as i64).into())];
        builder.emit("Conv", &[value, &scales], &group)
    }
}

fn dims_constant(builder: &mut Builder, dims: [usize; 4]) -> String {
    builder.ints(&dims.map(|size| size as i64))
}

/// Every element of `value` (N, C, H, W), repeated over a rectangle of these numbers of rows and columns.
fn enlarged(builder: &mut Builder, value: &str, [rows, columns]: [usize; 2]) -> String {
    let nearest = [
        ("mode", "nearest".into()),
        ("coordinate_transformation_mode", "asymmetric".into()),
        ("nearest_mode", "floor".into()),
    ];
    let scales = builder.floats(&[4], &[1.0, 1.0, rows as f32, columns as f32]);
    builder.emit("Resize", &[value, "", &scales], &nearest)
}

/// `1, 0` for each of `rows`, as float32 (1, 1, 2 · rows, 1).
///
/// ONNX Runtime would compute what depends on constants alone when it opens the model, and store it
/// unblocked. It leaves `DequantizeLinear` to be fused with its neighbours; so this is not a
/// constant to it.
fn every_second(builder: &mut Builder, rows: usize) -> String {
    let levels = [1u8, 0].repeat(rows);
    let levels = builder.constant(TensorProto {
        dims: vec![1, 1, levels.len() as i64, 1],
        data_type: ElementType::U8.code(),
        raw_data: Some(levels.into()),
        ..Default::default()
    });
    let scale = builder.floats(&[], &[1.0]);
    builder.emit("DequantizeLinear", &[&levels, &scale], &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_feature_maps_that_the_provider_blocks_and_constants_hold_have_these_forms() {
        let can_be = |device, elem, dims: &[usize]| FeatureMaps::new(device, elem, dims).is_some();
        let cpu = |dims: &[usize]| can_be(Device::CPU, ElementType::F32, dims);
        assert!(cpu(&[2, 8, 3, 5]));
        assert!(!can_be(Device::FULL, ElementType::F32, &[2, 8, 3, 5]));
        assert!(!can_be(Device::CPU, ElementType::F64, &[2, 8, 3, 5]));
        assert!(!cpu(&[2, 8, 3]) && !cpu(&[2, 6, 3, 5]));
        for place in 1..4 {
            for size in [0, 4 * MAX_LINE, usize::MAX - 3] {
                let mut dims = [2, 8, 4, 4];
                dims[place] = size;
                assert!(!cpu(&dims), "{dims:?}");
            }
        }
    }
}
