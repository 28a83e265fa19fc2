//! The dimensions of a model's inputs: which are fixed, which are given, and which are the batch.

use super::batch;
use super::{GradientError, GradientRequest};
use crate::onnx::graph::{declared_dims, declared_dims_mut};
use crate::onnx::proto::{Dim, ValueInfoProto};
use crate::onnx::{Graph, Types};
use crate::text::quoted;

/// The size of the batch.
pub enum Size {
    Fixed(usize),
    /// The extent of axis 0 of `input`; or why there is no such input.
    Open {
        input: Result<String, String>,
    },
}

/// An axis of an input.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Axis {
    Known(usize),
    Batch,
}

/// The dimensions of all inputs that are tensors.
pub struct Dimensions {
    inputs: Vec<(String, Vec<Axis>)>,
    pub batch: Size,
    /// What the batch is called; `None` if it has no name.
    batch_name: Option<String>,
}

impl Dimensions {
    /// Reads the declared dimensions of the inputs of `graph`, and the sizes given for the open ones.
    pub fn new<E: std::error::Error>(
        graph: &Graph,
        request: &GradientRequest,
    ) -> Result<Self, GradientError<E>> {
        let mut inputs = Vec::new();
        let mut batches: Vec<(String, Option<String>)> = Vec::new();
        let mut used = vec![false; request.sizes.len()];
        // Axis 0 of an input whose size is given.
        let mut given_batch = None;
        for input in graph.inputs() {
            let Some((_, dims)) = declared_dims(input) else {
                continue;
            };
            let mut axes = Vec::new();
            for (axis, dim) in dims.into_iter().enumerate() {
                let name = match dim {
                    Some(Dim::DimValue(size)) if size >= 0 => {
                        axes.push(Axis::Known(size as usize));
                        continue;
                    }
                    Some(Dim::DimParam(name)) if !name.is_empty() => Some(name),
                    _ => None,
                };
                let place = format!("{}:{axis}", input.name);
                let key = name.clone().unwrap_or(place.clone());
                let given = request
                    .sizes
                    .iter()
                    .position(|(k, _)| *k == key || *k == place);
                if let Some(index) = given {
                    used[index] = true;
                    if axis == 0 {
                        given_batch.get_or_insert(&request.sizes[index].0);
                    }
                    axes.push(Axis::Known(request.sizes[index].1));
                } else if axis == 0 {
                    batches.push((input.name.clone(), name));
                    axes.push(Axis::Batch);
                } else if name.is_some() && batches.iter().any(|(_, batch)| *batch == name) {
                    axes.push(Axis::Batch);
                } else {
                    let (input, key) = (quoted(&input.name), quoted(&key));
                    return Err(GradientError::OpenDimension { input, axis, key });
                }
            }
            inputs.push((input.name.clone(), axes));
        }
        if let Some(index) = used.iter().position(|used| !used) {
            return Err(GradientError::NoSuchDimension(quoted(
                &request.sizes[index].0,
            )));
        }
        let batch = match (batches.as_slice(), request.batch) {
            ([], Some(_)) => {
                return Err(match given_batch {
                    Some(key) => GradientError::BatchGivenTwice(quoted(key)),
                    None => GradientError::FixedBatch,
                });
            }
            ([], None) => Size::Fixed(1),
            (_, Some(size)) => Size::Fixed(size.get()),
            ([(first, name), others @ ..], None) => {
                let is_same =
                    |(_, other): &(String, Option<String>)| name.is_some() && other == name;
                let input = match others.iter().find(|other| !is_same(other)) {
                    None => Ok(first.clone()),
                    Some((other, _)) => Err(format!(
                        "the inputs {} and {} may have different ones",
                        quoted(first),
                        quoted(other)
                    )),
                };
                Size::Open { input }
            }
        };
        let batch_name = batches.into_iter().next().and_then(|(_, name)| name);
        Ok(Self {
            inputs,
            batch,
            batch_name,
        })
    }

    /// The same with the batch size fixed at 1 if it was open.
    pub fn fixed(self) -> Self {
        let batch = match self.batch {
            Size::Open { .. } => Size::Fixed(1),
            fixed @ Size::Fixed(_) => fixed,
        };
        Self { batch, ..self }
    }

    /// The dimensions of all inputs for a batch size; for the fixed one, if it is fixed.
    pub fn of_inputs(&self, batch: usize) -> Vec<(String, Vec<usize>)> {
        let batch = match self.batch {
            Size::Fixed(size) => size,
            Size::Open { .. } => batch,
        };
        let size = |axis: &Axis| match axis {
            Axis::Known(size) => *size,
            Axis::Batch => batch,
        };
        let inputs = self.inputs.iter();
        inputs
            .map(|(name, axes)| (name.clone(), axes.iter().map(size).collect()))
            .collect()
    }

    /// Fixes all dimensions of an input's declaration.
    pub fn fix(&self, input: &mut ValueInfoProto) {
        self.declare(input, true);
    }

    /// Fixes all dimensions of an input's declaration but the batch.
    pub fn keep_open(&self, input: &mut ValueInfoProto) {
        self.declare(input, false);
    }

    fn declare(&self, input: &mut ValueInfoProto, batch: bool) {
        let known = self.of_inputs(1).into_iter().zip(&self.inputs);
        for ((name, sizes), (_, axes)) in known {
            if name != input.name {
                continue;
            }
            for ((dim, size), axis) in declared_dims_mut(input).iter_mut().zip(sizes).zip(axes) {
                if batch || *axis != Axis::Batch {
                    dim.value = Some(Dim::DimValue(size as i64));
                }
            }
            return;
        }
    }

    /// The declaration of a value whose types for the first two compared batch sizes are these, see
    /// [`batch::declared`].
    pub fn declared(&self, name: &str, types: [&Types; 2]) -> Option<ValueInfoProto> {
        let batch = self.batch_name.clone().map(Dim::DimParam);
        batch::declared(name, types, batch.as_ref())
    }
}
