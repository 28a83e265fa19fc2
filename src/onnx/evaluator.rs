//! What passes need of a runtime. This module and `autodiff` only describe computations; an
//! [`Evaluator`] carries them out.

use super::proto::TensorProto;
use super::{Error, Graph, Types};

/// Dimensions of inputs of a graph, by name.
pub type Dims<'a> = [(&'a str, &'a [usize])];

/// Infers types and evaluates constants. [`crate::runtime::OnnxRuntime`] is the implementation on ONNX Runtime.
pub trait Evaluator {
    /// Why it fails.
    type Error: std::error::Error + From<Error> + Send + Sync + 'static;

    /// The types of all values of `graph` for these dimensions of its inputs; inputs that are not among them have their
    /// declared dimensions. Values whose dimensions are not determined by these are left out.
    ///
    /// # Errors
    /// If the graph is not valid for these dimensions.
    fn infer_types(&self, graph: &Graph, inputs: &Dims) -> Result<Types, Self::Error>;

    /// The elements of `values`, none of which depends on an input of `graph`; each named as its value. Values of more
    /// than `max_elements` elements, and of element types that cannot be exchanged, are left out.
    ///
    /// # Errors
    /// If the graph is not valid, or its evaluation fails.
    fn evaluate(
        &self,
        graph: &Graph,
        values: &[String],
        max_elements: usize,
    ) -> Result<Vec<TensorProto>, Self::Error>;

    /// Whether `error` is the rejection of a graph rather than another failure.
    fn is_rejection(&self, error: &Self::Error) -> bool;
}
