//! The same elements in another arrangement or type.

use super::{Context, Error, Gradients};

/// For ops whose output holds the input's elements in the same order: `g` with the input's dimensions.
pub fn same_elements(cx: &mut Context) -> Result<Gradients, Error> {
    cx.only_first()?;
    let (gradient, input) = (cx.gradient()?, cx.input(0)?);
    let (from, to) = (cx.dims(&cx.output())?, cx.dims(&input)?);
    let gradient = if from == to {
        gradient
    } else {
        cx.reshape(&gradient, &to)
    };
    Ok(vec![Some(gradient)])
}

/// `g`: outside of training nothing is dropped.
pub fn dropout(cx: &mut Context) -> Result<Gradients, Error> {
    if cx.constant_number(2)?.unwrap_or(0.0) != 0.0 {
        return Err(cx.form("it is in training mode"));
    }
    same_elements(cx)
}

/// `g` cast back.
pub fn cast(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, input) = (cx.gradient()?, cx.input(0)?);
    let (from, to) = (cx.elem(&cx.output())?, cx.elem(&input)?);
    let gradient = match from == to {
        true => gradient,
        false => cx.emit("Cast", &[&gradient], &[("to", i64::from(to.code()).into())]),
    };
    Ok(vec![Some(gradient)])
}

/// `g` under the inverse permutation.
pub fn transpose(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, input) = (cx.gradient()?, cx.input(0)?);
    let rank = cx.dims(&input)?.len();
    let reversed: Vec<i64> = (0..rank as i64).rev().collect();
    let permutation = cx.node.ints("perm").unwrap_or(&reversed).to_vec();
    let mut inverse = vec![0i64; rank];
    for (position, &axis) in permutation.iter().enumerate() {
        let axis = cx.resolve_axis(axis, rank)?;
        inverse[axis] = position as i64;
    }
    Ok(vec![Some(cx.emit(
        "Transpose",
        &[&gradient],
        &[("perm", inverse.into())],
    ))])
}
