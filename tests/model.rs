//! The published models, fetched and converted for real: what comes out is a classifier that ONNX Runtime runs.

use image::{Rgb, RgbImage};
use ziggurat::autodiff::{self, differentiability::Differentiability};
use ziggurat::model::{InputSize, ModelSource, Network};
use ziggurat::onnx::proto::{Dim, ModelProto, OperatorSetIdProto};
use ziggurat::onnx::types::untyped_value;
use ziggurat::onnx::{Builder, ElementType, Graph, file};
use ziggurat::runtime::{Provider, Session, SessionOptions, Tensor, package, testing};

/// Fetches a model into the checkout's shared home, or finds it there.
fn fetched(name: &str) -> ziggurat::model::ModelFile {
    let home = testing::home();
    let source = ModelSource::resolve(&home, Some(name)).expect("the card comes along");
    let model = source
        .open(&home, &package::quiet)
        .unwrap_or_else(|error| panic!("{error}"));
    let again = ModelSource::resolve(&home, Some(name)).expect("the card comes along");
    assert!(again.is_here(&home));
    model
}

#[test]
fn lite0_is_fetched_and_converted_with_names_one_recognises() {
    let model = fetched("efficientnet-lite0");
    let graph = Graph::new(file::read(&model.path).unwrap()).unwrap();
    assert_eq!(graph.opset(), 18);
    let count = |op: &str| {
        graph
            .nodes()
            .iter()
            .filter(|node| node.op_type == op)
            .count()
    };
    assert_eq!(count("Conv"), 49);
    assert_eq!(count("BatchNormalization"), 49);
    assert_eq!(count("Clip"), 33);
    assert_eq!(count("Add"), 9);
    for value in [
        "stem/conv",
        "blocks.3/expand/relu6",
        "blocks.2/add",
        "head/pool",
        "logits",
    ] {
        assert!(graph.producer(value).is_some(), "{value}");
    }
    assert_eq!(graph.inputs()[0].name, "image");
    assert_eq!(graph.outputs()[0].name, "logits");
    let classes = model.card.classes().unwrap().unwrap();
    assert_eq!(classes.find("espresso").unwrap(), 967);
}

/// Logits of a model for a picture of its own size, by ONNX Runtime on the CPU.
fn logits(name: &str, picture: &RgbImage) -> Vec<f32> {
    testing::library();
    let model = fetched(name);
    let sides = model.card.input_size.unwrap();
    let size = InputSize::new(3, sides.height(), sides.width()).unwrap();
    let image = model.card.preprocessing.unwrap().tensor(picture, size);
    let bytes = std::fs::read(&model.path).unwrap();
    let mut session = Session::open(&bytes, Provider::Cpu, &SessionOptions::default()).unwrap();
    let image = Tensor::from(image.into_dyn());
    let outputs = session.run(&[("image", &image)], &["logits"]).unwrap();
    outputs[0].as_f32().unwrap().iter().copied().collect()
}

/// Ramps of red and green over rings of blue.
fn pattern(side: u32) -> RgbImage {
    RgbImage::from_fn(side, side, |x, y| {
        let ramp = |place: u32| (place * 255 / side) as u8;
        Rgb([ramp(x), ramp(y), ((x * x + y * y) / 64 % 256) as u8])
    })
}

/// What the same weights give in PyTorch, in the architecture as its paper describes it: the five highest logits,
/// and the norm of all.
#[test]
fn converted_models_compute_what_pytorch_computes() {
    for (name, side, top, norm) in [
        (
            "efficientnet-lite0",
            224,
            [
                (644, 6.9448),
                (470, 4.3799),
                (818, 4.2248),
                (916, 4.0601),
                (854, 3.9477),
            ],
            36.222,
        ),
        (
            "efficientnet-lite1",
            240,
            [
                (644, 4.1644),
                (916, 4.0453),
                (852, 3.8989),
                (574, 3.8047),
                (488, 3.6803),
            ],
            36.0348,
        ),
        (
            "efficientnet-lite2",
            260,
            [
                (854, 5.3821),
                (782, 5.0160),
                (916, 4.7750),
                (644, 4.4517),
                (818, 3.9292),
            ],
            34.3388,
        ),
    ] {
        let logits = logits(name, &pattern(side));
        for (class, expected) in top {
            let found: f32 = logits[class];
            assert!(
                (found - expected).abs() < 2e-3,
                "{name}, {class}: {found}, not {expected}"
            );
        }
        let found = logits.iter().map(|logit| logit * logit).sum::<f32>().sqrt();
        assert!((found - norm).abs() < 5e-3, "{name}: {found}, not {norm}");
    }
}

/// A small vision transformer as an optimiser leaves it: patches by a fused convolution, attention, a skip
/// normalisation.
fn fused_transformer() -> ModelProto {
    let mut b = Builder::empty(17, "g/");
    let dims = [
        Dim::DimParam("N".into()),
        Dim::DimValue(3),
        Dim::DimValue(8),
        Dim::DimValue(8),
    ];
    b.input("image", ElementType::F32, &dims).unwrap();
    let mut weight = |dims: &[i64]| {
        let count = dims.iter().product::<i64>();
        let values: Vec<f32> = (0..count)
            .map(|place| ((place * 7 % 11) as f32 - 5.0) / 16.0)
            .collect();
        b.floats(dims, &values)
    };
    let (kernel, projection, bias) = (weight(&[8, 3, 2, 2]), weight(&[8, 24]), weight(&[24]));
    let (gamma, beta, head) = (weight(&[8]), weight(&[8]), weight(&[8, 5]));
    let flat = b.ints(&[0, 8, 16]);
    let conv = [
        ("strides", vec![2i64, 2].into()),
        ("activation", "Relu".into()),
    ];
    b.emit_named("patches", "FusedConv", &["image", &kernel], &conv)
        .unwrap();
    let rows = b.emit("Reshape", &["patches", &flat], &[]);
    let tokens = b.emit("Transpose", &[&rows], &[("perm", vec![0i64, 2, 1].into())]);
    let inputs = [tokens.as_str(), &projection, &bias];
    let attention = b.emit("Attention", &inputs, &[("num_heads", 2i64.into())]);
    let inputs = [attention.as_str(), &tokens, &gamma, &beta];
    let normalised = b.emit("SkipLayerNormalization", &inputs, &[]);
    let mean = [("axes", vec![1i64].into()), ("keepdims", 0i64.into())];
    b.emit_named("pool", "ReduceMean", &[&normalised], &mean)
        .unwrap();
    b.emit_named("logits", "MatMul", &["pool", &head], &[])
        .unwrap();
    let mut model = b.graph().to_model(&[untyped_value("logits")]).unwrap();
    model.opset_import.push(OperatorSetIdProto {
        domain: "com.microsoft".into(),
        version: 1,
    });
    let fused = ["FusedConv", "Attention", "SkipLayerNormalization"];
    for node in &mut model.graph.as_mut().unwrap().node {
        if fused.contains(&node.op_type.as_str()) {
            node.domain = "com.microsoft".into();
        }
    }
    model
}

#[test]
fn a_network_of_fused_operators_is_differentiable_and_has_the_layers_of_its_file() {
    testing::library();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fused.onnx");
    file::write(fused_transformer(), &path, None).unwrap();
    let home = testing::home();
    let source = ModelSource::resolve(&home, path.to_str()).unwrap();
    let network = Network::open(&source.open(&home, &package::quiet).unwrap()).unwrap();
    let layers = network.layers();
    let named: Vec<&str> = layers
        .iter()
        .filter(|layer| layer.is_activation)
        .map(|layer| layer.name.as_str())
        .collect();
    let expected = [
        "patches",
        "g/Attention_9",
        "g/SkipLayerNormalization_10",
        "pool",
        "logits",
    ];
    assert_eq!(named, expected);
    assert!(
        layers
            .iter()
            .all(|layer| layer.differentiability == Differentiability::Differentiable)
    );
    let shapes = network.shapes_for(2).unwrap();
    let mut builder = Builder::extend(network.graph.clone(), "gradient/");
    let ones = builder.floats(&[2, 5], &[1.0; 10]);
    let seeds = [("logits".to_owned(), ones)];
    let sources = [network.input.clone()];
    let options = autodiff::GradientOptions::default();
    let gradient = autodiff::gradient(&mut builder, &shapes, &seeds, &sources, &options).unwrap();
    let model = builder
        .graph()
        .to_model(&[untyped_value(&gradient[0])])
        .unwrap();
    let mut session = Session::open(
        &file::encode(&model).unwrap(),
        Provider::Cpu,
        &SessionOptions::default(),
    )
    .unwrap();
    let image =
        ndarray::Array4::from_shape_fn([2, 3, 8, 8], |(_, c, y, x)| (c + y * x) as f32 / 64.0);
    let image = Tensor::from(image);
    let found = session
        .run(&[("image", &image)], &[gradient[0].as_str()])
        .unwrap();
    let found = found[0].as_f32().unwrap();
    assert_eq!(found.shape(), [2, 3, 8, 8]);
    assert!(found.iter().all(|value| value.is_finite()) && found.iter().any(|value| *value != 0.0));
}
