//! Files beside a model; for a model in a folder `onnx`, also in the parent folder.

use crate::model::{Error, text_file};
use crate::text::{one_line, safe};
use serde::Deserialize;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Maximum size of such a file, in bytes.
const MAX_FILE: u64 = 8 << 20;

/// The folders of such files.
pub fn folders(model: &Path) -> impl Iterator<Item = PathBuf> {
    let folder = model.parent();
    let above = folder.filter(|folder| folder.ends_with("onnx"));
    let above = above.and_then(Path::parent);
    folder.into_iter().chain(above).map(Path::to_path_buf)
}

/// Those of these files that exist.
pub fn existing(folder: &Path, names: impl IntoIterator<Item = String>) -> Vec<PathBuf> {
    let files = names.into_iter().map(|name| folder.join(name));
    files.filter(|file| file.exists()).collect()
}

/// The text of a file; `None` if it does not exist. The error is one line without the file name.
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

/// A parsed JSON file of this name; `None` if it does not exist. The error is one line for the user.
pub fn json<T: for<'a> Deserialize<'a>>(model: &Path, name: &str) -> Option<Result<T, String>> {
    let text = folders(model).find_map(|folder| text(&folder.join(name)))?;
    let read = text.and_then(|text| {
        serde_json::from_str(&text).map_err(|problem| one_line(&problem.to_string()))
    });
    Some(read.map_err(|why| ignored(name, &why)))
}

/// A message that metadata is ignored.
pub fn ignored(name: &str, why: &str) -> String {
    format!("{} is ignored: {why}", safe(name))
}
