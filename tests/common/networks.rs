//! Networks for tests: the default one, and those that a test builds.

// Each test binary uses a part of this.
#![allow(dead_code)]

use std::path::Path;
use ziggurat::model::{ModelSource, Network};
use ziggurat::onnx::types::untyped_value;
use ziggurat::onnx::{Builder, file};
use ziggurat::runtime::{package, testing};

/// Opens a model by path or name; `None` is the default model.
pub fn open(model: Option<&str>) -> Network {
    testing::library();
    let home = testing::home();
    let source = ModelSource::resolve(&home, model).unwrap();
    Network::open(&source.open(&home, &package::quiet).unwrap()).unwrap()
}

/// Writes the model that `build` emits; it returns the name of the scores.
pub fn write(path: &Path, build: impl FnOnce(&mut Builder) -> String) {
    testing::library();
    let mut builder = Builder::empty(18, "");
    let scores = build(&mut builder);
    let model = builder.graph().to_model(&[untyped_value(&scores)]).unwrap();
    file::write(model, path, None).unwrap();
}

/// The network of the model that `build` emits, see [`write`].
pub fn built(build: impl FnOnce(&mut Builder) -> String) -> Network {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("built.onnx");
    write(&path, build);
    open(path.to_str())
}
