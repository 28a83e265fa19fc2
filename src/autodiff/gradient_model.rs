//! A model with its gradient as further outputs: from a [`ModelProto`] to a [`ModelProto`], in standard operators.

pub(crate) mod batch;
mod dimensions;
mod source;

use self::dimensions::{Dimensions, Size};
use self::source::Source;
use super::{Device, Error};
use crate::onnx::Evaluator;
use crate::onnx::declared_interface::{DeclaredInterface, InterfaceChange};
use crate::onnx::passes;
use crate::onnx::proto::ModelProto;
use std::num::NonZeroUsize;

/// Prefix of the names of new nodes and values.
const PREFIX: &str = "gradient/";

/// Three batch sizes for which the gradient must be the same graph. They are prime and uncommon, so
/// that no other dimension is mistaken for the batch.
pub(crate) const BATCHES: [usize; 3] = [19, 23, 29];

/// Which gradient [`gradient_model`] adds to a model.
#[derive(Debug, Clone, Default)]
pub struct GradientRequest {
    /// The values that are differentiated: outputs or intermediate values. Empty: every output of floating-point type.
    pub of: Vec<String>,
    /// The values with respect to which they are differentiated: inputs, initializers or
    /// intermediate values. Empty: every input of floating-point type.
    pub wrt: Vec<String>,
    /// Whether each of `of` gets an input `seed/OF` of its type that weights its elements (the vector of the
    /// vector-Jacobian product). Otherwise all weights are 1: the gradient is that of the sum of all elements.
    pub seeds: bool,
    /// Sizes of dimensions that the model leaves open, by the dimension's name, or `INPUT:AXIS` if it has none.
    pub sizes: Vec<(String, usize)>,
    /// A fixed batch size, for models whose inputs leave axis 0 open. `None`: it stays open if that is possible.
    pub batch: Option<NonZeroUsize>,
    /// What the model will run on. The default suits the CPU; the operators are standard ones in any case.
    pub device: Device,
}

/// A model with its gradient.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GradientModel {
    /// The model. It has the inputs and outputs of the original one, the seeds and the gradients.
    pub model: ModelProto,
    /// The output with each gradient, in the order of [`GradientRequest::wrt`]: `grad/WRT`, or
    /// `grad2/WRT` and so on if the model has a value of that name. Its type is that of the value.
    pub gradients: Vec<String>,
    /// The input with each seed, in the order of [`GradientRequest::of`], if there are any:
    /// `seed/OF`, or `seed2/OF` and so on.
    pub seeds: Vec<String>,
    /// How the interface differs from that of the original model, one line each.
    pub notes: Vec<String>,
}

/// Why a model has no gradient.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GradientError<E: std::error::Error> {
    /// The model has no value of this name.
    #[error("the model has no value {name}; its {kind} are {known}")]
    UnknownValue {
        /// The name, quoted.
        name: String,
        /// What it was expected to be: `inputs` or `outputs`.
        kind: &'static str,
        /// Their names, quoted, separated by commas.
        known: String,
    },
    /// Values of this element type have no gradient.
    #[error("{name} has element type {elem}: only floating-point values have gradients")]
    NotFloat {
        /// The value's name, quoted.
        name: String,
        /// Its element type.
        elem: &'static str,
    },
    /// There is nothing to differentiate.
    #[error("the model has no {0} of floating-point type")]
    Nothing(&'static str),
    /// A dimension is open.
    #[error("the size of dimension {key} (axis {axis} of input {input}) must be given")]
    OpenDimension {
        /// The input's name, quoted.
        input: String,
        /// Its axis, from 0.
        axis: usize,
        /// What to call the dimension in [`GradientRequest::sizes`].
        key: String,
    },
    /// A size is given for a dimension that does not exist or is not open.
    #[error("no input has an open dimension {0}")]
    NoSuchDimension(String),
    /// A batch size is given, but axis 0 of no input is open.
    #[error("the model's batch size is fixed: no other one can be set")]
    FixedBatch,
    /// A batch size is given, and as the size of this dimension, too.
    #[error("the size of dimension {0} is the batch size: it is given twice")]
    BatchGivenTwice(String),
    /// The gradient does not exist or cannot be computed.
    #[error(transparent)]
    Autodiff(#[from] Error),
    /// The evaluator failed.
    #[error(transparent)]
    Evaluator(E),
}

impl<E: std::error::Error> From<crate::onnx::Error> for GradientError<E> {
    fn from(error: crate::onnx::Error) -> Self {
        Self::Autodiff(error.into())
    }
}

/// Adds to a model the gradient of its outputs with respect to its inputs, as outputs.
///
/// The gradient with respect to a value is the sum over all elements of [`GradientRequest::of`],
/// weighted by the seeds, of the derivative with respect to that value. Entries of a batch that do
/// not influence each other thus get each its own gradient.
///
/// The result has opset 18 or newer and computes in float32; names, other opset imports and
/// metadata are those of the original. Operators are standard ones, except where the model itself
/// has others that cannot be replaced. The batch size stays open if the gradient is the same graph
/// for every batch size; otherwise it is 1, or as requested, and [`GradientModel::notes`] says so.
/// The result can be differentiated again.
///
/// ```
/// use ziggurat::autodiff::{GradientRequest, gradient_model};
/// use ziggurat::onnx::types::value_info;
/// use ziggurat::onnx::{Builder, ElementType, file, proto::Dim};
/// use ziggurat::runtime::{OnnxRuntime, SessionOptions, Provider, Session, Tensor};
/// # ziggurat::runtime::testing::library();
///
/// // y = x · x, for x (N, 3). A file would be read with `onnx::file::read`.
/// let mut builder = Builder::empty(18, "");
/// let dims = [Dim::DimParam("N".into()), Dim::DimValue(3)];
/// builder.input("x", ElementType::F32, &dims)?;
/// builder.emit_named("y", "Mul", &["x", "x"], &[])?;
/// let model = builder.graph().to_model(&[value_info("y", ElementType::F32, &dims)])?;
///
/// let result = gradient_model(model, &GradientRequest::default(), &OnnxRuntime)?;
/// assert_eq!(result.gradients, ["grad/x"]);
///
/// let bytes = file::encode(&result.model)?;
/// let mut session = Session::open(&bytes, Provider::Cpu, &SessionOptions::default())?;
/// let x = Tensor::from(ndarray::arr2(&[[1f32, 2.0, 3.0], [4.0, 5.0, 6.0]]));
/// let gradient = session.run(&[("x", &x)], &["grad/x"])?.remove(0);
/// let twice = ndarray::arr2(&[[2f32, 4.0, 6.0], [8.0, 10.0, 12.0]]);
/// assert_eq!(gradient.as_f32().unwrap(), &twice.into_dyn());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`GradientError`]; [`GradientError::Autodiff`] names a node without a gradient rule.
pub fn gradient_model<E: Evaluator + ?Sized>(
    model: ModelProto,
    request: &GradientRequest,
    evaluator: &E,
) -> Result<GradientModel, GradientError<E::Error>> {
    let declared = DeclaredInterface::from_model(&model);
    let graph = passes::normalize(model)?;
    let changes = declared.changes(&graph);
    let mut notes: Vec<String> = changes.iter().map(InterfaceChange::to_string).collect();
    let dimensions = Dimensions::new(&graph, request)?;
    let source = Source::new(graph, request)?;
    if let Size::Open { .. } = dimensions.batch {
        match source.with_open_batch(&dimensions, request, evaluator) {
            Ok(result) => return Ok(result.noting(notes)),
            Err(why) => notes.push(format!("the batch size is fixed at 1: {why}")),
        }
    }
    let dimensions = dimensions.fixed();
    let result = source.with_fixed_dimensions(&dimensions, request, evaluator)?;
    Ok(result.noting(notes))
}

impl GradientModel {
    fn noting(mut self, mut notes: Vec<String>) -> Self {
        notes.append(&mut self.notes);
        self.notes = notes;
        self
    }
}
