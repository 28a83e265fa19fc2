//! Circular and hyperbolic functions and their inverses.

use super::{Context, Error, Gradients};

/// `g · cos x`.
pub fn sin(cx: &mut Context) -> Result<Gradients, Error> {
    cx.gradient(|g, x, _| g * x.map("Cos"))
}

/// `-g · sin x`.
pub fn cos(cx: &mut Context) -> Result<Gradients, Error> {
    cx.gradient(|g, x, _| -(g * x.map("Sin")))
}

/// `g · cosh x`.
pub fn sinh(cx: &mut Context) -> Result<Gradients, Error> {
    cx.gradient(|g, x, _| g * x.map("Cosh"))
}

/// `g · sinh x`.
pub fn cosh(cx: &mut Context) -> Result<Gradients, Error> {
    cx.gradient(|g, x, _| g * x.map("Sinh"))
}

/// `g · (1 + y²)`.
pub fn tan(cx: &mut Context) -> Result<Gradients, Error> {
    cx.gradient(|g, _, y| g * (y.square() + 1.0))
}

/// `g / √(1 - x²)`.
pub fn asin(cx: &mut Context) -> Result<Gradients, Error> {
    cx.gradient(|g, x, _| g / (1.0 - x.square()).sqrt())
}

/// `-g / √(1 - x²)`.
pub fn acos(cx: &mut Context) -> Result<Gradients, Error> {
    cx.gradient(|g, x, _| -(g / (1.0 - x.square()).sqrt()))
}

/// `g / (1 + x²)`.
pub fn atan(cx: &mut Context) -> Result<Gradients, Error> {
    cx.gradient(|g, x, _| g / (x.square() + 1.0))
}

/// `g / √(x² + 1)`.
pub fn asinh(cx: &mut Context) -> Result<Gradients, Error> {
    cx.gradient(|g, x, _| g / (x.square() + 1.0).sqrt())
}

/// `g / √(x² - 1)`.
pub fn acosh(cx: &mut Context) -> Result<Gradients, Error> {
    cx.gradient(|g, x, _| g / (x.square() - 1.0).sqrt())
}

/// `g / (1 - x²)`.
pub fn atanh(cx: &mut Context) -> Result<Gradients, Error> {
    cx.gradient(|g, x, _| g / (1.0 - x.square()))
}
