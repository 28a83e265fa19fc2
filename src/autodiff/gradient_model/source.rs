//! Differentiates a normalized graph and makes a model of it, for any batch size or for fixed dimensions.

use super::batch;
use super::dimensions::{Dimensions, Size};
use super::{BATCHES, GradientError, GradientModel, GradientRequest, PREFIX};
use crate::autodiff::{GradientOptions, gradient};
use crate::onnx::passes::{self, constant_folding};
use crate::onnx::proto::{ModelProto, TensorProto, ValueInfoProto};
use crate::onnx::types::{fixed_dims, untyped_value, value_info};
use crate::onnx::{Builder, Evaluator, Graph, NameScope, Types};
use crate::text::quoted;

/// A normalized graph to be differentiated.
pub(super) struct Source {
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

impl Source {
    pub(super) fn new<E: std::error::Error>(
        graph: Graph,
        request: &GradientRequest,
    ) -> Result<Self, GradientError<E>> {
        for (names, kind) in [(&request.of, "outputs"), (&request.wrt, "inputs")] {
            if let Some(name) = names.iter().find(|name| !graph.contains(name)) {
                let known = match kind {
                    "outputs" => graph.outputs(),
                    _ => graph.inputs(),
                };
                let known = known.iter().map(|value| quoted(&value.name));
                let known = known.collect::<Vec<_>>().join(", ");
                let name = quoted(name);
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
    pub(super) fn with_open_batch<E: Evaluator + ?Sized>(
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
        let result = batch::generalize(&graph, BATCHES, graphs, input, self.names())?;
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
                return Err(format!("{} would have other dimensions", quoted(gradient)));
            }
        }
        Ok(built.result(model))
    }

    /// The model for fixed dimensions.
    pub(super) fn with_fixed_dimensions<E: Evaluator + ?Sized>(
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

    /// The names that the model has without the gradient.
    fn names(&self) -> NameScope {
        NameScope::from_graph(&self.graph)
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
        let of = floats(&request.of, &self.outputs, "output", &types)?;
        let wrt = floats(&request.wrt, &self.inputs, "input", &types)?;
        let mut builder = Builder::extend(graph.clone(), PREFIX);
        // The graph may lack inputs and outputs that the model keeps.
        builder.reserve(self.names());
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
        let options = GradientOptions {
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

/// The `named` values, which must be of floating-point type; if there are none, those of `all` that are.
fn floats<E: std::error::Error>(
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
        return if found.is_empty() {
            Err(GradientError::Nothing(kind))
        } else {
            Ok(found)
        };
    }
    for name in named {
        let elem = types.get(name)?.elem;
        if !elem.is_float() {
            let (name, elem) = (quoted(name), elem.name());
            return Err(GradientError::NotFloat { name, elem });
        }
    }
    Ok(named.to_vec())
}

/// `kind/VALUE`, or `kind2/VALUE` and so on if that is taken.
fn fresh_name(builder: &Builder, kind: &str, value: &str) -> String {
    let mut name = format!("{kind}/{value}");
    let mut number = 1;
    while builder.is_taken(&name) {
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
