//! Reductions over axes, Softmax and LogSoftmax.

use super::{Context, Error, Gradients};
use crate::autodiff::formula::{Expr, mask};
use crate::autodiff::lowering::repeat_over_positions;
use crate::onnx::ElementType;
use crate::onnx::own_operators::SOFTMAX_GRADIENT;
use crate::onnx::proto::TensorProto;

/// Maximum number of elements of the square matrices in the gradient of a product.
const MAX_SQUARE: usize = 1 << 25;

/// `g`, repeated along the reduced axes.
pub fn reduce_sum(cx: &mut Context) -> Result<Gradients, Error> {
    let reduction = Reduction::new(cx)?;
    Ok(vec![Some(cx.expand(&reduction.gradient, &reduction.dims))])
}

/// `g / n`, repeated along the reduced axes, of n elements in total.
pub fn reduce_mean(cx: &mut Context) -> Result<Gradients, Error> {
    let reduction = Reduction::new(cx)?;
    let share = 1.0 / reduction.count() as f64;
    let (gradient, elem) = (&reduction.gradient, reduction.elem);
    let repeated = if reduction.axes == [2, 3] {
        repeat_over_positions(cx, gradient, elem, &reduction.dims, share)?
    } else {
        let share = cx.eval(reduction.g() * share)?;
        cx.expand(&share, &reduction.dims)
    };
    Ok(vec![Some(repeated)])
}

/// `g`, divided equally among the elements that equal the extremum.
pub fn reduce_extreme(cx: &mut Context) -> Result<Gradients, Error> {
    let reduction = Reduction::new(cx)?;
    let (x, y) = reduction.values(cx)?;
    let mask = mask(&x.equals(y));
    let count = if reduction.axes.is_empty() {
        mask.clone()
    } else {
        mask.sum(&reduction.axes)
    };
    Ok(vec![Some(cx.eval(mask * (reduction.g() / count))?)])
}

/// `g · sign x`.
pub fn reduce_l1(cx: &mut Context) -> Result<Gradients, Error> {
    let reduction = Reduction::new(cx)?;
    let (x, _) = reduction.values(cx)?;
    Ok(vec![Some(cx.eval(x.map("Sign") * reduction.g())?)])
}

/// `g · x / y`, and 0 where y is 0.
pub fn reduce_l2(cx: &mut Context) -> Result<Gradients, Error> {
    let reduction = Reduction::new(cx)?;
    let (x, y) = reduction.values(cx)?;
    Ok(vec![Some(cx.eval(x * reduction.g().div_or_zero(y))?)])
}

/// `2 g · x`.
pub fn reduce_sum_square(cx: &mut Context) -> Result<Gradients, Error> {
    let reduction = Reduction::new(cx)?;
    let x = Expr::from(cx.input(0)?);
    Ok(vec![Some(cx.eval(x * (reduction.g() * 2.0))?)])
}

/// `g / exp y`, repeated along the reduced axes.
pub fn reduce_log_sum(cx: &mut Context) -> Result<Gradients, Error> {
    let reduction = Reduction::new(cx)?;
    let (_, y) = reduction.values(cx)?;
    let share = cx.eval(reduction.g() / y.exp())?;
    Ok(vec![Some(cx.expand(&share, &reduction.dims))])
}

/// `g · exp(x - y)`.
pub fn reduce_log_sum_exp(cx: &mut Context) -> Result<Gradients, Error> {
    let reduction = Reduction::new(cx)?;
    let (x, y) = reduction.values(cx)?;
    Ok(vec![Some(cx.eval((x - y).exp() * reduction.g())?)])
}

/// `g` times the product of all other elements, which `y / x` would be if no element were 0: a square of the reduced
/// elements whose diagonal is ones, multiplied along its rows.
pub fn reduce_prod(cx: &mut Context) -> Result<Gradients, Error> {
    let reduction = Reduction::new(cx)?;
    let (input, count) = (cx.input(0)?, reduction.count());
    let total: usize = reduction.dims.iter().product();
    // The square is built for an empty reduction as well.
    if count.saturating_mul(total.max(count)) > MAX_SQUARE {
        return Err(cx.unsupported(&format!("the product of {count} elements is too large")));
    }
    let rank = reduction.dims.len();
    let (kept, reduced): (Vec<usize>, Vec<usize>) =
        (0..rank).partition(|axis| !reduction.axes.contains(axis));
    let order = [kept, reduced].concat();
    let ordered: Vec<usize> = order.iter().map(|&axis| reduction.dims[axis]).collect();
    let outer = total / count.max(1);

    let rows = cx.transpose(&input, &order);
    let rows = cx.reshape(&rows, &[outer, 1, count]);
    let diagonal: Vec<i64> = (0..count * count)
        .map(|place| i64::from(place % (count + 1) == 0))
        .collect();
    let diagonal = TensorProto::from_i64("", &[1, count as i64, count as i64], &diagonal);
    let diagonal = cx.builder.constant(diagonal);
    let diagonal = cx.cast(&diagonal, ElementType::Bool);
    let one = cx.scalar(reduction.elem, 1.0)?;
    let square = cx.op("Where", &[&diagonal, &one, &rows]);
    let axis = cx.ints(&[2]);
    let others = cx.emit(
        "ReduceProd",
        &[&square, &axis],
        &[("keepdims", 0i64.into())],
    );

    let others = cx.reshape(&others, &ordered);
    let mut back = vec![0; rank];
    for (position, &axis) in order.iter().enumerate() {
        back[axis] = position;
    }
    let others = cx.transpose(&others, &back);
    Ok(vec![Some(cx.mul(&others, &reduction.gradient))])
}

/// The reduction that is differentiated.
struct Reduction {
    /// The gradient of the output, with the reduced axes kept as dimensions of size 1.
    gradient: String,
    /// Dimensions of the input.
    dims: Vec<usize>,
    /// The reduced axes.
    axes: Vec<usize>,
    elem: ElementType,
}

impl Reduction {
    fn new(cx: &mut Context) -> Result<Self, Error> {
        cx.first_input_only()?;
        let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
        let (dims, elem) = (cx.dims(&input)?, cx.elem(&input)?);
        let axes = reduced_axes(cx, dims.len())?;
        let mut reduction = Self {
            gradient,
            dims,
            axes,
            elem,
        };
        reduction.gradient = cx.reshape(&reduction.gradient, &reduction.kept());
        Ok(reduction)
    }

    /// The input's dimensions with 1 for each reduced axis.
    fn kept(&self) -> Vec<usize> {
        let size = |(axis, &size)| if self.axes.contains(&axis) { 1 } else { size };
        self.dims.iter().enumerate().map(size).collect()
    }

    /// Number of elements per output element.
    fn count(&self) -> usize {
        self.axes.iter().map(|&axis| self.dims[axis]).product()
    }

    fn g(&self) -> Expr {
        self.gradient.as_str().into()
    }

    /// The input, and the output with the reduced axes kept.
    fn values(&self, cx: &mut Context) -> Result<(Expr, Expr), Error> {
        let (input, output) = (cx.input(0)?, cx.output());
        Ok((input.into(), cx.reshape(&output, &self.kept()).into()))
    }
}

/// The axes of a reduction: input 1; all axes if it is missing or empty.
fn reduced_axes(cx: &Context, rank: usize) -> Result<Vec<usize>, Error> {
    let axes = cx.constant_ints(1)?.unwrap_or_default();
    if !axes.is_empty() {
        let axes = axes.into_iter().map(|axis| cx.resolve_axis(axis, rank));
        return axes.collect();
    }
    let none = cx.node.int("noop_with_empty_axes").unwrap_or(0) != 0;
    Ok(if none {
        Vec::new()
    } else {
        (0..rank).collect()
    })
}

/// `y · (g - Σ g·y)`, summed along the axis.
pub fn softmax(cx: &mut Context) -> Result<Gradients, Error> {
    let output = cx.output();
    let rank = cx.dims(&output)?.len();
    let axis = cx.axis("axis", -1, rank)?;
    if axis + 1 == rank && cx.has_own_operators(&output)? {
        let gradient = cx.grad_output()?;
        let inputs = [output.as_str(), gradient.as_str()];
        return Ok(vec![Some(cx.builder.emit_own(
            SOFTMAX_GRADIENT,
            &inputs,
            &[],
        ))]);
    }
    cx.gradient(|g, _, y| y * (g - (g * y).sum(&[axis])))
}

/// `g - exp(y) · Σ g`, summed along the axis.
pub fn log_softmax(cx: &mut Context) -> Result<Gradients, Error> {
    let axis = cx.axis("axis", -1, cx.dims(&cx.output())?.len())?;
    cx.gradient(|g, _, y| g - y.exp() * g.sum(&[axis]))
}
