//! Reading and writing model files, including external data.

mod external;
mod tensors;
#[cfg(test)]
mod tests;

use self::external::ExternalFolder;
use self::tensors::tensors_of_model;
use super::file_buf::FileBuf;
use super::proto::{DataLocation, ModelProto, StringStringEntryProto};
use super::{Error, other_format};
use crate::files::make_readable;
use bytes::{Buf, Bytes};
use prost::Message;
use std::io::{ErrorKind, Write};
use std::path::Path;

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

/// Writes a model. Tensors of at least `external_from` bytes go to the file `<name>.data` beside it; `None` embeds all.
/// Each file is written atomically.
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
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if let Some(limit) = external_from {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".data");
        let mut data = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        let mut offset = 0u64;
        for tensor in tensors_of_model(&mut model) {
            let Some(raw) = tensor.raw_data.take_if(|raw| raw.len() >= limit) else {
                continue;
            };
            data.write_all(&raw).map_err(failed)?;
            tensor.data_location = DataLocation::External as i32;
            tensor.external_data = [
                ("location", name.to_string_lossy().into_owned()),
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
        make_readable(data.as_file()).map_err(failed)?;
        data.as_file().sync_all().map_err(failed)?;
        data.persist(folder.join(&name))
            .map_err(|problem| failed(problem.error))?;
    }
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(&encode(&model)?).map_err(failed)?;
    make_readable(file.as_file()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path)
        .map_err(|problem| failed(problem.error))?;
    Ok(())
}

/// Encodes a model.
///
/// # Errors
/// [`Error::Unsupported`] if it has 2 GiB or more.
pub fn encode(model: &ModelProto) -> Result<Vec<u8>, Error> {
    if model.encoded_len() as u64 >= MAX_FILE {
        return Err(Error::Unsupported(
            "a model file of 2 GiB or more without external data".into(),
        ));
    }
    Ok(model.encode_to_vec())
}
