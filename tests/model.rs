//! The published models, fetched and converted for real: what comes out is a classifier that ONNX Runtime runs.

use image::{Rgb, RgbImage};
use ziggurat::model::{InputSize, Source};
use ziggurat::onnx::{Graph, file};
use ziggurat::runtime::{package, testing};

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
