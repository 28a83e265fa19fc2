//! Formulas, in which gradient rules read as in a textbook: `g * y * one_minus(y)`.
//!
//! An [`Expr`] describes nodes, which [`Context::eval`] emits: inputs before readers, from left to right. Values
//! broadcast as in ONNX.

use super::{Context, Error, lowering};
use crate::onnx::ElementType;
use std::collections::HashMap;
use std::ops::{Add, Div, Mul, Neg, Sub};
use std::rc::Rc;

/// A formula of values and numbers. A clone is the same value: within a formula it is computed once.
#[derive(Debug, Clone)]
pub struct Expr(Rc<Term>);

#[derive(Debug)]
enum Term {
    /// A value of the graph, by name.
    Value(String),
    /// A constant scalar.
    Number(f64),
    /// An operator without attributes.
    Op(&'static str, Vec<Expr>),
    /// A reduction over axes, which are kept with size 1.
    Reduced(&'static str, Expr, Vec<usize>),
    /// Truth values as 0 and 1.
    Mask(Expr),
    /// `1 - x`, for `x` between 0 and 1.
    OneMinus(Expr),
}

impl Expr {
    fn new(term: Term) -> Self {
        Self(Rc::new(term))
    }

    /// The operator `op` of `inputs`.
    pub fn op(op: &'static str, inputs: impl Into<Vec<Self>>) -> Self {
        Self::new(Term::Op(op, inputs.into()))
    }

    /// `op(x)`.
    pub fn map(&self, op: &'static str) -> Self {
        Self::op(op, [self.clone()])
    }

    /// `√x`.
    pub fn sqrt(&self) -> Self {
        self.map("Sqrt")
    }

    /// `e^x`.
    pub fn exp(&self) -> Self {
        self.map("Exp")
    }

    /// `x²`, as `x · x`.
    pub fn square(&self) -> Self {
        self * self
    }

    /// `x^exponent`.
    pub fn pow(&self, exponent: impl Into<Self>) -> Self {
        Self::op("Pow", [self.clone(), exponent.into()])
    }

    /// The larger of `x` and `other`.
    pub fn max(&self, other: impl Into<Self>) -> Self {
        Self::op("Max", [self.clone(), other.into()])
    }

    /// The smaller of `x` and `other`.
    pub fn min(&self, other: impl Into<Self>) -> Self {
        Self::op("Min", [self.clone(), other.into()])
    }

    /// Whether `x > other`, for [`choose`] and [`mask`].
    pub fn greater(&self, other: impl Into<Self>) -> Self {
        Self::op("Greater", [self.clone(), other.into()])
    }

    /// Whether `x < other`, for [`choose`] and [`mask`].
    pub fn less(&self, other: impl Into<Self>) -> Self {
        Self::op("Less", [self.clone(), other.into()])
    }

    /// Whether `x = other`, for [`choose`] and [`mask`].
    pub fn equals(&self, other: impl Into<Self>) -> Self {
        Self::op("Equal", [self.clone(), other.into()])
    }

    /// The reduction `op` over `axes`, which are kept with size 1.
    pub fn reduce(&self, op: &'static str, axes: &[usize]) -> Self {
        Self::new(Term::Reduced(op, self.clone(), axes.to_vec()))
    }

    /// The sum over `axes`, which are kept with size 1.
    pub fn sum(&self, axes: &[usize]) -> Self {
        self.reduce("ReduceSum", axes)
    }

    /// The mean over `axes`, which are kept with size 1.
    pub fn mean(&self, axes: &[usize]) -> Self {
        self.reduce("ReduceMean", axes)
    }

    /// `x / divisor`, and 0 where `divisor` is 0. For quotients whose numerator vanishes with the denominator.
    pub fn div_or_zero(&self, divisor: impl Into<Self>) -> Self {
        let divisor = divisor.into();
        let is_zero = divisor.equals(0.0);
        choose(&is_zero, 0.0, self / choose(&is_zero, 1.0, divisor))
    }

    fn is_one(&self) -> bool {
        matches!(*self.0, Term::Number(number) if number == 1.0)
    }
}

/// `yes` where `condition` is true, else `no`.
pub fn choose(condition: &Expr, yes: impl Into<Expr>, no: impl Into<Expr>) -> Expr {
    Expr::op("Where", [condition.clone(), yes.into(), no.into()])
}

/// 1 where `condition` is true, else 0.
pub fn mask(condition: &Expr) -> Expr {
    Expr::new(Term::Mask(condition.clone()))
}

/// `1 - x`, for `x` between 0 and 1, in the form that suits the device.
pub fn one_minus(x: &Expr) -> Expr {
    Expr::new(Term::OneMinus(x.clone()))
}

impl From<&Expr> for Expr {
    fn from(expr: &Expr) -> Self {
        expr.clone()
    }
}

impl From<f64> for Expr {
    fn from(number: f64) -> Self {
        Self::new(Term::Number(number))
    }
}

impl From<String> for Expr {
    fn from(value: String) -> Self {
        Self::new(Term::Value(value))
    }
}

impl From<&str> for Expr {
    fn from(value: &str) -> Self {
        value.to_owned().into()
    }
}

macro_rules! operators {
    ($($operator:ident :: $method:ident => $op:literal),*) => {$(
        impl<T: Into<Expr>> $operator<T> for Expr {
            type Output = Expr;
            fn $method(self, other: T) -> Expr { Expr::op($op, [self, other.into()]) }
        }
        impl<T: Into<Expr>> $operator<T> for &Expr {
            type Output = Expr;
            fn $method(self, other: T) -> Expr { Expr::op($op, [self.clone(), other.into()]) }
        }
        impl $operator<Expr> for f64 {
            type Output = Expr;
            fn $method(self, other: Expr) -> Expr { Expr::op($op, [self.into(), other]) }
        }
    )*};
}
operators!(Add::add => "Add", Sub::sub => "Sub", Mul::mul => "Mul", Div::div => "Div");

impl Neg for Expr {
    type Output = Expr;
    fn neg(self) -> Expr {
        self.map("Neg")
    }
}

impl Neg for &Expr {
    type Output = Expr;
    fn neg(self) -> Expr {
        self.map("Neg")
    }
}

impl Context<'_> {
    /// Emits the nodes of a formula and returns its value. Numbers have the element type of the node's first output.
    ///
    /// # Errors
    /// [`Error`] if that is unknown or not a floating-point type.
    pub fn eval(&mut self, formula: impl Into<Expr>) -> Result<String, Error> {
        Evaluation::new(self, None).value(&formula.into())
    }

    /// As [`Context::eval`], with numbers of the element type `elem`.
    ///
    /// # Errors
    /// [`Error`] if that is not a floating-point type.
    pub fn eval_as(
        &mut self,
        elem: ElementType,
        formula: impl Into<Expr>,
    ) -> Result<String, Error> {
        Evaluation::new(self, Some(elem)).value(&formula.into())
    }

    /// The gradient of the first input by a formula of `g`, the gradient of the output, the input `x` and the output
    /// `y`.
    ///
    /// # Errors
    /// As [`Context::eval`].
    pub fn gradient(
        &mut self,
        formula: impl FnOnce(&Expr, &Expr, &Expr) -> Expr,
    ) -> Result<Vec<Option<String>>, Error> {
        let (g, x, y) = (self.grad_output()?, self.input(0)?, self.output());
        let formula = formula(&g.into(), &x.into(), &y.into());
        Ok(vec![Some(self.eval(formula)?)])
    }

    /// The gradient of each input by a formula, which is summed over the axes along which the input was broadcast.
    /// Formulas may share terms; those of inputs whose gradient is not requested are not computed.
    ///
    /// # Errors
    /// As [`Context::eval`], and if an input does not broadcast to the output.
    pub fn broadcast_gradients(
        &mut self,
        formula: impl Fn(usize) -> Expr,
    ) -> Result<Vec<Option<String>>, Error> {
        let count = self.node.input.len();
        let mut evaluation = Evaluation::new(self, None);
        let gradient = |index: usize| {
            if !evaluation.cx.needs_input_grad(index) {
                return Ok(None);
            }
            let gradient = evaluation.value(&formula(index))?;
            evaluation.cx.sum_to_input(index, &gradient).map(Some)
        };
        (0..count).map(gradient).collect()
    }
}

/// Emits the nodes of formulas that share terms.
struct Evaluation<'a, 'b> {
    cx: &'a mut Context<'b>,
    elem: Option<ElementType>,
    /// The values of the terms so far, by address. Each entry keeps its term alive, so that no other term gets its
    /// address.
    values: HashMap<*const Term, (Expr, String)>,
}

impl<'a, 'b> Evaluation<'a, 'b> {
    fn new(cx: &'a mut Context<'b>, elem: Option<ElementType>) -> Self {
        Self {
            cx,
            elem,
            values: HashMap::new(),
        }
    }

    fn value(&mut self, expr: &Expr) -> Result<String, Error> {
        let address = Rc::as_ptr(&expr.0);
        if let Some((_, value)) = self.values.get(&address) {
            return Ok(value.clone());
        }
        let value = match &*expr.0 {
            Term::Value(name) => name.clone(),
            Term::Number(number) => {
                let elem = self.elem()?;
                self.cx.scalar(elem, *number)?
            }
            Term::Op("Mul", factors) if factors.iter().any(Expr::is_one) => {
                let other = factors.iter().find(|factor| !factor.is_one());
                self.value(other.unwrap_or(&factors[0]))?
            }
            Term::Op(op, inputs) => {
                let inputs = inputs.iter().map(|input| self.value(input));
                let inputs: Vec<String> = inputs.collect::<Result<_, _>>()?;
                let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
                self.cx.op(op, &inputs)
            }
            Term::Reduced(op, input, axes) => {
                let input = self.value(input)?;
                self.cx.reduce(op, &input, axes)
            }
            Term::Mask(condition) => {
                let (condition, elem) = (self.value(condition)?, self.elem()?);
                self.cx.cast(&condition, elem)
            }
            Term::OneMinus(input) => {
                let (input, elem) = (self.value(input)?, self.elem()?);
                lowering::one_minus(self.cx, &input, elem)?
            }
        };
        self.values.insert(address, (expr.clone(), value.clone()));
        Ok(value)
    }

    fn elem(&mut self) -> Result<ElementType, Error> {
        let elem = match self.elem {
            Some(elem) => elem,
            None => self.cx.elem(&self.cx.output())?,
        };
        self.elem = Some(elem);
        Ok(elem)
    }
}
