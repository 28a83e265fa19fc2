//! Data folders for tests, which share ONNX Runtime and published models with all other tests of the checkout.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use ziggurat::model::ModelSource;
use ziggurat::runtime::{package, testing};

/// Creates the data folder `data` with a link to the shared ONNX Runtime.
pub fn with_runtime(data: &Path) {
    testing::library();
    link(data, &testing::home().runtime());
}

/// Creates the data folder `data` with links to the shared ONNX Runtime and models, which include the default model.
pub fn with_models(data: &Path) {
    with_runtime(data);
    let shared = testing::home();
    let source = ModelSource::resolve(&shared, None).unwrap();
    source.open(&shared, &package::quiet).unwrap();
    link(data, &shared.models());
}

fn link(data: &Path, folder: &Path) {
    fs::create_dir_all(data).unwrap();
    if folder.exists() {
        symlink(folder, data.join(folder.file_name().unwrap())).unwrap();
    }
}
