//! For tests, of any room: ONNX Runtime, fetched once a checkout.

use std::path::{Path, PathBuf};

use super::{Library, package};
use crate::home::Home;

/// The folders that tests share: below `ZIGGURAT_HOME` if that is set, else below the checkout's `target`.
pub fn home() -> Home {
    let set = std::env::var_os("ZIGGURAT_HOME").filter(|root| !root.is_empty());
    let root = set.map(PathBuf::from).unwrap_or_else(|| {
        let checkout = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| ".".into());
        Path::new(&checkout).join("target").join("test-home")
    });
    Home::at(&root)
}

/// ONNX Runtime, loaded.
///
/// # Panics
/// If it can be neither found nor fetched: a test that needs it cannot pass.
pub fn library() -> &'static Library {
    Library::load(&home(), &package::quiet).unwrap_or_else(|error| panic!("{error}"))
}
