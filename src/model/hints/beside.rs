//! Files that lie beside a model, or, of a model in a folder `onnx`, beside that.

use crate::model::text as file;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Most bytes of such a file.
const LARGEST: u64 = 8 << 20;

/// The folders in which they lie.
pub fn folders(model: &Path) -> impl Iterator<Item = PathBuf> {
    let folder = model.parent();
    let above = folder.filter(|folder| folder.ends_with("onnx"));
    let above = above.and_then(Path::parent);
    folder.into_iter().chain(above).map(Path::to_path_buf)
}

/// The text of a regular file.
pub fn text(path: &Path) -> Option<String> {
    let text = path
        .is_file()
        .then(|| file::read(path, "a description", LARGEST))?;
    text.ok()
}

/// What a JSON file of this name says.
pub fn json<T: for<'a> Deserialize<'a>>(model: &Path, name: &str) -> Option<T> {
    folders(model).find_map(|folder| serde_json::from_str(&text(&folder.join(name))?).ok())
}
