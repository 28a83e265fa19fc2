//! Reading and writing model files, including external data.

use super::file_buf::FileBuf;
use super::proto::{
    AttributeProto, DataLocation, GraphProto, ModelProto, StringStringEntryProto, TensorProto,
};
use super::tensor::{Elem, element_count};
use super::{Error, other_format};
use crate::files::make_readable;
use bytes::{Buf, Bytes};
use prost::Message;
use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Component, Path, PathBuf};

/// Maximum size of a protobuf message in bytes. Larger models keep their weights in external data.
const MAX_FILE: u64 = 1 << 31;

/// Decodes a model; `path` is only for messages. Weights share the buffer. External data are not loaded.
///
/// # Errors
/// [`Error::OtherFormat`] if the bytes are of another, recognised format, [`Error::NotOnnx`] if they are not a model with a
/// graph.
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
/// [`Error::Corrupt`] if external data lie outside the model's folder, reach beyond the end of their file, or do not fit the
/// dimensions.
pub fn read(path: &Path) -> Result<ModelProto, Error> {
    let mut model = read_without_external(path).map_err(|problem| match problem {
        Error::NotOnnx { .. } => other_format::of_path(path).unwrap_or(problem),
        _ => problem,
    })?;
    let mut folder = ExternalFolder::of(path);
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
/// [`Error::File`] if a file cannot be written, [`Error::Unsupported`] if the model without external data has 2 GiB or more.
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

/// Every tensor of a model: initializers and attributes, also of subgraphs, functions and training graphs, and the values and
/// indices of sparse tensors.
fn tensors_of_model(model: &mut ModelProto) -> Vec<&mut TensorProto> {
    let mut tensors = Vec::new();
    if let Some(graph) = &mut model.graph {
        tensors_of_graph(graph, &mut tensors);
    }
    for training in &mut model.training_info {
        for graph in [&mut training.initialization, &mut training.algorithm]
            .into_iter()
            .flatten()
        {
            tensors_of_graph(graph, &mut tensors);
        }
    }
    for function in &mut model.functions {
        let own = function.attribute_proto.iter_mut();
        let inner = function
            .node
            .iter_mut()
            .flat_map(|node| &mut node.attribute);
        own.chain(inner)
            .for_each(|attribute| tensors_of_attribute(attribute, &mut tensors));
    }
    tensors
}

fn tensors_of_graph<'a>(graph: &'a mut GraphProto, tensors: &mut Vec<&'a mut TensorProto>) {
    tensors.extend(&mut graph.initializer);
    for sparse in &mut graph.sparse_initializer {
        tensors.extend(sparse.values.as_mut());
        tensors.extend(sparse.indices.as_mut());
    }
    let attributes = graph.node.iter_mut().flat_map(|node| &mut node.attribute);
    attributes.for_each(|attribute| tensors_of_attribute(attribute, tensors));
}

fn tensors_of_attribute<'a>(
    attribute: &'a mut AttributeProto,
    tensors: &mut Vec<&'a mut TensorProto>,
) {
    tensors.extend(attribute.t.as_deref_mut());
    tensors.extend(&mut attribute.tensors);
    for sparse in attribute
        .sparse_tensor
        .as_deref_mut()
        .into_iter()
        .chain(&mut attribute.sparse_tensors)
    {
        tensors.extend(sparse.values.as_mut());
        tensors.extend(sparse.indices.as_mut());
    }
    for graph in attribute
        .g
        .as_deref_mut()
        .into_iter()
        .chain(&mut attribute.graphs)
    {
        tensors_of_graph(graph, tensors);
    }
}

/// The folders that external data may lie in: the model's own and, if its path is a symbolic link, that of the target.
struct ExternalFolder {
    folder: PathBuf,
    allowed: Vec<PathBuf>,
    files: HashMap<PathBuf, File>,
}

impl ExternalFolder {
    fn of(model: &Path) -> Self {
        let folder = match model.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
            _ => PathBuf::from("."),
        };
        let real_model = model.canonicalize().ok();
        let real_folder = real_model
            .as_deref()
            .and_then(Path::parent)
            .map(Path::to_path_buf);
        let allowed = folder
            .canonicalize()
            .ok()
            .into_iter()
            .chain(real_folder)
            .collect();
        Self {
            folder,
            allowed,
            files: HashMap::new(),
        }
    }

    fn load(&mut self, tensor: &mut TensorProto) -> Result<(), Error> {
        let corrupt = |what: String| Error::Corrupt(format!("weight {:?}: {what}", tensor.name));
        let entry = |key: &str| {
            let mut entries = tensor.external_data.iter();
            let entry = entries.find(|entry| entry.key == key);
            entry.map(|entry| entry.value.as_str())
        };
        let number = |key: &str| match entry(key) {
            None | Some("") => Ok(None),
            Some(text) => match text.parse::<u64>() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(corrupt(format!(
                    "external data: {key} {text:?} is not a number"
                ))),
            },
        };
        let location =
            entry("location").ok_or_else(|| corrupt("external data: no location".into()))?;
        let size = Elem::from_code(tensor.data_type)
            .and_then(|elem| element_count(&tensor.dims)?.checked_mul(elem.size()))
            .ok_or_else(|| corrupt("its type or dimensions are invalid".into()))?;
        let offset = number("offset")?.unwrap_or(0);
        if let Some(length) = number("length")?.filter(|&length| length != size as u64) {
            let dims = &tensor.dims;
            return Err(corrupt(format!(
                "external data of {length} bytes for dimensions {dims:?}"
            )));
        }
        let path = self.resolve(location).map_err(corrupt)?;
        let failed = |source| Error::File {
            path: path.display().to_string(),
            source,
        };
        let file = match self.files.entry(path.clone()) {
            std::collections::hash_map::Entry::Occupied(opened) => opened.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => {
                new.insert(crate::files::open(&path).map_err(failed)?)
            }
        };
        let end = file.metadata().map_err(failed)?.len();
        // Checked before allocating: a hostile file may claim terabytes.
        if offset
            .checked_add(size as u64)
            .is_none_or(|last| last > end)
        {
            let format = other_format::described(&path);
            let format = format.map_or(String::new(), |format| format!("; it is {format}"));
            return Err(corrupt(format!(
                "{location:?} ends before its data{format}"
            )));
        }
        let mut raw = vec![0; size];
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        file.read_exact(&mut raw).map_err(failed)?;
        tensor.raw_data = Some(raw.into());
        tensor.external_data.clear();
        tensor.data_location = DataLocation::Default as i32;
        Ok(())
    }

    /// Resolves a location to a file inside the allowed folders, following symbolic links.
    fn resolve(&self, location: &str) -> Result<PathBuf, String> {
        let outside = || format!("{location:?} is not a file inside the model's folder");
        let relative = Path::new(location);
        let is_relative = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if location.is_empty() || !relative.components().all(is_relative) {
            return Err(outside());
        }
        let path = self.folder.join(relative);
        let real = path
            .canonicalize()
            .map_err(|problem| format!("{}: {problem}", path.display()))?;
        let allowed = self.allowed.iter().any(|folder| real.starts_with(folder));
        if allowed && real.is_file() {
            Ok(real)
        } else {
            Err(outside())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::{NodeProto, OperatorSetIdProto};
    use proptest::prelude::*;

    fn model() -> ModelProto {
        ModelProto {
            ir_version: 8,
            opset_import: vec![OperatorSetIdProto {
                domain: String::new(),
                version: 17,
            }],
            graph: Some(GraphProto {
                node: vec![NodeProto {
                    input: vec!["x".into(), "w".into()],
                    output: vec!["y".into()],
                    op_type: "Add".into(),
                    ..Default::default()
                }],
                initializer: vec![TensorProto::from_f32("w", &[3], &[1., 2., 3.])],
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    #[test]
    fn external_data_round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.onnx");
        write(model(), &path, Some(4)).unwrap();
        assert_eq!(
            std::fs::metadata(folder.path().join("m.onnx.data"))
                .unwrap()
                .len(),
            12
        );
        assert_eq!(read(&path).unwrap(), model());
        write(model(), &path, None).unwrap();
        assert_eq!(read(&path).unwrap(), model());
    }

    #[test]
    fn external_data_outside_the_folder_or_past_the_end_of_the_file_are_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inner/m.onnx");
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        std::fs::write(folder.path().join("secret"), [0; 64]).unwrap();
        std::os::unix::fs::symlink("../secret", path.with_file_name("link")).unwrap();
        std::fs::write(path.with_file_name("short"), [0; 11]).unwrap();
        for location in [
            "../secret",
            "/etc/hostname",
            "link",
            "short",
            "",
            ".",
            "missing",
        ] {
            let mut hostile = model();
            let tensor = &mut hostile.graph.as_mut().unwrap().initializer[0];
            tensor.raw_data = None;
            tensor.data_location = DataLocation::External as i32;
            tensor.external_data = vec![StringStringEntryProto {
                key: "location".into(),
                value: location.into(),
            }];
            std::fs::write(&path, encode(&hostile).unwrap()).unwrap();
            let problem = read(&path).unwrap_err().to_string();
            assert!(
                problem.contains("\"w\"") && !problem.contains('\n'),
                "{location}: {problem}"
            );
        }
    }

    #[test]
    fn claimed_sizes_are_checked_before_allocating() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.onnx");
        std::fs::write(folder.path().join("data"), [0; 8]).unwrap();
        let mut hostile = model();
        let tensor = &mut hostile.graph.as_mut().unwrap().initializer[0];
        tensor.dims = vec![1 << 40];
        tensor.raw_data = None;
        tensor.data_location = DataLocation::External as i32;
        tensor.external_data = vec![StringStringEntryProto {
            key: "location".into(),
            value: "data".into(),
        }];
        std::fs::write(&path, encode(&hostile).unwrap()).unwrap();
        assert!(matches!(read(&path), Err(Error::Corrupt(_))));
    }

    #[test]
    fn text_and_truncated_models_are_not_onnx() {
        let path = Path::new("m.onnx");
        let encoded = encode(&model()).unwrap();
        for bytes in [
            b"This is a README, not a model.".to_vec(),
            vec![],
            encoded[..encoded.len() - 5].to_vec(),
        ] {
            let problem = decode(bytes.into(), path).unwrap_err().to_string();
            assert!(
                problem.starts_with("m.onnx is not an ONNX model"),
                "{problem}"
            );
        }
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_panic(position in 0usize..200, value: u8, cut in 0usize..200) {
            let mut bytes = encode(&model()).unwrap();
            let length = bytes.len();
            bytes[position % length] = value;
            bytes.truncate(length - cut % length);
            if let Ok(mut model) = decode(bytes.into(), Path::new("m.onnx")) {
                for tensor in tensors_of_model(&mut model) {
                    let _ = tensor.to_f64();
                }
            }
        }
    }
}
