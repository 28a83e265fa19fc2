//! The published models, fetched and converted for real: what comes out is a classifier that ONNX Runtime runs.

use image::{Rgb, RgbImage};
use ziggurat::model::{InputSize, Source};
use ziggurat::onnx::{Graph, file};
use ziggurat::runtime::{Options, Provider, Session, Tensor, package, testing};

/// Fetches a model into the checkout's shared home, or finds it there.
fn fetched(name: &str) -> ziggurat::model::ModelFile {
    let home = testing::home();
    let source = Source::resolve(&home, Some(name)).expect("the card comes along");
    let model = source
        .open(&home, &package::quiet)
        .unwrap_or_else(|error| panic!("{error}"));
    let again = Source::resolve(&home, Some(name)).expect("the card comes along");
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
    let [height, width] = model.card.input_size.unwrap();
    let size = InputSize::new(3, height, width).unwrap();
    let image = model.card.preprocessing.tensor(picture, size);
    let bytes = std::fs::read(&model.path).unwrap();
    let mut session = Session::open(&bytes, Provider::Cpu, &Options::default()).unwrap();
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
