//! The functions of recurrent cells.

use crate::onnx::Elem;
use crate::onnx::passes::decompose::recurrent::{Emitter, Skipped};

/// A number that a function takes.
#[derive(Clone, Copy)]
enum Parameter {
    None,
    /// With a default.
    Usual(f32),
    /// Without one.
    Needed,
}
use Parameter::{Needed, None as Without, Usual};

/// Functions, and whether they take an alpha and a beta.
const KNOWN: &[(&str, Parameter, Parameter)] = &[
    ("Affine", Needed, Needed),
    ("Elu", Usual(1.0), Without),
    ("HardSigmoid", Usual(0.2), Usual(0.5)),
    ("LeakyRelu", Usual(0.01), Without),
    ("Relu", Without, Without),
    ("ScaledTanh", Needed, Needed),
    ("Sigmoid", Without, Without),
    ("Softplus", Without, Without),
    ("Softsign", Without, Without),
    ("Tanh", Without, Without),
    ("ThresholdedRelu", Needed, Without),
];

/// One of them, with its numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Function {
    name: &'static str,
    alpha: Option<f32>,
    beta: Option<f32>,
}

impl Function {
    /// Emits the function of `value`.
    pub fn of(self, e: &mut Emitter, value: &str, elem: Elem) -> Result<String, Skipped> {
        let scaled = |e: &mut Emitter, op: &str, value: &str, number: Option<f32>| {
            let number = e.scalar(elem, number.unwrap_or_default().into())?;
            Ok::<_, Skipped>(e.emit(op, &[value, &number], &[]))
        };
        match self.name {
            "Affine" => {
                let product = scaled(e, "Mul", value, self.alpha)?;
                scaled(e, "Add", &product, self.beta)
            }
            "ScaledTanh" => {
                let inner = scaled(e, "Mul", value, self.beta)?;
                let bounded = e.emit("Tanh", &[&inner], &[]);
                scaled(e, "Mul", &bounded, self.alpha)
            }
            op => {
                let numbers = [("alpha", self.alpha), ("beta", self.beta)].into_iter();
                let numbers = numbers.filter_map(|(name, number)| Some((name, number?.into())));
                Ok(e.emit(op, &[value], &numbers.collect::<Vec<_>>()))
            }
        }
    }
}

/// The functions of a node whose `directions` share them; `usual` if it does not tell.
pub fn functions(
    e: &Emitter,
    usual: &[&'static str],
    directions: usize,
) -> Result<Vec<Function>, Skipped> {
    let told = e.node.attribute_named("activations");
    let names = told.map_or(&[][..], |attribute| &attribute.strings);
    let names: Vec<&str> = match names {
        [] => usual.repeat(directions),
        names => names
            .iter()
            .map(|name| std::str::from_utf8(name).unwrap_or_default())
            .collect(),
    };
    if names.len() != usual.len() * directions {
        return Err(Skipped(format!("activations = {names:?}")));
    }
    let numbers = |name| {
        let told = e.node.attribute_named(name);
        told.map_or(&[][..], |attribute| &attribute.floats).iter()
    };
    let (mut alphas, mut betas) = (numbers("activation_alpha"), numbers("activation_beta"));
    let mut functions = Vec::with_capacity(names.len());
    for wanted in names {
        let mut known = KNOWN.iter();
        let found = known.find(|(name, ..)| name.eq_ignore_ascii_case(wanted));
        let &(name, alpha, beta) =
            found.ok_or_else(|| Skipped(format!("activation {wanted:?}")))?;
        let number = |parameter, told: &mut std::slice::Iter<f32>| match parameter {
            Without => Ok(None),
            Usual(number) => Ok(Some(told.next().copied().unwrap_or(number))),
            Needed => match told.next() {
                None => Err(Skipped(format!("activation {name} lacks its numbers"))),
                number => Ok(number.copied()),
            },
        };
        functions.push(Function {
            name,
            alpha: number(alpha, &mut alphas)?,
            beta: number(beta, &mut betas)?,
        });
    }
    let (first, others) = functions.split_at(usual.len());
    match others.is_empty() || first == others {
        true => Ok(first.to_vec()),
        false => Err("its directions have different activations".into()),
    }
}
