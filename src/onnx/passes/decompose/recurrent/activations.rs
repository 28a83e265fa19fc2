//! The activations of recurrent cells.

use crate::onnx::ElementType;
use crate::onnx::passes::decompose::recurrent::{Context, Skipped};

/// A parameter of an activation.
#[derive(Clone, Copy)]
enum Parameter {
    Unused,
    Default(f32),
    Required,
}
use Parameter::{Default, Required, Unused};

/// Activations, and their parameters alpha and beta.
const ACTIVATIONS: &[(&str, Parameter, Parameter)] = &[
    ("Affine", Required, Required),
    ("Elu", Default(1.0), Unused),
    ("HardSigmoid", Default(0.2), Default(0.5)),
    ("LeakyRelu", Default(0.01), Unused),
    ("Relu", Unused, Unused),
    ("ScaledTanh", Required, Required),
    ("Sigmoid", Unused, Unused),
    ("Softplus", Unused, Unused),
    ("Softsign", Unused, Unused),
    ("Tanh", Unused, Unused),
    ("ThresholdedRelu", Required, Unused),
];

/// An activation with its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Activation {
    name: &'static str,
    alpha: Option<f32>,
    beta: Option<f32>,
}

impl Activation {
    /// Emits the activation of `value` and returns the name of the result.
    pub fn emit(self, cx: &mut Context, value: &str, elem: ElementType) -> Result<String, Skipped> {
        let binary = |cx: &mut Context, op: &str, value: &str, parameter: Option<f32>| {
            let parameter = cx.scalar(elem, parameter.unwrap_or_default().into())?;
            Ok::<_, Skipped>(cx.emit(op, &[value, &parameter], &[]))
        };
        match self.name {
            "Affine" => {
                let product = binary(cx, "Mul", value, self.alpha)?;
                binary(cx, "Add", &product, self.beta)
            }
            "ScaledTanh" => {
                let inner = binary(cx, "Mul", value, self.beta)?;
                let bounded = cx.emit("Tanh", &[&inner], &[]);
                binary(cx, "Mul", &bounded, self.alpha)
            }
            op => {
                let parameters = [("alpha", self.alpha), ("beta", self.beta)].into_iter();
                let parameters =
                    parameters.filter_map(|(name, parameter)| Some((name, parameter?.into())));
                Ok(cx.emit(op, &[value], &parameters.collect::<Vec<_>>()))
            }
        }
    }
}

/// The activations of a node, `default` unless it specifies others. All `directions` must have the same.
pub fn activations(
    cx: &Context,
    default: &[&'static str],
    directions: usize,
) -> Result<Vec<Activation>, Skipped> {
    let attribute = cx.node.attribute_named("activations");
    let names = attribute.map_or(&[][..], |attribute| &attribute.strings);
    let names: Vec<&str> = match names {
        [] => default.repeat(directions),
        names => names
            .iter()
            .map(|name| std::str::from_utf8(name).unwrap_or_default())
            .collect(),
    };
    if names.len() != default.len() * directions {
        return Err(Skipped(format!("activations = {names:?}")));
    }
    let floats = |name| {
        let attribute = cx.node.attribute_named(name);
        attribute
            .map_or(&[][..], |attribute| &attribute.floats)
            .iter()
    };
    let (mut alphas, mut betas) = (floats("activation_alpha"), floats("activation_beta"));
    let mut activations = Vec::with_capacity(names.len());
    for requested in names {
        let mut known = ACTIVATIONS.iter();
        let activation = known.find(|(name, ..)| name.eq_ignore_ascii_case(requested));
        let &(name, alpha, beta) =
            activation.ok_or_else(|| Skipped(format!("activation {requested:?}")))?;
        let value = |parameter, values: &mut std::slice::Iter<f32>| match parameter {
            Unused => Ok(None),
            Default(default) => Ok(Some(values.next().copied().unwrap_or(default))),
            Required => match values.next() {
                None => Err(Skipped(format!("activation {name} lacks parameters"))),
                value => Ok(value.copied()),
            },
        };
        activations.push(Activation {
            name,
            alpha: value(alpha, &mut alphas)?,
            beta: value(beta, &mut betas)?,
        });
    }
    let (first, others) = activations.split_at(default.len());
    if others.is_empty() || first == others {
        Ok(first.to_vec())
    } else {
        Err("its directions have different activations".into())
    }
}
