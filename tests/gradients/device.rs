//! Every rule's gradient graph on the devices beside the CPU that work here, against the CPU's own.

use crate::cases;
use crate::central_differences::{Numeric, differentiable};
use ndarray::ArrayD;
use std::collections::HashMap;
use ziggurat::autodiff::lowering::basic::without_rare_operators;
use ziggurat::autodiff::{self, Device, GradientOptions};
use ziggurat::onnx::proto::TensorProto;
use ziggurat::onnx::types::untyped_value;
use ziggurat::onnx::{ElementType, Graph, file};
use ziggurat::runtime::testing::{device_turn, devices};
use ziggurat::runtime::{self, Provider, Session, Tensor};

/// Largest relative error (L2) beside the CPU.
const TOLERANCE: f64 = 1e-4;

/// As many cases of an operator are tried, unless this variable is set: all of them take several minutes. Of `Einsum`,
/// which WebGPU computes wrongly where batch dimensions differ, all are.
const MAX_CASES: usize = 4;
const EVERY_CASE: &str = "ZIGGURAT_EVERY_CASE";

/// Cases in which the WebGPU plugin 0.4.0 is known to be wrong: how the case is written, and the reason.
const KNOWN: [(&str, &str); 4] = [
    ("op: \"TopK\"", "without `sorted` any order is right"),
    (
        "op: \"Pow\", operands: [Variable([4], Positive), Variable([3, 1]",
        "the provider fails at a base that grows in rank",
    ),
    (
        "([1, 2, 3, 4, 3], Uniform)",
        "the provider has no ConvTranspose over three axes",
    ),
    (
        "(\"storage_order\", Int(1))",
        "the provider does not number maxima column by column",
    ),
];

/// Why a case fails on this device, if that is known.
fn known(device: runtime::Device, case: &cases::Case) -> Option<&'static str> {
    let text = format!("{case:?}");
    let is_webgpu = matches!(device, runtime::Device::Plugin(_));
    let three_axes = ["op: \"MaxPool\"", "op: \"Conv\"", "op: \"ConvTranspose\""]
        .iter()
        .any(|op| text.contains(op))
        && text.contains("Variable([1, 2, 4, 5, 6]");
    let mut found = KNOWN.iter().filter(|(mark, _)| text.contains(mark));
    let found = found.next().map(|(_, why)| *why);
    found
        .or(three_axes.then_some(KNOWN[2].1))
        .filter(|_| is_webgpu)
}

/// The gradient graph of a case for a lowering, with a fixed cotangent for every output, and the names of the
/// gradients.
fn gradient_graph(case: &cases::Case, device: Device) -> Result<(Graph, Vec<String>), String> {
    let problem = case.problem(ElementType::F32, case.opsets([18, 18])[0]);
    let numeric = Numeric::cotangents_of(&problem, 1)?;
    let say = |problem: &dyn std::fmt::Display| problem.to_string();
    let (mut builder, shapes) = differentiable(&problem)?;
    let mut seeds = Vec::new();
    for (name, cotangent) in problem.outputs.iter().zip(&numeric) {
        let elem = shapes.get(name).map_err(|error| say(&error))?.elem;
        let dims: Vec<i64> = cotangent.shape().iter().map(|&dim| dim as i64).collect();
        let values: Vec<f64> = cotangent.iter().copied().collect();
        let cotangent = TensorProto::from_floats("", &dims, elem, &values).unwrap();
        seeds.push((name.clone(), builder.constant(cotangent)));
    }
    let sources = problem.inputs.iter().map(|(name, _)| name.clone());
    let sources: Vec<String> = sources.collect();
    let options = GradientOptions {
        device,
        ..Default::default()
    };
    let found = autodiff::gradient(&mut builder, &shapes, &seeds, &sources, &options)
        .map_err(|error| say(&error))?;
    let mut graph = builder.into_graph();
    if !device.rare_operators {
        let rank = |value: &str| shapes.get(value).ok().map(|known| known.dims.len());
        graph = without_rare_operators(&graph, rank).map_err(|error| say(&error))?;
    }
    Ok((graph, found))
}

/// The values `names` of `graph` on a provider, and how many of its nodes the CPU got.
fn run(
    case: &cases::Case,
    (graph, names): &(Graph, Vec<String>),
    provider: Provider,
) -> Result<(Vec<ArrayD<f64>>, usize), String> {
    let say = |problem: &dyn std::fmt::Display| problem.to_string();
    let outputs: Vec<_> = names.iter().map(|name| untyped_value(name)).collect();
    let model = graph.to_model(&outputs).map_err(|error| say(&error))?;
    let options = runtime::SessionOptions {
        record_placement: true,
        threads: Some(1),
        ..Default::default()
    };
    let bytes = file::encode(&model).map_err(|error| say(&error))?;
    let mut session = Session::open(&bytes, provider, &options).map_err(|error| say(&error))?;
    let problem = case.problem(ElementType::F32, case.opsets([18, 18])[0]);
    let ports: Vec<String> = session
        .inputs()
        .iter()
        .map(|port| port.name.clone())
        .collect();
    let given = problem
        .inputs
        .iter()
        .filter(|(name, _)| ports.contains(name));
    let tensors: Vec<(&str, Tensor)> = given
        .map(|(name, value)| {
            (
                name.as_str(),
                Tensor::from(value.mapv(|value| value as f32)),
            )
        })
        .collect();
    let inputs: Vec<_> = tensors
        .iter()
        .map(|(name, tensor)| (*name, tensor))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let values = session.run(&inputs, &names).map_err(|error| say(&error))?;
    let nodes = session.placement().map_err(|error| say(&error))?;
    let left = nodes.iter().filter(|node| node.provider.starts_with("CPU"));
    let numbers = values.iter().map(|tensor| match tensor {
        Tensor::F32(values) => values.mapv(f64::from),
        other => panic!("{} is no gradient", other.describe()),
    });
    Ok((numbers.collect(), left.count()))
}

/// Whether two results agree, but for rounding.
fn compare(found: &[ArrayD<f64>], expected: &[ArrayD<f64>]) -> Result<(), String> {
    for (found, expected) in found.iter().zip(expected) {
        if found.shape() != expected.shape() {
            return Err(format!("{:?} for {:?}", found.shape(), expected.shape()));
        }
        let square = |array: &ArrayD<f64>| array.iter().map(|value| value * value).sum::<f64>();
        let error = square(&(found - expected)).sqrt() / square(expected).sqrt().max(1e-3);
        // What is no number is no agreement.
        if error.is_nan() || error >= TOLERANCE {
            return Err(format!("a relative error of {error:.1e}"));
        }
    }
    Ok(())
}

#[test]
fn decomposed_operators_compute_the_same() {
    let mut count = 0;
    for case in cases::all() {
        if !["Sum", "LRN", "Einsum"].contains(&case.op) {
            continue;
        }
        let Ok(usual) = gradient_graph(&case, Device::FULL) else {
            continue;
        };
        let basic = gradient_graph(&case, Device::BASIC).unwrap();
        let values = |graph| run(&case, graph, Provider::Cpu).unwrap().0;
        let difference = compare(&values(&basic), &values(&usual));
        assert_eq!(difference, Ok(()), "{case:?}");
        count += 1;
    }
    assert!(count > 12, "{count}");
}

#[test]
fn every_rule_computes_the_same_on_every_device() {
    let devices = devices();
    let _turn = device_turn();
    for &device in devices {
        let lowering = match device {
            runtime::Device::Plugin(_) => Device::BASIC,
            _ => Device::FULL,
        };
        let (mut failures, mut all, mut partly) = (Vec::new(), 0, 0);
        let mut tried: HashMap<&str, usize> = HashMap::new();
        for case in cases::all() {
            let tried = tried.entry(case.op).or_default();
            *tried += 1;
            let is_limited = case.op != "Einsum" && std::env::var_os(EVERY_CASE).is_none();
            if *tried > MAX_CASES && is_limited {
                continue;
            }
            // What cannot be differentiated at all is another test's subject.
            let Ok(graph) = gradient_graph(&case, lowering) else {
                continue;
            };
            let Ok((expected, _)) = run(&case, &graph, Provider::Cpu) else {
                continue;
            };
            all += 1;
            let mut fail = |case: &cases::Case, problem: String| match known(device, case) {
                Some(why) => println!("known: {}: {why}", case.op),
                None => failures.push(format!("{case:?}: {problem}")),
            };
            match run(&case, &graph, device.into()) {
                Ok((found, left)) => {
                    partly += usize::from(left > 0);
                    if let Err(problem) = compare(&found, &expected) {
                        fail(&case, problem);
                    }
                }
                Err(problem) => fail(&case, problem),
            }
        }
        println!("{device}: {all} gradient graphs, {partly} of them partly on the CPU");
        assert!(all > 200, "{all}");
        assert!(
            failures.is_empty(),
            "{device}: {} of {all} differ:\n{}",
            failures.len(),
            failures.join("\n")
        );
    }
}
