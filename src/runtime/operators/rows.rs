//! Gradients of operators that treat each row of a tensor alike, along its last axes.

use super::context::{for_each, input, output};
use super::elementwise::infer_broadcast;
use super::vectorized::{Loop, vectorized};
use ort::operator::{ComputeContext, ShapeInferenceContext};

/// Elements that one thread computes at a time.
const PIECE: usize = 1 << 13;

/// So many sums are added at the same time: as many as the widest registers hold.
const LANES: usize = 16;

/// Computes one row of a gradient. Implementations are `#[inline(always)]`, see [`Loop`].
pub trait RowGradient: Sync {
    /// Computes it for a row of the value and of the gradient that the operator has. All three are of the same length.
    fn compute(&self, value: &[f32], gradient: &[f32], output: &mut [f32]);
}

/// Rows of a tensor of float32, of two operands, and of their result.
struct Rows<'a, R> {
    rule: &'a R,
    length: usize,
    value: &'a [f32],
    gradient: &'a [f32],
    output: &'a mut [f32],
}

impl<R: RowGradient> Loop for Rows<'_, R> {
    #[inline(always)]
    fn perform(self, _: bool) {
        let values = self.value.chunks_exact(self.length);
        let operands = values.zip(self.gradient.chunks_exact(self.length));
        let results = self.output.chunks_exact_mut(self.length);
        for ((value, gradient), output) in operands.zip(results) {
            self.rule.compute(value, gradient, output);
        }
    }
}

/// Computes the only output of `op`, which has the shape of its input 0. `gradient` is the index of the input with the
/// gradient, and `length` that of a row; `None`: the last axis.
pub fn compute_rows<R: RowGradient>(
    context: &ComputeContext,
    op: &str,
    rule: &R,
    gradient: usize,
    length: Option<usize>,
) -> ort::Result<()> {
    let [value, gradient] = [0, gradient].map(|index| input(context, op, index));
    let (value, gradient) = (value?, gradient?);
    let (shape, value) = value.try_extract_tensor::<f32>()?;
    let (gradient_shape, gradient) = gradient.try_extract_tensor::<f32>()?;
    let last = shape.last().and_then(|size| usize::try_from(*size).ok());
    let length = length.or(last).unwrap_or(0);
    let mut output = output(context, op, shape.to_vec())?;
    let (_, output) = output.try_extract_tensor_mut::<f32>()?;
    if output.is_empty() {
        return Ok(());
    }
    if shape != gradient_shape || !is_row(shape, length) {
        return Err(ort::Error::new(format!(
            "{op} of a value {shape} and a gradient {gradient_shape} in rows of {length} elements"
        )));
    }
    let piece = (PIECE / length).max(1) * length;
    let is_large = output.len() > 2 * PIECE;
    let operands = value.chunks(piece).zip(gradient.chunks(piece));
    let pieces = operands.zip(output.chunks_mut(piece));
    for_each(context, pieces, is_large, |((value, gradient), output)| {
        vectorized(Rows {
            rule,
            length,
            value,
            gradient,
            output,
        });
    })
}

/// Whether so many elements fill the last axes of a shape without zeros.
fn is_row(shape: &[i64], length: usize) -> bool {
    let sizes = shape.iter().rev().scan(1, |product, size| {
        *product *= size;
        usize::try_from(*product).ok()
    });
    std::iter::once(1).chain(sizes).any(|size| size == length)
}

/// Gives the output the shape of input 0, if it is known.
pub fn infer_same_shape(context: &mut ShapeInferenceContext) -> ort::Result<()> {
    let inputs = context.inputs();
    infer_broadcast(context, inputs.get(..1).unwrap_or_default())
}

/// The sum of a term for each pair of elements, in an order that depends on their number alone.
#[inline(always)]
pub fn sum(first: &[f32], second: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let (blocks, rest) = first.as_chunks::<LANES>();
    let (others, other_rest) = second.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (block, other) in blocks.iter().zip(others) {
        for lane in 0..LANES {
            sums[lane] += term(block[lane], other[lane]);
        }
    }
    for ((sum, a), b) in sums.iter_mut().zip(rest).zip(other_rest) {
        *sum += term(*a, *b);
    }
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
        half /= 2;
    }
    sums[0]
}
