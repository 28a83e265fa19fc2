//! Local response normalization (LRN).

use super::{Context, Error, Gradients};
use crate::autodiff::formula::Expr;

/// With `D = bias + alpha/size · Σ x²` over the `size` channels around each and `y = x · D^-β`:
/// `g · D^-β - 2 αβ/size · x · Σ' (g · x · D^(-β-1))`, where Σ' runs over the channels whose window holds this one.
pub fn lrn(cx: &mut Context) -> Result<Gradients, Error> {
    let (gradient, input) = (cx.grad_output()?, cx.input(0)?);
    let dims = cx.dims(&input)?;
    let size = cx
        .node
        .int("size")
        .filter(|&size| size > 0)
        .ok_or_else(|| cx.unsupported("it has no size"))?;
    let alpha = f64::from(cx.node.float("alpha").unwrap_or(1e-4));
    let beta = f64::from(cx.node.float("beta").unwrap_or(0.75));
    let bias = f64::from(cx.node.float("bias").unwrap_or(1.0));
    let before = (size - 1) / 2;
    let window = (before, size - 1 - before);

    let (g, x) = (Expr::from(gradient), Expr::from(input));
    let square = cx.eval(x.square())?;
    let mean = Expr::from(channel_mean(cx, &square, &dims, window));
    let divisor = Expr::from(cx.eval(mean * alpha + bias)?);
    let direct = Expr::from(cx.eval(g * divisor.pow(-beta))?);
    let ratio = cx.eval(&direct * &x / divisor)?;
    let spread = Expr::from(channel_mean(cx, &ratio, &dims, (window.1, window.0)));
    let gradient = cx.eval(direct - x * spread * (2.0 * alpha * beta))?;
    Ok(vec![Some(gradient)])
}

/// The mean over the channels from `window.0` before to `window.1` after each; zero-padded.
fn channel_mean(cx: &mut Context, value: &str, dims: &[usize], window: (i64, i64)) -> String {
    let area: usize = dims[2..].iter().product();
    let rows = cx.reshape(value, &[dims[0], 1, dims[1], area]);
    let attributes = [
        ("kernel_shape", vec![window.0 + window.1 + 1, 1].into()),
        ("pads", vec![window.0, 0, window.1, 0].into()),
        ("count_include_pad", 1i64.into()),
    ];
    let mean = cx.emit("AveragePool", &[&rows], &attributes);
    cx.reshape(&mean, dims)
}
