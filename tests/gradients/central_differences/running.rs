//! Running a problem's graph, and the gradient graph that the sweep appends to it.

use super::Problem;
use ndarray::ArrayD;
use ziggurat::autodiff::{self, GradientOptions};
use ziggurat::onnx::passes::{Pass, Passes, decompose};
use ziggurat::onnx::proto::TensorProto;
use ziggurat::onnx::types::untyped_value;
use ziggurat::onnx::{Builder, ElementType, Graph, Types, file};
use ziggurat::runtime::{self, OnnxRuntime, Provider, Session, Tensor, shape_inference};

/// What the sweep says the gradient of `Σ cotangent · output` is, input by input.
pub fn gradients(
    problem: &Problem,
    cotangents: &[ArrayD<f64>],
    options: &GradientOptions,
) -> Result<Vec<ArrayD<f64>>, String> {
    let (mut builder, shapes) = differentiable(problem)?;
    let mut seeds = Vec::new();
    for (name, cotangent) in problem.outputs.iter().zip(cotangents) {
        let elem = shapes.get(name).map_err(|error| error.to_string())?.elem;
        let dims: Vec<i64> = cotangent.shape().iter().map(|&dim| dim as i64).collect();
        let values: Vec<f64> = cotangent.iter().copied().collect();
        let cotangent = TensorProto::from_floats("", &dims, elem, &values).unwrap();
        seeds.push((name.clone(), builder.constant(cotangent)));
    }
    let sources: Vec<String> = problem
        .inputs
        .iter()
        .map(|(name, _)| name.clone())
        .collect();
    let found = autodiff::gradient(&mut builder, &shapes, &seeds, &sources, options)
        .map_err(|error| error.to_string())?;
    run(problem, builder.graph(), &found)
}

/// The problem's graph, upgraded and with fused operators decomposed, to be differentiated.
pub fn differentiable(problem: &Problem) -> Result<(Builder, Types), String> {
    runtime::testing::library();
    let outputs: Vec<_> = problem
        .outputs
        .iter()
        .map(|name| untyped_value(name))
        .collect();
    let model = problem.graph.to_model(&outputs).expect("the outputs exist");
    // Problems of float64 stay as they are: their differences are more precise.
    let passes = Passes::without(&[Pass::Precision]);
    let mut graph = passes.normalize(model).unwrap();
    let inputs: Vec<_> = problem
        .inputs
        .iter()
        .map(|(name, value)| (name.as_str(), value.shape()))
        .collect();
    // Of the passes that need dimensions, only what ONNX Runtime's kernels compute differently.
    let parts = [
        Pass::Fusions,
        Pass::Control,
        Pass::Sequences,
        Pass::Constants,
    ];
    let rest = Passes::without(&parts).specialize(&OnnxRuntime, graph, &[&inputs]);
    graph = rest.map_err(|error| error.to_string())?;
    let infer = |graph: &Graph| {
        shape_inference::infer_types(graph, &inputs).map_err(|error| error.to_string())
    };
    let mut shapes = infer(&graph)?;
    if decompose::is_fused(&graph) {
        graph = decompose::decompose(&graph, &shapes).unwrap();
        shapes = infer(&graph)?;
    }
    Ok((Builder::extend(graph, "gradient/"), shapes))
}

/// The values called `names` in `graph`, at the problem's point.
pub fn run(problem: &Problem, graph: &Graph, names: &[String]) -> Result<Vec<ArrayD<f64>>, String> {
    let outputs: Vec<_> = names.iter().map(|name| untyped_value(name)).collect();
    let model = graph
        .to_model(&outputs)
        .map_err(|error| error.to_string())?;
    let used: Vec<_> = model
        .graph
        .iter()
        .flat_map(|graph| &graph.input)
        .map(|input| input.name.clone())
        .collect();
    let given = problem
        .inputs
        .iter()
        .filter(|(name, _)| used.contains(name));
    let inputs: Vec<_> = given
        .map(|(name, value)| (name.as_str(), tensor(problem.elem, value)))
        .collect();
    let inputs: Vec<_> = inputs
        .iter()
        .map(|(name, tensor)| (*name, tensor))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut session = open(&file::encode(&model).unwrap())?;
    let values = session
        .run(&inputs, &names)
        .map_err(|error| error.to_string())?;
    Ok(values.iter().map(numbers).collect())
}

pub fn open(model: &[u8]) -> Result<Session, String> {
    runtime::testing::library();
    let options = runtime::SessionOptions {
        threads: Some(1),
        operators: true,
        ..Default::default()
    };
    Session::open(model, Provider::Cpu, &options).map_err(|error| error.to_string())
}

pub fn tensor(elem: ElementType, values: &ArrayD<f64>) -> Tensor {
    match elem {
        ElementType::F64 => Tensor::from(values.clone()),
        _ => Tensor::from(values.mapv(|value| value as f32)),
    }
}

pub fn numbers(tensor: &Tensor) -> ArrayD<f64> {
    match tensor {
        Tensor::F32(values) => values.mapv(f64::from),
        Tensor::F64(values) => values.clone(),
        Tensor::I64(values) => values.mapv(|value| value as f64),
        Tensor::I32(values) => values.mapv(f64::from),
        other => panic!("{} is no value to differentiate", other.describe()),
    }
}
