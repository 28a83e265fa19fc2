//! Convolutions and matrix products with an activation, and activations with a bias.

use crate::onnx::ElementType;
use crate::onnx::passes::decompose::context::{Context, Skipped};

/// Activations and their parameters, in the order of `activation_params` of `FusedConv`.
const PARAMETERS: &[(&str, &[&str])] = &[
    ("Clip", &["min", "max"]),
    ("HardSigmoid", &["alpha", "beta"]),
    ("LeakyRelu", &["alpha"]),
    ("Relu", &[]),
    ("Sigmoid", &[]),
    ("Tanh", &[]),
];

/// `activation(conv(x) + z)`.
pub fn conv(cx: &mut Context) -> Result<(), Skipped> {
    let parameters = match cx.node.attribute_named("activation_params") {
        Some(attribute) => attribute.floats.clone(),
        None => Vec::new(),
    };
    let (activation, names) = activation(cx)?;
    if parameters.len() < names.len() {
        return Err(Skipped(format!("{activation} lacks parameters")));
    }
    let elem = cx.elem(cx.input(0)?)?;
    let inputs = [
        cx.input(0)?,
        cx.input(1)?,
        cx.optional_input(2).unwrap_or_default(),
    ];
    let mut sum = cx.emit("Conv", &inputs, &[]);
    cx.add_attributes(cx.attributes_except(&["activation"]));
    if let Some(residual) = cx.optional_input(3) {
        sum = cx.emit("Add", &[&sum, residual], &[]);
    }
    activate(cx, activation, names, &parameters, &sum, elem)
}

/// `activation(gemm(a, b, c))`.
pub fn gemm(cx: &mut Context) -> Result<(), Skipped> {
    let (activation, names) = activation(cx)?;
    let parameter = |name: &&str| cx.node.float(&format!("activation_{name}"));
    let parameters: Option<Vec<f32>> = names.iter().map(parameter).collect();
    let parameters = parameters.ok_or_else(|| Skipped(format!("{activation} lacks parameters")))?;
    let elem = cx.elem(cx.input(0)?)?;
    let inputs = [
        cx.input(0)?,
        cx.input(1)?,
        cx.optional_input(2).unwrap_or_default(),
    ];
    let product = cx.emit("Gemm", &inputs, &[]);
    cx.add_attributes(cx.attributes_except(&["activation"]));
    activate(cx, activation, names, &parameters, &product, elem)
}

/// Name and parameter names.
type Activation = (&'static str, &'static [&'static str]);

/// The activation that the attribute `activation` names.
fn activation(cx: &Context) -> Result<Activation, Skipped> {
    let requested = cx.node.string("activation").unwrap_or_default();
    let activation = PARAMETERS.iter().find(|(name, _)| *name == requested);
    activation
        .copied()
        .ok_or_else(|| Skipped(format!("activation = {requested:?}")))
}

/// Emits the output: the activation of `value`.
fn activate(
    cx: &mut Context,
    activation: &str,
    names: &[&str],
    parameters: &[f32],
    value: &str,
    elem: ElementType,
) -> Result<(), Skipped> {
    if activation == "Clip" {
        let min = cx.scalar(elem, parameters[0].into())?;
        let max = cx.scalar(elem, parameters[1].into())?;
        return cx.emit_output(activation, &[value, &min, &max], &[]);
    }
    let attributes: Vec<_> = names
        .iter()
        .zip(parameters)
        .map(|(name, &parameter)| (*name, parameter.into()))
        .collect();
    cx.emit_output(activation, &[value], &attributes)
}

/// `alpha · a b`, with either factor transposed (`transA`, `transB`) or with its first axis moved before the last
/// (`transBatchA`, `transBatchB`).
pub fn mat_mul(cx: &mut Context) -> Result<(), Skipped> {
    let alpha = f64::from(cx.node.float("alpha").unwrap_or(1.0));
    let elem = cx.elem(cx.input(0)?)?;
    let a = factor(cx, 0, ["transBatchA", "transA"])?;
    let b = factor(cx, 1, ["transBatchB", "transB"])?;
    if alpha == 1.0 {
        return cx.emit_output("MatMul", &[&a, &b], &[]);
    }
    let product = cx.emit("MatMul", &[&a, &b], &[]);
    let alpha = cx.scalar(elem, alpha)?;
    cx.emit_output("Mul", &[&product, &alpha], &[])
}

/// Input `index`, transposed according to the attributes `flags`.
fn factor(cx: &mut Context, index: usize, flags: [&str; 2]) -> Result<String, Skipped> {
    let value = cx.input(index)?;
    let rank = cx.dims(value)?.len();
    let [batch_last, transposed] = flags.map(|flag| cx.node.int(flag).unwrap_or(0) != 0);
    let mut order: Vec<i64> = (0..rank as i64).collect();
    if batch_last && rank > 2 {
        order[..rank - 1].rotate_left(1);
    }
    if transposed && rank > 1 {
        order.swap(rank - 2, rank - 1);
    }
    Ok(if order.is_sorted() {
        value.to_owned()
    } else {
        cx.emit("Transpose", &[value], &[("perm", order.into())])
    })
}

/// Input 0 plus the optional input 1.
fn biased(cx: &mut Context) -> Result<(String, ElementType), Skipped> {
    let input = cx.input(0)?;
    let elem = cx.elem(input)?;
    let sum = match cx.optional_input(1) {
        Some(bias) => cx.emit("Add", &[input, bias], &[]),
        None => input.to_owned(),
    };
    Ok((sum, elem))
}

/// With `z = x + bias`: `z/2 · (1 + erf(z/√2))`.
pub fn gelu(cx: &mut Context) -> Result<(), Skipped> {
    let (z, elem) = biased(cx)?;
    let root = cx.scalar(elem, std::f64::consts::FRAC_1_SQRT_2)?;
    let scaled = cx.emit("Mul", &[&z, &root], &[]);
    let sigmoid = cx.emit("Erf", &[&scaled], &[]);
    half_of_one_plus(cx, &z, &sigmoid, elem)
}

/// With `z = x + bias`: `z/2 · (1 + tanh(√(2/π) · (z + 0.044715 z³)))`.
pub fn fast_gelu(cx: &mut Context) -> Result<(), Skipped> {
    let (z, elem) = biased(cx)?;
    let root = (2.0 / std::f64::consts::PI).sqrt();
    let cubic = cx.scalar(elem, root * 0.044_715)?;
    let linear = cx.scalar(elem, root)?;
    let square = cx.emit("Mul", &[&z, &z], &[]);
    let square = cx.emit("Mul", &[&square, &cubic], &[]);
    let factor = cx.emit("Add", &[&square, &linear], &[]);
    let inner = cx.emit("Mul", &[&z, &factor], &[]);
    let sigmoid = cx.emit("Tanh", &[&inner], &[]);
    half_of_one_plus(cx, &z, &sigmoid, elem)
}

/// Emits `z/2 · (1 + sigmoid)`.
fn half_of_one_plus(
    cx: &mut Context,
    z: &str,
    sigmoid: &str,
    elem: ElementType,
) -> Result<(), Skipped> {
    let (one, half) = (cx.scalar(elem, 1.0)?, cx.scalar(elem, 0.5)?);
    let shifted = cx.emit("Add", &[sigmoid, &one], &[]);
    let gate = cx.emit("Mul", &[&shifted, &half], &[]);
    cx.emit_output("Mul", &[z, &gate], &[])
}

/// `x · sigmoid(alpha · x)`.
pub fn quick_gelu(cx: &mut Context) -> Result<(), Skipped> {
    let input = cx.input(0)?;
    let elem = cx.elem(input)?;
    let alpha = cx.scalar(elem, cx.node.float("alpha").unwrap_or(1.702).into())?;
    let scaled = cx.emit("Mul", &[input, &alpha], &[]);
    let gate = cx.emit("Sigmoid", &[&scaled], &[]);
    cx.emit_output("Mul", &[input, &gate], &[])
}
