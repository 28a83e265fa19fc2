//! Convolutions and matrix products with an activation, and activations with a bias.

use crate::onnx::ElementType;
use crate::onnx::passes::decompose::emitter::{Emitter, Skipped};

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
pub fn conv(e: &mut Emitter) -> Result<(), Skipped> {
    let parameters = match e.node.attribute_named("activation_params") {
        Some(attribute) => attribute.floats.clone(),
        None => Vec::new(),
    };
    let (activation, names) = activation(e)?;
    if parameters.len() < names.len() {
        return Err(Skipped(format!("{activation} lacks parameters")));
    }
    let elem = e.elem(e.input(0)?)?;
    let inputs = [
        e.input(0)?,
        e.input(1)?,
        e.optional_input(2).unwrap_or_default(),
    ];
    let mut sum = e.emit("Conv", &inputs, &[]);
    e.add_attributes(e.attributes_except(&["activation"]));
    if let Some(residual) = e.optional_input(3) {
        sum = e.emit("Add", &[&sum, residual], &[]);
    }
    activate(e, activation, names, &parameters, &sum, elem)
}

/// `activation(gemm(a, b, c))`.
pub fn gemm(e: &mut Emitter) -> Result<(), Skipped> {
    let (activation, names) = activation(e)?;
    let parameter = |name: &&str| e.node.float(&format!("activation_{name}"));
    let parameters: Option<Vec<f32>> = names.iter().map(parameter).collect();
    let parameters = parameters.ok_or_else(|| Skipped(format!("{activation} lacks parameters")))?;
    let elem = e.elem(e.input(0)?)?;
    let inputs = [
        e.input(0)?,
        e.input(1)?,
        e.optional_input(2).unwrap_or_default(),
    ];
    let product = e.emit("Gemm", &inputs, &[]);
    e.add_attributes(e.attributes_except(&["activation"]));
    activate(e, activation, names, &parameters, &product, elem)
}

/// Name and parameter names.
type Activation = (&'static str, &'static [&'static str]);

/// The activation that the attribute `activation` names.
fn activation(e: &Emitter) -> Result<Activation, Skipped> {
    let requested = e.node.string("activation").unwrap_or_default();
    let activation = PARAMETERS.iter().find(|(name, _)| *name == requested);
    activation
        .copied()
        .ok_or_else(|| Skipped(format!("activation = {requested:?}")))
}

/// Emits the output: the activation of `value`.
fn activate(
    e: &mut Emitter,
    activation: &str,
    names: &[&str],
    parameters: &[f32],
    value: &str,
    elem: ElementType,
) -> Result<(), Skipped> {
    if activation == "Clip" {
        let min = e.scalar(elem, parameters[0].into())?;
        let max = e.scalar(elem, parameters[1].into())?;
        e.emit_output(activation, &[value, &min, &max], &[]);
        return Ok(());
    }
    let attributes: Vec<_> = names
        .iter()
        .zip(parameters)
        .map(|(name, &parameter)| (*name, parameter.into()))
        .collect();
    e.emit_output(activation, &[value], &attributes);
    Ok(())
}

/// `alpha · a b`, with either factor transposed (`transA`, `transB`) or with its first axis moved before the last
/// (`transBatchA`, `transBatchB`).
pub fn mat_mul(e: &mut Emitter) -> Result<(), Skipped> {
    let alpha = f64::from(e.node.float("alpha").unwrap_or(1.0));
    let elem = e.elem(e.input(0)?)?;
    let a = factor(e, 0, ["transBatchA", "transA"])?;
    let b = factor(e, 1, ["transBatchB", "transB"])?;
    if alpha == 1.0 {
        e.emit_output("MatMul", &[&a, &b], &[]);
        return Ok(());
    }
    let product = e.emit("MatMul", &[&a, &b], &[]);
    let alpha = e.scalar(elem, alpha)?;
    e.emit_output("Mul", &[&product, &alpha], &[]);
    Ok(())
}

/// Input `index`, transposed according to the attributes `flags`.
fn factor(e: &mut Emitter, index: usize, flags: [&str; 2]) -> Result<String, Skipped> {
    let value = e.input(index)?;
    let rank = e.dims(value)?.len();
    let [batch_last, transposed] = flags.map(|flag| e.node.int(flag).unwrap_or(0) != 0);
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
        e.emit("Transpose", &[value], &[("perm", order.into())])
    })
}

/// Input 0 plus the optional input 1.
fn biased(e: &mut Emitter) -> Result<(String, ElementType), Skipped> {
    let input = e.input(0)?;
    let elem = e.elem(input)?;
    let sum = match e.optional_input(1) {
        Some(bias) => e.emit("Add", &[input, bias], &[]),
        None => input.to_owned(),
    };
    Ok((sum, elem))
}

/// With `z = x + bias`: `z/2 · (1 + erf(z/√2))`.
pub fn gelu(e: &mut Emitter) -> Result<(), Skipped> {
    let (z, elem) = biased(e)?;
    let root = e.scalar(elem, std::f64::consts::FRAC_1_SQRT_2)?;
    let scaled = e.emit("Mul", &[&z, &root], &[]);
    let sigmoid = e.emit("Erf", &[&scaled], &[]);
    half_of_one_plus(e, &z, &sigmoid, elem)
}

/// With `z = x + bias`: `z/2 · (1 + tanh(√(2/π) · (z + 0.044715 z³)))`.
pub fn fast_gelu(e: &mut Emitter) -> Result<(), Skipped> {
    let (z, elem) = biased(e)?;
    let root = (2.0 / std::f64::consts::PI).sqrt();
    let cubic = e.scalar(elem, root * 0.044_715)?;
    let linear = e.scalar(elem, root)?;
    let square = e.emit("Mul", &[&z, &z], &[]);
    let square = e.emit("Mul", &[&square, &cubic], &[]);
    let factor = e.emit("Add", &[&square, &linear], &[]);
    let inner = e.emit("Mul", &[&z, &factor], &[]);
    let sigmoid = e.emit("Tanh", &[&inner], &[]);
    half_of_one_plus(e, &z, &sigmoid, elem)
}

/// Emits `z/2 · (1 + sigmoid)`.
fn half_of_one_plus(
    e: &mut Emitter,
    z: &str,
    sigmoid: &str,
    elem: ElementType,
) -> Result<(), Skipped> {
    let (one, half) = (e.scalar(elem, 1.0)?, e.scalar(elem, 0.5)?);
    let shifted = e.emit("Add", &[sigmoid, &one], &[]);
    let gate = e.emit("Mul", &[&shifted, &half], &[]);
    e.emit_output("Mul", &[z, &gate], &[]);
    Ok(())
}

/// `x · sigmoid(alpha · x)`.
pub fn quick_gelu(e: &mut Emitter) -> Result<(), Skipped> {
    let input = e.input(0)?;
    let elem = e.elem(input)?;
    let alpha = e.scalar(elem, e.node.float("alpha").unwrap_or(1.702).into())?;
    let scaled = e.emit("Mul", &[input, &alpha], &[]);
    let gate = e.emit("Sigmoid", &[&scaled], &[]);
    e.emit_output("Mul", &[input, &gate], &[]);
    Ok(())
}
