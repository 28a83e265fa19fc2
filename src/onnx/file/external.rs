//! External data: weights in files beside the model. Paths and sizes are untrusted.

use crate::onnx::ElementType;
use crate::onnx::proto::{DataLocation, TensorProto};
use crate::onnx::tensor::element_count;
use crate::onnx::{Error, other_format};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

/// The folders that external data may lie in: the model's own and, if its path is a symbolic link, that of the target.
pub(super) struct ExternalFolder {
    folder: PathBuf,
    allowed: Vec<PathBuf>,
    files: HashMap<PathBuf, File>,
}

impl ExternalFolder {
    /// The folders for the model file `model`.
    pub(super) fn of_model(model: &Path) -> Self {
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

    /// Loads the external data of `tensor` and embeds them.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the data lie outside the folders, reach beyond the end of their file, or do not fit the
    /// dimensions; [`Error::File`] if the file cannot be read.
    pub(super) fn load(&mut self, tensor: &mut TensorProto) -> Result<(), Error> {
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
        let size = ElementType::from_code(tensor.data_type)
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
