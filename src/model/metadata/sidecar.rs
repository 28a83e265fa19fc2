//! Files that lie beside a model, or, of a model in a folder `onnx`, beside that.

use crate::model::{Error, text_file};
use crate::text::{one_line, shown};
use serde::Deserialize;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Most bytes of such a file.
const MAX_FILE: u64 = 8 << 20;

/// The folders in which they lie.
pub fn folders(model: &Path) -> impl Iterator<Item = PathBuf> {
    let folder = model.parent();
    let above = folder.filter(|folder| folder.ends_with("onnx"));
    let above = above.and_then(Path::parent);
    folder.into_iter().chain(above).map(Path::to_path_buf)
}

/// The text of a file; `None` if there is none. The error says why it cannot be read, in one line without its name.
pub fn text(path: &Path) -> Option<Result<String, String>> {
    let why = match text_file::read(path, "a description", MAX_FILE) {
        Ok(text) => return Some(Ok(text)),
        Err(Error::File { source, .. }) if source.kind() == ErrorKind::NotFound => return None,
        Err(Error::File { source, .. }) => source.to_string(),
        Err(Error::TooLarge { bytes, most, .. }) => {
            format!("{bytes} bytes are too many (at most {most})")
        }
        Err(other) => other.to_string(),
    };
    Some(Err(why))
}

/// What a JSON file of this name says; `None` if there is none. The error says in one line why it is not heeded.
pub fn json<T: for<'a> Deserialize<'a>>(model: &Path, name: &str) -> Option<Result<T, String>> {
    let text = folders(model).find_map(|folder| text(&folder.join(name)))?;
    let read = text.and_then(|text| {
        serde_json::from_str(&text).map_err(|problem| one_line(&problem.to_string()))
    });
    Some(read.map_err(|why| unheeded(name, &why)))
}

/// That a file is not heeded, and why.
pub fn unheeded(name: &str, why: &str) -> String {
    format!("{} is not heeded: {why}", shown(name))
}
