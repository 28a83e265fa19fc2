//! ONNX's own node tests as inputs: one model with data for every form of every operator. What its files say of results
//! is not looked at; the gradient of each floating-point output by each such input is compared with central
//! differences.
//!
//! They are not part of the repository: `ZIGGURAT_NODE_TESTS` names the folder of them (`onnx/backend/test/data` of the
//! `onnx` package up to 1.22), or says `fetch` to have them fetched once and kept with the other things that tests
//! share.

use crate::central_differences::{DEVICES, Numeric, Problem, gradients};
use ndarray::{ArrayD, IxDyn};
use prost::Message;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use ziggurat::autodiff::GradientOptions;
use ziggurat::onnx::graph::declared_dims;
use ziggurat::onnx::passes::{Pass, Passes, constant_folding};
use ziggurat::onnx::proto::{ModelProto, TensorProto};
use ziggurat::onnx::{ElementType, file};
use ziggurat::runtime::{OnnxRuntime, Package, package, testing};

const PACKAGE: Package = Package {
    name: "onnx",
    version: "1.22.0",
    sha256: "1d0a2bdb15eb2b3cb65c438f3423d9620d14fdce32f92380e6bb1b2e09568ef5",
    bytes: 19_110_720,
    platform: Some("manylinux_2_28_x86_64"),
};

/// Where they lie in the package.
const INSIDE: &str = "onnx/backend/test/data/";

/// Pairs of outputs and inputs whose gradients agree; a rule that is lost shows here.
const FLOOR: usize = 2500;

/// What became of one output and input of one model.
enum Outcome {
    /// The gradient agrees, or there is none and no difference either.
    Agrees,
    /// There is no gradient, for a reason.
    Refused(String),
    /// Nothing to compare with: no kernel, no point where the function is smooth, no finite result.
    NotRun(String),
    Differs(String),
}

#[test]
fn gradients_of_onnx_node_tests_agree_with_central_differences() {
    let Some(folder) = folder("node") else {
        eprintln!("skipped: no node tests (set ZIGGURAT_NODE_TESTS)");
        return;
    };
    let mut models: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("model.onnx").is_file())
        .collect();
    models.sort();
    let (mut agree, mut not_run, mut differ) = (0, 0, Vec::new());
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    for path in &models {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        for (pair, outcome) in outcomes(path) {
            match outcome {
                Outcome::Agrees => agree += 1,
                Outcome::NotRun(why) => {
                    not_run += 1;
                    eprintln!("not run: {name}, {pair}: {why}");
                }
                Outcome::Refused(why) => {
                    eprintln!("refused: {name}, {pair}: {why}");
                    *refused.entry(without_name(&why)).or_default() += 1;
                }
                Outcome::Differs(why) => differ.push(format!("{name}, {pair}: {why}")),
            }
        }
    }
    let count: usize = refused.values().sum();
    for (why, count) in refused {
        eprintln!("{count:5} × {why}");
    }
    eprintln!(
        "{} models: {agree} gradients agree, {count} refused, {not_run} not run, {} differ",
        models.len(),
        differ.len()
    );
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    assert!(
        agree >= FLOOR,
        "{agree} gradients agree, {FLOOR} did before"
    );
}

/// The folder `kind` of the package's test data (`node`, `light`), if it is there or is to be fetched.
pub fn folder(kind: &str) -> Option<PathBuf> {
    let set = std::env::var_os("ZIGGURAT_NODE_TESTS").filter(|set| !set.is_empty())?;
    if set != "fetch" {
        return Some(PathBuf::from(set).join(kind)).filter(|folder| folder.is_dir());
    }
    let into = testing::home()
        .runtime()
        .join(format!("{kind}-tests-1.22.0"));
    let inside = format!("{INSIDE}{kind}/");
    let want = |entry: &str| entry.strip_prefix(&inside).map(PathBuf::from);
    let fetched = PACKAGE.fetch(&into, &want, &package::quiet);
    Some(fetched.unwrap_or_else(|error| panic!("{error}")))
}

/// A refusal without the name of its node, so that equal ones count together.
fn without_name(why: &str) -> String {
    let rest = why
        .strip_prefix("node ")
        .and_then(|why| why.split_once(" ("));
    rest.map_or(why.to_owned(), |(_, rest)| format!("({rest}"))
}

/// One outcome for each floating-point output and input of a model, the other inputs being constants.
fn outcomes(path: &Path) -> Vec<(String, Outcome)> {
    let (model, given) = match read(path) {
        Ok(read) => read,
        Err(why) => return vec![("the model".to_owned(), Outcome::NotRun(why))],
    };
    let floats = given.iter().filter(|tensor| {
        let elem = ElementType::from_code(tensor.data_type);
        matches!(elem, Some(ElementType::F32 | ElementType::F64)) && !tensor.dims.contains(&0)
    });
    let mut outcomes = Vec::new();
    for input in floats {
        let problems = match problems(&model, &given, input) {
            Ok(problems) => problems,
            Err(why) => {
                outcomes.push((input.name.clone(), Outcome::NotRun(why)));
                continue;
            }
        };
        for problem in problems {
            let pair = format!("{} of {}", problem.outputs[0], input.name);
            outcomes.push((pair, outcome(&problem).unwrap_or_else(Outcome::NotRun)));
        }
    }
    outcomes
}

/// A model and what it is given: a tensor for each input.
fn read(path: &Path) -> Result<(ModelProto, Vec<TensorProto>), String> {
    let model = file::read(&path.join("model.onnx")).map_err(|error| error.to_string())?;
    let inputs = model.graph.iter().flat_map(|graph| &graph.input);
    let mut given = Vec::new();
    for (index, input) in inputs.enumerate() {
        let data = path.join(format!("test_data_set_0/input_{index}.pb"));
        let bytes = fs::read(&data).map_err(|error| format!("{}: {error}", data.display()))?;
        let tensor = TensorProto::decode(bytes.as_slice()).ok();
        let mut tensor = tensor
            .filter(|_| declared_dims(input).is_some())
            .ok_or_else(|| format!("its input {} is no tensor", input.name))?;
        tensor.name = input.name.clone();
        given.push(tensor);
    }
    Ok((model, given))
}

/// One function of `input` for each floating-point output.
fn problems(
    model: &ModelProto,
    given: &[TensorProto],
    input: &TensorProto,
) -> Result<Vec<Problem>, String> {
    let mut model = model.clone();
    let others = given.iter().filter(|tensor| tensor.name != input.name);
    let graph = model.graph.get_or_insert_default();
    graph.initializer.extend(others.cloned());
    let graph = Passes::without(&[Pass::Precision]).normalize(model);
    let graph = graph.map_err(|error| error.to_string())?;
    // As a network is when it is opened: what depends on the input's dimensions alone is constant.
    testing::library();
    let dims: Vec<usize> = input.dims.iter().map(|&dim| dim as usize).collect();
    let graph = constant_folding::fold(&OnnxRuntime, &graph, &[&[(&input.name, &dims)]]);
    let graph = graph.map_err(|error| error.to_string())?;
    let values = input.to_f64().map_err(|error| error.to_string())?;
    let values = ArrayD::from_shape_vec(IxDyn(&dims), values).map_err(|error| error.to_string())?;
    let elem = input.elem().map_err(|error| error.to_string())?;
    let is_float = |code: i32| ElementType::from_code(code).is_some_and(ElementType::is_float);
    let outputs = graph
        .outputs()
        .iter()
        .filter(|output| declared_dims(output).is_some_and(|(elem, _)| is_float(elem)));
    Ok(outputs
        .map(|output| Problem {
            graph: graph.clone(),
            elem,
            inputs: vec![(input.name.clone(), values.clone())],
            outputs: vec![output.name.clone()],
            kinks: Vec::new(),
        })
        .collect())
}

fn outcome(problem: &Problem) -> Result<Outcome, String> {
    let numeric = Numeric::where_smooth(problem, 5)?;
    for device in DEVICES {
        let options = GradientOptions {
            device,
            ..Default::default()
        };
        let found = match gradients(problem, &numeric.cotangents, &options) {
            Ok(found) => found,
            Err(why) if why.ends_with("there is no gradient") => {
                vec![ArrayD::zeros(problem.inputs[0].1.raw_dim())]
            }
            Err(why) => return Ok(Outcome::Refused(why)),
        };
        if let Err(why) = numeric.agree(problem, &found) {
            return Ok(Outcome::Differs(why));
        }
    }
    Ok(Outcome::Agrees)
}
