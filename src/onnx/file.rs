//! Reading and writing model files, including external data.

mod external;
mod tensors;
#[cfg(test)]
mod tests;

use self::external::ExternalFolder;
use self::tensors::tensors_of_model;
pub use super::file_buf::ALIGNMENT;
use super::file_buf::FileBuf;
use super::proto::{DataLocation, ModelProto, StringStringEntryProto};
use super::{Error, other_format};
use crate::files::NewFile;
use bytes::{Buf, Bytes};
use prost::Message;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Maximum size of a protobuf message in bytes. Larger models keep their weights in external data.
const MAX_FILE: u64 = 1 << 31;

/// Decodes a model; `path` is only for messages. Weights share the buffer. External data are not loaded.
///
/// # Errors
/// [`Error::OtherFormat`] if the bytes are of another, recognised format, [`Error::NotOnnx`] if they are not a model
/// with a graph.
pub fn decode(bytes: Bytes, path: &Path) -> Result<ModelProto, Error> {
    let decoded = decode_from(bytes.clone(), path);
    decoded.map_err(|problem| other_format::of_bytes(&bytes, path).unwrap_or(problem))
}

fn decode_from(buffer: impl Buf, path: &Path) -> Result<ModelProto, Error> {
    let not_onnx = |reason: String| not_onnx(path, reason);
    let model = ModelProto::decode(buffer).map_err(|problem| not_onnx(problem.to_string()))?;
    match &model.graph {
        Some(graph) if !graph.node.is_empty() || !graph.output.is_empty() => Ok(model),
        _ => Err(not_onnx("it has no graph".into())),
    }
}

fn not_onnx(path: &Path, reason: String) -> Error {
    Error::NotOnnx {
        path: path.display().to_string(),
        reason,
    }
}

/// Reads a model with all its weights: external data are loaded and embedded.
///
/// # Errors
/// [`Error::File`] if a file cannot be read, [`Error::OtherFormat`] or [`Error::NotOnnx`] if it is not a model,
/// [`Error::Corrupt`] if external data lie outside the model's folder, reach beyond the end of their file, or do not
/// fit the dimensions.
pub fn read(path: &Path) -> Result<ModelProto, Error> {
    let mut model = read_without_external(path).map_err(|problem| match problem {
        Error::NotOnnx { .. } => other_format::of_path(path).unwrap_or(problem),
        _ => problem,
    })?;
    let mut folder = ExternalFolder::of_model(path);
    for tensor in tensors_of_model(&mut model) {
        if tensor.data_location == DataLocation::External as i32 {
            folder.load(tensor)?;
        }
    }
    Ok(model)
}

/// Reads a model without its external data.
fn read_without_external(path: &Path) -> Result<ModelProto, Error> {
    let failed = |source| Error::File {
        path: path.display().to_string(),
        source,
    };
    let mut buffer = FileBuf::open(path, MAX_FILE).map_err(|problem| match problem.kind() {
        ErrorKind::FileTooLarge => not_onnx(
            path,
            format!("{problem} bytes, more than a protobuf message can have"),
        ),
        _ => failed(problem),
    })?;
    let decoded = decode_from(&mut buffer, path);
    buffer.end().map_err(failed)?;
    decoded
}

/// Writes a model. Tensors of at least `external_from` bytes go to [`data_path`]; `None` embeds all. Both files are
/// complete before the first of them appears: the data, then the model.
///
/// # Errors
/// [`Error::File`] if a file cannot be written, [`Error::Unsupported`] if the model without external data has 2 GiB or
/// more.
pub fn write(
    mut model: ModelProto,
    path: &Path,
    external_from: Option<usize>,
) -> Result<(), Error> {
    let failed = |source| Error::File {
        path: path.display().to_string(),
        source,
    };
    let mut file = NewFile::create(path).map_err(failed)?;
    let data = match external_from {
        Some(limit) => Some(external_data(&mut model, file.path(), limit).map_err(failed)?),
        None => None,
    };
    file.write_all(&encode(&model)?).map_err(failed)?;
    let files = data.into_iter().chain([file]).collect();
    NewFile::finish_all(files).map_err(failed)
}

/// The file for the external data of a model at `path`: `<name>.data` beside it.
pub fn data_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".data");
    path.with_file_name(name)
}

/// Moves tensors of at least `limit` bytes to the external data of a model that will be at `path`.
fn external_data(model: &mut ModelProto, path: &Path, limit: usize) -> io::Result<NewFile> {
    let mut data = NewFile::create(&data_path(path))?;
    // Where a link leads to another name, the model names that one: it is read from there.
    let name = data_path(path);
    let name = name.file_name().unwrap_or_default().to_string_lossy();
    let mut offset = 0u64;
    for tensor in tensors_of_model(model) {
        let Some(raw) = tensor.raw_data.take_if(|raw| raw.len() >= limit) else {
            continue;
        };
        data.write_all(&raw)?;
        tensor.data_location = DataLocation::External as i32;
        tensor.external_data = [
            ("location", name.to_string()),
            ("offset", offset.to_string()),
            ("length", raw.len().to_string()),
        ]
        .map(|(key, value)| StringStringEntryProto {
            key: key.into(),
            value,
        })
        .into();
        offset += raw.len() as u64;
    }
    Ok(data)
}

/// The files that hold the external data of the model at `path`.
///
/// # Errors
/// As [`read`].
pub fn external_files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut model = read_without_external(path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut files: Vec<PathBuf> = Vec::new();
    for tensor in tensors_of_model(&mut model) {
        let mut entries = tensor.external_data.iter();
        let location = entries.find(|entry| entry.key == "location");
        let file = location.map(|location| folder.join(&location.value));
        files.extend(file.filter(|file| !files.contains(file)));
    }
    Ok(files)
}

/// Whether a model can be written as one file, without external data.
pub fn fits_in_one_file(model: &ModelProto) -> bool {
    (model.encoded_len() as u64) < MAX_FILE
}

/// Encodes a model.
///
/// # Errors
/// [`Error::Unsupported`] if it has 2 GiB or more.
pub fn encode(model: &ModelProto) -> Result<Vec<u8>, Error> {
    if !fits_in_one_file(model) {
        return Err(Error::Unsupported(
            "a model file of 2 GiB or more without external data".into(),
        ));
    }
    Ok(model.encode_to_vec())
}
