//! A model with its gradient as further outputs: from a [`ModelProto`] to a [`ModelProto`], in standard operators.

mod batch;
mod dimensions;

use self::dimensions::{Dimensions, Size};
use super::{Device, Error, Options, gradient};
use crate::onnx::graph::declared_dims;
use crate::onnx::passes::{self, constant_folding};
use crate::onnx::proto::{ModelProto, TensorProto, ValueInfoProto};
use crate::onnx::types::{fixed_dims, untyped_value, value_info};
use crate::onnx::{Builder, Evaluator, Graph, Types};
use crate::text::printable;
use std::num::NonZeroUsize;

/// Prefix of the names of new nodes and values.
const PREFIX: &str = "gradient/";

/// Three batch sizes for which the gradient must be the same graph. They are prime and uncommon, so that no other dimension
/// is mistaken for the batch.
const BATCHES: [usize; 3] = [19, 23, 29];

/// Which gradient [`gradient_model`] adds to a model.
#[derive(Debug, Clone, Default)]
pub struct GradientRequest {
    /// The values that are differentiated: outputs or intermediate values. None: every output of floating-point type.
    pub of: Vec<String>,
    /// The values with respect to which they are differentiated: inputs, initializers or intermediate values. None: every
    /// input of floating-point type.
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
    /// The output with each gradient, in the order of [`GradientRequest::wrt`]: `grad/WRT`, or `grad2/WRT` and so on if the
    /// model has a value of that name. Its type is that of the value.
    pub gradients: Vec<String>,
    /// The input with each seed, in the order of [`GradientRequest::of`], if there are any: `seed/OF`, or `seed2/OF` and so
    /// on.
    pub seeds: Vec<String>,
    /// In what the interface of the original model was not kept, one line each.
    pub notes: Vec<String>,
}

/// Why a model has no gradient.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GradientError<E: std::error::Error> {
    /// The model has no value of this name.
    #[error("the model has no value {name}; its {kind} are {known}")]
    UnknownValue {
        name: String,
        kind: &'static str,
        known: String,
    },
    /// Values of this element type have no gradient.
    #[error("{name} has element type {elem}: only floating-point values have gradients")]
    NotFloat { name: String, elem: &'static str },
    /// There is nothing to differentiate.
    #[error("the model has no {0} of floating-point type")]
    Nothing(&'static str),
    /// A dimension is open.
    #[error("the size of dimension {key} (axis {axis} of input {input}) must be given")]
    OpenDimension {
        input: String,
        axis: usize,
        key: String,
    },
    /// A size is given for a dimension that does not exist or is not open.
    #[error("no input has an open dimension {0}")]
    NoSuchDimension(String),
    /// A batch size is given, but axis 0 of no input is open.
    #[error("the model's batch size is fixed: no other one can be set")]
    FixedBatch,
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
/// The gradient with respect to a value is the sum over all elements of [`GradientRequest::of`], weighted by the seeds, of
/// the derivative with respect to that value. Pictures of a batch that do not influence each other so get each its own.
///
/// The result has opset 18 or newer and computes in float32; names, other opset imports and metadata are those of the
/// original. Operators are standard ones, except where the model itself has others that cannot be replaced. The batch size
/// stays open if the gradient is the same graph for every batch size; otherwise it is 1, or as requested, and
/// [`GradientModel::notes`] says so. The result can be differentiated again.
///
/// ```
/// use ziggurat::autodiff::{GradientRequest, gradient_model};
/// use ziggurat::onnx::types::{untyped_value, value_info};
/// use ziggurat::onnx::{Builder, ElementType, file, proto::Dim};
/// use ziggurat::runtime::{OnnxRuntime, Options, Provider, Session, Tensor};
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
/// let mut session = Session::open(&bytes, Provider::Cpu, &Options::default())?;
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
    let before = inputs_with_types(&model);
    let graph = passes::normalize(model)?;
    let mut notes: Vec<String> = before
        .iter()
        .filter(|(name, elem)| {
            let now = graph.inputs().iter().find(|input| input.name == *name);
            now.is_some_and(|now| declared_dims(now).is_some_and(|(now, _)| now != *elem))
        })
        .map(|(name, _)| {
            format!(
                "the model computes in float32: so does its input {}",
                printable(name)
            )
        })
        .collect();
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

/// The inputs of a model with their declared element types (ONNX codes).
fn inputs_with_types(model: &ModelProto) -> Vec<(String, i32)> {
    let inputs = model.graph.iter().flat_map(|graph| &graph.input);
    inputs
        .filter_map(|input| Some((input.name.clone(), declared_dims(input)?.0)))
        .collect()
}

/// A normalized graph to be differentiated.
struct Source {
    /// Its outputs include the values that are named in the request, so that no pass removes them. Initializers with
    /// respect to which it is differentiated are inputs.
    graph: Graph,
    /// Those initializers.
    weights: Vec<TensorProto>,
    /// The inputs and outputs of the original model.
    inputs: Vec<ValueInfoProto>,
    outputs: Vec<ValueInfoProto>,
}

/// A graph with its gradient, for some dimensions of the inputs.
struct Built {
    graph: Graph,
    types: Types,
    of: Vec<String>,
    wrt: Vec<String>,
    gradients: Vec<String>,
    seeds: Vec<String>,
}

impl GradientModel {
    fn noting(mut self, mut notes: Vec<String>) -> Self {
        notes.append(&mut self.notes);
        self.notes = notes;
        self
    }
}

impl Source {
    fn new<E: std::error::Error>(
        graph: Graph,
        request: &GradientRequest,
    ) -> Result<Self, GradientError<E>> {
        for (names, kind) in [(&request.of, "outputs"), (&request.wrt, "inputs")] {
            if let Some(name) = names.iter().find(|name| !graph.contains(name)) {
                let known = match kind {
                    "outputs" => graph.outputs(),
                    _ => graph.inputs(),
                };
                let known = known.iter().map(|value| printable(&value.name));
                let known = known.collect::<Vec<_>>().join(", ");
                let name = printable(name);
                return Err(GradientError::UnknownValue { name, kind, known });
            }
        }
        let (inputs, outputs) = (graph.inputs().to_vec(), graph.outputs().to_vec());
        let mut freed = graph.empty_like();
        for input in &inputs {
            freed.insert_input(input.clone())?;
        }
        let mut weights = Vec::new();
        for constant in graph.constants() {
            if request.wrt.contains(&constant.name) {
                let dims = fixed_dims(&constant.shape()?);
                freed.insert_input(value_info(&constant.name, constant.elem()?, &dims))?;
                weights.push(constant.clone());
            } else {
                freed.insert_constant(constant.clone())?;
            }
        }
        for node in graph.nodes() {
            freed.insert_node(node.clone())?;
        }
        let mut kept = outputs.clone();
        for name in request.of.iter().chain(&request.wrt) {
            if freed.producer(name).is_some() && kept.iter().all(|output| output.name != *name) {
                kept.push(untyped_value(name));
            }
        }
        freed.set_outputs(kept);
        Ok(Self {
            graph: freed,
            weights,
            inputs,
            outputs,
        })
    }

    /// The model for any batch size; the error is the reason why there is none.
    fn with_open_batch<E: Evaluator + ?Sized>(
        &self,
        dimensions: &Dimensions,
        request: &GradientRequest,
        evaluator: &E,
    ) -> Result<GradientModel, String> {
        let input = match &dimensions.batch {
            Size::Open { input: Ok(input) } => input,
            Size::Open { input: Err(why) } => return Err(why.clone()),
            Size::Fixed(_) => unreachable!("only open batch sizes stay open"),
        };
        let message = |error: E::Error| error.to_string();
        let at = |batch: usize| dimensions.of_inputs(batch);
        let [first, second, _] = BATCHES.map(at);
        let graph = passes::specialize(
            evaluator,
            self.graph.clone(),
            &[&borrowed(&first), &borrowed(&second)],
        );
        let graph = graph.map_err(message)?;
        let mut builds = Vec::new();
        for batch in BATCHES {
            let built = self.differentiated(&graph, &at(batch), request, evaluator);
            builds.push(built.map_err(|error| error.to_string())?);
        }
        let graphs = [0, 1, 2].map(|index| &builds[index].graph);
        let result = batch::generalize(&graph, BATCHES, graphs, input)?;
        let types = [0, 1].map(|index| &builds[index].types);
        let declared = |name: &str| dimensions.declared(name, types);
        let built = &builds[0];
        let model = self.model(
            &result,
            built,
            |input| dimensions.keep_open(input),
            declared,
        );
        let model = model.map_err(|error| error.to_string())?;
        // A batch of 1 is the one that differs most from those that were compared.
        let mut single = at(1);
        for (seed, of) in built.seeds.iter().zip(&built.of) {
            let dims = batch::dims_at(1, BATCHES, types.map(|types| types.find(of)));
            single.push((seed.clone(), dims.ok_or("the dimensions of a seed vary")?));
        }
        let checked = Graph::new(model.clone()).map_err(|error| error.to_string())?;
        let found = constant_folding::shapes(evaluator, &checked, &borrowed(&single));
        let found = found.map_err(message)?;
        for (gradient, wrt) in built.gradients.iter().zip(&built.wrt) {
            let expected = batch::dims_at(1, BATCHES, types.map(|types| types.find(wrt)));
            let got = found.find(gradient).map(|found| found.dims.clone());
            if got.is_none() || got != expected {
                return Err(format!(
                    "{} would have other dimensions",
                    printable(gradient)
                ));
            }
        }
        Ok(built.result(model))
    }

    /// The model for fixed dimensions.
    fn with_fixed_dimensions<E: Evaluator + ?Sized>(
        &self,
        dimensions: &Dimensions,
        request: &GradientRequest,
        evaluator: &E,
    ) -> Result<GradientModel, GradientError<E::Error>> {
        let dims = dimensions.of_inputs(1);
        let graph = passes::specialize(evaluator, self.graph.clone(), &[&borrowed(&dims)]);
        let graph = graph.map_err(GradientError::Evaluator)?;
        let built = self.differentiated(&graph, &dims, request, evaluator)?;
        let types = [&built.types; 2];
        let declared = |name: &str| dimensions.declared(name, types);
        let fixed = |input: &mut ValueInfoProto| dimensions.fix(input);
        let model = self.model(&built.graph, &built, fixed, declared)?;
        let checked = Graph::new(model.clone())?;
        let found = evaluator.infer_types(&checked, &[]);
        found.map_err(GradientError::Evaluator)?;
        Ok(built.result(model))
    }

    /// The graph with the nodes of the gradient.
    fn differentiated<E: Evaluator + ?Sized>(
        &self,
        graph: &Graph,
        dims: &[(String, Vec<usize>)],
        request: &GradientRequest,
        evaluator: &E,
    ) -> Result<Built, GradientError<E::Error>> {
        let types = constant_folding::shapes(evaluator, graph, &borrowed(dims));
        let types = types.map_err(GradientError::Evaluator)?;
        let of = self.floats(&request.of, &self.outputs, "output", &types)?;
        let wrt = self.floats(&request.wrt, &self.inputs, "input", &types)?;
        let mut builder = Builder::extend(graph.clone(), PREFIX);
        let mut seeds = Vec::new();
        let mut pairs = Vec::new();
        for value in &of {
            let value_type = types.get(value)?.clone();
            let seed = if request.seeds {
                let name = fresh_name(&builder, "seed", value);
                seeds.push(name.clone());
                builder.input(&name, value_type.elem, &fixed_dims(&value_type.dims))?
            } else {
                let one = builder.scalar(value_type.elem, 1.0)?;
                let shape = builder.emit("Shape", &[value], &[]);
                builder.emit("Expand", &[&one, &shape], &[])
            };
            pairs.push((value.clone(), seed));
        }
        let options = Options {
            device: request.device,
            redirect: None,
        };
        let values = gradient(&mut builder, &types, &pairs, &wrt, &options)?;
        let mut gradients = Vec::new();
        for (value, wrt) in values.iter().zip(&wrt) {
            let name = fresh_name(&builder, "grad", wrt);
            gradients.push(builder.emit_named(&name, "Identity", &[value], &[])?);
        }
        Ok(Built {
            graph: builder.into_graph(),
            types,
            of,
            wrt,
            gradients,
            seeds,
        })
    }

    /// The `named` values, which must be of floating-point type; if there are none, those of `all` that are.
    fn floats<E: std::error::Error>(
        &self,
        named: &[String],
        all: &[ValueInfoProto],
        kind: &'static str,
        types: &Types,
    ) -> Result<Vec<String>, GradientError<E>> {
        if named.is_empty() {
            let is_float = |name: &&String| types.find(name).is_some_and(|t| t.elem.is_float());
            let found: Vec<String> = all
                .iter()
                .map(|value| &value.name)
                .filter(is_float)
                .cloned()
                .collect();
            return match found.is_empty() {
                true => Err(GradientError::Nothing(kind)),
                false => Ok(found),
            };
        }
        for name in named {
            let elem = types.get(name)?.elem;
            if !elem.is_float() {
                let (name, elem) = (printable(name), elem.name());
                return Err(GradientError::NotFloat { name, elem });
            }
        }
        Ok(named.to_vec())
    }

    /// The model of `graph`. `adjust` changes the declaration of an input, `declared` is that of a value; `None` if its
    /// type is unknown.
    fn model(
        &self,
        graph: &Graph,
        built: &Built,
        adjust: impl Fn(&mut ValueInfoProto),
        declared: impl Fn(&str) -> Option<ValueInfoProto>,
    ) -> Result<ModelProto, crate::onnx::Error> {
        let renamed = |name: &String, of: &String| {
            declared(of).map(|value| ValueInfoProto {
                name: name.clone(),
                ..value
            })
        };
        let mut outputs: Vec<ValueInfoProto> = self
            .outputs
            .iter()
            .map(|output| ValueInfoProto {
                r#type: declared(&output.name)
                    .map_or(output.r#type.clone(), |declared| declared.r#type),
                ..output.clone()
            })
            .collect();
        let gradients = built.gradients.iter().zip(&built.wrt);
        outputs.extend(gradients.filter_map(|(name, wrt)| renamed(name, wrt)));
        let mut model = graph.to_model(&outputs)?;
        let proto = model.graph.get_or_insert_default();
        // All inputs stay, also those that only determined dimensions, or that nothing reads.
        proto.input = self.inputs.clone();
        proto.input.iter_mut().for_each(adjust);
        let seeds = built.seeds.iter().zip(&built.of);
        proto
            .input
            .extend(seeds.filter_map(|(name, of)| renamed(name, of)));
        proto.initializer.extend(self.weights.iter().cloned());
        Ok(model)
    }
}

impl Built {
    fn result(&self, model: ModelProto) -> GradientModel {
        GradientModel {
            model,
            gradients: self.gradients.clone(),
            seeds: self.seeds.clone(),
            notes: Vec::new(),
        }
    }
}

/// `kind/VALUE`, or `kind2/VALUE` and so on if that is taken.
fn fresh_name(builder: &Builder, kind: &str, value: &str) -> String {
    let mut name = format!("{kind}/{value}");
    let mut number = 1;
    while builder.graph().contains(&name) {
        number += 1;
        name = format!("{kind}{number}/{value}");
    }
    name
}

fn borrowed(dims: &[(String, Vec<usize>)]) -> Vec<(&str, &[usize])> {
    let pairs = dims.iter();
    pairs
        .map(|(name, dims)| (name.as_str(), dims.as_slice()))
        .collect()
}
