//! What the operators have in common: the type of their result, and the inputs, outputs and threads of their kernels.

use ort::operator::{ComputeContext, KernelContext, ShapeInferenceContext};
use ort::value::{Shape, SymbolicDimensions, TensorElementType, ValueRef, ValueRefMut, ValueType};
use std::sync::{Mutex, PoisonError};

/// Gives the output of an operator these dimensions, each with its name if it is not known (-1). One without either
/// makes the type unknown: ONNX Runtime takes all dimensions without a name for the same.
pub fn infer_float32(
    context: &mut ShapeInferenceContext,
    dims: impl IntoIterator<Item = (i64, String)>,
) -> ort::Result<()> {
    let (dims, symbols): (Vec<i64>, Vec<String>) = dims.into_iter().unzip();
    let mut unnamed = dims.iter().zip(&symbols);
    if unnamed.any(|(dim, symbol)| *dim < 0 && symbol.is_empty()) {
        return Ok(());
    }
    let result = ValueType::Tensor {
        ty: TensorElementType::Float32,
        shape: Shape::new(dims),
        dimension_symbols: SymbolicDimensions::new(symbols),
    };
    context.set_output(0, &result)
}

/// An input of an operator that must have it.
pub fn input<'c>(context: &'c ComputeContext, op: &str, index: usize) -> ort::Result<ValueRef<'c>> {
    let missing = || ort::Error::new(format!("{op} lacks input {index}"));
    context.input(index)?.ok_or_else(missing)
}

/// The only output of an operator, of these dimensions.
pub fn output<'c>(
    context: &'c ComputeContext,
    op: &str,
    dims: Vec<i64>,
) -> ort::Result<ValueRefMut<'c>> {
    let missing = || ort::Error::new(format!("{op} lacks its output"));
    context.output(0, dims)?.ok_or_else(missing)
}

/// The sizes of a tensor with four axes.
pub fn sizes(shape: &Shape) -> Option<[usize; 4]> {
    let sizes = shape.iter().map(|size| usize::try_from(*size).ok());
    let sizes: Vec<usize> = sizes.collect::<Option<_>>()?;
    sizes.try_into().ok()
}

/// Maximum size along an axis, and of a stride or a pad, where products of two of them are computed.
pub const MAX_SIZE: usize = 1 << 30;

/// The sizes of a tensor with four axes, each less than [`MAX_SIZE`].
pub fn small_sizes(shape: &Shape) -> Option<[usize; 4]> {
    sizes(shape).filter(|sizes| sizes.iter().all(|size| *size < MAX_SIZE))
}

/// An attribute of `N` integers, none of them negative, and each less than [`MAX_SIZE`].
pub fn small_integers<const N: usize>(context: &KernelContext, name: &str) -> Option<[usize; N]> {
    let values: Vec<i64> = context.get(name)?;
    let values = values.into_iter().map(|value| {
        let value = usize::try_from(value).ok()?;
        (value < MAX_SIZE).then_some(value)
    });
    let values: Vec<usize> = values.collect::<Option<_>>()?;
    values.try_into().ok()
}

/// Whether a value is greater than `low` and less than `high`. An infinite bound is none.
#[inline(always)]
pub fn is_between(value: f32, low: f32, high: f32) -> bool {
    ((low < value) | (low == f32::NEG_INFINITY)) & ((value < high) | (high == f32::INFINITY))
}

/// Performs each task once: on the session's threads if `parallel`, else on this one.
pub fn for_each<T: Send>(
    context: &ComputeContext,
    tasks: impl Iterator<Item = T>,
    parallel: bool,
    perform: impl Fn(&mut T) + Send + Sync,
) -> ort::Result<()> {
    if !parallel {
        tasks.for_each(|mut task| perform(&mut task));
        return Ok(());
    }
    // Each task is locked once, by the one thread that performs it.
    let tasks: Vec<Mutex<T>> = tasks.map(Mutex::new).collect();
    context.par_for(tasks.len(), 0, |index| {
        perform(&mut tasks[index].lock().unwrap_or_else(PoisonError::into_inner));
    })
}
