//! Forms that keep tensors in blocked channels (NCHWc): the layout in which ONNX Runtime's CPU provider computes
//! two-dimensional convolutional networks.
//!
//! The provider chooses the layout when it opens a model. Convolutions and pools of channels that fill blocks are blocked,
//! and so is what follows them, as long as it is an activation, a concatenation of channels, a nearest-neighbour `Resize`
//! by whole factors, or a sum or product of blocked tensors of equal dimensions. Other operators get the tensor reordered,
//! before and after, which costs more than the operator itself. In particular, nothing may be broadcast to a blocked
//! tensor: a factor is first spread over the channels, by a convolution, which makes it a blocked tensor of full size.

use crate::onnx::proto::TensorProto;
use crate::onnx::{Builder, ElementType, ValueType};

/// The provider blocks channels whose number is a multiple of this.
const ALIGNMENT: usize = 4;

/// Maximum number of channels, rows or columns of these forms. Their constants have one element for each.
const MAX_LINE: usize = 1 << 16;

/// Whether tensors of this number of channels can be blocked.
pub(in crate::autodiff) fn fills_blocks(channels: usize) -> bool {
    channels.is_multiple_of(ALIGNMENT)
}

/// A factor (N, 1, 1, 1) for each picture of a batch, repeated to the dimensions (N, C, H, W) of what it is multiplied
/// with, so that the product stays blocked. `None` if `product` is no type that could be.
pub fn spread_factor(builder: &mut Builder, factor: &str, product: &ValueType) -> Option<String> {
    let &[batch, channels, height, width] = product.dims.as_slice() else {
        return None;
    };
    if product.elem != ElementType::F32 || !fills_blocks(channels) || channels > MAX_LINE {
        return None;
    }
    let plane = [batch, 1, height, width].map(|size| size as i64);
    let plane = builder.ints(&plane);
    let plane = builder.emit("Expand", &[factor, &plane], &[]);
    Some(over_channels(builder, &plane, channels))
}

/// A zero after every row and every column of `value`, float32 of dimensions `dims` (N, C, H, W): (N, C, 2H, 2W). `None`
/// if it is empty or too large. What is infinite becomes NaN.
///
/// Each element is repeated over a square of 2 × 2, which is multiplied by 1 at its first place and by 0 at the others.
pub(in crate::autodiff) fn insert_zeros(
    builder: &mut Builder,
    value: &str,
    dims: [usize; 4],
) -> Option<String> {
    let [batch, channels, height, width] = dims;
    let fits = |size: &usize| (1..=MAX_LINE).contains(size);
    if ![channels, height, width].iter().all(fits) {
        return None;
    }
    let nearest = [
        ("mode", "nearest".into()),
        ("coordinate_transformation_mode", "asymmetric".into()),
        ("nearest_mode", "floor".into()),
    ];
    let scales = builder.floats(&[4], &[1.0, 1.0, 2.0, 2.0]);
    let repeated = builder.emit("Resize", &[value, "", &scales], &nearest);

    let rows = every_second(builder, height);
    let plane = builder.ints(&[batch as i64, 1, 2 * height as i64, 1]);
    let rows = builder.emit("Expand", &[&rows, &plane], &[]);
    let columns = builder.floats(&[1, 1, 1, 2 * width as i64], &[1.0, 0.0].repeat(width));
    let places = builder.emit("Mul", &[&rows, &columns], &[]);
    let places = over_channels(builder, &places, channels);
    Some(builder.emit("Mul", &[&repeated, &places], &[]))
}

/// A plane (N, 1, H, W) repeated over channels: (N, C, H, W), blocked.
fn over_channels(builder: &mut Builder, plane: &str, channels: usize) -> String {
    let ones = builder.floats(&[channels as i64, 1, 1, 1], &vec![1.0; channels]);
    builder.emit("Conv", &[plane, &ones], &[])
}

/// `1, 0` for each of `rows`, as float32 (1, 1, 2 · rows, 1).
///
/// ONNX Runtime would compute what depends on constants alone when it opens the model, and store it unblocked. It leaves
/// `DequantizeLinear` to be fused with its neighbours; so this is not a constant to it.
fn every_second(builder: &mut Builder, rows: usize) -> String {
    let levels = builder.constant(TensorProto {
        dims: vec![1, 1, 2 * rows as i64, 1],
        data_type: ElementType::U8.code(),
        raw_data: Some([1u8, 0].repeat(rows).into()),
        ..Default::default()
    });
    let scale = builder.floats(&[], &[1.0]);
    builder.emit("DequantizeLinear", &[&levels, &scale], &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::types::fixed_dims;

    const DIMS: [usize; 4] = [2, 8, 3, 5];

    fn builder() -> Builder {
        let mut builder = Builder::empty(18, "");
        for (name, dims) in [("value", DIMS), ("factor", [2, 1, 1, 1])] {
            let dims = fixed_dims(&dims);
            builder.input(name, ElementType::F32, &dims).unwrap();
        }
        builder
    }

    #[test]
    fn what_is_empty_or_too_large_for_constants_gets_no_zeros() {
        let mut builder = builder();
        for place in 1..4 {
            for size in [0, MAX_LINE + 1, usize::MAX / 4] {
                let mut dims = DIMS;
                dims[place] = size;
                assert_eq!(insert_zeros(&mut builder, "value", dims), None);
            }
        }
        assert!(builder.graph().nodes().is_empty());
        assert!(insert_zeros(&mut builder, "value", DIMS).is_some());
    }

    #[test]
    fn only_products_that_can_be_blocked_get_a_factor_of_full_size() {
        let mut builder = builder();
        let mut spread = |elem, dims: &[usize]| {
            let dims = dims.to_vec();
            spread_factor(&mut builder, "factor", &ValueType { elem, dims }).is_some()
        };
        assert!(spread(ElementType::F32, &DIMS));
        assert!(!spread(ElementType::F64, &DIMS));
        assert!(!spread(ElementType::F32, &DIMS[..3]));
        assert!(!spread(ElementType::F32, &[2, 6, 3, 5]));
        assert!(!spread(ElementType::F32, &[2, 4 * MAX_LINE, 3, 5]));
    }
}
