//! Models with their gradient as outputs: the same numbers as the program computes itself, in a plain session.

// Those of the tests on GPUs, which use more of them.
#[allow(dead_code, unused_imports)]
#[path = "../gpu/networks.rs"]
mod networks;

use ndarray::{Array2, Array4, ArrayD, IxDyn};
use ziggurat::ascent::{Kind, Objective, Unit, evaluate};
use ziggurat::autodiff::{
    GradientError, GradientModel, GradientRequest, gradient_model as with_gradient,
};
use ziggurat::model::Network;
use ziggurat::onnx::graph::declared_dims;
use ziggurat::onnx::proto::{Dim, ModelProto, StringStringEntryProto, TensorProto};
use ziggurat::onnx::types::{fixed_dims, untyped_value, value_info};
use ziggurat::onnx::{Builder, ElementType, file};
use ziggurat::runtime::{
    self, Device, OnnxRuntime, Provider, Session, SessionOptions, Tensor, testing,
};

type Problem = GradientError<runtime::Error>;

fn gradient_model(model: ModelProto, request: &GradientRequest) -> Result<GradientModel, Problem> {
    testing::library();
    with_gradient(model, request, &OnnxRuntime)
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_string()).collect()
}

fn request(of: &[&str], wrt: &[&str]) -> GradientRequest {
    GradientRequest {
        of: strings(of),
        wrt: strings(wrt),
        ..GradientRequest::default()
    }
}

/// Runs a model with the default optimization.
fn run(model: &ModelProto, inputs: &[(&str, ArrayD<f32>)], output: &str) -> ArrayD<f32> {
    let bytes = file::encode(model).unwrap();
    let mut session = Session::open(&bytes, Provider::Cpu, &SessionOptions::default()).unwrap();
    let tensors: Vec<(&str, Tensor)> = inputs
        .iter()
        .map(|(name, value)| (*name, Tensor::from(value.clone())))
        .collect();
    let inputs: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, t)| (*name, t)).collect();
    let results = session.run(&inputs, &[output]).unwrap();
    results[0].as_f32().unwrap().clone()
}

/// The largest difference, relative to the largest element.
fn distance(found: &ArrayD<f32>, expected: &ArrayD<f32>) -> f32 {
    assert_eq!(found.shape(), expected.shape());
    let largest = |values: &ArrayD<f32>| values.iter().fold(0f32, |most, v| most.max(v.abs()));
    assert!(largest(expected) > 0.0 && found.iter().all(|value| value.is_finite()));
    largest(&(found - expected)) / largest(expected)
}

fn wave(dims: &[usize], frequency: f32) -> ArrayD<f32> {
    let mut place = 0f32;
    ArrayD::from_shape_simple_fn(IxDyn(dims), || {
        place += 1.0;
        (place * frequency).sin()
    })
}

fn first_dim(model: &ModelProto, output: &str) -> Option<Dim> {
    let graph = model.graph.as_ref().unwrap();
    let mut values = graph.output.iter().chain(&graph.input);
    let value = values.find(|value| value.name == output).unwrap();
    declared_dims(value).unwrap().1[0].clone()
}

/// Compares the exported gradient of one class per picture with that of `ziggurat gradient`, for two batch sizes.
fn compare(network: &Network, model: ModelProto) {
    let logits = network.logits().unwrap();
    let seeded = GradientRequest {
        seeds: true,
        ..request(&[logits], &[&network.input])
    };
    let result = gradient_model(model, &seeded).unwrap();
    let name = &network.name;
    assert!(result.notes.is_empty(), "{name}: {:?}", result.notes);
    let nodes = &result.model.graph.as_ref().unwrap().node;
    assert!(nodes.iter().all(|node| node.domain.is_empty()), "{name}");
    let gradient = result.gradients[0].as_str();
    assert!(matches!(
        first_dim(&result.model, gradient),
        Some(Dim::DimParam(_))
    ));
    let classes = network.classes.len();
    let class = classes / 3;
    for batch in [1, 3] {
        let dims = network.input_dims(batch);
        let pictures = wave(&dims, 0.013);
        let mut seed = Array2::zeros((batch, classes));
        seed.column_mut(class).fill(1.0);
        let inputs = [
            (network.input.as_str(), pictures.clone()),
            (result.seeds[0].as_str(), seed.into_dyn()),
        ];
        let found = run(&result.model, &inputs, gradient);
        let objective = Objective {
            kind: Kind::Class,
            value: logits.into(),
        };
        let unit = Unit {
            index: class,
            ..Unit::default()
        };
        let pictures: Array4<f32> = pictures.into_dimensionality().unwrap();
        let expected =
            evaluate::input_gradient(network, &objective, unit, pictures, Device::Cpu).unwrap();
        let distance = distance(&found, &expected.into_dyn());
        println!("{name}, batch {batch}: {distance:.1e}");
        assert!(distance < 1e-5, "{name}, batch {batch}: {distance:e}");
    }
}

#[test]
fn an_exported_gradient_equals_that_of_the_command_line() {
    testing::library();
    let [residual, dense, transformer] = networks::architectures();
    for network in [networks::small(), &residual, &dense, &transformer] {
        let outputs = [untyped_value(network.logits().unwrap())];
        compare(network, network.graph.to_model(&outputs).unwrap());
    }
    let network = networks::default_network();
    let home = testing::home();
    let source = ziggurat::model::ModelSource::resolve(&home, None).unwrap();
    let published = source.open(&home, &runtime::package::quiet).unwrap();
    compare(network, file::read(&published.path).unwrap());
}

/// y (N, 2) = tanh(x W) V for x (N, 3), with a second output and metadata.
fn perceptron() -> ModelProto {
    let mut b = Builder::empty(17, "");
    let dims = [Dim::DimParam("pictures".into()), Dim::DimValue(3)];
    b.input("x", ElementType::F32, &dims).unwrap();
    b.input("unused", ElementType::F32, &fixed_dims(&[1]))
        .unwrap();
    for (name, dims, frequency) in [("W", [3, 4], 0.9), ("V", [4, 2], 1.7)] {
        let values: Vec<f32> = wave(&dims.map(|dim| dim as usize), frequency)
            .into_iter()
            .collect();
        b.constant_named(TensorProto::from_f32(name, &dims, &values))
            .unwrap();
    }
    b.emit_named("h", "MatMul", &["x", "W"], &[]).unwrap();
    b.emit_named("a", "Tanh", &["h"], &[]).unwrap();
    b.emit_named("y", "MatMul", &["a", "V"], &[]).unwrap();
    b.emit_named("best", "ArgMax", &["y"], &[("axis", 1i64.into())])
        .unwrap();
    let out = |name, elem, size| {
        value_info(
            name,
            elem,
            &[Dim::DimParam("pictures".into()), Dim::DimValue(size)],
        )
    };
    let outputs = [
        out("y", ElementType::F32, 2),
        out("best", ElementType::I64, 1),
    ];
    let mut model = b.graph().to_model(&outputs).unwrap();
    model.graph.as_mut().unwrap().input.push(value_info(
        "unused",
        ElementType::F32,
        &fixed_dims(&[1]),
    ));
    model.metadata_props = vec![StringStringEntryProto {
        key: "license".into(),
        value: "free".into(),
    }];
    model
}

fn unused() -> (&'static str, ArrayD<f32>) {
    ("unused", wave(&[1], 1.0))
}

#[test]
fn the_interface_of_the_model_is_kept() {
    let original = perceptron();
    let result = gradient_model(original.clone(), &request(&["y"], &["x", "h", "W"])).unwrap();
    assert_eq!(result.gradients, ["grad/x", "grad/h", "grad/W"]);
    assert_eq!(
        result.notes,
        ["its opset is 18, that of the original is 17"]
    );
    assert!(result.seeds.is_empty());
    let model = &result.model;
    assert_eq!(model.metadata_props, original.metadata_props);
    assert_eq!(model.opset_import[0].version, 18);
    let (before, after) = (original.graph.unwrap(), model.graph.as_ref().unwrap());
    assert_eq!(before.input, after.input);
    assert_eq!(before.output, after.output[..2]);
    let names: Vec<&str> = after.output[2..]
        .iter()
        .map(|output| output.name.as_str())
        .collect();
    assert_eq!(names, result.gradients);
    assert_eq!(
        first_dim(model, "grad/h"),
        Some(Dim::DimParam("pictures".into()))
    );
    assert_eq!(first_dim(model, "grad/W"), Some(Dim::DimValue(3)));
    // Inputs that the optimizer does not need may be left out of a session, but not of the file.
    let x = wave(&[4, 3], 0.7);
    let outputs = run(model, &[("x", x), unused()], "y");
    assert_eq!(outputs.shape(), [4, 2]);
}

#[test]
fn the_gradient_of_a_weight_agrees_with_central_differences() {
    let model = perceptron();
    let seeded = GradientRequest {
        seeds: true,
        ..request(&["y"], &["W"])
    };
    let result = gradient_model(model.clone(), &seeded).unwrap();
    let (x, seed) = (wave(&[5, 3], 0.7), wave(&[5, 2], 2.3));
    let inputs = [("x", x.clone()), unused(), ("seed/y", seed.clone())];
    let found = run(&result.model, &inputs, "grad/W");
    const STEP: f32 = 1e-2;
    let objective = |index: usize, step: f32| {
        let mut moved = model.clone();
        let weights = &mut moved.graph.as_mut().unwrap().initializer;
        let weight = weights
            .iter_mut()
            .find(|weight| weight.name == "W")
            .unwrap();
        let mut values = weight.to_f32().unwrap();
        values[index] += step;
        *weight = TensorProto::from_f32("W", &[3, 4], &values);
        let y = run(&moved, &[("x", x.clone()), unused()], "y");
        (y * &seed)
            .iter()
            .map(|&value| f64::from(value))
            .sum::<f64>()
    };
    let slopes = (0..12).map(|index| {
        ((objective(index, STEP) - objective(index, -STEP)) / (2.0 * f64::from(STEP))) as f32
    });
    let expected = ArrayD::from_shape_vec(IxDyn(&[3, 4]), slopes.collect()).unwrap();
    let distance = distance(&found, &expected);
    assert!(distance < 1e-3, "{distance:e}");
}

#[test]
fn an_exported_gradient_can_be_differentiated_again() {
    let [_, _, transformer] = networks::architectures();
    let outputs = [untyped_value(transformer.logits().unwrap())];
    let smooth = transformer.graph.to_model(&outputs).unwrap();
    for (model, input, dims) in [
        (perceptron(), "x", vec![2, 3]),
        (
            smooth,
            &transformer.input,
            transformer.input_dims(2).to_vec(),
        ),
    ] {
        let first = gradient_model(model, &request(&[], &[input])).unwrap();
        let gradient = first.gradients[0].as_str();
        let again = GradientRequest {
            seeds: true,
            ..request(&[gradient], &[input])
        };
        let second = gradient_model(first.model.clone(), &again).unwrap();
        let is_of_opset = |note: &String| note.starts_with("its opset is 18");
        assert!(first.notes.iter().all(is_of_opset), "{:?}", first.notes);
        assert!(second.notes.is_empty(), "{:?}", second.notes);
        assert_eq!(second.gradients, [format!("grad2/{input}")]);
        let (x, direction) = (wave(&dims, 0.7), wave(&dims, 2.3));
        let has_unused = first
            .model
            .graph
            .iter()
            .flat_map(|g| &g.input)
            .any(|i| i.name == "unused");
        let others: Vec<_> = has_unused.then(unused).into_iter().collect();
        let inputs = [
            vec![
                (input, x.clone()),
                (second.seeds[0].as_str(), direction.clone()),
            ],
            others.clone(),
        ]
        .concat();
        let product = run(&second.model, &inputs, &second.gradients[0]);
        let at = |step: f32| {
            let inputs = [vec![(input, &x + &(&direction * step))], others.clone()].concat();
            run(&first.model, &inputs, gradient)
        };
        const STEP: f32 = 1e-2;
        let expected = (at(STEP) - at(-STEP)) / (2.0 * STEP);
        let distance = distance(&product, &expected);
        println!("{input}: {distance:.1e}");
        assert!(distance < 5e-3, "{distance:e}");
    }
}

/// y = x² in half precision.
#[test]
fn a_model_of_half_precision_gets_float32_inputs_and_a_note() {
    let mut b = Builder::empty(18, "");
    b.input("x", ElementType::F16, &fixed_dims(&[3])).unwrap();
    b.emit_named("y", "Mul", &["x", "x"], &[]).unwrap();
    let output = value_info("y", ElementType::F16, &fixed_dims(&[3]));
    let model = b.graph().to_model(&[output]).unwrap();
    let result = gradient_model(model, &GradientRequest::default()).unwrap();
    assert_eq!(
        result.notes,
        ["the model computes in float32: so does its input \"x\""]
    );
    let x = wave(&[3], 0.7);
    let found = run(&result.model, &[("x", x.clone())], "grad/x");
    assert!(distance(&found, &(x * 2.0)) < 1e-6);
}

/// y = the mean of x² over everything, also the batch.
fn mean_of_squares() -> ModelProto {
    let mut b = Builder::empty(18, "");
    let dims = [Dim::DimParam("N".into()), Dim::DimParam("side".into())];
    b.input("x", ElementType::F32, &dims).unwrap();
    let square = b.emit("Mul", &["x", "x"], &[]);
    b.emit_named("y", "ReduceMean", &[&square], &[("keepdims", 0i64.into())])
        .unwrap();
    b.graph()
        .to_model(&[value_info("y", ElementType::F32, &[])])
        .unwrap()
}

#[test]
fn a_gradient_that_depends_on_the_batch_size_has_a_fixed_one() {
    let sized = GradientRequest {
        sizes: vec![("side".into(), 4)],
        ..GradientRequest::default()
    };
    for (batch, count) in [(None, 1), (Some(3), 3)] {
        let fixed = GradientRequest {
            batch: batch.and_then(std::num::NonZeroUsize::new),
            ..sized.clone()
        };
        let result = gradient_model(mean_of_squares(), &fixed).unwrap();
        assert_eq!(
            first_dim(&result.model, "grad/x"),
            Some(Dim::DimValue(count))
        );
        assert_eq!(first_dim(&result.model, "x"), Some(Dim::DimValue(count)));
        assert_eq!(result.notes.is_empty(), batch.is_some());
        if let [note] = result.notes.as_slice() {
            assert!(
                note.starts_with("the batch size is fixed at 1: constant "),
                "{note}"
            );
        }
        let x = wave(&[count as usize, 4], 0.7);
        let found = run(&result.model, &[("x", x.clone())], "grad/x");
        let expected = x * (2.0 / (4 * count) as f32);
        assert!(distance(&found, &expected) < 1e-6);
    }
}

#[test]
fn what_a_model_does_not_have_is_named() {
    let sized = |sizes: &[(&str, usize)]| GradientRequest {
        sizes: sizes
            .iter()
            .map(|(name, size)| ((*name).to_string(), *size))
            .collect(),
        ..GradientRequest::default()
    };
    let batch = GradientRequest {
        batch: std::num::NonZeroUsize::new(2),
        ..sized(&[("N", 1), ("side", 2)])
    };
    for (model, request, expected) in [
        (
            perceptron(),
            request(&["z"], &[]),
            "the model has no value \"z\"; its outputs are \"y\", \"best\"",
        ),
        (
            perceptron(),
            request(&[], &["z"]),
            "the model has no value \"z\"; its inputs are \"x\", \"unused\"",
        ),
        (
            perceptron(),
            request(&["best"], &[]),
            "\"best\" has element type int64: only floating-point values have gradients",
        ),
        (
            perceptron(),
            request(&["h"], &["y"]),
            "\"h\" does not depend on \"y\": there is no gradient",
        ),
        (
            mean_of_squares(),
            sized(&[]),
            "the size of dimension \"side\" (axis 1 of input \"x\") must be given",
        ),
        (
            mean_of_squares(),
            sized(&[("side", 2), ("deep", 2)]),
            "no input has an open dimension \"deep\"",
        ),
        (
            mean_of_squares(),
            batch,
            "the size of dimension \"N\" is the batch size: it is given twice",
        ),
    ] {
        let problem = gradient_model(model, &request).unwrap_err();
        assert_eq!(problem.to_string(), expected);
    }
}
